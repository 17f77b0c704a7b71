"""Reading a trace: `marey.open("run.marey")` gives a Trace.

Nothing is loaded whole. Iteration runs in C; each call or event becomes a Python object
when it is reached, and is gone when it is let go.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, NamedTuple

from marey import _core, _options
from marey._errors import UsageError

if TYPE_CHECKING:
    from marey._core import Call, Event, Function, Lane, Log, Process, Total, _Selection
    from marey.transactions import TransactionNode, Transactions

Patterns = str | Iterable[str]
Choice = str | int | Iterable[str | int]
Tick = Callable[[float], object]

# Events from which on a packed trace brings the index of the view along; fewer are
# walked in no time.
INDEX_FROM = 2_000_000

# Suffix of a file: the format that belongs into it.
FORMATS_BY_SUFFIX = {
    ".otlp.json": "otlp",
    ".otlp.json.gz": "otlp",
    ".json": "chrome",
    ".json.gz": "chrome",
    ".pftrace": "perfetto",
    ".perfetto-trace": "perfetto",
    ".pftrace.gz": "perfetto",
    ".html": "html",
    ".png": "png",
    ".txt": "text",
    ".txt.gz": "text",
    ".log": "log",
    ".log.gz": "log",
}


class Info(NamedTuple):
    """What a trace holds as a whole."""

    program: str
    """The first process's script, module or command."""
    host: str
    start_realtime_ns: int
    """Of the origin, in Unix time."""
    duration_ns: int
    size_bytes: int
    event_count: int
    call_count: int
    lost_count: int
    """Events that are known to be lost."""
    damaged_count: int
    """Chunks left out because their bytes are wrong."""
    skipped_bytes: int
    host_count: int
    chunk_count: int
    is_ring: bool
    is_unmapped: bool
    """Written where files cannot be mapped: a kill lost what was not written yet."""
    cost_python_ns: float
    """Measured cost of recording one event of a Python function; 0: not known."""
    cost_c_ns: float
    is_window: bool
    """A part of a longer recording: a snapshot, or what --keep kept."""
    window_from_ns: int
    window_to_ns: int


class LeftOutCalls(NamedTuple):
    """Calls of a function that was left out, to keep recording cheap."""

    call_count: int
    """As counted or estimated."""
    is_exact: bool
    """Whether it was counted all the time."""


class KeepDue(NamedTuple):
    """A part that was to be kept as a trace of its own, and was not written yet."""

    number: int
    """Of write_keep()."""
    process: Process
    """Whose rule it was."""
    rule: str
    """As it was given."""
    from_ns: int
    """When what matched began."""
    until_ns: int
    """When it matched."""


class Finding(NamedTuple):
    """Something that check() found wrong."""

    offset: int
    line: str


class Totals:
    """Sums by function; made by Trace.totals()."""

    rows: tuple[Total, ...]
    """One for each function that was called, in order of Trace.functions."""
    edges: tuple[Total, ...]
    """One for each pair of a function and its caller (`other`)."""
    lost_count: int
    """Events missing in the window: the sums know nothing of them."""

    def __init__(
        self, rows: tuple[Total, ...], edges: tuple[Total, ...], lost_count: int
    ) -> None:
        self.rows = rows
        self.edges = edges
        self.lost_count = lost_count

    def __iter__(self) -> Iterator[Total]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def callers(self, function: Function) -> list[Total]:
        """Who called this function: `other` is the caller, None nobody recorded."""
        return [edge for edge in self.edges if edge.function == function]

    def callees(self, function: Function) -> list[Total]:
        """Whom this function called: `function` is the callee."""
        return [edge for edge in self.edges if edge.other == function]


class Trace:
    """An open trace file. A context manager; close() lets go of the file.

    Times are nanoseconds since the start of the trace's first process. The methods that
    choose take the same arguments:

    function         patterns on `module:qualname`, `module` or the file's path
    thread           names (patterns) or ids of threads and tasks
    process          names (patterns) of programs, or process ids
    start_ns, end_ns the window; calls that reach into it are kept
    min_duration_ns  leave out shorter calls
    max_depth        leave out calls with so many open calls around them
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._core = _core.Trace(os.fspath(path))

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<marey.Trace {self.path!r}{state}>"

    def __enter__(self) -> Trace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file; calls and definitions taken from it stay valid."""
        self._core.close()

    # ---- what it holds ----

    @property
    def path(self) -> str:
        """The file."""
        return self._core.path

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._core.closed

    @property
    def processes(self) -> tuple[Process, ...]:
        """All processes, in the order in which they began."""
        return self._core.processes

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """All threads, tasks and greenlets."""
        return self._core.lanes

    @property
    def threads(self) -> tuple[Lane, ...]:
        """Those lanes that are threads."""
        return tuple(lane for lane in self.lanes if lane.kind == "thread")

    @property
    def functions(self) -> tuple[Function, ...]:
        """All functions that were recorded."""
        return self._core.functions

    @property
    def left_out(self) -> dict[int, int]:
        """Functions, by index, whose calls were not recorded any more from a time on.

        Since when in nanoseconds: the earliest, where several processes say so.
        """
        since: dict[int, int] = {}
        for function, time_ns, *_ in self._core.left_out:
            since[function] = min(time_ns, since.get(function, time_ns))
        return since

    @property
    def left_out_calls(self) -> dict[int, LeftOutCalls]:
        """How often the functions of left_out were called all the same, by index."""
        calls: dict[int, LeftOutCalls] = {}
        for function, _, counted, estimated, is_whole in self._core.left_out:
            before = calls.get(function, LeftOutCalls(0, True))
            is_exact = before.is_exact and not estimated and is_whole
            count = before.call_count + counted + estimated
            calls[function] = LeftOutCalls(count, is_exact)
        return calls

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about the recording."""
        return self._core.notes

    @property
    def keeps_due(self) -> tuple[KeepDue, ...]:
        """Parts that rules of what to keep asked for, and that are not written yet.

        The process still runs and is about to, or it was killed before.
        """
        found = []
        for number, process, rule, from_ns, until_ns in self._core.keeps_due:
            whose = self.processes[process]
            rules = _options.Options.decode(whose.options).keep
            text = rules[rule] if rule < len(rules) else ""
            found.append(KeepDue(number, whose, text, from_ns, until_ns))
        return tuple(found)

    def write_keep(self, due: KeepDue, target: str | os.PathLike[str]) -> None:
        """Writes one of keeps_due as a finished trace; the file then asks no more.

        As much before and after it as the options of the recording said.
        """
        options = _options.Options.decode(due.process.options)
        self._core.write_keep(
            due.number,
            options.keep_before_ns,
            options.keep_after_ns,
            f"{due.rule} (written after the process had ended)".encode(),
            os.fsencode(target),
        )

    def info(self, *, count: bool = True, tick: Tick | None = None) -> Info:
        """What the trace holds as a whole.

        Calls are counted by reading all of it once; with `count=False` this is left
        out, and call_count is 0 if they were not counted before.
        """
        if count:
            self._core.count(tick)
        raw = self._core.info()
        processes = self.processes
        return Info(program=processes[0].program if processes else "", **raw)

    def source(self, file: str) -> bytes | None:
        """The source text of a file as it was when recorded; None: not stored."""
        return self._core.source(file)

    # ---- reading ----

    def calls(
        self,
        *,
        function: Patterns | None = None,
        thread: Choice | None = None,
        process: Choice | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        min_duration_ns: int = 0,
        max_depth: int | None = None,
        value: str | None = None,
    ) -> Iterator[Call]:
        """The calls chosen, each when it ends: in order of their ends.

        A generator's or coroutine's activation is one call, however often it is
        suspended. Those that nobody resumed come last. With `value`, only those that
        have such an argument or return value: a shell-style pattern on the value as
        it is printed, or NAME=PATTERN, where `return` is the name of what was returned.
        """
        selection = self._select(
            function, thread, process, start_ns, end_ns, min_duration_ns, max_depth
        )
        return self._core.walk(selection, False, 1, _pattern(value))

    def logs(
        self,
        name: str | None = None,
        *,
        kind: str | None = None,
        value: str | None = None,
        function: Patterns | None = None,
        thread: Choice | None = None,
        process: Choice | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Iterator[Log]:
        """What was logged, in order of time: instants, counters, values, records.

        `name`, `kind` and `value` are shell-style patterns: `logs("total",
        kind="value")` is the history of a variable. With `function`, the Log's own
        function is the innermost open call that was chosen.
        """
        selection = self._select(function, thread, process, start_ns, end_ns, 0, None)
        return self._core.walk(
            selection, False, 2, _pattern(value), _pattern(name), _pattern(kind)
        )

    def events(
        self,
        *,
        function: Patterns | None = None,
        thread: Choice | None = None,
        process: Choice | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        min_duration_ns: int = 0,
        max_depth: int | None = None,
        by_lane: bool = False,
        value: str | None = None,
    ) -> Iterator[Event]:
        """Everything that happened, in order of time, or lane after lane.

        With `value`, only what has such a value (see calls()).
        """
        selection = self._select(
            function, thread, process, start_ns, end_ns, min_duration_ns, max_depth
        )
        return self._core.walk(selection, by_lane, 0, _pattern(value))

    def totals(
        self,
        *,
        function: Patterns | None = None,
        thread: Choice | None = None,
        process: Choice | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        min_duration_ns: int = 0,
        max_depth: int | None = None,
        tick: Tick | None = None,
    ) -> Totals:
        """Calls and times by function, and by pairs of caller and callee.

        `tick` is called now and then with the share done, 0 to 1.
        """
        selection = self._select(
            function, thread, process, start_ns, end_ns, min_duration_ns, max_depth
        )
        return Totals(*self._core.totals(selection, tick))

    def transactions(
        self,
        *,
        function: Patterns | None = None,
        thread: Choice | None = None,
        process: Choice | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        min_duration_ns: int = 0,
        group_by: str = "",
        slowest: int = 5,
        tick: Tick | None = None,
    ) -> Transactions:
        """Transactions by name: counts, errors, times, and where these went.

        `function` chooses transactions. With `group_by` there is a row for each value
        of that attribute. `slowest` of each row are told one by one.
        """
        from marey import transactions

        selection = self._select(
            function, thread, process, start_ns, end_ns, min_duration_ns, None
        )
        return transactions.sums(self._core, selection, group_by, slowest, tick)

    def transaction(
        self, identity: str, *, limit: int = 100_000
    ) -> tuple[list[TransactionNode], int]:
        """One transaction and the calls inside it, at most `limit` and how many more.

        `identity` is the `id` that transactions() gives. The first is the transaction;
        each call comes before those inside it. Raises NotFoundError.
        """
        from marey import transactions

        return transactions.tree(self._core, identity, limit)

    def check(self, *, limit: int = 1000) -> tuple[list[Finding], int]:
        """Verifies every byte: what is wrong, at most `limit` of it, and how much."""
        findings, count = self._core.check(limit)
        return [Finding(*finding) for finding in findings], count

    def export(
        self,
        target: str | os.PathLike[str] | IO[bytes],
        *,
        format: str | None = None,  # noqa: A002
        function: Patterns | None = None,
        thread: Choice | None = None,
        process: Choice | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        min_duration_ns: int = 0,
        max_depth: int | None = None,
        max_size: int | None = None,
        values: bool = True,
        stack: bool = False,
        value: str | None = None,
        tick: Tick | None = None,
        tell: Callable[[str], object] | None = None,
    ) -> None:
        """Writes the trace in another format, by name or the file's suffix.

        A file appears when it is whole; `.gz` at the end of its name compresses. Into
        an HTML file of at most `max_size` bytes go the events that matter most: around
        marks, rare exceptions and the slowest calls, then the newest. The rest is there
        as seen from afar; the page says so, and `tell` is called with that sentence.
        Of the formats "text" and "log": `values` of arguments and returns are shown or
        not, `stack` adds the open calls to each line of a log, and with `value` only
        what has such a value is told (see calls()).
        """
        from marey._export import TextOptions, write

        selection = self._select(
            function, thread, process, start_ns, end_ns, min_duration_ns, max_depth
        )
        text = TextOptions(values, stack, encoded_pattern(value))
        write(self._core, selection, target, format, tick, max_size, text, tell)

    # ---- choosing ----

    def select_functions(self, pattern: Patterns) -> list[Function]:
        """The functions that match, as calls() and the others choose them."""
        patterns = (pattern,) if isinstance(pattern, str) else tuple(pattern)
        table = self._core.match(patterns)
        return [
            f for f, is_chosen in zip(self.functions, table, strict=True) if is_chosen
        ]

    def select_lanes(
        self, *, thread: Choice | None = None, process: Choice | None = None
    ) -> list[Lane]:
        """The lanes that match, as calls() and the others choose them."""
        threads, processes = _choices(thread), _choices(process)
        return [
            lane
            for lane in self.lanes
            if _is_lane(lane, threads) and _is_of(lane, processes)
        ]

    def _select(
        self,
        function: Patterns | None,
        thread: Choice | None,
        process: Choice | None,
        start_ns: int | None,
        end_ns: int | None,
        min_duration_ns: int,
        max_depth: int | None,
    ) -> _Selection:
        if max_depth is not None and not 0 < max_depth < 1 << 32:
            raise UsageError(f"max_depth: {max_depth} is out of range")
        functions = None
        if function is not None:
            patterns = (function,) if isinstance(function, str) else tuple(function)
            functions = self._core.match(patterns)
        lanes = None
        if thread is not None or process is not None:
            table = bytearray(len(self.lanes))
            for lane in self.select_lanes(thread=thread, process=process):
                table[lane.index] = 1
            lanes = bytes(table)
        return (start_ns, end_ns, min_duration_ns, max_depth, lanes, functions)


def encoded_pattern(value: str | None) -> bytes:
    """A pattern of values, as the core takes it."""
    return b"" if value is None else value.encode("utf-8", "surrogatepass")


def _pattern(text: str | None) -> bytes | None:
    return None if text is None else encoded_pattern(text)


def _choices(choice: Choice | None) -> tuple[str | int, ...] | None:
    if choice is None:
        return None
    return (choice,) if isinstance(choice, (str, int)) else tuple(choice)


def _matches(name: str, choice: str | int) -> bool:
    from fnmatch import fnmatchcase

    return isinstance(choice, str) and fnmatchcase(name, choice)


def _is_lane(lane: Lane, choices: tuple[str | int, ...] | None) -> bool:
    return choices is None or any(
        choice in (lane.native_id, lane.python_id) or _matches(lane.name, choice)
        for choice in choices
    )


def _is_of(lane: Lane, choices: tuple[str | int, ...] | None) -> bool:
    process = lane.process
    return choices is None or any(
        choice == process.pid
        or _matches(process.program, choice)
        or _matches(process.program.rpartition("/")[2], choice)
        for choice in choices
    )


def open(path: str | os.PathLike[str]) -> Trace:  # noqa: A001
    """Opens a trace file for reading; it may still be being written."""
    return Trace(path)


def pack(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    tick: Callable[[float], object] | None = None,
) -> None:
    """Writes a trace anew in a fraction of its bytes; reading it gives the same.

    Without a `target` the packed trace takes the place of the old one, which is there
    until then; a target must not exist yet. A trace that is still being written is
    refused with UsageError.
    """
    from marey import _index

    if _index.is_live(os.fspath(path)):
        raise UsageError(f"{os.fspath(path)}: is still being written; wait for its end")
    if target is not None:
        _core.pack(os.fsencode(path), os.fsencode(target), INDEX_FROM, tick)
        return
    whole = Path(os.path.realpath(path))  # a link stays a link
    part = whole.with_name(f"{whole.name}.part-{os.getpid()}")
    _core.pack(os.fsencode(whole), os.fsencode(part), INDEX_FROM, tick)
    try:
        part.chmod(stat.S_IMODE(whole.stat().st_mode))
        part.replace(whole)
    except BaseException:
        part.unlink()
        raise


def merge(
    paths: Iterable[str | os.PathLike[str]],
    target: str | os.PathLike[str],
    *,
    tick: Callable[[float], object] | None = None,
) -> None:
    """Puts traces together in a new file, also those of other hosts."""
    encoded = tuple(os.fsencode(path) for path in paths)
    _core.merge(encoded, os.fsencode(target), tick)
