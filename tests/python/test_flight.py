"""Keeping parts of a recording: snapshots, keeps."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import marey
import pytest
from harness import marey as run_marey
from harness import record as run_recorded


def leaf(number: int) -> int:
    return number + 1


def work(count: int) -> int:
    return sum(leaf(number) for number in range(count))


def whole(path: str | Path) -> marey.Trace:
    trace = marey.open(path)
    assert trace.check() == ([], 0)
    return trace


def test_a_snapshot_is_a_trace_that_goes_no_further(tmp_path: Path) -> None:
    def outer(recording: marey.Recording) -> str:
        work(10)
        with marey.span("unit", number=7):
            kept = recording.snapshot("half way")
        work(1000)
        return kept

    with marey.record(tmp_path / "run.marey") as recording:
        first = outer(recording)
        second = recording.snapshot("again", tmp_path / "second.marey")
        with pytest.raises(marey.StorageError, match=r"second\.marey"):
            recording.snapshot("there already", tmp_path / "second.marey")
    assert first == str(tmp_path / "run-snapshot-1.marey")
    with whole(first) as trace, whole(second) as later, whole(recording.path) as all_:
        info = trace.info()
        assert info.is_window
        assert info.lost_count == 0
        assert trace.notes[-1] == "half way"
        assert later.notes[-1] == "again"
        calls = {call.name.rpartition(".")[2]: call for call in trace.calls()}
        assert calls["outer"].ended == calls["unit"].ended == "open"
        assert calls["unit"].values == {"number": 7}
        begun = next(all_.calls(function="*outer")).begin_ns
        assert abs(calls["outer"].begin_ns - begun) < 100_000
        assert info.event_count < later.info().event_count < all_.info().event_count
        assert not all_.info().is_window
        assert "leaf" in {function.name for function in trace.functions}
        assert trace.source(__file__) == Path(__file__).read_bytes()
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_a_window_is_short_and_its_open_calls_are_whole(tmp_path: Path) -> None:
    """Of a ring that wrapped many times while other threads run and wait."""
    stop = threading.Event()

    def waiting() -> None:
        stop.wait()

    def busy() -> None:
        while not stop.is_set():
            work(100)

    def main(recording: marey.Recording) -> list[str]:
        threads = [threading.Thread(target=waiting, name="waits")]
        threads += [threading.Thread(target=busy, name=f"busy {i}") for i in range(2)]
        for thread in threads:
            thread.start()
        kept = []
        for number in range(6):
            end = time.monotonic() + 0.15
            while time.monotonic() < end:
                work(100)
            kept.append(recording.snapshot(f"{number}", before="50ms"))
        stop.set()
        for thread in threads:
            thread.join()
        return kept

    with marey.record(tmp_path / "run.marey", ring="4M") as recording:
        kept = main(recording)
    begun = []
    for path in kept:
        with whole(path) as trace:
            info = trace.info()
            assert info.lost_count == 0, path
            assert info.window_to_ns - info.window_from_ns == pytest.approx(
                50e6, rel=0.01
            )
            calls = {call.name: call for call in trace.calls(function="*waiting")}
            (name,) = calls
            assert calls[name].ended == "open"
            begun.append(calls[name].begin_ns)
            lanes = {lane.name: lane for lane in trace.lanes}
            assert {"waits", "busy 0", "busy 1"} <= set(lanes)
            assert info.duration_ns >= info.window_to_ns - 50e6
    assert max(begun) - min(begun) < 1e6
    assert begun[0] < 100e6  # long before the last window


def test_values_in_a_ring_do_not_grow_the_file(tmp_path: Path) -> None:
    with marey.record(tmp_path / "run.marey", ring="1M") as recording:
        for number in range(40_000):
            with marey.span("unit", text="x" * 100, number=number):
                pass
        kept = recording.snapshot("values")
    assert os.path.getsize(recording.path) < 3_000_000
    with whole(kept) as trace:
        numbers = [call.values for call in trace.calls(function="*unit")]
        assert numbers
        known = [
            values["number"] for values in numbers if values and "number" in values
        ]
        assert known[-1] == 39_999
        assert len(known) > 1000
        assert known == list(range(known[0], known[-1] + 1))


def test_a_snapshot_under_run(tmp_path: Path) -> None:
    program = tmp_path / "app.py"
    program.write_text(
        "import marey, os\n"
        "def child():\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        sorted([3, 1, 2])\n"
        "        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "child()\n"
        "print(marey.snapshot('by hand', before='1h'))\n"
    )
    done = run_recorded(tmp_path / "run.marey", program)
    assert done.stderr == ""
    with whole(done.stdout.strip()) as trace:
        assert len(trace.processes) == 2
        assert "by hand" in trace.notes
    text = run_marey("info", done.stdout.strip()).stdout
    assert "of a longer recording" in text
    done = run_marey("run", "-q", "-o", tmp_path / "x.marey", "-c", "print(1)")
    with pytest.raises(marey.RecordingError, match="not recorded"):
        marey.snapshot()


@pytest.mark.skipif(sys.platform != "linux", reason="the variable is for Linux")
def test_a_snapshot_where_files_cannot_be_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAREY_UNMAPPED", "1")
    with marey.record(tmp_path / "run.marey") as recording:
        with marey.span("unit", number=7):
            work(10)
            kept = recording.snapshot("memory")
        work(10)
    with whole(kept) as trace:
        assert next(trace.calls(function="*unit")).values == {"number": 7}
        assert sum(1 for _ in trace.calls(function="*leaf")) == 10
    whole(recording.path).close()
