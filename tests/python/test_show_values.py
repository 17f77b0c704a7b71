"""Values where they were recorded: in `show`, in its log, and found by a search."""

from __future__ import annotations

import subprocess
from pathlib import Path

import harness
import marey
import pytest

PROGRAM = """
import threading

import marey


def load(n):
    with marey.span("load", path=f"/data/{n}", size=n):
        marey.instant("cache miss", key=f"k{n}")
        marey.counter("queue", n)


def main():
    for n in range(3):
        load(n)


main()
worker = threading.Thread(target=main, name="worker")
worker.start()
worker.join()
"""


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("values")
    (folder / "app.py").write_text(PROGRAM)
    done = harness.record(folder / "t.marey", folder / "app.py")
    assert done.returncode == 0, done.stderr
    return folder / "t.marey"


def show(trace: Path, *options: str) -> list[str]:
    """The lines after the heading, without their times."""
    done = harness.marey("show", *options, trace)
    assert done.returncode == 0, done.stderr
    heading, *lines = done.stdout.splitlines()
    assert heading.startswith("#")
    return [line[16:].strip() for line in lines]


def test_points_and_spans_show_their_values_in_place(trace: Path) -> None:
    lines = show(trace, "--thread", "worker")
    calls = [line.split("|", 1)[1].strip() for line in lines]
    assert "load(path='/data/1', size=1) {" in calls
    at = calls.index("* cache miss: key='k1'")
    assert calls[at + 1] == "* queue = 1.0"


def test_the_log_has_nothing_but_what_was_logged(trace: Path) -> None:
    assert show(trace, "--log", "--thread", "worker") == [
        line
        for n in range(3)
        for line in (
            f"worker      instant   cache miss: key='k{n}'",
            f"worker      counter   queue = {n}.0",
        )
    ]


def test_the_log_tells_the_stack_on_request(trace: Path) -> None:
    lines = show(
        trace, "--log", "--stack", "--thread", "worker", "--function", "__main__"
    )
    assert lines[:3] == [
        "worker      instant   cache miss: key='k0'",
        "in load",
        "in main",
    ]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("key=k1", ["* cache miss: key='k1'"]),
        ("/data/2", ["load(path='/data/2', size=2);"]),
        ("size=2", ["load(path='/data/2', size=2);"]),
        ("queue=2", ["* queue = 2.0"]),
        ("*miss", [f"* cache miss: key='k{n}'" for n in range(3)]),
        ("k", []),
        ("nothing=*", []),
    ],
)
def test_values_are_found(trace: Path, pattern: str, found: list[str]) -> None:
    lines = show(trace, "--value", pattern, "--thread", "worker")
    assert [line.split("| ", 1)[1] for line in lines] == found


def test_a_window_of_the_log(trace: Path) -> None:
    done = harness.marey("show", "--log", trace)
    times = [float(line.split()[0]) for line in done.stdout.splitlines()[1:]]
    assert len(times) == 12
    middle = f"{round(times[6] * 1e9)}ns"
    assert len(show(trace, "--log", "--from", middle)) == 6
    assert len(show(trace, "--log", "--to", middle)) == 6


def test_wrong_use_is_one_line(trace: Path) -> None:
    for options in (["--stack"], ["--value", ""], ["--values=1"]):
        done: subprocess.CompletedProcess[str] = harness.marey("show", *options, trace)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("marey: show: ")


def test_logs_are_typed_and_chosen_by_name_kind_and_value(trace: Path) -> None:
    with marey.open(trace) as opened:
        logs = list(opened.logs(thread="worker"))
        assert [(log.kind, log.name) for log in logs[:2]] == [
            ("instant", "cache miss"),
            ("counter", "queue"),
        ]
        assert logs[0].values == {"key": "k0"}
        assert logs[0].function is not None
        assert (logs[0].function.name, logs[0].lane.name) == ("load", "worker")
        history = opened.logs("queue", thread="worker")
        assert [log.value for log in history] == [0.0, 1.0, 2.0]
        assert [log.name for log in opened.logs(kind="inst*", value="key=k1")] == [
            "cache miss",
            "cache miss",
        ]
        assert list(opened.logs("nothing")) == []


def test_the_history_of_a_variable(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import marey\n"
        "def work():\n"
        "    for total in (1, 'two', None):\n"
        "        marey.log('total', total)\n"
        "        marey.log('other', 5)\n"
        "work()\n"
    )
    harness.record(tmp_path / "t.marey", tmp_path / "app.py")
    with marey.open(tmp_path / "t.marey") as opened:
        assert [log.value for log in opened.logs("total", kind="value")] == [
            1,
            "two",
            None,
        ]
        assert [log.name for log in opened.logs(value="5")] == ["other"] * 3


def test_calls_are_found_by_their_values(trace: Path) -> None:
    with marey.open(trace) as opened:
        spans = list(opened.calls(value="size=1"))
        assert [span.name for span in spans] == ["load", "load"]
        assert list(opened.calls(value="size=7")) == []
        kinds = {event.kind for event in opened.events(value="*k1*")}
        assert kinds == {"instant"}


def test_a_log_of_chosen_functions_is_what_was_logged_in_their_calls(
    tmp_path: Path,
) -> None:
    (tmp_path / "app.py").write_text(
        "import marey\n"
        "def helper():\n    marey.instant('inside')\n"
        "def work():\n    helper()\n"
        "work()\nhelper()\n"
    )
    harness.record(tmp_path / "t.marey", tmp_path / "app.py")
    lines = show(tmp_path / "t.marey", "--log", "--function", "__main__:work")
    assert [line.split()[-1] for line in lines] == ["inside"]
    with marey.open(tmp_path / "t.marey") as opened:
        found = list(opened.logs(function="__main__:work"))
        assert [log.function and log.function.name for log in found] == ["work"]
        assert len(list(opened.logs())) == 2
