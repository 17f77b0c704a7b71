"""Programs made at random give the same trees under Marey as under the oracle."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import harness
import pytest
import reference_reader
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from program_maker import make_file
from trees import Thread, project, require_equal, resumptions

COMMON = settings(
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
# Without making what fails smaller: each try takes the start of two processes.
QUICK = settings(COMMON, derandomize=True, phases=(Phase.explicit, Phase.generate))


def projected(threads: list[Thread], folder: Path) -> list[Thread]:
    return harness.main_only(
        Thread(thread.name, project(thread.rows, str(folder))) for thread in threads
    )


def agree(want: list[Thread], got: list[Thread], program: str) -> None:
    for one, other in zip(want, got, strict=True):
        require_equal(one.rows, other.rows, program)
    assert suspended(want) == suspended(got), program
    assert [thread.name for thread in want] == [thread.name for thread in got]


def suspended(threads: list[Thread]) -> list[tuple[object, int]]:
    """Which parts belong to one call; calls of one part have no number."""
    return resumptions(
        Thread(
            thread.name,
            [row for row in thread.rows if row.is_resumed or row.how == "yielded"],
        )
        for thread in threads
    )


def compare(program: str, *options: str) -> None:
    with tempfile.TemporaryDirectory(prefix="differential") as name:
        folder = Path(name)
        path, trace = folder / "program.py", folder / "t.marey"
        path.write_text(program)
        want = projected(harness.by_oracle(path, folder / "oracle.json"), folder)
        done = harness.record(trace, path, options=options)
        assert done.returncode == 0, done.stderr
        read = reference_reader.read(trace)
        assert not read.problems
        agree(want, projected(harness.by_reference(read), folder), program)
        if not harness.SEES_THROWS:
            want = harness.without_throws(want)
        agree(want, projected(harness.by_api(trace), folder), program)


@given(st.randoms(use_true_random=False))
@settings(QUICK, max_examples=12)
@example(random.Random(1))
def test_random_programs_give_the_trees_of_the_oracle(choose: random.Random) -> None:
    compare(make_file(choose, 8))


@given(st.randoms(use_true_random=False))
@settings(QUICK, max_examples=3)
def test_exact_recordings_are_equal_too(choose: random.Random) -> None:
    compare(make_file(choose, 8), "--exact")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@given(st.randoms(use_true_random=False))
@settings(COMMON, max_examples=200)
def test_many_random_programs(choose: random.Random) -> None:
    compare(make_file(choose, 8))
