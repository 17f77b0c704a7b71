"""The C core. What is public of it has its name in `marey`."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Self, TypeAlias, TypedDict, TypeVar, final

# ---- recording (module.c, marks.c) ----

_F = TypeVar("_F", bound=Callable[..., Any])

def start(
    path: str,
    *,
    join: bool,
    argv: Sequence[str],
    program: bytes,
    include: Sequence[str],
    exclude: Sequence[str],
    max_depth: int,
    min_duration_ns: int,
    c_calls: bool,
    exact: bool,
    ring_bytes: int,
    options: bytes,
    own_folder: str,
    wait_for_main: bool,
    summary: bool,
    unmapped: bool,
) -> None: ...
def stop() -> None: ...
def is_recording() -> bool: ...
def note(text: str, /) -> None: ...
def ignore(on: bool, /) -> None: ...

@final
class Span:
    @property
    def name(self) -> str: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def __call__(self, function: _F, /) -> _F: ...

def span(name: str, /, **values: object) -> Span: ...
def instant(name: str, /, **values: object) -> None: ...
def counter(name: str, value: float = ..., /, **values: float) -> None: ...

# ---- reading (trace*.c) ----

class Function(NamedTuple):
    """A function, whatever process it ran in."""

    # It shadows tuple.index; so it does in Process and Lane.
    index: int  # type: ignore[assignment]
    name: str
    module: str
    file: str
    line: int
    is_c: bool
    is_generator: bool
    is_span: bool

class Process(NamedTuple):
    """A process of the recorded run."""

    index: int  # type: ignore[assignment]
    serial: int
    pid: int
    parent_pid: int
    parent: int | None
    start_ns: int | None
    end_ns: int | None
    has_ended: bool
    exit_status: int | None
    program: str
    arguments: tuple[str, ...]
    executable: str
    python: str
    directory: str
    options: str

class Lane(NamedTuple):
    """A row of the view: a thread, a task or a greenlet."""

    index: int  # type: ignore[assignment]
    serial: int
    process: Process
    kind: Literal["thread", "task", "greenlet"]
    name: str
    is_main: bool
    is_earlier: bool
    native_id: int
    python_id: int
    start_ns: int | None
    end_ns: int | None
    has_ended: bool
    event_count: int
    lost_count: int

class Total(NamedTuple):
    """What the calls of one function come to."""

    function: Function
    other: Function | None
    call_count: int
    raised_count: int
    open_count: int
    total_ns: int
    self_ns: int
    min_ns: int
    mean_ns: int
    max_ns: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    corrected_self_ns: int
    corrected_total_ns: int

class Unrecorded(NamedTuple):
    """Stands for a value that the trace does not hold itself."""

    kind: Literal["object", "redacted", "not recorded", "unbound", "error"]
    text: str

Value: TypeAlias = bool | int | float | str | bytes | Unrecorded | None
Ended: TypeAlias = Literal["returned", "raised", "cut", "open", "suspended"]

class _Step:
    @property
    def function(self) -> Function | None: ...
    @property
    def parent(self) -> Function | None: ...
    @property
    def lane(self) -> Lane: ...
    @property
    def process(self) -> Process: ...
    @property
    def depth(self) -> int: ...
    @property
    def call_line(self) -> int: ...
    @property
    def values(self) -> dict[str, Value] | None: ...
    @property
    def result(self) -> Value: ...
    @property
    def self_ns(self) -> int: ...

@final
class Call(_Step):
    """A call, from its start to its end."""

    @property
    def function(self) -> Function: ...
    @property
    def name(self) -> str: ...
    @property
    def module(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def ended(self) -> Ended: ...
    @property
    def exception(self) -> str | None: ...
    @property
    def begin_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def duration_ns(self) -> int: ...
    @property
    def running_ns(self) -> int: ...
    @property
    def child_count(self) -> int: ...

@final
class Event(_Step):
    """One thing that happened on a lane."""

    @property
    def kind(
        self,
    ) -> Literal[
        "begin",
        "end",
        "suspend",
        "resume",
        "instant",
        "counter",
        "log",
        "flow_out",
        "flow_in",
        "gap",
    ]: ...
    @property
    def ended(self) -> Ended | None: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def text(self) -> str | None: ...
    @property
    def value(self) -> float: ...
    @property
    def begin_ns(self) -> int: ...
    @property
    def duration_ns(self) -> int: ...
    @property
    def running_ns(self) -> int: ...
    @property
    def was_open(self) -> bool: ...
    @property
    def lost_count(self) -> int: ...
    @property
    def activation(self) -> int: ...
    @property
    def flow(self) -> int: ...

class Info(TypedDict):
    host: str
    start_realtime_ns: int
    duration_ns: int
    size_bytes: int
    event_count: int
    lost_count: int
    call_count: int
    host_count: int
    chunk_count: int
    damaged_count: int
    skipped_bytes: int
    is_ring: bool
    is_unmapped: bool
    cost_python_ns: float
    cost_c_ns: float

# from_ns, to_ns, min_duration_ns, max_depth, lanes, functions
Selection: TypeAlias = tuple[
    int | None, int | None, int, int | None, bytes | None, bytes | None
]
Tick: TypeAlias = Callable[[float], object] | None

@final
class Walk:
    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...

@final
class Trace:
    def __new__(cls, path: str) -> Self: ...
    @property
    def path(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def functions(self) -> tuple[Function, ...]: ...
    @property
    def lanes(self) -> tuple[Lane, ...]: ...
    @property
    def processes(self) -> tuple[Process, ...]: ...
    def close(self) -> None: ...
    def info(self) -> Info: ...
    def source(self, file: str, /) -> bytes | None: ...
    def match(self, patterns: Sequence[str], /) -> bytes: ...
    def walk(self, selection: Selection, by_lane: bool, calls: bool, /) -> Walk: ...
    def count(self, tick: Tick, /) -> int: ...
    def totals(
        self, selection: Selection, tick: Tick, /
    ) -> tuple[tuple[Total, ...], tuple[Total, ...], int]: ...
    def check(self, limit: int, /) -> tuple[list[tuple[int, str]], int]: ...
    def export(
        self,
        selection: Selection,
        format: str,  # noqa: A002
        target: int | Callable[[bytes], object],
        tick: Tick,
        /,
    ) -> None: ...

def merge(paths: tuple[bytes, ...], out_path: bytes, /) -> None: ...
def export_formats() -> list[str]: ...
