"""Each thread appears once in its life, by its name, from its start to its end."""

from __future__ import annotations

import json
from pathlib import Path

import harness
import marey
import pytest
import reference_reader
from trees import VERSION


def recorded(folder: Path, code: str) -> tuple[Path, str]:
    program, trace = folder / "program.py", folder / "t.marey"
    program.write_text(code)
    done = harness.record(trace, program)
    assert done.returncode == 0, done.stderr
    return trace, done.stdout


def test_names_and_ids_are_those_of_python(tmp_path: Path) -> None:
    trace, out = recorded(
        tmp_path,
        """
import json, os, threading, time
ids = {}
def work():
    ids[threading.current_thread().name] = (
        threading.get_native_id(), threading.get_ident()
    )
work()
threads = [threading.Thread(target=work, name=f"näme {i}") for i in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
while len(os.listdir("/proc/self/task")) > 1:  # joined, and not quite over
    time.sleep(0.001)
print(json.dumps(ids))
""",
    )
    with marey.open(trace) as opened:
        found = {lane.name: [lane.native_id, lane.python_id] for lane in opened.threads}
        assert found == json.loads(out)
        assert [lane.is_main for lane in opened.threads] == [True] + [False] * 4
        for lane in opened.threads:
            assert lane.has_ended or lane.is_main
            assert lane.start_ns is not None
            assert lane.end_ns is not None
            assert lane.start_ns <= lane.end_ns


@pytest.mark.skipif(VERSION < (3, 12), reason="3.11 has no hook for such threads")
def test_a_thread_made_by_hand_has_no_dummy_name(tmp_path: Path) -> None:
    trace, _ = recorded(
        tmp_path,
        """
import _thread, time
done = _thread.allocate_lock()
done.acquire()
def work():
    abs(1)
    done.release()
_thread.start_new_thread(work, ())
done.acquire()
time.sleep(0.05)
""",
    )
    with marey.open(trace) as opened:
        names = [lane.name for lane in opened.threads]
        [call] = opened.calls(function="__main__:work")
        assert call.ended == "returned"
        assert not call.lane.is_main
    assert len(names) == 2
    assert not any(name.startswith("Dummy") for name in names)


def test_a_thread_named_late_has_its_last_name(tmp_path: Path) -> None:
    trace, _ = recorded(
        tmp_path,
        """
import threading
go = threading.Event()
def work():
    go.wait()
    len("x")
thread = threading.Thread(target=work, name="early")
thread.start()
thread.name = "late"
go.set()
thread.join()
""",
    )
    with marey.open(trace) as opened:
        assert [lane.name for lane in opened.threads] == ["MainThread", "late"]


def test_threads_of_one_name_stay_apart(tmp_path: Path) -> None:
    trace, _ = recorded(
        tmp_path,
        """
import threading
def work(n):
    for _ in range(n):
        abs(n)
for n in range(1, 6):
    thread = threading.Thread(target=work, args=(n,), name="same")
    thread.start()
    thread.join()
""",
    )
    with marey.open(trace) as opened:
        counts = {}
        for call in opened.calls(function="builtins:abs"):
            counts[call.lane.serial] = counts.get(call.lane.serial, 0) + 1
    assert [counts[serial] for serial in sorted(counts)] == [1, 2, 3, 4, 5]


def test_threads_alive_before_the_recording_have_their_stack(tmp_path: Path) -> None:
    program, trace = tmp_path / "program.py", tmp_path / "t.marey"
    program.write_text(
        """
import sys, threading
import marey
ready, go = threading.Event(), threading.Event()
def inner():
    ready.set()
    go.wait()
    return abs(1)
def outer():
    inner()
thread = threading.Thread(target=outer, name="earlier")
thread.start()
ready.wait()
with marey.record(sys.argv[1]):
    go.set()
    thread.join()
"""
    )
    done = harness.run([harness.sys.executable, program, trace])
    assert done.returncode == 0, done.stderr
    read = reference_reader.read(trace)
    assert not read.problems
    with marey.open(trace) as opened:
        [lane] = [lane for lane in opened.threads if lane.name == "earlier"]
        assert lane.is_earlier
        calls = {
            call.name: (call.ended, call.parent and call.parent.name)
            for call in opened.calls(thread="earlier")
            if call.module in ("__main__", "builtins")
        }
    assert calls["outer"][0] == "returned"
    assert calls["inner"] == ("returned", "outer")
    assert calls["abs"] == ("returned", "inner")


MANY = """
import os, threading, time
def work():
    abs(1)
threads = []
for i in range({count}):
    thread = threading.Thread(target=work)
    thread.start()
    threads.append(thread)
    if len(threads) == 16:
        for thread in threads:
            thread.join()
        threads = []
for thread in threads:
    thread.join()
while len(os.listdir("/proc/self/task")) > 1:  # joined, and not quite over
    time.sleep(0.001)
"""


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_short_threads_stay_small(count: int, tmp_path: Path) -> None:
    trace, _ = recorded(tmp_path, MANY.format(count=count))
    with marey.open(trace) as opened:
        assert opened.check()[1] == 0
        assert len(opened.threads) == count + 1
        assert all(lane.has_ended for lane in opened.threads if not lane.is_main)
        calls = list(opened.calls(function="__main__:work"))
        assert len({call.lane.serial for call in calls}) == len(calls) == count
        assert opened.info(count=False).lost_count == 0
    assert trace.stat().st_size < 400_000 + 1_500 * count


def test_many_threads_at_once_lose_nothing(tmp_path: Path) -> None:
    trace, _ = recorded(
        tmp_path,
        """
import threading
def leaf(n):
    return n
def work():
    for i in range(2_000):
        leaf(i)
threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
""",
    )
    with marey.open(trace) as opened:
        assert opened.check()[1] == 0
        counts: dict[int, int] = {}
        for call in opened.calls(function="__main__"):
            if call.name == "leaf":
                counts[call.lane.serial] = counts.get(call.lane.serial, 0) + 1
                assert call.parent is not None
                assert call.parent.name == "work"
    assert list(counts.values()) == [2_000] * 16


def test_every_level_of_a_recursion_error_is_unwound(tmp_path: Path) -> None:
    trace, out = recorded(
        tmp_path,
        """
deepest = 0
def forever(n):
    global deepest
    deepest = n
    forever(n + 1)
try:
    forever(1)
except RecursionError:
    pass
print(deepest)
""",
    )
    with marey.open(trace) as opened:
        calls = list(opened.calls(function="__main__:forever"))
    assert len(calls) == int(out)
    assert {call.ended for call in calls} == {"raised"}
