"""What recording costs: Marey, its peers and an empty hook on the same workloads.

    python bench/overhead.py --pythons 3.12 3.13 --out bench/results.md

Every workload runs under every tool in turn (A B C ..., A B C ...), so that a noisy
minute falls on all of them alike, and medians are compared (or, on a machine that
others use at the same time, minima of processor time: `--take minimum --clock cpu`).
It measures and prints; it never asserts a time. `bench/README.md` says what the columns
mean.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import report
from stand import (
    COUNTER,
    DEFAULT_PYTHONS,
    TOOLS,
    WORKLOADS,
    Interpreter,
    Job,
    MissingError,
    Tool,
    describe_commit,
    describe_machine,
    find_interpreter,
    remove,
    run_tool,
    set_up,
    trace_info,
)

WORKLOAD_NAMES = ("fib", "ccall", "objects", "generators", "tasks", "mix", "sql")
OUTPUT_SUFFIXES = {"Marey": ".marey", "VizTracer": ".json", "trace0": ".pb"}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures what recording costs.")
    add = parser.add_argument
    add("--pythons", nargs="+", metavar="PYTHON", help="versions, commands or files")
    add("--workloads", nargs="+", choices=WORKLOAD_NAMES, default=WORKLOAD_NAMES)
    add("--tools", nargs="+", metavar="TOOL", help="columns to fill, by their names")
    add("--repeat", type=int, default=5, metavar="N", help="runs of each (default 5)")
    add(
        "--take",
        choices=("median", "minimum"),
        default="median",
        help="what is compared of the runs; the minimum where others use the machine",
    )
    add(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="time that is compared; a busy machine stretches cpu time less",
    )
    add(
        "--scale",
        type=float,
        default=0.1,
        help="share of a workload's full size; at 1, VizTracer needs some 20 GB",
    )
    add("--no-build", action="store_true", help="measure Marey as it was built last")
    add("--timeout", type=int, default=600, metavar="S", help="for one run (600)")
    add("--out", type=Path, metavar="FILE", help="write the tables here, not to stdout")
    add("--json", type=Path, metavar="FILE", help="write all runs here as well")
    add("--scratch", type=Path, metavar="FOLDER", help="where recordings are put")
    arguments = parser.parse_args()
    known = {tool.name for tool in TOOLS}
    for name in arguments.tools or ():
        if name not in known:
            parser.error(f"no tool is named {name!r}; there are: {', '.join(known)}")
    return arguments


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def full_rounds(workload: str) -> int:
    """The default size, read from the workload's last line: `run(main, rounds=N)`."""
    text = (WORKLOADS / f"{workload}.py").read_text()
    match = re.search(r"rounds=(\d+)\)\s*$", text)
    if match is None:
        raise ValueError(f"{workload}.py does not end in run(main, rounds=N)")
    return int(match.group(1))


def available_tools(
    interpreter: Interpreter, wanted: Iterable[str] | None, *, build: bool
) -> tuple[list[Tool], dict[str, str]]:
    """The tools that work here, environments made, and why the others do not."""
    problems: dict[str, str] = {}
    environments: dict[str, str | None] = {}
    tools: list[Tool] = []
    for tool in TOOLS:
        if wanted and tool.name not in ("bare", *wanted):
            continue
        if interpreter.series < tool.version_min:
            major, minor = tool.version_min
            problems[tool.name] = f"needs Python {major}.{minor}"
            continue
        if tool.environment not in environments:
            log(f"  setting up {tool.environment}")
            try:
                set_up(interpreter, tool.environment, build=build)
                environments[tool.environment] = None
            except MissingError as problem:
                environments[tool.environment] = str(problem)
        reason = environments[tool.environment]
        if reason is None:
            tools.append(tool)
        else:
            problems[tool.name] = f"not installed: {reason}"
    return tools, problems


def measure(
    interpreter: Interpreter,
    tools: list[Tool],
    workload: str,
    arguments: argparse.Namespace,
    work: Path,
) -> report.Measurement:
    """All runs of one workload, the tools in turn."""
    rounds = max(1, round(full_rounds(workload) * arguments.scale))
    script = str(WORKLOADS / f"{workload}.py")
    job = Job(script, (str(rounds),), str(work / "out"), call_count=0)
    run_once = {"work": work, "timeout_s": arguments.timeout}

    counted = run_tool(COUNTER, interpreter, job, **run_once)
    result = report.Measurement(
        workload=workload,
        rounds=rounds,
        python_events=counted.python_events,
        c_events=counted.c_events,
        python_events_all=counted.python_events_all,
        c_events_all=counted.c_events_all,
        take=arguments.take,
        clock=arguments.clock,
    )
    job = dataclasses.replace(job, call_count=result.all_events() // 2)
    for turn in range(arguments.repeat):
        for tool in tools:
            if tool.name in result.problems:
                continue
            suffix = OUTPUT_SUFFIXES.get(tool.name.split(",")[0].split(" ")[0], "")
            job = dataclasses.replace(job, output=str(work / f"out{suffix}"))
            try:
                run = run_tool(tool, interpreter, job, **run_once)
                # A tracer that cannot start lets the program run on, at no cost at all.
                if tool.keeps_events and not run.output_size_bytes:
                    raise MissingError("it left no recording")
                if turn == 0 and tool.environment == "marey":
                    result.traces[tool.name] = trace_info(interpreter, job.output)
            except MissingError as problem:
                result.problems[tool.name] = str(problem)
                log(f"  {workload}, {tool.name}: {problem}")
                continue
            finally:
                remove(Path(job.output))
            if run.result != counted.result:
                result.problems[tool.name] = "the program's result was changed"
                continue
            result.runs.setdefault(tool.name, []).append(run)
    return result


def measure_interpreter(
    spec: str, arguments: argparse.Namespace, work: Path
) -> report.Section:
    interpreter = find_interpreter(spec)
    log(f"Python {interpreter.version} ({interpreter.build})")
    tools, problems = available_tools(
        interpreter, arguments.tools, build=not arguments.no_build
    )
    for name, problem in problems.items():
        log(f"  {name}: {problem}")
    section = report.Section(interpreter.version, interpreter.build, problems)
    for workload in arguments.workloads:
        measurement = measure(interpreter, tools, workload, arguments, work)
        section.measurements.append(measurement)
        log(f"  {workload}: {summary(measurement)}")
    return section


def summary(measurement: report.Measurement) -> str:
    """Each tool's slow-down, on one line."""
    bare = measurement.value("bare", measurement.inner)
    parts = []
    for name in measurement.runs:
        inner = measurement.value(name, measurement.inner)
        if bare and inner and name != "bare":
            parts.append(f"{name} {inner / bare:.2f}x")
    return ", ".join(parts)


def write_runs(path: Path, sections: list[report.Section]) -> None:
    data = [dataclasses.asdict(section) for section in sections]
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def noise(sections: list[report.Section]) -> float:
    """Half the distance between the quartiles of the bare runs, the median workload."""
    spreads = []
    for section in sections:
        for measurement in section.measurements:
            runs = measurement.runs.get("bare", ())
            times = [getattr(run, measurement.inner) for run in runs]
            if len(times) > 1:
                low, middle, high = statistics.quantiles(times, n=4, method="inclusive")
                spreads.append((high - low) / 2 / middle)
    return statistics.median(spreads) if spreads else 0.0


def head(
    arguments: argparse.Namespace, sections: list[report.Section], load: float
) -> report.Head:
    return report.Head(
        machine=describe_machine(),
        date=datetime.date.today().isoformat(),
        commit=describe_commit(),
        repeat=arguments.repeat,
        take=arguments.take,
        clock=arguments.clock,
        scale=arguments.scale,
        noise=noise(sections),
        load_before=load,
        load_after=os.getloadavg()[0],
    )


def main() -> int:
    arguments = parse_arguments()
    load = os.getloadavg()[0]
    sections: list[report.Section] = []
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as work:
        for spec in arguments.pythons or DEFAULT_PYTHONS:
            try:
                sections.append(measure_interpreter(spec, arguments, Path(work)))
            except MissingError as problem:
                log(f"Python {spec}: {problem}")
    if not sections:
        log("nothing was measured")
        return 1
    text = report.render(head(arguments, sections, load), sections)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    if arguments.json:
        write_runs(arguments.json, sections)
    return 0


if __name__ == "__main__":
    sys.exit(main())
