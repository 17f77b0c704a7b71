"""The command line: one file a verb, each with `main(arguments) -> int`.

Whatever goes wrong is one line on stderr: what was asked for wrongly ends with 2, what
cannot be read or written with 1. `marey run` is on the way to the user's program, so
nothing here imports more than it needs.
"""

import sys

from marey._errors import MareyError, UsageError

# Verb: one line about it. A verb's module has its name.
VERBS = {
    "run": "record a program: marey run app.py arguments…",
    "view": "open the time line in the browser",
    "show": "print the recording as indented text with durations",
    "report": "print totals per function",
    "info": "print what a trace holds",
    "explain": "tell how the program ended, and what led to it",
    "export": "write a trace in another tool's format",
    "merge": "put traces together",
    "pack": "rewrite a trace compactly, for keeping and sending",
    "keep": "write what was to be kept of a process that was killed",
    "ctl": "give orders to a running process: start, stop, snapshot, status",
    "check": "verify a trace's bytes",
}


def main(arguments: list[str]) -> int:
    """Runs one verb and turns every failure into its exit status."""
    try:
        status = _dispatch(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except UsageError as error:
        return fail(f"{error}", 2)
    except BrokenPipeError:
        # The reader has seen enough (head). Nothing more can be written, also not what
        # the interpreter flushes at exit.
        _drop_output()
        return 0
    except KeyboardInterrupt:
        _drop_output()
        return 130
    except MareyError as error:
        return fail(f"{error}", 1)
    except OSError as error:
        _drop_output()
        where = f"{error.filename}: " if error.filename else ""
        return fail(f"{where}{error.strerror or error}", 1)
    except MemoryError:
        return fail("not enough memory", 1)


def fail(message: str, status: int) -> int:
    """One line to stderr, whatever is in the message."""
    line = "".join(c if c.isprintable() else _escaped(c) for c in f"marey: {message}")
    try:
        sys.stderr.write(
            line.encode("ascii", "backslashreplace").decode() + "\n"
            if not _can_encode(line)
            else line + "\n"
        )
        sys.stderr.flush()
    except (OSError, AttributeError):
        pass
    return status


def verbs() -> dict[str, str]:
    """The verbs that this installation has."""
    import os

    folder = os.path.dirname(__file__)  # noqa: PTH120
    return {
        verb: line
        for verb, line in VERBS.items()
        if os.path.exists(f"{folder}/{verb}.py")  # noqa: PTH110
    }


def _dispatch(arguments: list[str]) -> int:
    verb = arguments[0] if arguments else "--help"
    if verb in ("-h", "--help", "help"):
        return _help()
    if verb in ("-V", "--version"):
        from marey import __version__

        print(f"marey {__version__}")
        return 0
    if verb not in VERBS or (verb != "run" and verb not in verbs()):
        raise UsageError(_unknown(verb))
    if verb != "run":
        _have_output()  # a program that is run is given what we were given
    module = __import__(f"marey.cli.{verb}", fromlist=("main",))
    status: int = module.main(arguments[1:])
    return status


def _unknown(verb: str) -> str:
    if verb.startswith("-"):
        return f"no such option: {verb}; the verb comes first (marey --help)"
    if verb.endswith(".py"):
        return f"no verb {verb!r}; to record a program: marey run {verb}"
    return f"no verb {verb!r}; marey --help lists them"


def _help() -> int:
    lines = [f"  {verb:8}{line}" for verb, line in verbs().items()]
    print(
        "usage: marey VERB …\n\nRecords what a Python program did, and plays it back."
    )
    print("\n".join(["", *lines, "", "marey VERB --help tells more about one."]))
    return 0


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _can_encode(text: str) -> bool:
    try:
        text.encode(sys.stderr.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _have_output() -> None:
    """Where stdout was closed by who started us, what is printed goes nowhere."""
    if sys.stdout is None:
        import os

        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115


def _drop_output() -> None:
    """Sends what is still buffered, and all that follows, nowhere."""
    import os

    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):
        pass
