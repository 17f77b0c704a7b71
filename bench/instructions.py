"""Guards the hot path: instructions an event that Marey adds to an empty callback.

    python bench/instructions.py --limit 40

Times on a shared machine are good to some percent; callgrind's count of instructions is
good to a tenth of one, so it can be asserted. Each workload runs at two sizes; their
difference over the difference in events leaves start-up out. Exits 1 when a workload
is over the limit, 2 when it cannot be measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from report import table
from stand import (
    COUNTER,
    OURS,
    TOOLS,
    WORKLOADS,
    Interpreter,
    Job,
    MissingError,
    Tool,
    find_interpreter,
    last_line,
    run_tool,
    set_up,
    trace_info,
)

# Rounds of a small and of a large run: large enough that a chunk being closed, or a
# table growing, is spread over many events, and small enough for some seconds each.
SIZES = {"fib": (1, 6), "ccall": (20, 120), "generators": (4, 24)}
# Callgrind counts a `rep stosb` once for each byte, which is not what it costs.
WITHOUT_REP = ":".join(
    f"glibc.cpu.x86_rep_{name}_threshold=0x10000000" for name in ("stosb", "movsb")
)
TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Count:
    """Instructions of one run, and events where it was Marey's."""

    instructions: int
    events: int = 0


def count_instructions(
    tool: Tool, interpreter: Interpreter, workload: str, rounds: int
) -> Count:
    """Runs one tool under callgrind, its children and successors by exec included."""
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder) / "out.marey")
        script = str(WORKLOADS / f"{workload}.py")
        job = Job(script, (str(rounds),), output, call_count=0)
        command = [
            *("valgrind", "--tool=callgrind", "--trace-children=yes"),
            f"--callgrind-out-file={folder}/callgrind.%p",
            *(interpreter.python_in(tool.environment), *tool.command(job)),
        ]
        environment = {
            **os.environ,
            "BENCH_OUT": os.devnull,
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": str(WORKLOADS),
            "GLIBC_TUNABLES": WITHOUT_REP,
        }
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise MissingError(f"{workload}, {tool.name}: {last_line(done.stderr)}")
        instructions = 0
        for profile in Path(folder).glob("callgrind.*"):
            totals = TOTAL.findall(profile.read_text())
            instructions += int(totals[-1]) if totals else 0
        if tool.environment not in OURS:
            return Count(instructions)
        events = trace_info(interpreter, output)["events"]
        if not isinstance(events, int):
            raise MissingError("`marey info --json` does not tell the events")
        return Count(instructions, events)


def count_events(interpreter: Interpreter, workload: str, rounds: int) -> int:
    """Events of the workload as the floor's counter sees them."""
    with tempfile.TemporaryDirectory() as folder:
        script = str(WORKLOADS / f"{workload}.py")
        job = Job(script, (str(rounds),), str(Path(folder) / "out"), call_count=0)
        run = run_tool(COUNTER, interpreter, job, work=Path(folder), timeout_s=60)
        return run.python_events + run.c_events


def tools_for(interpreter: Interpreter, *, with_bare: bool) -> list[Tool]:
    """The floor that switches off the same call sites, and Marey; perhaps bare."""
    floor = "floor, disabling" if interpreter.series >= (3, 12) else "floor"
    wanted = [floor, "Marey"] + ["bare"] * with_bare
    tools = {tool.name: tool for tool in TOOLS}
    ours = dataclasses.replace(tools["Marey"], environment="marey-slowed")
    return [ours if name == "Marey" else tools[name] for name in wanted]


def measure(
    interpreter: Interpreter, tools: list[Tool], workloads: list[str], jobs: int
) -> tuple[list[list[str]], dict[str, float]]:
    """The table's rows, and what Marey adds to the floor on each workload."""
    plan = [(t, w, rounds) for w in workloads for t in tools for rounds in SIZES[w]]

    def count(run: tuple[Tool, str, int]) -> Count:
        return count_instructions(run[0], interpreter, *run[1:])

    with ThreadPoolExecutor(jobs) as pool:
        counts = dict(zip(plan, pool.map(count, plan), strict=True))
    rows: list[list[str]] = []
    added: dict[str, float] = {}
    for workload in workloads:
        small, large = SIZES[workload]
        events = count_events(interpreter, workload, large)
        events -= count_events(interpreter, workload, small)
        pairs = [
            (counts[t, workload, small], counts[t, workload, large]) for t in tools
        ]
        grown = [after.instructions - before.instructions for before, after in pairs]
        recorded = pairs[1][1].events - pairs[1][0].events
        added[workload] = (grown[1] - grown[0]) / recorded
        numbers = [added[workload], *(instructions / events for instructions in grown)]
        rows.append(
            [workload, f"{events:,}", f"{recorded:,}", *(f"{n:.1f}" for n in numbers)]
        )
    return rows, added


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Counts the instructions that Marey adds to an empty callback."
    )
    add = parser.add_argument
    add("--python", default="3.12", help="a version, command or file (default 3.12)")
    add("--limit", type=float, default=40, metavar="N", help="an event (default 40)")
    add("--workloads", nargs="+", choices=list(SIZES), default=list(SIZES))
    add("--bare", action="store_true", help="count the bare interpreter as well")
    add("--no-build", action="store_true", help="measure Marey as it was built last")
    add("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    try:
        if shutil.which("valgrind") is None:
            raise MissingError("valgrind is not installed")
        interpreter = find_interpreter(arguments.python)
        for environment in ("plain", "marey", "marey-slowed"):
            set_up(interpreter, environment, build=not arguments.no_build)
        tools = tools_for(interpreter, with_bare=arguments.bare)
        rows, added = measure(interpreter, tools, arguments.workloads, arguments.jobs)
    except MissingError as problem:
        print(f"instructions: {problem}", file=sys.stderr)
        return 2
    header = ["", "events", "recorded", "Marey adds to the floor"]
    header += [tool.name for tool in tools]
    print(
        f"Instructions an event, Python {interpreter.version} ({interpreter.build})\n"
    )
    print("\n".join(table(header, rows)))
    over = [w for w, count in added.items() if count > arguments.limit]
    for workload in over:
        print(
            f"\n{workload}: {added[workload]:.1f} instructions an event over the empty "
            f"callback; the limit is {arguments.limit:g}"
        )
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
