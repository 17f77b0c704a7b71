"""`marey ctl`: orders to a running process."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import marey
import pytest
from harness import record as run_recorded
from harness import run
from marey.cli import main as cli

PROGRAM = """
import os, sys, threading, time

def leaf(number):
    return number + 1

def inner():
    return leaf(1)

def request():
    return inner() + sum(leaf(number) for number in range(10))

def idle():
    done.wait()

done = threading.Event()
threading.Thread(target=idle, name="idle").start()
print(threading.active_count(), flush=True)
while not os.path.exists("stop"):
    request()
    time.sleep(0.001)
done.set()
print(len(threading.enumerate()), flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    (tmp_path / "runtime").mkdir()
    (tmp_path / "app.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    return iter([tmp_path])


def begin(folder: Path, *command: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "MAREY_LISTEN": "" if "--listen" in command else "1"}
    running = subprocess.Popen(
        [sys.executable, *command, "app.py"],
        cwd=folder, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    assert running.stdout.readline() == "2\n"
    return running


def finish(folder: Path, running: subprocess.Popen[str]) -> None:
    (folder / "stop").touch()
    assert running.communicate(timeout=300)[0].startswith("2\n")
    assert running.returncode == 0


def order(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    status = cli(["ctl", *words])
    told = capsys.readouterr()
    assert (status, told.err) == (0, "")
    return told.out.rstrip("\n")


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = cli(["ctl", *words])
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("marey: ")
    assert told.err.count("\n") == 1
    return status, told.err


def names(path: str) -> dict[str, int]:
    with marey.open(path) as trace:
        assert trace.check() == ([], 0)
        found: dict[str, int] = {}
        for call in trace.calls():
            found[call.name] = found.get(call.name, 0) + 1
        return found


def test_a_process_that_listens_is_started_and_stopped(
    folder: Iterator[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    here = next(folder)
    running = begin(here)
    pid = str(running.pid)
    where = here / "runtime" / "marey"
    assert stat.S_IMODE(where.stat().st_mode) == 0o700
    assert stat.S_IMODE((where / f"{pid}.sock").stat().st_mode) == 0o600
    assert order(capsys, pid, "status") == "does not record"
    assert refused(capsys, pid, "stop")[1].endswith("nothing is recorded here now\n")
    first = order(capsys, pid, "start", "-o", "first.marey")
    assert first == str(here / "first.marey")
    assert "records already" in refused(capsys, pid, "start")[1]
    time.sleep(0.1)
    status = json.loads(order(capsys, pid, "status", "--json"))
    assert status["recording"]
    assert status["trace"] == first
    kept = order(capsys, pid, "snapshot", "by", "hand", "--before", "10s")
    assert kept == str(here / "first-snapshot-1.marey")
    assert order(capsys, pid, "stop") == first
    second = order(capsys, pid, "start", "--no-c-calls", "--include", "*:request")
    time.sleep(0.1)
    order(capsys, pid, "stop")
    finish(here, running)
    assert not list(where.iterdir())
    for path in (first, kept):
        found = names(path)
        assert found["leaf"] >= 10
        assert found["idle"] == found["<module>"] == 1
    assert set(names(second)) == {"request"}
    with marey.open(kept) as trace:
        assert trace.notes[-1] == "by hand"


def test_filters_change_while_it_records(
    folder: Iterator[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is left out is so at once, and what is below hangs on who is left."""
    here = next(folder)
    running = begin(here, "-m", "marey", "run", "-q", "--listen", "-o", "run.marey")
    pid = str(running.pid)
    listed = order(capsys, "list")
    assert listed.split()[0] == pid
    assert "run.marey" in listed
    assert [str(one["pid"]) for one in json.loads(order(capsys, "list", "--json"))] == [
        pid
    ]
    time.sleep(0.1)
    order(capsys, pid, "filter", "--exclude", "*:request")
    time.sleep(0.2)
    order(capsys, pid, "filter")
    time.sleep(0.1)
    finish(here, running)
    with marey.open(here / "run.marey") as trace:
        assert trace.check() == ([], 0)
        assert trace.info().lost_count == 0
        parents = [
            call.parent.name if call.parent else ""
            for call in trace.calls()
            if call.name == "inner"
        ]
        assert set(parents) == {"request", "<module>"}
        first, last = parents.index("<module>"), parents[::-1].index("<module>")
        assert "request" in parents[:first]
        assert "request" not in parents[first : len(parents) - last]
        assert last > 1
        requests = [call.ended for call in trace.calls(function="*request")]
        assert requests.count("returned") >= len(requests) - 1


def test_nobody_else_is_heard(
    folder: Iterator[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    here = next(folder)
    where = here / "runtime" / "marey"
    assert refused(capsys, str(os.getpid()), "status") == (
        1,
        f"marey: process {os.getpid()} does not listen; start it by marey run "
        "--listen, or with MAREY_LISTEN=1\n",
    )
    assert "no process" in refused(capsys, "4194304", "status")[1]
    assert refused(capsys, "x", "status")[0] == 2
    assert refused(capsys, "1", "restart")[0] == 2
    assert refused(capsys, "1", "snapshot", "--before", "10")[0] == 2
    where.mkdir(mode=0o777)
    where.chmod(0o777)
    assert "not this user's alone" in refused(capsys, "1", "status")[1]
    done = run([sys.executable, "-c", "print(1)"], env={"MAREY_LISTEN": "1"})
    assert done.stdout == "1\n"
    assert "only this user" in done.stderr
    assert done.stderr.count("\n") == 1


def test_garbage_on_the_socket_does_no_harm(
    folder: Iterator[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    here = next(folder)
    running = begin(here)
    path = str(here / "runtime" / "marey" / f"{running.pid}.sock")
    lines = ["\n", "bogus\n", "start\n", "start\tv=9\n", "snapshot\tx\n"]
    lines += ["filter\tv=1;path=\n", "snapshot\t/nowhere/x\t0\t\n", "cut"]
    for line in lines:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            connection.sendall(line.encode())
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65536)
        if line != "cut":
            assert "error" in json.loads(answer), line
    assert order(capsys, str(running.pid), "status") == "does not record"
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert "no process" in refused(capsys, str(running.pid), "status")[1]


def test_a_forked_child_listens_by_itself(
    folder: Iterator[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    here = next(folder)
    program = here / "forks.py"
    program.write_text(
        "import os, sys\n"
        "sys.stdout.write(str(len(os.listdir(sys.argv[1]))))\n"
        "sys.stdout.flush()\n"
        "pid = os.fork()\n"
        "ours = sorted(f'{one}.sock' for one in (os.getpid(), os.getppid()))\n"
        "is_there = sorted(os.listdir(sys.argv[1])) == ours\n"
        "sys.stdout.write(str(is_there) if not pid else '')\n"
        "sys.stdout.flush()\n"
        "if pid:\n"
        "    os.waitpid(pid, 0)\n"
    )
    where = here / "runtime" / "marey"
    done = run_recorded(
        here / "run.marey", program, str(where), options=["--listen"]
    )  # fmt: skip
    assert done.stdout == "1True"
    assert not list(where.iterdir())


FORKS = """
import os, sys, warnings

warnings.simplefilter("always")  # from 3.12 on a fork warns of threads
print(0, flush=True)
sys.stdin.readline()
for number in range(200):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
print(len(os.listdir("/proc/self/task")), flush=True)
sys.stdin.read()
"""


def test_who_listens_forks_as_who_does_not(
    folder: Iterator[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """No thread is there to warn of, and orders are heard before and after."""
    (next(folder) / "forks.py").write_text(FORKS)
    command = [sys.executable, "-m", "marey", "run", "-q", "--listen", "forks.py"]
    running = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdin is not None
    assert running.stdout is not None
    assert running.stdout.readline() == b"0\n"
    pid = str(running.pid)
    before = json.loads(order(capsys, pid, "status", "--json"))
    assert before["recording"]
    running.stdin.write(b"\n")
    running.stdin.flush()
    assert running.stdout.readline() == b"2\n"
    after = json.loads(order(capsys, pid, "status", "--json"))
    assert after["recording"]
    assert after["events"] > before["events"] > 0  # though no chunk is full yet
    out, err = running.communicate(timeout=300)
    assert (out, err, running.returncode) == (b"", b"", 0)
