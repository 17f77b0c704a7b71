"""`--max-overhead`: what costs too much to record is left out, and said to be."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import marey
import pytest
from harness import marey as run_marey
from harness import record as run_recorded

PROGRAM = """
import sys

def fib(number):
    return number if number < 2 else fib(number - 1) + fib(number - 2)

def before():
    return len("x")

def after():
    return len("y")

def turn():
    before()
    fib(16)
    after()

for _ in range(int(sys.argv[1])):
    turn()
"""

needs_monitoring = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="--max-overhead needs 3.12"
)


@needs_monitoring
def test_what_is_tiny_and_hot_is_left_out_and_nothing_else(tmp_path: Path) -> None:
    program, trace = tmp_path / "app.py", tmp_path / "run.marey"
    program.write_text(PROGRAM)
    run_recorded(trace, program, "400", options=["--max-overhead", "10%"])
    with marey.open(trace) as one:
        assert one.check() == ([], 0)
        assert one.info().lost_count == 0
        names = {one.functions[index].name: ns for index, ns in one.left_out.items()}
        assert set(names) == {"fib"}
        counts = {row.function.name: row.call_count for row in one.totals().rows}
        assert counts["turn"] == counts["before"] == counts["after"] == 400
        assert 0 < counts["fib"] < 400 * 3193
        ends = {"returned": 0, "cut": 0}
        for call in one.calls():
            parent = call.parent.name if call.parent else None
            if call.name in ("before", "after", "fib"):
                ends[call.ended] += 1
            if call.name in ("before", "after"):
                assert (parent, call.ended) == ("turn", "returned")
            if call.name == "turn":
                assert (parent, call.ended) in (
                    ("<module>", "returned"),
                    ("<module>", "open"),
                )
        assert ends["cut"] < 20
        assert any("fib" in note and "10%" in note for note in one.notes)
        since = names["fib"]
        assert not [c for c in one.calls() if c.name == "fib" and c.begin_ns > since]
        [missed] = one.left_out_calls.values()
        assert missed.call_count > 1000
        assert not missed.is_exact
    text = run_marey("report", trace).stdout
    assert "≥ " in text
    assert "1 function left out from " in text
    rows = json.loads(run_marey("report", "--json", trace).stdout)["functions"]
    left = {row["name"]: row["left_out_since_ns"] for row in rows}
    assert left["fib"] == since
    assert left["turn"] is None
    calls = {row["name"]: row["calls_not_recorded"] for row in rows}
    assert calls["fib"] == missed.call_count
    assert calls["turn"] == 0
    info = json.loads(run_marey("info", "--json", trace).stdout)
    assert info["left_out"] == [
        {
            "name": "fib", "module": "__main__", "since_ns": since,
            "calls_not_recorded": missed.call_count, "calls_not_recorded_exact": False,
        }
    ]  # fmt: skip


@needs_monitoring
def test_what_was_asked_for_stays_and_the_next_recording_has_all(
    tmp_path: Path,
) -> None:
    def hot() -> None:
        pass

    def spans() -> None:
        for _ in range(200_000):
            hot()
            with marey.span("tiny"):
                pass

    for number, part in enumerate(("1%", 0.0)):
        with marey.record(tmp_path / f"{number}.marey", max_overhead=part):
            spans()
        with marey.open(tmp_path / f"{number}.marey") as one:
            assert one.check() == ([], 0)
            rows = one.totals().rows
            counts = {row.function.name.rpartition(".")[2]: row for row in rows}
            assert counts["tiny"].call_count == 200_000
            assert (counts["hot"].call_count == 200_000) == (number == 1)
            assert bool(one.left_out) == (number == 0)


@pytest.mark.parametrize("part", ["ten", "10ms", "0", "1", "-5%", "%"])
def test_parts_that_are_none(part: str) -> None:
    done = run_marey("run", "--max-overhead", part, "-c", "1")
    assert done.returncode == 2
    assert done.stderr.startswith("marey: --max-overhead: ")
    assert done.stderr.count("\n") == 1
