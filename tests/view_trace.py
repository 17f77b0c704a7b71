"""The small trace that the tests of the page look at."""

from __future__ import annotations

from pathlib import Path

from trace_builder import Builder

SOURCE = b"""\
def outer():
    return [inner(i) for i in range(3)]

def inner(n):
    pass
"""


def small_trace(path: Path) -> Path:
    """A main thread that calls, a thread that raises, counters, instants, a loss."""
    b = Builder()
    p = b.process(program="app.py")
    key = b.source(p, "/src/app.py", SOURCE)
    outer, inner = (
        p.function(name, module="app", file="/src/app.py", key=key, line=line)
        for name, line in (("outer", 1), ("inner", 4))
    )
    length = p.function("len", module="builtins", flags=1)
    main, other = p.lane("MainThread", flags=1), p.lane("worker")
    main.enter(outer, dt=1000)
    for i in range(5000):
        main.enter(inner, dt=100 + i % 7)
        main.call(length, dt=40)
        main.leave(dt=300)
        if i % 500 == 0:
            main.instant("tick")
            main.counter("queue", float(i % 9))
    main.leave(dt=500)
    for _ in range(200):
        other.enter(outer, dt=3000)
        other.enter(inner, dt=200)
        other.unwind("ValueError", dt=900)
        other.leave(dt=5)
    other.lose(77)
    other.call(outer, dt=100)
    return b.write(path)
