"""What --args, --returns and --log cost, beside VizTracer with the same options.

    python bench/logged.py MAREY_PYTHON VIZTRACER_PYTHON

Each is an interpreter that has the tool installed. One program a case; runs of all
tools take turns; the figure is the least CPU time (user and system) of a few
runs, and the overhead what lies above the bare program. The peer writes its file, too.
Behind it the same of the work alone, without start and end of the process, as the
program itself measures it: the least of a few times, for each call or assignment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROUNDS = 3
TIMED = """
import sys, time
def timed():
    start = time.process_time_ns()
    work(20_000)
    return (time.process_time_ns() - start) / 20_000
sys.stderr.write(f"each {min(timed() for _ in range(5))}\\n")
"""
CALLS = """
def add(a, b): return a + b
def work(n):
    total = 0
    for i in range(n): total = add(total, i)
    return total
work(50_000)
"""
LOOP = """
def work(n):
    total = 0
    for i in range(n): total += i
    return total
work(50_000)
"""
CASES = {
    "--args --returns, 50,000 calls": (
        CALLS,
        ["--no-c-calls", "--args", "--returns"],
        ["--ignore_c_function", "--log_func_args", "--log_func_retval"],
    ),
    "var:total, 50,000 assignments": (
        LOOP,
        ["--no-c-calls", "--log", "var:total"],
        ["--ignore_c_function", "--log_var", "total"],
    ),
    "var:other, that nothing has": (
        LOOP,
        ["--no-c-calls", "--log", "var:other"],
        ["--ignore_c_function", "--log_var", "other"],
    ),
}


def each_ns(command: list[str]) -> float:
    """What the program says that each of its steps took."""
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    line = next(line for line in done.stderr.splitlines() if line.startswith("each "))
    return float(line.split()[1])


def cpu_seconds(command: list[str]) -> float:
    before = os.times()
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    after = os.times()
    return (
        after.children_user
        - before.children_user
        + after.children_system
        - before.children_system
    )


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    ours, peers = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        program, out = Path(folder, "program.py"), Path(folder, "out")
        for case, (source, our_words, peer_words) in CASES.items():
            program.write_text(source)
            marey = [ours, "-m", "marey", "run", "-q", "-o", f"{out}.marey"]
            viztracer = [peers, "-m", "viztracer", "--quiet", "-o", f"{out}.json"]
            viztracer += ["--tracer_entries", "3000000"]
            commands = {
                "bare": [ours, str(program)],
                "marey, plain": [*marey, "--no-c-calls", str(program)],
                "marey": [*marey, *our_words, str(program)],
                "viztracer": [*viztracer, *peer_words, "--", str(program)],
            }
            tell(case, table(commands, cpu_seconds), 1e3, "ms")
            program.write_text(source[: source.rindex("work(")] + TIMED)
            tell("  the work alone, each", table(commands, each_ns), 1, "ns")
    return 0


def table(
    commands: dict[str, list[str]], measure: Callable[[list[str]], float]
) -> dict[str, float]:
    """The least of a few rounds for each; all in turn."""
    least = dict.fromkeys(commands, float("inf"))
    for _ in range(ROUNDS):
        for name, command in commands.items():
            least[name] = min(least[name], measure(command))
    return least


def tell(case: str, least: dict[str, float], scale: float, unit: str) -> None:
    over = {name: took - least["bare"] for name, took in least.items()}
    figures = ", ".join(
        f"{name} {took * scale:.0f} {unit}" for name, took in least.items()
    )
    told = "VizTracer costs next to nothing here"
    if over["viztracer"] > least["bare"] / 10:
        told = f"overhead {over['marey'] / over['viztracer']:.2f} of VizTracer's"
    print(f"{case}: {figures}; {told}")


if __name__ == "__main__":
    sys.exit(main())
