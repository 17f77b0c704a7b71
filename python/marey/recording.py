"""Recording: `with marey.record("run.marey"): …`, and what `marey run` shares."""

import os
import sys
from types import TracebackType

from marey import _core, _logs
from marey._errors import RecordingError, StorageError, UsageError
from marey._options import (
    KEEP_AFTER_NS,
    KEEP_BEFORE_NS,
    KEEP_MAX,
    KEEP_RATE,
    KEEP_RING,
    VARIABLE,
    Options,
    parse_duration,
    parse_part,
    parse_size,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from marey._timer import Timer

_FOLDER = os.path.dirname(os.path.abspath(__file__))


_watches_forks = False


def start(
    options: Options,
    *,
    join: bool,
    wait_for_main: bool,
    parent: int = 0,
    flow: int = 0,
) -> None:
    """Starts recording this process. Raises RecordingError or StorageError.

    With `join` the file is one that another process of the same run made. With
    `wait_for_main` nothing is recorded before the program's __main__ begins. `parent`
    is the serial of the process that started this one, `flow` the arrow that leads
    here.
    """
    global _watches_forks
    if _core.is_recording():
        raise RecordingError("a recording is on already in this process; stop it first")
    keep(options)
    if not options.children and not _watches_forks:
        _watches_forks = True
        os.register_at_fork(after_in_child=_core.forked)
    try:
        _core.set_values(
            redact=options.redact,
            words=options.redact_names,
            user_repr=options.user_repr,
        )
        _core.log_rules(_logs.rules(options))
        _core.start(
            options.path,
            join=join,
            argv=sys.orig_argv,
            program=_program().encode("utf-8", "surrogateescape"),
            include=options.include,
            exclude=options.exclude,
            max_depth=options.max_depth,
            min_duration_ns=options.min_duration_ns,
            c_calls=options.c_calls,
            exact=options.exact,
            ring_bytes=options.ring,
            options=options.encode().encode("utf-8", "surrogateescape"),
            own_folder=_FOLDER,
            wait_for_main=wait_for_main,
            summary=options.main and not options.quiet and not join,
            unmapped="MAREY_UNMAPPED" in os.environ,
            chosen=options.transactions,
            chosen_only=options.transactions_only,
            detail=options.transaction_depth,
            children=options.children,
            parent=parent,
            flow=flow,
        )
    except OSError as error:
        raise StorageError(str(error)) from None
    except RuntimeError as error:
        raise RecordingError(str(error)) from None
    if options.listen:
        from marey._ctl import listen

        try:
            listen()
        except OSError as error:
            _core.note(f"marey ctl cannot reach this process: {error}")


def keep(options: Options) -> None:
    """Has the core keep what the rules say, from the next start on."""
    rules: tuple[object, ...] = ()
    if options.max_overhead and sys.version_info < (3, 12):
        raise UsageError(
            "--max-overhead needs Python 3.12 or newer, where functions can be left "
            "out at no cost"
        )
    _core.budget(options.max_overhead)
    if options.keep:
        from marey._keep import parse_rules

        rules = parse_rules(options.keep)
    _core.keep(
        rules,
        options.keep_dir or options.path.removesuffix(".marey") + "-kept",
        options.keep_before_ns,
        options.keep_after_ns,
        options.keep_max or 1 << 62,
        min(options.keep_rate or 1 << 30, 1 << 30),
    )


def _program() -> str:
    """The script, module or command of this process, as a person names it."""
    arguments = sys.orig_argv[1:]
    if "--multiprocessing-fork" in arguments:
        return "multiprocessing.spawn"
    while arguments:
        argument = arguments.pop(0)
        if argument in ("-m", "-c") and arguments:
            return f"{argument} {arguments[0]}" if argument == "-m" else "-c"
        if argument.startswith(("-m", "-c")):
            return "-m " + argument[2:] if argument[1] == "m" else "-c"
        if argument in ("-W", "-X", "--check-hash-based-pycs") and arguments:
            arguments.pop(0)
        elif argument == "-" or not argument.startswith("-"):
            return argument
    return "<interactive>"


class Recording:
    """A recording of this process and its children; made by record()."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.path = options.path
        self._variable: str | None = None
        self._is_on = False
        self._every: tuple[int, int] | None = None
        self._timer: Timer | None = None

    def __repr__(self) -> str:
        return f"<marey.Recording {'on' if self._is_on else 'off'} {self.path!r}>"

    def start(self) -> "Recording":
        """Begins. Calls that are open already are in the trace as open calls."""
        if self._is_on:
            raise RecordingError("this recording is on already; stop it first")
        if self._every is not None:
            self._timer = _start_timer(self.options, *self._every)
            self._is_on = True
            return self
        if self.options.children:
            self._variable = os.environ.get(VARIABLE)
            os.environ[VARIABLE] = self.options.encode()
        try:
            start(self.options, join=False, wait_for_main=False)
        except BaseException:
            self._restore()
            raise
        self._is_on = True
        return self

    def stop(self) -> None:
        """Ends; nothing more is written. Stopping twice does nothing."""
        if not self._is_on:
            return
        self._is_on = False
        if self._timer is not None:
            _core.every_stop()
            self._timer.end()
            self._timer.is_over = True
            return
        _core.stop()
        self._restore()

    def snapshot(
        self,
        why: str = "",
        path: "str | os.PathLike[str] | None" = None,
        *,
        before: str | int = 0,
    ) -> str:
        """Writes what the recording holds now as a finished trace, and says where.

        why     goes into it, for whoever opens it
        path    of the new trace, which must not exist; by default beside this one
        before  only so much before now: nanoseconds, or text like '10s'; 0: all
        """
        if not self._is_on:
            raise RecordingError("this recording is not on; start it first")
        return snapshot(why, path, before=before)

    def _restore(self) -> None:
        """The environment as it was before the start."""
        if self.options.children:
            if self._variable is None:
                os.environ.pop(VARIABLE, None)
            else:
                os.environ[VARIABLE] = self._variable

    def __enter__(self) -> "Recording":
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def snapshot(
    why: str = "",
    path: "str | os.PathLike[str] | None" = None,
    *,
    before: str | int = 0,
) -> str:
    """Recording.snapshot() of the recording of this process, also under `marey run`."""
    whole = _core.recording_path()
    if whole is None:
        raise RecordingError("this process is not recorded; there is nothing to keep")
    if isinstance(before, str):
        before = parse_duration(before)
    if not isinstance(why, str) or not 0 <= before < 1 << 63:
        raise UsageError("why is a text, and before is no negative time")
    chosen = os.path.abspath(snapshot_path(whole) if path is None else os.fspath(path))
    try:
        _core.snapshot(chosen, why.replace("\0", ""), before)
    except OSError as error:
        raise StorageError(str(error)) from None
    except RuntimeError as error:
        raise RecordingError(str(error)) from None
    return chosen


def snapshot_path(path: str) -> str:
    """A name for a snapshot beside the trace that nothing has yet."""
    stem = path.removesuffix(".marey")
    count = 1
    while os.path.lexists(f"{stem}-snapshot-{count}.marey"):
        count += 1
    return f"{stem}-snapshot-{count}.marey"


def record(
    path: str | os.PathLike[str],
    *,
    include: "str | tuple[str, ...] | list[str]" = (),
    exclude: "str | tuple[str, ...] | list[str]" = (),
    max_depth: int = 0,
    min_duration: str | int = 0,
    c_calls: bool = True,
    exact: bool = False,
    ring: str | int = 0,
    children: bool = True,
    transactions: "str | tuple[str, ...] | list[str]" = (),
    transactions_only: bool | None = None,
    transaction_depth: int = 0,
    keep_if: "str | tuple[str, ...] | list[str]" = (),
    keep_dir: "str | os.PathLike[str]" = "",
    keep_before: str | int = KEEP_BEFORE_NS,
    keep_after: str | int = KEEP_AFTER_NS,
    keep_max: str | int = KEEP_MAX,
    keep_rate: int = KEEP_RATE,
    listen: bool = False,
    redact: bool = True,
    redact_names: "str | tuple[str, ...] | list[str]" = (),
    repr: str = "safe",  # noqa: A002
    args: "bool | str | tuple[str, ...] | list[str]" = False,
    returns: "bool | str | tuple[str, ...] | list[str]" = False,
    log: "str | tuple[str, ...] | list[str]" = (),
    max_overhead: str | float = 0.0,
    every: str | float = 0,
    for_: str | float = 0,
) -> Recording:
    """A recording into `path`, which must not exist yet, as a context manager.

    include, exclude  patterns like 'app.*', 'app.db:Session.*' or 'src/**'
    max_depth         leave out calls that have this many recorded calls around them
    min_duration      leave out shorter calls: nanoseconds, or text like '10us'
    c_calls           record C functions called from Python
    exact             watch every call site, at a higher cost
    ring              keep only about the newest so many bytes: a number, or '200M'
    children          record child processes, too
    transactions      each call of a function that matches is a transaction
    transactions_only record nothing but transactions: these, and those marked in the
                      code (the default where `transactions` is given and `include` not)
    transaction_depth levels of calls to record below those that match
    keep_if           rules like 'call:app.* > 500ms', 'exc:ValueError', 'log:ERROR' or
                      'signal:USR1': the ring's part around each match is kept as a
                      trace of its own, in keep_dir (by default beside this one)
    keep_before       so much before the match, and keep_after so much after it
    keep_max          of the disk, for all of them; the oldest make way
    keep_rate         at most so many a minute
    listen            take orders from `marey ctl`
    redact            leave out values under names such as `password`
    redact_names      further words that tell of a secret
    repr              'user': ask objects for their own repr, which runs their code
    args              record the arguments of calls: True for all, or patterns
    returns           record what calls return, the same
    log               what else to record of the program: 'var:total', 'attr:state',
                      'exc', 'print@app.*', … as `marey run --log` takes them
    max_overhead      leave out the functions that cost most to record, so that it takes
                      at most this part of the program's own time: 0.1, or '10%'
    every, for_       record for `for_` of each `every` (seconds, or text like '1m'):
                      each time a trace of its own, PATH-1.marey and so on, of this
                      process alone, the oldest removed beyond keep_max
    """
    turns = _turns(every, for_)
    if repr not in ("safe", "user"):
        raise UsageError(f"repr: {repr!r} is neither 'safe' nor 'user'")
    if keep_if:
        from marey._keep import parse_rules

        parse_rules((keep_if,) if isinstance(keep_if, str) else tuple(keep_if))
        ring = ring or KEEP_RING
    if isinstance(keep_before, str):
        keep_before = parse_duration(keep_before)
    if isinstance(keep_after, str):
        keep_after = parse_duration(keep_after)
    if isinstance(keep_max, str):
        keep_max = parse_size(keep_max)
    if isinstance(min_duration, str):
        min_duration = parse_duration(min_duration)
    if isinstance(ring, str):
        ring = parse_size(ring)
    text = os.fspath(path)
    if not isinstance(text, str):
        raise UsageError("the path of a trace is text")
    _logs.check((log,) if isinstance(log, str) else log)
    recording = Recording(
        Options(
            os.path.abspath(text),
            include=include,
            exclude=exclude,
            max_depth=max_depth,
            min_duration_ns=min_duration,
            c_calls=c_calls,
            exact=exact,
            ring=ring,
            children=children,
            transactions=transactions,
            transactions_only=transactions_only,
            transaction_depth=transaction_depth,
            keep=keep_if,
            keep_dir=os.path.abspath(keep_dir) if keep_dir else "",
            keep_before_ns=keep_before,
            keep_after_ns=keep_after,
            keep_max=keep_max,
            keep_rate=keep_rate,
            redact=redact,
            redact_names=redact_names,
            user_repr=repr == "user",
            listen=listen,
            args=args,
            returns=returns,
            log=log,
            max_overhead=parse_part(max_overhead)
            if isinstance(max_overhead, str)
            else max_overhead,
        )
    )
    recording._every = turns
    return recording


def _turns(every: str | float, for_: str | float) -> tuple[int, int] | None:
    every_ns, for_ns = _nanoseconds(every), _nanoseconds(for_)
    if not every_ns and not for_ns:
        return None
    if not 0 < for_ns < every_ns < 1 << 62:
        raise UsageError(
            "every and for_: record for a part of each, like 1 of every 60"
        )
    return every_ns, for_ns


def _nanoseconds(value: str | float) -> int:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise UsageError(f"{value!r} is no number of seconds")
    return int(value * 1_000_000_000) if value < 1 << 32 else 1 << 62


def _start_timer(options: Options, every_ns: int, for_ns: int) -> "Timer":
    from marey._timer import Timer

    timer = Timer(options)
    try:
        _core.every(timer.turn, every_ns, for_ns)
    except RuntimeError as error:
        raise RecordingError(str(error)) from None
    os.register_at_fork(after_in_child=timer.forked)
    return timer
