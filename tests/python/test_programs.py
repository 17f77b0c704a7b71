"""Each program of tests/programs gives exactly the trace that its last comment says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import harness
import pytest
import reference_reader
from trees import Row, Thread, expectation, parse, project, render, require_equal

ALL = sorted(
    path for path in harness.PROGRAMS.glob("*.py") if "# expect:" in path.read_text()
)
OWN_RECORDING = [path for path in ALL if "marey.record(" in path.read_text()]


def options_of(program: Path) -> list[str]:
    """How it wants to be recorded: a line `# options: …` says so."""
    found = re.search(r"^# options: (.*)$", program.read_text(), flags=re.M)
    return shlex.split(found[1]) if found else []


# The oracle knows of no options but --exact, which is all it does.
PLAIN = [
    path
    for path in ALL
    if path not in OWN_RECORDING and options_of(path) in ([], ["--exact"])
]


def named(path: Path) -> str:
    return path.stem


def check(program: Path, threads: list[Thread], *, sees_throws: bool = True) -> None:
    folder = str(harness.PROGRAMS)
    got = harness.main_only(
        Thread(thread.name, project(thread.rows, folder)) for thread in threads
    )
    want = expectation(program)
    if not sees_throws:
        want = harness.without_throws(want)
    names = [thread.name for thread in want]
    for one, other in zip(want, got, strict=False):
        require_equal(one.rows, other.rows)
    assert [thread.name for thread in got] == names


Results = dict[Path, Future[list[Thread]]]


def in_background(
    work: Callable[[Path], list[Thread]], programs: list[Path]
) -> Results:
    """Starts all, two at a time: the processes' start is what takes the time."""
    pool = ThreadPoolExecutor(2)
    return {program: pool.submit(work, program) for program in programs}


@pytest.fixture(scope="module")
def oracles(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("oracle")
    return in_background(
        lambda program: harness.by_oracle(program, folder / f"{program.stem}.json"),
        PLAIN,
    )


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Future[Path]]:
    folder = tmp_path_factory.mktemp("traces")

    def work(program: Path) -> Path:
        trace = folder / f"{program.stem}.marey"
        if program in OWN_RECORDING:
            done = harness.run([harness.sys.executable, program, trace])
        else:
            done = harness.record(trace, program, options=options_of(program))
        if not trace.exists():
            raise AssertionError(done.stderr)
        return trace

    pool = ThreadPoolExecutor(2)
    return {program: pool.submit(work, program) for program in ALL}


@pytest.mark.parametrize("program", PLAIN, ids=named)
def test_the_oracle_sees_what_is_expected(program: Path, oracles: Results) -> None:
    check(program, oracles[program].result())


@pytest.mark.parametrize("program", ALL, ids=named)
def test_the_trace_is_the_expected_one(
    program: Path, traces: dict[Path, Future[Path]]
) -> None:
    trace = reference_reader.read(traces[program].result())
    assert not trace.problems
    check(program, harness.by_reference(trace))


@pytest.mark.parametrize("program", ALL, ids=named)
def test_the_api_reads_the_expected_trace(
    program: Path, traces: dict[Path, Future[Path]]
) -> None:
    threads = harness.by_api(traces[program].result())
    check(program, threads, sees_throws=harness.SEES_THROWS)


def test_there_are_at_least_sixty_programs() -> None:
    assert len(ALL) >= 60


def test_what_is_rendered_reads_back() -> None:
    rows = [
        Row(0, "<module>", how="raised", exception="ValueError"),
        Row(1, "len", "builtins", is_c=True),
        Row(1, "gen", is_resumed=True, thrown="KeyError", how="yielded"),
        Row(2, "an odd name"),
        Row(2, "an odd name"),
        Row(1, "inner", "other.module", how="open"),
        Row(0, "late", how="cut"),
    ]
    [thread] = parse(render(rows))
    require_equal(rows, thread.rows)
