"""What `marey ctl` has a process do: the process's side.

Runs on the listening thread, with the interpreter's lock, while the program goes on.
Only code of this package runs here, so nothing of it is in the trace.
"""

import os

from marey import _core
from marey._errors import MareyError
from marey._options import Options


def folder() -> str:
    """Where the sockets of this user's processes are."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        return f"{runtime.rstrip('/')}/marey"
    return f"/tmp/marey-{os.geteuid()}"


def listen() -> None:
    """Takes orders from now on; in a forked child, too. Raises OSError."""
    _core.listen(folder())
    if not _listen_in_child.is_set:
        _listen_in_child.is_set = True
        os.register_at_fork(after_in_child=_listen_in_child)


class _Again:
    is_set = False

    def __call__(self) -> None:
        try:
            _core.listen(folder())
        except OSError:
            pass  # nobody to tell; `marey ctl` will say that it does not listen


_listen_in_child = _Again()


def handle(line: bytes) -> str:
    """Carries out one order: verb, then fields, with tabs between. Gives JSON."""
    verb, *fields = line.decode("utf-8", "surrogateescape").split("\t")
    try:
        if verb == "stop":
            return _stop()
        if verb == "start":
            return _start(fields)
        if verb == "filter":
            return _filter(fields)
    except (MareyError, OSError, RuntimeError, ValueError) as error:
        return _json(error=str(error))
    return _json(error=f"no such order: {verb}")


def _stop() -> str:
    path = _core.recording_path()
    if path is None:
        return _json(error="nothing is recorded here now")
    _core.stop()
    return _json(stopped=path)


def _start(fields: list[str]) -> str:
    """`start` TAB the options, as Options.encode() writes them."""
    from marey.recording import start

    running = _core.recording_path()
    if running is not None:
        return _json(error=f"it records already, into {running}")
    options = Options.decode(fields[0])
    start(options, join=False, wait_for_main=False)
    return _json(started=options.path)


def _filter(fields: list[str]) -> str:
    options = Options.decode(fields[0])
    if _core.recording_path() is None:
        return _json(error="nothing is recorded here now")
    _core.filter(options.include, options.exclude)
    return _json(filtered=options.path)


def _json(**values: str) -> str:
    """Without the json module, which the program may not have loaded."""
    pairs = (f'"{key}": "{_quoted(value)}"' for key, value in values.items())
    return "{" + ", ".join(pairs) + "}\n"


def _quoted(text: str) -> str:
    return "".join(
        c if c.isprintable() and c not in '"\\' else f"\\u{ord(c) & 0xFFFF:04x}"
        for c in text
    )
