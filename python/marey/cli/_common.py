"""What the reading verbs share: options, the newest trace, tables, progress."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, TypedDict

import marey
from marey import _index
from marey._errors import TraceError, UsageError
from marey._options import parse_count, parse_duration, parse_size

if TYPE_CHECKING:
    from marey._core import Function, Lane
    from marey.trace import Trace


# ---- options ----


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, by raising UsageError."""

    def __init__(self, verb: str, usage: str, description: str) -> None:
        super().__init__(
            prog=f"marey {verb}",
            usage=f"marey {verb} {usage}",
            description=description,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.HelpFormatter(
                prog, max_help_position=26, width=min(_terminal_width(), 88)
            ),
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(
            f"{self.prog.removeprefix('marey ')}: {message} ({self.prog} --help)"
        )


def _typed(parser: Callable[[str], int]) -> Callable[[str], int]:
    """For argparse, whose own word for a wrong value says nothing of why."""

    def parse(text: str) -> int:
        try:
            return parser(text)
        except UsageError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


duration = _typed(parse_duration)
size = _typed(parse_size)
count = _typed(parse_count)


def add_trace(parser: Parser) -> None:
    parser.add_argument(
        "trace", nargs="?", metavar="TRACE", help="default: the newest one here"
    )


def use_index(trace: Trace, given: argparse.Namespace) -> None:
    """Lets totals be added up from the kept index, where they can be."""
    chosen = (given.function, given.min_duration_ns, given.max_depth)
    if chosen == (None, 0, None):
        index = _index.for_totals(trace.path)
        if index is not None:
            trace._core.use_index(index)


def add_selectors(parser: Parser, *, depth: bool = False) -> None:
    """--from, --to, --process, --thread, --function, --min-duration, --max-depth."""
    group = parser.add_argument_group("selection")
    group.add_argument(
        "--from",
        dest="start_ns",
        metavar="TIME",
        type=duration,
        help="from here on (1.5s, 200ms), since the start of the trace",
    )
    group.add_argument(
        "--to", dest="end_ns", metavar="TIME", type=duration, help="up to here"
    )
    group.add_argument(
        "--process",
        action="append",
        metavar="P",
        help="only this process: its id, or a pattern of the program's name",
    )
    group.add_argument(
        "--thread",
        action="append",
        metavar="T",
        help="only this thread or task: its id, or a pattern of its name",
    )
    group.add_argument(
        "--function",
        action="append",
        metavar="PATTERN",
        help="only functions that match: 'app.*', 'app.db:Session.*', 'src/**'",
    )
    group.add_argument(
        "--min-duration",
        dest="min_duration_ns",
        metavar="TIME",
        type=duration,
        default=0,
        help="leave out shorter calls (10us)",
    )
    names = ["--depth", "--max-depth"] if depth else ["--max-depth"]
    group.add_argument(
        *names,
        dest="max_depth",
        metavar="N",
        type=count,
        help="leave out calls with N or more open calls around them",
    )


class Selectors(TypedDict):
    """What Trace.calls() and its like take."""

    function: list[str] | None
    thread: list[str | int] | None
    process: list[str | int] | None
    start_ns: int | None
    end_ns: int | None
    min_duration_ns: int
    max_depth: int | None


def _expect_lanes(
    trace: Trace, processes: list[str | int] | None, threads: list[str | int] | None
) -> None:
    if processes is not None:
        _expect(trace, "process", processes, _process_names(trace), process=processes)
    if threads is not None:
        names = (lane.name for lane in trace.lanes)
        _expect(trace, "thread", threads, names, process=processes, thread=threads)


def selected_lanes(
    trace: Trace, process: list[str] | None, thread: list[str] | None
) -> bytes | None:
    """A table of the lanes asked for, as the core takes it; None: all."""
    if process is None and thread is None:
        return None
    processes, threads = _ids(process), _ids(thread)
    _expect_lanes(trace, processes, threads)
    table = bytearray(len(trace.lanes))
    for lane in trace.select_lanes(thread=threads, process=processes):
        table[lane.index] = 1
    return bytes(table)


def selectors(given: argparse.Namespace, trace: Trace) -> Selectors:
    """The selection asked for. One that nothing in the trace fits is an error."""
    end_ns = given.end_ns
    if end_ns is not None and end_ns <= (given.start_ns or 0):
        raise UsageError("--to lies before --from")
    threads, processes = _ids(given.thread), _ids(given.process)
    _expect_lanes(trace, processes, threads)
    if given.function:
        _expect_functions(trace, given.function)
    return Selectors(
        function=given.function,
        thread=threads,
        process=processes,
        start_ns=given.start_ns,
        end_ns=given.end_ns,
        min_duration_ns=given.min_duration_ns,
        max_depth=given.max_depth or None,
    )


def _ids(texts: list[str] | None) -> list[str | int] | None:
    if texts is None:
        return None
    # Numbers are ids first, but a thread may well be named "7".
    numbers: list[str | int] = [int(text) for text in texts if text.isdecimal()]
    return [*texts, *numbers]


def _process_names(trace: Trace) -> Iterable[str]:
    return (f"{process.pid} {process.program}" for process in trace.processes)


def _expect(
    trace: Trace,
    what: str,
    asked: list[str | int],
    names: Iterable[str],
    *,
    process: list[str | int] | None = None,
    thread: list[str | int] | None = None,
) -> None:
    lanes = trace.select_lanes(thread=thread, process=process)
    if lanes:
        return
    known = list(dict.fromkeys(names))
    listed = ", ".join(known[:8]) + (" …" if len(known) > 8 else "")
    raise TraceError(
        f"{trace.path}: no {what} matches {asked[0]!r}; there are {listed}"
    )


def _expect_functions(trace: Trace, patterns: list[str]) -> None:
    for pattern in patterns:
        if not trace.select_functions(pattern):
            raise TraceError(f"{trace.path}: no function matches {pattern!r}")


def open_trace(path: str | None) -> Trace:
    """The trace named, or the newest one in this folder."""
    return marey.open(path if path is not None else newest_trace())


def newest_trace() -> str:
    found = []
    for path in Path().glob("*.marey"):
        try:
            found.append((path.stat().st_mtime_ns, str(path)))
        except OSError:
            continue  # gone since
    if not found:
        raise UsageError("no trace here: name one, or make one with marey run")
    return max(found)[1]


# ---- names and numbers ----


def place(function: Function) -> str:
    """Where a function stands, as editors take it; empty for C functions."""
    if not function.file:
        return ""
    return f"{function.file}:{function.line}" if function.line else function.file


def full_name(function: Function) -> str:
    """`module.qualname`, bare for the program's own file and for builtins."""
    if function.module in ("", "__main__", "builtins"):
        return function.name
    return f"{function.module}.{function.name}"


def lane_title(lane: Lane) -> str:
    return lane.name or f"{lane.kind} {lane.native_id or lane.serial}"


def show_duration(ns: int) -> str:
    """`12.345 us`: at most three digits before the point."""
    if abs(ns) < 1000:
        return f"{ns} ns"
    value = ns / 1000
    for unit in ("us", "ms"):
        if abs(value) < 999.9995:
            return f"{value:.3f} {unit}"
        value /= 1000
    return f"{value:.3f} s"


def show_size(size_bytes: int) -> str:
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    value = size_bytes / 1000
    for unit in ("kB", "MB", "GB"):
        if value < 999.95:
            return f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def show_count(value: int, noun: str) -> str:
    """`1 event`, `1,234 events`."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {_plural(noun)}"


def _plural(noun: str) -> str:
    return noun + ("es" if noun.endswith("s") else "s")


# ---- output ----


def safe(text: str) -> str:
    """The program's names on a terminal: no control character gets through."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


def write(text: str, stream: TextIO | None = None) -> None:
    """To stdout, in whatever encoding it has."""
    stream = stream or sys.stdout
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def write_json(value: object) -> None:
    import json

    # ASCII: lone surrogates in names stay readable by every JSON reader.
    write(json.dumps(value, indent=2) + "\n")


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[int] = ()
) -> str:
    """Columns two spaces apart, right-aligned but for those in `left`."""
    lines = [list(head), *([safe(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    out = []
    for line in lines:
        cells = [
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        out.append("  ".join(cells).rstrip())
    return "\n".join(out) + "\n"


def _terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size().columns


class Progress:
    """A line on stderr that says how far long work is: only on a terminal, and only
    once the work has taken half a second."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.is_shown = False
        self.since = time.monotonic()

    @property
    def tick(self) -> Callable[[float], object] | None:
        """For the reading methods; None where nobody looks."""
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        return self._show if is_terminal else None

    def _show(self, share: float) -> None:
        if time.monotonic() - self.since < 0.5:
            return
        filled = int(share * 30)
        bar = "#" * filled + "." * (30 - filled)
        sys.stderr.write(f"\r{self.what} [{bar}] {share * 100:3.0f} %")
        sys.stderr.flush()
        self.is_shown = True

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self.is_shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
