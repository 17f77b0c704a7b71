"""`marey run`: becomes the program, with recording switched on.

The program does not run inside this process. Its options are put into MAREY_TRACE and
the interpreter is executed anew in the same process, with the program's own command
line; `marey.pth` starts the recording there. So `__main__`, `sys.argv`, `sys.path`,
tracebacks, signals and the exit status are the program's own.

All that is imported here delays the program: no argparse, no pathlib, and tomllib only
when there is a configuration to read.
"""

# ruff: noqa: PTH100, PTH108, PTH109, PTH110, PTH112, PTH113, PTH118, PTH119, PTH120
# ruff: noqa: PTH123

import os
import sys

from marey._errors import UsageError
from marey._options import (
    KEEP_RING,
    VARIABLE,
    Options,
    parse_count,
    parse_duration,
    parse_part,
    parse_size,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

HELP = """\
usage: marey run [options] SCRIPT arguments…
       marey run [options] -m MODULE arguments…
       marey run [options] -c CODE arguments…

Records a run of a Python program. SCRIPT is a file, a folder or a zip file with a
__main__, a command on PATH that is written in Python (marey run pytest -q), or - for
standard input. All that follows it belongs to the program.

  -o, --output FILE     the trace (default: PROGRAM-DATE-TIME-PID.marey, here)
  --include PATTERN     record only functions that match; may be repeated
  --exclude PATTERN     leave out functions that match; may be repeated
  --max-depth N         leave out calls with N recorded calls around them
  --min-duration TIME   leave out shorter calls (500ns, 10us, 1.5ms, 2s)
  --no-c-calls          leave out C functions
  --ring SIZE           keep only about the newest SIZE bytes (64K, 200M, 2G)
  --keep RULE           keep what is around each match as a trace of its own; may be
                        repeated: 'call:app.* > 500ms', 'transaction:* > 1s raises',
                        'exc:ValueError', 'log:ERROR', 'signal:USR1'
  --keep-dir FOLDER     where (default: TRACE-kept, beside the trace)
  --keep-before TIME    how much before a match began (default: 1s)
  --keep-after TIME     how much after it (default: 100ms)
  --keep-max SIZE       of the disk for all of them (default: 1G); oldest go first
  --keep-rate N         at most N a minute (default: 30)
  --max-overhead PART   leave out the functions that cost most to record, so that it
                        costs at most PART (10%) of the program's own time
  --listen              take orders from marey ctl while it runs
  --exact               watch every call site, at a higher cost
  --no-children         leave out child processes
  --transactions PATTERN
                        each call of a function that matches is a transaction, and
                        nothing else is recorded (but with --include); may be repeated
  --transactions-only   record only transactions: those chosen, and those marked in the
                        code with marey.transaction
  --transaction-depth N N levels of calls below transactions that match, too
  --explain             tell on stderr how the program ended, and what led to it;
                        records exceptions, as --log exc does
  --repr safe|user      user: ask objects for their own repr, which runs their code
                        (10 ms each); safe: what they hold (the default)
  --no-redact           record what stands under names such as password, too
  --redact-name WORD    names that contain WORD tell of a secret; may be repeated
  --args[=PATTERN]      the arguments of calls: of all, or of functions that match
  --returns[=PATTERN]   what calls return, the same; both may be repeated
  --log WHAT            what else happens in the program: var:REGEX, attr:REGEX,
                        number:REGEX (as a counter), exc, exc:all, print, logging,
                        warnings, gc, comments, audit:REGEX, entry:REGEX; with
                        @PATTERN behind it in these functions only; or lines:PATTERN,
                        all lines of these functions; may be repeated
  --comments            what comments in the code ask for: # marey: log NAME, counter
                        NAME, instant TEXT; the same as --log comments
  --open                view the trace when the program has ended
  -q, --quiet           no summary at the end
  --config FILE         options from a TOML file (default: [tool.marey] of the
                        pyproject.toml nearest above)
  --                    ends the options

Patterns are shell-style, on module:qualname or on the file's path: 'app.*',
'app.db:Session.*', 'src/**'. An option given here replaces the one of the file.
"""


def parse_repr(text: str) -> str:
    """`safe` or `user`; raises UsageError."""
    if text not in ("safe", "user"):
        raise UsageError(f"{text!r} is neither safe nor user")
    return text


# Options that take a value, and how it is read. `None`: a text. Those that may be
# repeated are in REPEATED.
VALUES: "dict[str, Any]" = {
    "output": None,
    "include": None,
    "exclude": None,
    "max-depth": parse_count,
    "min-duration": parse_duration,
    "ring": parse_size,
    "max-overhead": parse_part,
    "keep": None,
    "keep-dir": None,
    "keep-before": parse_duration,
    "keep-after": parse_duration,
    "keep-max": parse_size,
    "keep-rate": parse_count,
    "transactions": None,
    "transaction-depth": parse_count,
    "redact-name": None,
    "repr": parse_repr,
    "args": None,
    "returns": None,
    "log": None,
    "config": None,
}
REPEATED = (
    "include",
    "exclude",
    "keep",
    "transactions",
    "args",
    "returns",
    "log",
    "redact-name",
)
# These need no value: then they mean all.
OPTIONAL = {"args": "*", "returns": "*"}
# Flags, each with a --no- form.
FLAGS = (
    "c-calls",
    "exact",
    "children",
    "comments",
    "explain",
    "listen",
    "open",
    "quiet",
    "redact",
    "transactions-only",
)
SHORT = {"-o": "output", "-q": "quiet", "-h": "help"}

MAGIC = b"\x89MAREY\r\n"


class Target:
    """What to run: the interpreter's arguments, and how a person names it."""

    def __init__(self, arguments: list[str], name: str) -> None:
        self.arguments = arguments
        self.name = name


def main(arguments: list[str]) -> int:
    given, rest = parse(arguments)
    if given.pop("help", False):
        print(HELP, end="")
        return 0
    target = find_target(rest)
    settings = {**read_config(given.pop("config", None)), **given}
    opens = settings.pop("open", False)
    explains = settings.pop("explain", False)
    check_installation()
    if explains and not any(what.startswith("exc") for what in settings.get("log", ())):
        settings["log"] = [*settings.get("log", ()), "exc"]
    path = choose_output(settings.pop("output", None), target.name)
    options = make_options(path, settings)
    _check_ring(path, options.ring)
    command = [sys.executable, *interpreter_flags(), *target.arguments]
    if not opens and not explains:
        become(command, options)
    return run_and_tell(command, options, opens=opens, explains=explains)


# ---- options ----


def parse(arguments: list[str]) -> "tuple[dict[str, Any], list[str]]":
    """Options up to the program, and the program with its arguments."""
    given: dict[str, Any] = {}
    at = 0
    while at < len(arguments):
        argument = arguments[at]
        if argument == "--":
            at += 1
            break
        if argument == "-" or not argument.startswith("-"):
            break
        if argument[:2] in ("-m", "-c"):
            break
        at = _parse_one(arguments, at, given)
    return given, arguments[at:]


def _parse_one(arguments: list[str], at: int, given: "dict[str, Any]") -> int:
    """Takes the option at `at`, with its value; returns where the next one is."""
    option, has_value, value = arguments[at].partition("=")
    at += 1
    if option in SHORT:
        name = SHORT[option]
    elif option.startswith("--"):
        name = option[2:]
    elif option[:2] == "-o":  # -oFILE
        name, has_value, value = "output", "=", arguments[at - 1][2:]
        option = "-o"
    else:
        raise _unknown(option)
    plain = name.removeprefix("no-")
    if plain in FLAGS or name == "help":
        if has_value:
            raise UsageError(f"{option} takes no value")
        given[plain] = plain == name
        return at
    if name not in VALUES:
        raise _unknown(option)
    if not has_value and name in OPTIONAL:
        value = OPTIONAL[name]
    elif not has_value:
        if at == len(arguments):
            raise UsageError(f"{option} needs a value (marey run --help)")
        value = arguments[at]
        at += 1
    _put(given, name, value, option)
    return at


def _put(given: "dict[str, Any]", name: str, value: str, where: str) -> None:
    if not value:
        raise UsageError(f"{where} needs a value (marey run --help)")
    if name in REPEATED:
        given.setdefault(name, []).append(value)
        return
    parser = VALUES[name]
    try:
        given[name] = parser(value) if parser is not None else value
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _unknown(option: str) -> UsageError:
    return UsageError(
        f"run has no option {option}; options of the program come after its name "
        "(marey run --help)"
    )


def make_options(path: str, settings: "dict[str, Any]") -> Options:
    log = [*settings.get("log", ())]
    if settings.get("comments"):
        log.append("comments")
    if log:
        from marey import _logs

        _logs.check(log)
    return Options(
        path,
        include=settings.get("include", ()),
        exclude=settings.get("exclude", ()),
        max_depth=settings.get("max-depth", 0),
        min_duration_ns=settings.get("min-duration", 0),
        c_calls=settings.get("c-calls", True),
        exact=settings.get("exact", False),
        ring=settings.get("ring", KEEP_RING if settings.get("keep") else 0),
        children=settings.get("children", True),
        quiet=settings.get("quiet", False),
        listen=settings.get("listen", False),
        max_overhead=settings.get("max-overhead", 0.0),
        **keep_options(settings),
        redact=settings.get("redact", True),
        redact_names=settings.get("redact-name", ()),
        user_repr=settings.get("repr") == "user",
        main=True,
        transactions=settings.get("transactions", ()),
        transactions_only=settings.get("transactions-only"),
        transaction_depth=settings.get("transaction-depth", 0),
        args=settings.get("args", ()),
        returns=settings.get("returns", ()),
        log=log,
    )


def keep_options(settings: "dict[str, Any]") -> "dict[str, Any]":
    """Those of --keep, which needs a ring to keep from."""
    rules = tuple(settings.get("keep", ()))
    names = {
        "keep-before": "keep_before_ns",
        "keep-after": "keep_after_ns",
        "keep-max": "keep_max",
        "keep-rate": "keep_rate",
    }
    values = {key: settings[name] for name, key in names.items() if name in settings}
    if not rules:
        if values or "keep-dir" in settings:
            raise UsageError("--keep says what is to be kept (marey run --help)")
        return {}
    from marey._keep import parse_rules

    try:
        parse_rules(rules)
    except UsageError as error:
        raise UsageError(f"--keep: {error}") from None
    folder = settings.get("keep-dir")
    return {
        "keep": rules,
        "keep_dir": os.path.abspath(folder) if folder else "",
        **values,
    }


# ---- configuration ----


def read_config(path: str | None) -> "dict[str, Any]":
    """Options from FILE, or from the nearest pyproject.toml that has some."""
    if path is not None:
        try:
            with open(path, "rb") as file:
                text = file.read()
        except OSError as error:
            raise UsageError(f"--config {path}: {error.strerror}") from None
        return _read_toml(path, text, is_ours=True)
    folder = os.getcwd()
    while True:
        path = os.path.join(folder, "pyproject.toml")
        try:
            with open(path, "rb") as file:
                text = file.read()
        except OSError:
            parent = os.path.dirname(folder)
            if parent == folder:
                return {}
            folder = parent
            continue
        # tomllib is dear, and nearly all of these files say nothing of Marey.
        return _read_toml(path, text, is_ours=False) if b"marey" in text else {}


def _read_toml(path: str, text: bytes, *, is_ours: bool) -> "dict[str, Any]":
    import tomllib

    try:
        whole = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        if not is_ours:
            return {}  # another tool's concern
        raise UsageError(f"{path}: {error}") from None
    table = whole.get("tool")
    table = table.get("marey") if isinstance(table, dict) else None
    if table is None and is_ours and "tool" not in whole:
        table = whole
    if table is None:
        return {}
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.marey is a table")
    settings: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("_", "-")
        try:
            _put_setting(settings, name, value)
        except UsageError as error:
            raise UsageError(f"{path}: {key}: {error}") from None
    return settings


def _put_setting(settings: "dict[str, Any]", name: str, value: object) -> None:
    plain = name.removeprefix("no-")
    if name in OPTIONAL and isinstance(value, bool):
        settings[name] = [OPTIONAL[name]] if value else []
    elif plain in FLAGS:
        if not isinstance(value, bool):
            raise UsageError("is true or false")
        settings[plain] = value == (plain == name)
    elif name in REPEATED:
        settings[name] = [value] if isinstance(value, str) else value
        if not isinstance(settings[name], list):
            raise UsageError("is a pattern, or a list of them")
    elif name in VALUES and name != "config":
        parser = VALUES[name]
        if isinstance(value, int) and not isinstance(value, bool) and parser:
            value = str(value)
        if not isinstance(value, str):
            raise UsageError("is a text, like those of marey run --help")
        settings[name] = parser(value) if parser is not None else value
    else:
        raise UsageError("no such option (marey run --help)")


# ---- what to run ----


def find_target(rest: list[str]) -> Target:
    if not rest:
        raise UsageError("nothing to run: marey run SCRIPT, -m MODULE or -c CODE")
    first = rest[0]
    if first[:2] in ("-m", "-c") and first != "--":
        return _find_inline(first[:2], rest)
    if first == "-":
        return Target(rest, "stdin")
    if os.path.isdir(first):
        if not os.path.exists(os.path.join(first, "__main__.py")):
            raise UsageError(f"{first}: a folder without __main__.py cannot be run")
        return Target(
            [_plain(first), *rest[1:]], os.path.basename(os.path.abspath(first))
        )
    path = first
    if not os.path.exists(path):
        found = _find_command(first)
        if found is None:
            raise UsageError(f"{first}: no such file, and no such command on PATH")
        path = found
    _check_script(path, is_command=path is not first)
    name = os.path.basename(path)
    for suffix in (".py", ".pyz", ".pyw", ".zip"):
        name = name.removesuffix(suffix)
    return Target([_plain(path), *rest[1:]], name)


def _find_inline(option: str, rest: list[str]) -> Target:
    """-m MODULE, -mMODULE, -c CODE, -cCODE."""
    value, after = rest[0][2:], rest[1:]
    if not value:
        if not after:
            what = "a module" if option == "-m" else "code"
            raise UsageError(f"{option} needs {what}: marey run {option} …")
        value, after = after[0], after[1:]
    name = value.removesuffix(".__main__") if option == "-m" else "command"
    return Target([option, value, *after], name)


def _plain(path: str) -> str:
    """The interpreter would take a name like -x.py for an option."""
    return os.path.join(".", path) if path.startswith("-") else path


def _find_command(name: str) -> str | None:
    """A command of this environment first, then as a shell finds it."""
    if os.sep in name:
        return None
    folders = [os.path.dirname(sys.executable)]
    folders += os.environ.get("PATH", os.defpath).split(os.pathsep)
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def _check_script(path: str, *, is_command: bool) -> None:
    """Refuses what is plainly no Python, which Python would report as a SyntaxError."""
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    lines = head.split(b"\n", 2)
    names_python = b"python" in lines[0] if head.startswith(b"#!") else False
    # pip's wrapper for interpreters whose path is long or has spaces.
    is_wrapper = len(lines) > 1 and lines[1].startswith(b"'''exec'")
    looks_right = names_python or is_wrapper or path.endswith((".py", ".pyz", ".pyw"))
    if head.startswith((b"\x7fELF", MAGIC)) or (is_command and not looks_right):
        raise UsageError(f"{path}: not a Python program, so it cannot be recorded")


def interpreter_flags() -> list[str]:
    """Options that this interpreter was started with: `python -X dev -m marey run …`"""
    flags: list[str] = []
    arguments = iter(sys.orig_argv[1:])
    for argument in arguments:
        if argument == "-" or not argument.startswith("-"):
            break
        if argument.startswith("--"):
            flags.append(argument)
            if argument == "--check-hash-based-pycs":
                flags.append(next(arguments))
            continue
        for at, letter in enumerate(argument[1:], 1):
            if letter in "mc":  # -Im marey: what stands before is ours to keep
                return flags if at == 1 else [*flags, argument[:at]]
            if letter in "WX":
                flags.append(argument)
                if at == len(argument) - 1:
                    flags.append(next(arguments))
                break
        else:
            flags.append(argument)
    return flags


# ---- where the trace goes ----


def choose_output(path: str | None, program: str) -> str:
    """The absolute path of the trace; nothing is there when this returns."""
    if path is None or os.path.isdir(path):
        path = _default_output(os.path.abspath(path or os.curdir), program)
    else:
        path = os.path.abspath(path)
        if os.path.lexists(path):
            _remove_trace(path)
    _try_to_write(path)
    return path


def _default_output(folder: str, program: str) -> str:
    import time

    safe = "".join(c if c.isalnum() or c in "._+-" else "-" for c in program)
    safe = safe.strip("-.")[:60] or "program"
    stem = f"{safe}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    path = os.path.join(folder, stem + ".marey")
    count = 1
    while os.path.lexists(path):
        count += 1
        path = os.path.join(folder, f"{stem}-{count}.marey")
    return path


def _try_to_write(path: str) -> None:
    """Permissions do not tell all (a superuser, a read-only disk, a quota)."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise UsageError(f"{folder}: no such folder for the trace; make it, or use -o")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        os.unlink(path)
    except OSError as error:
        reason = error.strerror
        raise UsageError(
            f"{folder}: the trace cannot be written here ({reason}); use -o FILE"
        ) from None


def _check_ring(path: str, size: int) -> None:
    """What is only found out when the ring is full is found out too late."""
    folder = os.path.dirname(path)
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if size > free:
        raise UsageError(
            f"--ring: {size >> 20:,} MiB are asked for, and {folder} has "
            f"{free >> 20:,} MiB free; choose less, or another -o"
        )


def _remove_trace(path: str) -> None:
    """An older trace (or an empty file) makes way; anything else is not ours."""
    try:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                head = file.read(len(MAGIC))
            if head in (b"", MAGIC):
                os.unlink(path)
                return
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    raise UsageError(f"{path}: is there already and is no trace; choose another -o")


# ---- running it ----


def check_installation() -> None:
    """Recording starts by marey.pth; without it the program would run unrecorded."""
    for folder in sys.path:
        if os.path.exists(os.path.join(folder, "marey.pth")):
            return
    raise UsageError("marey.pth is in no folder of sys.path; install Marey with pip")


def become(command: list[str], options: Options) -> "NoReturn":
    os.environ[VARIABLE] = options.encode()
    try:
        os.execv(command[0], command)
    except OSError as error:
        raise UsageError(f"{command[0]}: {error.strerror}") from None


def run_and_tell(
    command: list[str], options: Options, *, opens: bool, explains: bool
) -> int:
    """As a child, since something is to be done after it. Ctrl-C is the child's."""
    import signal

    from marey.cli import verbs

    if opens and "view" not in verbs():
        raise UsageError("--open: this installation has no viewer")
    back_to_default = [
        number
        for number in (signal.SIGINT, signal.SIGQUIT)
        if signal.getsignal(number) != signal.SIG_IGN
    ]
    for number in back_to_default:
        signal.signal(number, signal.SIG_IGN)
    environment = {**os.environ, VARIABLE: options.encode()}
    child = os.posix_spawn(command[0], command, environment, setsigdef=back_to_default)
    _, wait_status = os.waitpid(child, 0)
    status = os.waitstatus_to_exitcode(wait_status)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if explains and os.path.exists(options.path):
        explain(options.path, child, status)
    if opens and os.path.exists(options.path):
        view = __import__("marey.cli.view", fromlist=("main",))
        try:
            view.main([options.path])
        except KeyboardInterrupt:
            pass  # the way to end it; the status is the program's
    return status if status >= 0 else 128 - status


def explain(path: str, pid: int, status: int) -> None:
    from marey._errors import MareyError

    verb = __import__("marey.cli.explain", fromlist=("tell",))
    try:
        verb.tell(path, sys.stderr, pid, status)
    except MareyError as error:
        sys.stderr.write(f"marey: --explain: {error}\n")
    except KeyboardInterrupt:
        pass  # enough of it; the status is the program's
