"""Starts recording in a process that was asked to by MAREY_TRACE.

`marey.pth` (and `marey.start` from Python 3.15 on) call main() while the interpreter
sets up its paths, before the program begins. Whatever goes wrong here is one line on
stderr, and the program runs on as if Marey were not there.
"""

import os
import sys

_started = False


def main() -> None:
    """Called once or twice by the site module; the second call does nothing."""
    global _started
    value = os.environ.get("MAREY_TRACE")
    if not value or _started or os.geteuid() != os.getuid():
        return  # a set-uid program takes no orders from its environment
    _started = True
    try:
        _start(value)
    except Exception as error:
        _say(str(error))


def _say(message: str) -> None:
    """One line to the real stderr: sys.stderr may not be there yet, or be None."""
    line = f"marey: not recording this process: {message}\n"
    try:
        os.write(2, line.encode("utf-8", "backslashreplace"))
    except OSError:
        pass


def _start(value: str) -> None:
    from marey._options import Options

    options = Options.decode(value)
    if not options.children:
        # The next program is no business of ours.
        os.environ.pop("MAREY_TRACE", None)
    code = _inline_code()
    if "multiprocessing.resource_tracker" in code:
        return
    if "multiprocessing.forkserver" in code:
        # A helper that only forks: each child is a process of the trace, it is none.
        os.register_at_fork(after_in_child=lambda: _start_in_forked(value))
        return
    from marey.record import start

    start(options, join=os.path.exists(options.path), wait_for_main=True)


def _start_in_forked(value: str) -> None:
    try:
        from marey._options import Options
        from marey.record import start

        start(Options.decode(value), join=True, wait_for_main=False)
    except Exception as error:
        _say(str(error))


def _inline_code() -> str:
    """What stands behind -c on this process's command line."""
    arguments = sys.orig_argv
    for index, argument in enumerate(arguments[:-1]):
        if argument == "-c":
            return arguments[index + 1]
    return ""
