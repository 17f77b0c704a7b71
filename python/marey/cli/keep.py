"""`marey keep`: parts that were to be kept, of a process that was killed before."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from marey._errors import UsageError
from marey._options import Options
from marey.cli import _common
from marey.cli.info import is_running

if TYPE_CHECKING:
    from marey.trace import KeepDue, Trace

DESCRIPTION = """\
Writes the parts that rules of --keep asked for, where the process was killed before it
had done so, from what the trace still holds. They go where the others went, or to
--keep-dir. What a running process is still to write is left to it."""


def main(arguments: list[str]) -> int:
    parser = _common.Parser("keep", "[TRACE] [--keep-dir FOLDER]", DESCRIPTION)
    _common.add_trace(parser)
    parser.add_argument("--keep-dir", metavar="FOLDER", help="for all of them")
    given = parser.parse_args(arguments)
    left = 0
    with _common.open_trace(given.trace) as trace:
        due = trace.keeps_due
        for one in due:
            if is_running(one.process.pid, trace.path):
                left += 1
                continue
            path = _write(trace, one, given.keep_dir)
            _common.write(f"{path}\n")
    if left:
        count = _common.show_count(left, "part")
        _say(f"{count} will be written by the process itself, which still runs")
    if not due:
        _say("nothing is left to keep: all that matched was written")
    return 0


def _say(text: str) -> None:
    _common.write(f"marey: {text}\n", sys.stderr)


def _write(trace: Trace, due: KeepDue, folder: str | None) -> str:
    options = Options.decode(due.process.options)
    if folder is None:
        beside = Path(trace.path).with_suffix("").name + "-kept"
        folder = options.keep_dir or str(Path(trace.path).with_name(beside))
    info = trace.info(count=False)
    matched_ns = info.start_realtime_ns + due.until_ns
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(matched_ns // 1_000_000_000))
    milliseconds = matched_ns // 1_000_000 % 1000
    name = f"keep-{stamp}.{milliseconds:03}-{due.process.pid}-late{due.number}.marey"
    target = Path(folder, name)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.path.lexists(target):
        raise UsageError(f"{target}: is there already")
    trace.write_keep(due, target)
    return str(target)
