"""What `--max-overhead 10%` makes of programs that are nothing but small calls.

    python tests/scale/budget.py [SECONDS]

Run by hand. A recursion and an object-oriented program run for some seconds of
processor time each: bare, recorded whole, and with the budget, in turn, three times;
the smallest time of each counts. Then the trace is looked at: whole, no losses, and the
counts that are there are those of the program where a function was not left out.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAMS = {
    "recursion": """
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def turn():
    return fib(18)
""",
    "objects": """
class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def plus(self, other):
        return Point(self.x + other.x, self.y + other.y)

    @property
    def length(self):
        return abs(self.x) + abs(self.y)

class Path:
    def __init__(self):
        self.points = []

    def add(self, point):
        self.points.append(point)

    def total(self):
        return sum(point.length for point in self.points)

def turn():
    path, at, step = Path(), Point(0, 0), Point(1, 2)
    for _ in range(300):
        at = at.plus(step)
        path.add(at)
    return path.total()
""",
}
MAIN = """
import sys, time

def main(turns):
    for _ in range(turns):
        turn()

turns = int(sys.argv[1])
if not turns:
    begin, turns = time.process_time(), 1
    while time.process_time() - begin < 0.2:
        main(turns)
        turns *= 2
    turns = int(turns / (time.process_time() - begin))
    print(turns)
else:
    begin = time.process_time()
    main(turns)
    print(time.process_time() - begin)
"""


def number(*command: str | Path) -> float:
    words = [str(word) for word in command]
    return float(
        subprocess.run(words, check=True, capture_output=True, text=True).stdout
    )


def main() -> int:
    import marey

    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    folder = Path(tempfile.mkdtemp(prefix="marey-budget-"))
    bad = 0
    for name, text in PROGRAMS.items():
        program = folder / f"{name}.py"
        program.write_text(text + MAIN)
        turns = str(int(number(sys.executable, program, "0") * seconds))
        trace = folder / f"{name}.marey"
        run = [sys.executable, "-m", "marey", "run", "-q", "-o", trace]
        ways: dict[str, list[str | Path]] = {
            "bare": [sys.executable],
            "whole": run,
            "budget": [*run, "--max-overhead", "10%"],
        }
        times: dict[str, float] = {}
        for _ in range(3):
            for way, command in ways.items():
                took = number(*command, program, turns)
                times[way] = min(took, times.get(way, took))
        slower = {way: times[way] / times["bare"] - 1 for way in ways}
        print(f"{name:10} bare {times['bare']:.2f} s, whole +{slower['whole']:.0%}, "
              f"with a budget of 10% +{slower['budget']:.1%}")  # fmt: skip
        with marey.open(trace) as one:
            left = {one.functions[i].name: ns / 1e9 for i, ns in one.left_out.items()}
            counts = {row.function.name: row.call_count for row in one.totals().rows}
            print(f"           left out: {left}")
            is_right = one.check() == ([], 0) and not one.info().lost_count
            is_right &= "turn" in left or counts["turn"] == int(turns)
            print(f"           {one.info().event_count:,} events;"
                  f" {'right' if is_right else 'WRONG'}")  # fmt: skip
        bad += not is_right or slower["budget"] > 0.15
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
