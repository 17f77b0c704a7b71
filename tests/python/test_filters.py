"""What is left out is left out, and nothing else: its calls hang on who called it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import harness
import marey
import pytest
import reference_reader
from program_maker import make_file
from trees import Row, Thread, project, require_equal


def kept(rows: list[Row], is_kept: Callable[[Row, int], bool]) -> list[Row]:
    """Without some rows; what was inside them moves up.

    But C functions go with the function that calls them: its code is not watched.
    """
    out = []
    path: list[tuple[int, bool]] = []  # for each open row: depth inside it, is it kept
    for row in rows:
        del path[row.depth :]
        depth, caller_is_kept = path[-1] if path else (0, True)
        keeps = is_kept(row, depth) and (caller_is_kept or not row.is_c)
        if keeps:
            out.append(replace(row, depth=depth))
        path.append((depth + keeps, keeps))
    return out


def matches(row: Row, pattern: str) -> bool:
    return not row.is_c and fnmatchcase(f"{row.module}:{row.name}", pattern)


FILTERS: dict[tuple[str, ...], Callable[[Row, int], bool]] = {
    ("--no-c-calls",): lambda row, _: not row.is_c,
    ("--exclude", "*_f[135]"): lambda row, _: not matches(row, "*_f[135]"),
    ("--exclude", "*:Thing.*", "--exclude", "*<lambda>"): lambda row, _: (
        not (matches(row, "*:Thing.*") or matches(row, "*<lambda>"))
    ),
    ("--include", "__main__:*_f*"): lambda row, _: (
        row.is_c or matches(row, "__main__:*_f*")
    ),
    ("--max-depth", "4"): lambda _, depth: depth < 4,
    ("--max-depth", "3", "--no-c-calls", "--exclude", "*_f1"): lambda row, depth: (
        depth < 3 and not row.is_c and not matches(row, "*_f1")
    ),
}


@pytest.mark.parametrize("options", FILTERS, ids=" ".join)
def test_filters_lift_what_was_inside(options: tuple[str, ...], tmp_path: Path) -> None:
    program, trace = tmp_path / "program.py", tmp_path / "t.marey"
    for seed in range(4):
        text = make_file(random.Random(seed), 6)
        program.write_text(text)
        oracle = harness.by_oracle(program, tmp_path / "oracle.json")[0]
        want = project(kept(oracle.rows, FILTERS[options]), str(tmp_path))
        done = harness.record(trace, program, options=options)
        assert done.returncode == 0, done.stderr
        read = reference_reader.read(trace)
        assert not read.problems
        got = Thread("", harness.by_reference(read)[0].rows)
        [main] = harness.main_only([got])
        require_equal(
            harness.main_only([Thread("", want)])[0].rows,
            project(main.rows, str(tmp_path)),
            text,
        )
        with marey.open(trace) as opened:
            assert opened.check() == ([], 0)


LOOP = """
import time
def leaf(n):
    return n
def middle(n):
    leaf(n)
    if n % 100 == 0:
        time.sleep(0.002)
def main():
    for n in range(20_000):
        middle(n)
def last():
    len("x")
main()
last()
"""


def test_short_calls_are_left_out_and_their_callers_kept(tmp_path: Path) -> None:
    program, trace = tmp_path / "program.py", tmp_path / "t.marey"
    program.write_text(LOOP)
    done = harness.record(trace, program, options=["--min-duration", "1ms"])
    assert done.returncode == 0, done.stderr
    with marey.open(trace) as opened:
        assert opened.check() == ([], 0)
        calls = list(opened.calls(thread="MainThread"))
        names = [call.name for call in calls]
        assert names.count("sleep") == 200
        assert names.count("middle") >= 200
        assert names.count("main") == 1
        for call in calls:
            assert call.duration_ns >= 1_000_000 or call.child_count > 0, call
            if call.name == "sleep":
                assert call.parent is not None
                assert call.parent.name == "middle"
        assert opened.info().lost_count == 0


def test_a_ring_keeps_the_newest(tmp_path: Path) -> None:
    program, trace = tmp_path / "program.py", tmp_path / "t.marey"
    text = LOOP.replace("time.sleep(0.002)", "pass").replace("20_000", "200_000")
    program.write_text(text + "len('x')\n" * 3)
    done = harness.record(trace, program, options=["--ring", "128K"])
    assert done.returncode == 0, done.stderr
    with marey.open(trace) as opened:
        assert opened.check() == ([], 0)
        info = opened.info()
        assert info.is_ring
        assert info.lost_count > 50_000
        calls = list(opened.calls(function="__main__"))
        assert calls[-1].name == "<module>"
        assert [call.name for call in calls[-4:-1]] == ["middle", "main", "last"]
        assert {call.name: call.ended for call in calls}["main"] == "returned"
        assert 500 < sum(call.name == "leaf" for call in calls) < 200_000
    assert trace.stat().st_size < 1_500_000
    read = reference_reader.read(trace)
    assert not read.problems
    [lane] = read.lanes.values()
    assert lane.event_count == info.event_count
    assert lane.lost_count == info.lost_count
    whole = 2 * (200_000 * 2 + 4 + 3)  # both ends of each call
    assert whole <= info.event_count + info.lost_count < whole + 10_000


def test_an_excluded_program_still_runs(tmp_path: Path) -> None:
    trace = tmp_path / "t.marey"
    done = harness.marey(
        "run", "-q", "-o", trace, "--exclude", "*", "-c", "print(len('x'))"
    )
    assert done.stdout == "1\n"
    with marey.open(trace) as opened:
        assert list(opened.calls()) == []
        assert opened.check() == ([], 0)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("./app.py", {"<module>", "own"}),
        ("app.py", {"<module>", "own"}),
        ("parts/", {"<module>", "part"}),
        ("./parts/", {"<module>", "part"}),
        ("parts/**", {"<module>", "part"}),
        ("parts", set()),
    ],
)
def test_files_are_named_as_people_name_them(
    pattern: str, names: set[str], tmp_path: Path
) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "one.py").write_text("def part(): pass\n")
    (tmp_path / "app.py").write_text(
        "import parts.one\ndef own(): parts.one.part()\nown()\n"
    )
    done = harness.marey(
        "run", "-o", "t.marey", "--include", pattern, "app.py", cwd=tmp_path
    )
    with marey.open(tmp_path / "t.marey") as opened:
        assert {call.name for call in opened.calls() if call.file} == names
    says = "; nothing that ran matches --include; next:" in done.stderr
    assert says == (not names)
