"""Ends, and things that a program does to itself: the same with Marey, and the trace is
there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import harness
import marey
import pytest

START = """\
import os, signal, sys, threading, time

def leaf(n):
    return n

def work():
    for n in range(50):
        leaf(n)
    print("worked", flush=True)

def own(number, frame):
    print("handler", number, flush=True)
    sys.exit(5)

"""

ENDS = {
    "SIGHUP": "work(); signal.raise_signal(signal.SIGHUP)",
    "SIGINT": "work(); signal.raise_signal(signal.SIGINT)",
    "SIGTERM": "work(); signal.raise_signal(signal.SIGTERM)",
    "SIGXCPU": "work(); signal.raise_signal(signal.SIGXCPU)",
    "own SIGHUP": "signal.signal(1, own); work(); signal.raise_signal(1)",
    "own SIGINT": "signal.signal(2, own); work(); signal.raise_signal(2)",
    "own SIGTERM": "signal.signal(15, own); work(); signal.raise_signal(15)",
    "ignored": "signal.signal(1, signal.SIG_IGN); signal.raise_signal(1); work()",
    "exit in a thread": (
        "def end():\n    work()\n    sys.exit(9)\n"
        "t = threading.Thread(target=end); t.start(); t.join(); work()"
    ),
    "_exit in a thread": (
        "def end():\n    work()\n    os._exit(9)\n"
        "t = threading.Thread(target=end); t.start(); t.join(); work()"
    ),
    "exception in a thread": (
        "threading.excepthook = lambda a: print(a.exc_type.__name__)\n"
        "def end():\n    work()\n    raise KeyError\n"
        "t = threading.Thread(target=end); t.start(); t.join(); work()"
    ),
    "daemon threads at the end": (
        "def spin():\n    while True:\n        leaf(1); time.sleep(0.001)\n"
        "for n in range(4):\n    threading.Thread(target=spin, daemon=True).start()\n"
        "work()"
    ),
    "exec": (
        "work(); os.execv(sys.executable, [sys.executable, '-c', 'print(2); exit(4)'])"
    ),
    "exec first": (
        "os.execv(sys.executable, [sys.executable, '-c', 'print(2); exit(4)'])"
    ),
    "exec in a thread": (
        "def end():\n    work()\n"
        "    os.execv(sys.executable, [sys.executable, '-c', 'print(2); exit(4)'])\n"
        "t = threading.Thread(target=end); t.start(); t.join()"
    ),
    "exec that fails": (
        "try:\n    os.execv('/nothing/there', ['x'])\n"
        "except OSError as error:\n    print(error)\n"
        "work()"
    ),
    "folder that is gone": (
        "import tempfile\nd = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d); work()"
    ),
    "closed descriptors": (
        "work(); os.closerange(3, 4096)\n"
        "print(os.open('/dev/null', os.O_RDONLY)); work()"
    ),
    "memory that ends": (
        "import resource\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)\n"
        "held = []\n"
        "try:\n    while True:\n        held.append(bytes(1 << 20)); leaf(1)\n"
        "except MemoryError:\n    held.clear()\n"
        "work()"
    ),
    "exit handlers": (
        "import atexit\natexit.register(work); atexit.register(leaf, 1); sys.exit('no')"
    ),
    "exit with open pool": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "p = ThreadPoolExecutor(2); p.submit(work); sys.exit(3)"
    ),
}
NOT_STARTED = ("exec first",)


@pytest.mark.parametrize("name", ENDS)
def test_an_end_is_the_same_and_its_trace_is_whole(name: str, tmp_path: Path) -> None:
    program, trace = tmp_path / "ends.py", tmp_path / "t.marey"
    program.write_text(START + ENDS[name] + "\n")
    bare = harness.run([sys.executable, program], cwd=tmp_path)
    done = harness.record(trace, program, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (
        bare.returncode,
        bare.stdout,
        bare.stderr,
    )
    with marey.open(trace) as opened:
        findings, count = opened.check()
        assert count == 0, findings
        assert opened.info().lost_count == 0
        first = opened.processes[0]
        leaves = list(opened.calls(function="__main__:leaf", process=first))
        rounds = bare.stdout.count("worked")
        assert sum(call.ended == "returned" for call in leaves) >= 50 * rounds
        if rounds:
            assert "work" in {call.name for call in opened.calls(process=first)}


def test_every_verb_reads_what_a_signal_left(tmp_path: Path) -> None:
    program, trace = tmp_path / "ends.py", tmp_path / "t.marey"
    program.write_text(START + ENDS["SIGHUP"] + "\n")
    assert harness.record(trace, program).returncode == -1
    for verb in ("info", "show", "report", "check"):
        assert harness.marey(verb, trace).returncode == 0


def test_an_output_folder_that_takes_no_file(tmp_path: Path) -> None:
    """One line says so, before anything is run."""
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):  # root may write everywhere, but not there:
        folder = Path("/proc")
    program = tmp_path / "p.py"
    program.write_text("print('ran')\n")
    done = harness.record(folder / "t.marey", program)
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_trace_is_for_its_owner_and_follows_no_link(tmp_path: Path) -> None:
    """In a folder of all, where another put a link to a file of ours, or to none."""
    program, precious = tmp_path / "p.py", tmp_path / "precious"
    program.write_text("print('ran')\n")
    precious.write_text("mine")
    trace = tmp_path / "t.marey"
    done = harness.record(trace, program, preexec_fn=lambda: os.umask(0))
    assert done.returncode == 0
    assert trace.stat().st_mode & 0o7777 == 0o600
    for name, target in (("a.marey", precious), ("b.marey", tmp_path / "none")):
        link = tmp_path / name
        link.symlink_to(target)
        harness.record(link, program)
        assert precious.read_text() == "mine"
        assert not (tmp_path / "none").exists()


STARTS_AND_STOPS = """\
import dis, os, sys, threading, time
import marey

def leaf(n):
    return n + len("x")

def parts(n):
    for i in range(n):
        yield leaf(i)

def work():
    while not is_over:
        sum(parts(9))

is_over = False
threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
for thread in threads: thread.start()
for cycle in range(50):
    with marey.record(sys.argv[1], children=cycle % 2 == 0):
        sum(parts(3))
    if cycle < 49:
        os.unlink(sys.argv[1])
is_over = True
for thread in threads: thread.join()
sum(parts(3))
if sys.version_info >= (3, 12):
    print([sys.monitoring.get_tool(n) for n in range(6)])
    for function in (leaf, parts, work):
        for row in dis.get_instructions(function, adaptive=True):
            if "INSTRUMENTED" in row.opname:
                print(function.__name__, row.opname)
print(sys.getprofile(), sys.gettrace(), threading.getprofile())
print([name for name in os.environ if name.startswith("MAREY_TRACE")])
deadline = time.monotonic() + 30  # a thread that is joined may yet be on its way out
while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < deadline:
    time.sleep(0.01)
print(threading.active_count(), len(os.listdir("/proc/self/task")))
"""


def test_stops_leave_nothing_in_the_interpreter(tmp_path: Path) -> None:
    program, trace = tmp_path / "stops.py", tmp_path / "t.marey"
    program.write_text(STARTS_AND_STOPS)
    done = harness.run([sys.executable, program, trace])
    assert (done.returncode, done.stderr) == (0, "")
    left = ["None None None", "[]", "1 1"]
    if sys.version_info >= (3, 12):
        left.insert(0, str([None] * 6))
    assert done.stdout.splitlines() == left
    with marey.open(trace) as opened:
        assert opened.check() == ([], 0)
        main = next(lane for lane in opened.lanes if lane.is_main)
        leaves = list(opened.calls(function="__main__:leaf"))
        assert sum(call.lane == main for call in leaves) == 3
