"""What a mark in the code costs: span, instant, counter, log, ignore, watch.

    tools/pythons run 3.12 -- python bench/marks.py [--rounds N] [--limit]

CPU time of the thread in a loop that does nothing else, less the empty loop; the least
of many rounds, while nothing records and while it does (calls are filtered out then, so
that only the mark is measured). Beside them `with lock:`, a context manager of C that
does nearly nothing, and a call of a C function. --limit: exits 1 where a mark takes
more than 30 ns (a `with` block: 60) while nothing records, or more than 200 while it
does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import marey

LOOPS = 20_000
PEERS = ["with lock: pass", "len(text)"]
MARKS = [
    "with span('load'): pass",
    "with span('load', path=text): pass",
    "with ignore: pass",
    "instant('saved')",
    "instant('saved', path=text)",
    "counter('queue', 3)",
    "log('x', 3)",
    "log('x', text)",
]
WATCHED = "box.x = 1"
LIMIT_IDLE_NS, LIMIT_IDLE_BLOCK_NS, LIMIT_NS = 30, 60, 200


class Box:
    x = 0


def loop(statement: str) -> Callable[[int], None]:
    import _thread

    names: dict[str, Any] = {
        "lock": _thread.allocate_lock(),
        "text": "some text",
        "box": Box(),
        "span": marey.span,
        "ignore": marey.ignore,
        "instant": marey.instant,
        "counter": marey.counter,
        "log": marey.log,
    }
    exec(f"def run(n):\n    for _ in range(n):\n        {statement}\n", names)
    return names["run"]  # type: ignore[no-any-return]


def spent_ns(run: Callable[[int], None]) -> float:
    before = time.thread_time_ns()
    run(LOOPS)
    return (time.thread_time_ns() - before) / LOOPS


def table(rounds: int, statements: list[str]) -> dict[str, float]:
    """Nanoseconds of each, the least of its rounds; all in turn."""
    loops = {one: loop(one) for one in ["pass", *statements]}
    best = dict.fromkeys(loops, float("inf"))
    for _ in range(rounds):
        for one, run in loops.items():
            best[one] = min(best[one], spent_ns(run))
    return {one: best[one] - best["pass"] for one in statements}


def watched(rounds: int) -> tuple[float, float]:
    """A store while it is watched, and beside the same without a watch."""
    run = loop(WATCHED)
    before = min(spent_ns(run) for _ in range(rounds))
    box = run.__globals__["box"]  # type: ignore[attr-defined]
    with marey.watch("box.x"):
        during = min(spent_ns(run) for _ in range(rounds))
    del box
    return before, during


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--limit", action="store_true")
    given = parser.parse_args()
    idle = table(given.rounds, PEERS + MARKS)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "marks.marey")
        with marey.record(trace, include=["nothing"], c_calls=False, ring="8M"):
            busy = table(given.rounds, PEERS + MARKS)
        with marey.record(Path(folder, "watch.marey"), c_calls=False, ring="8M"):
            without, with_watch = watched(given.rounds)
    print(f"Python {sys.version.split()[0]}; ns each, the least of {given.rounds}")
    print(f"{'':38}{'idle':>8}{'recording':>12}")
    for one in PEERS + MARKS:
        print(f"{one:38}{idle[one]:8.0f}{busy[one]:12.0f}")
    print(f"{WATCHED + ', watched':38}{without:8.0f}{with_watch:12.0f}")
    over = [
        one
        for one in MARKS
        if idle[one] > (LIMIT_IDLE_BLOCK_NS if "with" in one else LIMIT_IDLE_NS)
        or busy[one] > LIMIT_NS
    ]
    if over and given.limit:
        print("over the limit:", ", ".join(over))
    return 1 if over and given.limit else 0


if __name__ == "__main__":
    sys.exit(main())
