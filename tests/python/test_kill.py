"""Whatever ends a process, all it recorded is there and its open calls are open."""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import subprocess
import time
from pathlib import Path

import harness
import marey
import pytest
import reference_reader

# Steps are counted in a file that is mapped, as the trace is: what was counted has
# happened, whenever the process is killed.
STEPS = """
import mmap
import sys
import threading


def leaf(n):
    return n


def step(n):
    leaf(n)
    len("x")
    try:
        raise ValueError
    except ValueError:
        pass


def parts():
    while True:
        yield


def worker(at):
    generator = parts()
    n = 0
    while True:
        step(n)
        next(generator)
        n += 1
        counters[at] = n  # in one go, where struct.pack_into clears first


def main():
    for i in range(1, int(sys.argv[2])):
        thread = threading.Thread(target=worker, args=(i,), name=f"worker {i}")
        thread.daemon = True
        thread.start()
    worker(0)


with open(sys.argv[1], "r+b") as file:
    counters = memoryview(mmap.mmap(file.fileno(), 4096)).cast("Q")
main()
"""


def killed(folder: Path, threads: int, delay_s: float) -> tuple[Path, list[int]]:
    """Kills a run so long after its first step. The trace, and the steps counted."""
    program, counters = folder / "steps.py", folder / "counters"
    trace = folder / "t.marey"
    program.write_text(STEPS)
    counters.write_bytes(bytes(4096))
    trace.unlink(missing_ok=True)
    with open(counters, "r+b") as file, mmap.mmap(file.fileno(), 4096) as memory:
        process = harness.start(trace, program, str(counters), str(threads))
        deadline = time.monotonic() + 60
        while not all(memory[8 * i : 8 * i + 8] != bytes(8) for i in range(threads)):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(delay_s)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        return trace, list(struct.unpack_from(f"<{threads}Q", memory))


def steps_of(path: Path) -> tuple[dict[str, int], set[str]]:
    """Steps ended, and the functions whose calls are open, by thread."""
    ended: dict[str, int] = {}
    still_open = set()
    with marey.open(path) as trace:
        findings, count = trace.check()
        assert count == 0, findings
        for call in trace.calls(function="__main__"):
            if call.name == "step" and call.ended == "returned":
                ended[call.lane.name] = ended.get(call.lane.name, 0) + 1
            elif call.ended == "open":
                still_open.add(call.name)
    return ended, still_open


@pytest.mark.parametrize("threads", [1, 3])
def test_kill_loses_nothing(threads: int, tmp_path: Path) -> None:
    for delay_s in [0.0] + [random.uniform(0, 0.15) for _ in range(5)]:
        trace, counted = killed(tmp_path, threads, delay_s)
        ended, still_open = steps_of(trace)
        names = ["MainThread"] + [f"worker {i}" for i in range(1, threads)]
        for name, count in zip(names, counted, strict=True):
            assert 0 <= ended[name] - count <= 1, f"killed after {delay_s} s"
        assert {"<module>", "main", "worker"} <= still_open


def test_the_reference_reader_reads_what_a_kill_leaves(tmp_path: Path) -> None:
    path, _ = killed(tmp_path, 2, 0.02)
    trace = reference_reader.read(path)
    assert not trace.problems
    main = next(lane for lane in trace.lanes.values() if lane.name == "MainThread")
    assert [call.function.name for call in main.stack][:3] == [
        "<module>",
        "main",
        "worker",
    ]
    assert trace.processes[1].end is None


ENDS = {
    "os._exit(7)": 7,
    "os.abort()": -signal.SIGABRT,
    "faulthandler._sigsegv()": -signal.SIGSEGV,
    "os.kill(os.getpid(), signal.SIGTERM)": -signal.SIGTERM,
    "signal.raise_signal(signal.SIGKILL)": -signal.SIGKILL,
}


@pytest.mark.parametrize("how", ENDS)
def test_sudden_ends_leave_their_calls_open(how: str, tmp_path: Path) -> None:
    program, trace = tmp_path / "ends.py", tmp_path / "t.marey"
    program.write_text(
        "import faulthandler, os, signal\n"
        f"def inner():\n    {how}\n"
        "def outer():\n    len('x')\n    inner()\n"
        "outer()\n"
    )
    done = harness.record(trace, program, env={"PYTHONFAULTHANDLER": ""})
    assert done.returncode == ENDS[how]
    with marey.open(trace) as opened:
        assert opened.check()[1] == 0
        calls = list(opened.calls(function=["__main__", "builtins"]))
        still_open = [call.name for call in calls if call.ended == "open"]
        assert sorted(still_open) == ["<module>", "inner", "outer"]
        assert "len" in [call.name for call in calls if call.ended == "returned"]
    shown = harness.marey("show", trace)
    assert shown.returncode == 0
    assert "still open" in shown.stdout.splitlines()[-1]


def test_a_trace_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    program, counters = tmp_path / "steps.py", tmp_path / "counters"
    trace = tmp_path / "t.marey"
    program.write_text(STEPS)
    counters.write_bytes(bytes(4096))
    process = harness.start(trace, program, str(counters), "2")
    try:
        while not any(counters.read_bytes()):
            time.sleep(0.005)
        seen = []
        for _ in range(4):
            with marey.open(trace) as opened:
                seen.append(sum(1 for _ in opened.calls(function="*step")))
        assert seen == sorted(seen)
        assert seen[-1] > 0
    finally:
        process.kill()
        process.wait()


def test_a_forked_child_that_is_killed_leaves_the_parent_whole(
    tmp_path: Path,
) -> None:
    program, trace = tmp_path / "forks.py", tmp_path / "t.marey"
    program.write_text(
        "import os, signal\n"
        "def child():\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "def main():\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n        child()\n"
        "    os.waitpid(pid, 0)\n    len('x')\n"
        "main()\n"
    )
    done = harness.record(trace, program)
    assert done.returncode == 0, done.stderr
    with marey.open(trace) as opened:
        assert opened.check()[1] == 0
        parent, child = opened.processes
        assert parent.has_ended
        assert parent.exit_status == 0
        assert child.has_ended
        assert child.exit_status == -signal.SIGKILL  # as the parent's wait told
        assert child.parent == parent.index
        ways = {
            (call.process.index, call.name): call.ended
            for call in opened.calls(function="__main__")
        }
    assert ways[parent.index, "main"] == "returned"
    assert ways[child.index, "child"] == "open"
    assert ways[child.index, "main"] == "open"


def test_pid_of_the_run_is_that_of_the_program(tmp_path: Path) -> None:
    """Whoever kills what they started kills the program."""
    trace = tmp_path / "t.marey"
    process = harness.start(
        trace, "-c", "import os; print(os.getpid())", stdout=subprocess.PIPE
    )
    out, _ = process.communicate()
    assert int(out) == process.pid
    assert os.path.exists(trace)
