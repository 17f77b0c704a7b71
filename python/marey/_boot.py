"""Starts recording in a process that was asked to by MAREY_TRACE.

`marey.pth` (and `marey.start` from Python 3.15 on) call main() while the interpreter
sets up its paths, before the program begins. Whatever goes wrong here is one line on
stderr, and the program runs on as if Marey were not there.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from marey._options import Options

_started = False


# How the helpers of multiprocessing (and of loky) are started. They run nothing of the
# program, so they are no processes of the trace.
_TRACKERS = ("resource_tracker import main",)
_FORK_SERVERS = ("multiprocessing.forkserver",)


def main() -> None:
    """Called once or twice by the site module; the second call does nothing."""
    global _started
    value = os.environ.get("MAREY_TRACE")
    listens = os.environ.get("MAREY_LISTEN", "0") not in ("", "0")
    if not (value or listens) or _started:
        return
    if os.geteuid() != os.getuid() or os.getegid() != os.getgid():
        return  # a set-uid program takes no orders from its environment
    _started = True
    if value:
        _record(value)
    if listens:
        _listen()


def _record(value: str) -> None:
    # A parent adds who it is, and which arrow leads here; our own children get others.
    base, is_child, origin = value.partition(";from=")
    try:
        _start(base, origin, bool(is_child))
    except ImportError as error:
        # A subinterpreter has a site of its own; its process is recorded already.
        if "subinterpreters" not in str(error) and not is_child:
            _say(str(error))
    except Exception as error:
        if _is_recording():
            return  # as above, where subinterpreters share all modules
        # A child may be unable to join (another user, another root): its messages are
        # its own, and the parent's trace says that it was started.
        if not is_child:
            _say(str(error))


def _is_recording() -> bool:
    from marey import _core

    return _core.is_recording()


def _say(message: str, what: str = "not recording this process") -> None:
    """One line to the real stderr: sys.stderr may not be there yet, or be None."""
    line = f"marey: {what}: {message}\n"
    try:
        os.write(2, line.encode("utf-8", "backslashreplace"))
    except OSError:
        pass


def _start(value: str, origin: str, is_child: bool) -> None:
    from marey._options import Options

    if is_child:
        os.environ["MAREY_TRACE"] = value
    options = Options.decode(value)
    if not options.children:
        # The next program is no business of ours.
        os.environ.pop("MAREY_TRACE", None)
    code = _inline_code()
    if any(mark in code for mark in _TRACKERS):
        return
    parent, flow = _numbers(origin)
    if any(mark in code for mark in _FORK_SERVERS):
        # A helper that only forks: each child is a process of the trace, it is none.
        import marey.recording  # noqa: F401 - once, for all children

        os.register_at_fork(after_in_child=lambda: _start_in_forked(options, parent))
        return
    from marey.recording import start

    is_there = os.path.exists(options.path)
    if is_child and not is_there:
        return  # the trace was moved or deleted meanwhile
    start(options, join=is_there, wait_for_main=True, parent=parent, flow=flow)


def _listen() -> None:
    """Takes orders from `marey ctl`; the helpers of multiprocessing do not."""
    if any(mark in _inline_code() for mark in _TRACKERS + _FORK_SERVERS):
        return
    try:
        from marey._ctl import listen

        listen()
    except Exception as error:
        _say(str(error), "not listening")


def _numbers(origin: str) -> tuple[int, int]:
    """Serial of the parent and id of the arrow; 0: not known."""
    parent, _, flow = origin.partition(".")
    if parent.isdecimal() and flow.isdecimal() and len(origin) < 40:
        return int(parent) & 0xFFFFFFFF, int(flow) & 0xFFFFFFFFFFFFFFFF
    return 0, 0


def _start_in_forked(options: "Options", parent: int) -> None:
    try:
        from marey.recording import start

        if os.path.exists(options.path):
            start(
                options,
                join=True,
                wait_for_main=False,
                parent=parent,
                flow=_flow_of_forked(parent),
            )
    except Exception:
        pass  # as above


def _flow_of_forked(parent: int) -> int:
    """The arrow from the call that asked the fork server for this process; 0: unknown.

    It is named after a pipe that came with the request, and that the server's main()
    has in a variable when it forks.
    """
    from marey import _core

    frame = sys._getframe()
    for _ in range(6):
        if frame.f_back is None:
            break
        frame = frame.f_back
        code = frame.f_code
        if code.co_name == "main" and "forkserver" in code.co_filename:
            end = frame.f_locals.get("child_w")
            return _core.server_flow(parent, end) if type(end) is int else 0
    return 0


def _inline_code() -> str:
    """What stands behind -c on this process's command line."""
    arguments = sys.orig_argv
    for index, argument in enumerate(arguments[:-1]):
        if argument == "-c":
            return arguments[index + 1]
    return ""
