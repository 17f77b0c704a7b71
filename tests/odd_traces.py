"""Traces that a view may not stumble over, each as small as it can be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trace_builder import Builder

HOUR = 3_600_000_000_000
MEGABYTE_NAME = "n" * (1 << 20)
RIGHT_TO_LEFT = "חישוב_מחיר"
DEPTH = 5_000
THREADS = 10_000


def deep(b: Builder) -> None:
    """One thread, 5,000 calls inside each other."""
    p = b.process()
    down = [p.function(f"down_{i}", module="app", line=i + 1) for i in range(4)]
    lane = p.lane(flags=1)
    for i in range(DEPTH):
        lane.enter(down[i % 4], dt=100)
    for _ in range(DEPTH):
        lane.leave(dt=100)


def wide(b: Builder) -> None:
    """10,000 threads of one call each."""
    p = b.process()
    work = p.function("work", module="app", line=1)
    for i in range(THREADS):
        lane = p.lane(f"worker-{i}", flags=int(i == 0))
        lane.enter(work, dt=1000 + i * 50)
        lane.leave(dt=5000)


def one(b: Builder) -> None:
    """One event: a call that began."""
    p = b.process()
    p.lane(flags=1).enter(p.function("only", module="app", line=1))


def none(b: Builder) -> None:
    """A process and a thread, and nothing that happened."""
    b.process().lane(flags=1)


def names(b: Builder) -> None:
    """A name of 1 MB, one from right to left, one of markup, an empty one."""
    p = b.process(program="<script>alert(1)</script>")
    lane = p.lane("‮<b>" + RIGHT_TO_LEFT, flags=1)
    for name in (MEGABYTE_NAME, RIGHT_TO_LEFT, "<img src=x onerror=alert(1)>", ""):
        function = p.function(name, module="app", line=1)
        lane.enter(function, dt=1000)
        lane.instant(name[:70_000], dt=10)
        lane.leave(dt=20_000)


def gap(b: Builder) -> None:
    """Calls, an hour of nothing, calls."""
    p = b.process()
    work = p.function("work", module="app", line=1)
    lane = p.lane(flags=1)
    for pause in (1000, HOUR):
        lane.enter(work, dt=pause)
        lane.leave(dt=50_000)


def apart(b: Builder) -> None:
    """Two processes, the second an hour after the first."""
    for program, start in (("first.py", 1000), ("second.py", HOUR)):
        p = b.process(program=program, pid=start % 1000 + 100)
        lane = p.lane(flags=1, start=start)
        lane.enter(p.function("main", module=program[:-3], line=1), dt=1000)
        lane.leave(dt=1_000_000)


def damaged(b: Builder) -> None:
    """Three chunks; the second is not what it was."""
    p = b.process()
    work = p.function("work", module="app", line=1)
    lane = p.lane(flags=1)
    lane.enter(work, dt=1000)
    for _ in range(3):
        for _ in range(50):
            lane.enter(work, dt=500)
            lane.leave(dt=700)
        lane.seal()
    lane.leave(dt=100)


def logs(b: Builder) -> None:
    """Points in time and values, and not one call."""
    lane = b.process().lane(flags=1)
    for i in range(500):
        lane.instant("tick", dt=1000)
        text = MEGABYTE_NAME if i == 7 else RIGHT_TO_LEFT if i % 2 else "even"
        lane.log("word", 1, lane.blob({"": text[:60_000]}), dt=10)
        lane.counter("queue", float(i % 9), dt=10)


def transactions(b: Builder) -> None:
    """Units of work alone, as --transactions-only leaves them."""
    p = b.process()
    handle = p.function("handle", module="app", line=1, flags=32)
    lane = p.lane(flags=1)
    for i in range(50):
        lane.enter(handle, dt=1000)
        if i % 10 == 9:
            lane.unwind("ValueError", dt=20_000)
        else:
            lane.leave(dt=3000 + i * 100)


ODD: dict[str, Callable[[Builder], None]] = {
    make.__name__: make
    for make in (
        *(deep, wide, one, none, names, gap, apart, damaged),
        *(logs, transactions),
    )
}


def write_odd(name: str, path: Path) -> Path:
    builder = Builder()
    ODD[name](builder)
    data = bytearray(builder.bytes())
    if name == "damaged":
        at = [i for i in range(0, len(data), 64) if data[i : i + 4] == b"MCHK"]
        events = [i for i in at if data[i + 4] == 2]
        data[events[1] + 20] ^= 0xFF  # its header
    path.write_bytes(data)
    return path
