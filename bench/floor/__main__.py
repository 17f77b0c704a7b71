"""Runs a script under empty callbacks; see the package's docstring."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import _floor

USAGE = "usage: python -m floor [--disable | --count] SCRIPT args..."
STARTS = ("PY_START", "PY_RESUME", "PY_THROW")
ENDS = ("PY_RETURN", "PY_YIELD", "PY_UNWIND")
C_CALLS = ("CALL", "C_RETURN", "C_RAISE")


def start_monitoring(mode: str) -> None:
    """Registers the callbacks of `mode` and switches all events on (3.12 and later)."""
    monitoring = sys.monitoring
    tool = next(i for i in (3, 4) if monitoring.get_tool(i) is None)
    monitoring.use_tool_id(tool, "floor")

    counting = mode == "--count"
    on_python = _floor.count_python if counting else _floor.nothing
    on_c = _floor.count_c if counting else _floor.nothing
    on_call = _floor.only_c if mode == "--disable" else on_c

    callbacks = dict.fromkeys(STARTS + ENDS, on_python)
    callbacks.update({"CALL": on_call, "C_RETURN": on_c, "C_RAISE": on_c})
    events = 0
    for name, callback in callbacks.items():
        event = getattr(monitoring.events, name)
        monitoring.register_callback(tool, event, callback)
        # C_RETURN and C_RAISE come with CALL and cannot be asked for alone.
        if name in ("C_RETURN", "C_RAISE"):
            continue
        events |= event
    monitoring.set_events(tool, events)


def main() -> None:
    mode = sys.argv.pop(1) if sys.argv[1:2] in (["--disable"], ["--count"]) else ""
    if len(sys.argv) < 2:
        sys.exit(USAGE)
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)

    if sys.version_info >= (3, 12):
        start_monitoring(mode)
    elif mode == "--disable":
        sys.exit("floor: --disable needs sys.monitoring, and so Python 3.12")
    else:
        _floor.set_profile(mode == "--count")
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
