"""Beside other tools each gives what it gives alone, and so does Marey."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import harness
import marey
import pytest

HAS_MONITORING = sys.version_info >= (3, 12)

PROGRAM = """\
import sys


def leaf(n):
    if n % 2:
        return n
    return -n


def parts(n):
    for i in range(n):
        yield leaf(i)


def caught():
    try:
        raise KeyError("x")
    except KeyError:
        return 1


def never():
    return 2


def main():
    return sum(parts(10)) + caught() + len(sys.argv)


print(main())
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "prog.py"
    path.write_text(PROGRAM)
    return path


def calls_of(trace: Path) -> list[tuple[str, str]]:
    with marey.open(trace) as opened:
        findings, count = opened.check()
        assert count == 0, findings
        return [
            (call.name, call.ended)
            for call in opened.calls(function="__main__", process=1)
            if not call.function.is_c
        ] or [
            (call.name, call.ended)
            for call in opened.calls(function="__main__")
            if not call.function.is_c
        ]


WHOLE = [
    "<module>", "main", "parts", *["leaf"] * 10, "caught",
]  # fmt: skip


def both(
    words: Sequence[str | Path],
    folder: Path,
    *,
    run: Sequence[str] = (),
    **more: object,
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The same command with and without Marey prints the same; the trace."""
    trace = folder / "t.marey"
    trace.unlink(missing_ok=True)
    bare = harness.run([sys.executable, *words], cwd=folder, **more)
    done = harness.marey("run", "-q", "-o", trace, *run, *words, cwd=folder, **more)
    assert (done.returncode, done.stdout, done.stderr) == (
        bare.returncode,
        bare.stdout,
        bare.stderr,
    )
    return done, trace


def names_in(trace: Path, name: str) -> int:
    with marey.open(trace) as opened:
        assert opened.check()[1] == 0
        return sum(1 for _ in opened.calls(function=f"*:{name}"))


# ---- tools of the standard library ----


def test_settrace_sees_what_it_sees_alone(tmp_path: Path) -> None:
    (tmp_path / "traces.py").write_text(
        PROGRAM.replace("print(main())", "")
        + """
seen = []
def tracer(frame, event, argument):
    seen.append((frame.f_code.co_name, event, frame.f_lineno))
    return tracer
sys.settrace(tracer)
main()
sys.settrace(None)
for row in seen:
    print(row)
"""
    )
    _, trace = both(["traces.py"], tmp_path)
    if HAS_MONITORING:
        assert names_in(trace, "leaf") == 10


def test_setprofile_sees_what_it_sees_alone(tmp_path: Path) -> None:
    """On 3.11 there is one profile function: the program's, once it has set one."""
    (tmp_path / "profiles.py").write_text(
        PROGRAM.replace("print(main())", "")
        + """
seen = []
def profiler(frame, event, argument):
    seen.append((frame.f_code.co_name, event, getattr(argument, "__name__", None)))
def run():
    return main()
sys.setprofile(profiler)
run()
sys.setprofile(None)
for row in seen:
    print(row)
"""
    )
    _, trace = both(["profiles.py"], tmp_path)
    assert names_in(trace, "leaf") == (10 if HAS_MONITORING else 0)


@pytest.mark.parametrize("module", ["cProfile", "profile", "trace", "pdb"])
def test_modules_that_run_a_program(module: str, program: Path) -> None:
    words = {
        "cProfile": ["-m", "cProfile", "-s", "ncalls"],
        "profile": ["-m", "profile", "-s", "ncalls"],
        "trace": ["-m", "trace", "--count", "--missing", "--summary", "-C", "."],
        "pdb": ["-m", "pdb", "-c", "b leaf", "-c", "c", "-c", "p n", "-c", "q"],
    }[module]
    trace = program.parent / "t.marey"
    bare = harness.run([sys.executable, *words, program], cwd=program.parent)
    done = harness.marey("run", "-q", "-o", trace, *words, program, cwd=program.parent)
    assert done.returncode == bare.returncode

    def facts(text: str) -> list[str]:
        """Without times: of a profile the counts and the names."""
        rows = [line.split() for line in text.splitlines()]
        if module in ("cProfile", "profile"):
            return sorted(
                f"{row[0]} {row[-1]}" for row in rows if row and "prog.py" in row[-1]
            )
        return text.splitlines()

    assert facts(done.stdout) == facts(bare.stdout)
    assert facts(bare.stdout)


def test_faulthandler_dumps_what_it_dumps_alone(tmp_path: Path) -> None:
    (tmp_path / "faults.py").write_text(
        "import faulthandler\ndef inner():\n    faulthandler._sigsegv()\n"
        "def outer():\n    inner()\nouter()\n"
    )
    bare = harness.run(
        [sys.executable, "-X", "faulthandler", "faults.py"], cwd=tmp_path
    )
    trace = tmp_path / "t.marey"
    command = [sys.executable, "-X", "faulthandler", "-m", "marey", "run", "-q"]
    done = harness.run([*command, "-o", trace, "faults.py"], cwd=tmp_path)

    def frames(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith("  File")]

    assert done.returncode == bare.returncode == -11
    assert frames(done.stderr) == frames(bare.stderr) != []
    with marey.open(trace) as opened:
        assert [
            call.name
            for call in opened.calls(function="__main__")
            if call.ended == "open"
        ] == ["inner", "outer", "<module>"]


# What each prints must be the same: without addresses, thread ids and sizes.
OF_THE_LIBRARY = {
    "faulthandler.register": """
import faulthandler, os, signal, sys
faulthandler.register(signal.SIGUSR1, file=sys.stdout, all_threads=False)
def inner():
    os.kill(os.getpid(), signal.SIGUSR1)
def outer():
    inner()
outer()
""",
    "faulthandler.dump_traceback_later": """
import faulthandler, os, sys
reader, writer = os.pipe()
def inner():
    faulthandler.dump_traceback_later(0.3, file=writer)  # it waits by then
    text = b""
    while b"<module>" not in text:
        text += os.read(reader, 1 << 16)
    print([line for line in text.splitlines() if b"File" in line])
def outer():
    inner()
outer()
""",
    "tracemalloc": """
import tracemalloc
def make():
    return [bytes(10_000) for _ in range(50)]
tracemalloc.start(5)
kept = make()
mine = tracemalloc.take_snapshot().filter_traces(
    [tracemalloc.Filter(True, __file__)]
)
large = [one for one in mine.traces if one.size > 10_000]
print(len(large), sum(one.size for one in large))
print({tuple(frame.lineno for frame in one.traceback) for one in large})
""",
    "threading.setprofile": """
import threading
seen = []
def profiler(frame, event, argument):
    if frame.f_code.co_filename == __file__:
        seen.append((frame.f_code.co_name, event))
def leaf():
    return 1
def work():
    leaf()
threading.setprofile(profiler)
thread = threading.Thread(target=work)
thread.start(); thread.join()
threading.setprofile(None)
print(seen)
""",
    "threading.settrace": """
import threading
seen = []
def tracer(frame, event, argument):
    if frame.f_code.co_filename == __file__:
        seen.append((frame.f_code.co_name, event, frame.f_lineno))
    return tracer
def leaf():
    return 1
def work():
    leaf()
threading.settrace(tracer)
thread = threading.Thread(target=work)
thread.start(); thread.join()
threading.settrace(None)
print(seen)
""",
}


@pytest.mark.parametrize("name", OF_THE_LIBRARY)
def test_what_the_library_tells_is_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / "tells.py").write_text(OF_THE_LIBRARY[name])
    done, trace = both(["tells.py"], tmp_path)
    assert done.returncode == 0
    assert len(done.stdout) > 4
    with marey.open(trace) as opened:
        assert opened.check() == ([], 0)


@pytest.mark.parametrize("number", range(6))
def test_a_tool_sees_the_same_under_every_id(number: int, tmp_path: Path) -> None:
    if not HAS_MONITORING:
        pytest.skip("sys.monitoring is new in 3.12")
    (tmp_path / "tool.py").write_text(
        PROGRAM.replace("print(main())", "")
        + f"""
used = sys.monitoring
number = {number}
if used.get_tool(number) == "marey":  # it was here first, and stays
    number = next(n for n in range(6) if used.get_tool(n) is None)
used.use_tool_id(number, "a tool")
seen = []
for name in ("PY_START", "PY_RETURN", "PY_YIELD", "LINE"):
    event = getattr(used.events, name)
    used.register_callback(
        number, event, lambda code, at, *_, n=name: seen.append((n, code.co_name, at))
    )
used.set_events(number, used.events.PY_START | used.events.PY_RETURN
                | used.events.PY_YIELD | used.events.LINE)
main()
used.set_events(number, 0)
used.free_tool_id(number)
for row in seen:
    print(row)
"""
    )
    done, trace = both(["tool.py"], tmp_path)
    assert done.stdout.count("leaf") > 30
    assert names_in(trace, "leaf") == 10


def test_no_tool_id_is_taken_from_its_owner(tmp_path: Path) -> None:
    if not HAS_MONITORING:
        pytest.skip("sys.monitoring is new in 3.12")
    (tmp_path / "tools.py").write_text(
        """
import sys
import marey
used = sys.monitoring
for number in range(6):
    used.use_tool_id(number, f"tool {number}")
try:
    with marey.record("full.marey"):
        pass
except marey.RecordingError as error:
    print(type(error).__name__, error)
print([used.get_tool(number) for number in range(6)])
used.free_tool_id(3)
with marey.record("one.marey"):
    print(used.get_tool(3), [used.get_tool(number) for number in (0, 1, 2, 4, 5)])
print(used.get_tool(3))
"""
    )
    done = harness.run([sys.executable, "tools.py"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    refused, tools, during, after = done.stdout.splitlines()
    assert "in use by other tools" in refused
    assert tools == str([f"tool {number}" for number in range(6)])
    assert during == "marey " + str([f"tool {number}" for number in (0, 1, 2, 4, 5)])
    assert after == "None"


def test_all_tool_ids_taken_is_one_line_and_the_program_runs_on(tmp_path: Path) -> None:
    if not HAS_MONITORING:
        pytest.skip("sys.monitoring is new in 3.12")
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nfor n in range(6):\n    try:\n"
        "        sys.monitoring.use_tool_id(n, 'greedy')\n"
        "    except ValueError:\n        pass\n"
    )
    (tmp_path / "p.py").write_text("print(1)\n")
    done = harness.marey(
        "run", "-q", "-o", tmp_path / "t.marey", "p.py",
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    # Which of the two came first is up to the order of site's work; either is right.
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert len(done.stderr.splitlines()) <= 1


def test_a_second_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text(
        """
import marey
with marey.record("a.marey"):
    try:
        marey.record("b.marey").start()
    except marey.RecordingError as error:
        print(type(error).__name__, error)
    print(len("still recording"))
"""
    )
    done = harness.run([sys.executable, "twice.py"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a recording is on already" in done.stdout.splitlines()[0]
    assert sorted(path.name for path in tmp_path.glob("*.marey")) == ["a.marey"]
    assert calls_of(tmp_path / "a.marey") is not None


# ---- surroundings ----


@pytest.mark.parametrize("flags", [["-W", "error"], ["-X", "dev"], ["-O"], ["-OO"]])
def test_flags_change_nothing(flags: list[str], program: Path) -> None:
    trace = program.parent / "t.marey"
    bare = harness.run([sys.executable, *flags, program])
    done = harness.run(
        [sys.executable, *flags, "-m", "marey", "run", "-q", "-o", trace, program]
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, bare.stdout, "")
    assert sorted(name for name, _ in calls_of(trace)) == sorted(WHOLE)


@pytest.mark.parametrize("seed", ["0", "1", "4294967295"])
def test_hashes_are_those_of_the_seed(seed: str, tmp_path: Path) -> None:
    (tmp_path / "hashes.py").write_text(
        "import sys\nprint(hash('x'), list({'a', 'b', 'c', 'd'}), sys.flags)\n"
    )
    both(["hashes.py"], tmp_path, env={"PYTHONHASHSEED": seed})


def test_names_and_paths_that_are_no_utf_8(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/f\xff\xe9"
    os.mkdir(folder)
    script = folder + b"/s\xfe.py"
    with open(script, "wb") as file:
        file.write(
            b"import sys, threading\n"
            b"def f\xc3\xa9(): return 1\n"
            b"t = threading.Thread(target=f\xc3\xa9, name='n\\udcff\\n\\0x')\n"
            b"t.start(); t.join()\n"
            b"sys.stdout.buffer.write(sys.argv[0].encode('utf-8', 'surrogateescape'))\n"
        )
    trace = folder + b"/t\xfd.marey"
    command = [
        os.fsencode(sys.executable),
        b"-m",
        b"marey",
        b"run",
        b"-q",
        b"-o",
        trace,
    ]
    done = subprocess.run([*command, script, b"\xff"], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, script, b"")
    with marey.open(os.fsdecode(trace)) as opened:
        assert opened.check()[1] == 0
        assert "fé" in [call.name for call in opened.calls()]
        assert opened.processes[0].arguments[-1] == os.fsdecode(b"\xff")
    for verb in ("show", "report", "info", "check"):
        shown = subprocess.run(
            [os.fsencode(sys.executable), b"-m", b"marey", verb.encode(), trace],
            capture_output=True,
            check=False,
        )
        assert (shown.returncode, shown.stderr) == (0, b""), shown.stderr


def test_streams_that_are_gone(program: Path) -> None:
    """As under pythonw or a daemon: no stdin, stdout, stderr at all."""
    trace = program.parent / "t.marey"
    command = f"{sys.executable} -m marey run -o {trace} {program} <&- >&- 2>&-"
    bare = subprocess.run(["sh", "-c", f"{sys.executable} {program} <&- >&- 2>&-"])
    done = subprocess.run(["sh", "-c", command])
    assert done.returncode == bare.returncode
    assert sorted(name for name, _ in calls_of(trace)) == sorted(WHOLE)


def test_stdout_that_is_none(program: Path) -> None:
    program.write_text("import sys\nsys.stdout = sys.stderr = None\n" + PROGRAM)
    both([program], program.parent)


def test_a_huge_recursion_limit(tmp_path: Path) -> None:
    (tmp_path / "deep.py").write_text(
        "import sys\nsys.setrecursionlimit(10**6)\n"
        "def down(n):\n    return n and down(n - 1)\nprint(down(20_000))\n"
    )
    _, trace = both(["deep.py"], tmp_path)
    with marey.open(trace) as opened:
        assert opened.check()[1] == 0
        assert max(call.depth for call in opened.calls(function="*:down")) == 20_000


# ---- tools from elsewhere ----


CORES = ["ctrace", "pytrace", *(["sysmon"] if HAS_MONITORING else [])]


@pytest.mark.parametrize("core", CORES)
def test_coverage_measures_the_same(core: str, program: Path) -> None:
    pytest.importorskip("coverage.tracer" if core == "ctrace" else "coverage")
    folder = program.parent

    def report(*command: str | Path) -> object:
        environ = {"COVERAGE_CORE": core, "COVERAGE_FILE": str(folder / "data")}
        done = harness.run([*command], cwd=folder, env=environ)
        assert done.returncode == 0, done.stderr
        made = harness.run(
            [sys.executable, "-m", "coverage", "json", "-q", "-o", "c.json"],
            cwd=folder,
            env=environ,
        )
        assert made.returncode == 0, made.stdout
        found = json.loads((folder / "c.json").read_text())["files"]
        return done.stdout, {
            name: (one["executed_lines"], one["missing_lines"])
            for name, one in found.items()
        }

    measure = ["-m", "coverage", "run", "--branch", program]
    bare = report(sys.executable, *measure)
    trace = folder / "t.marey"
    marey_run = [sys.executable, "-m", "marey", "run", "-q", "-o", trace]
    assert report(*marey_run, *measure) == bare
    assert names_in(trace, "leaf") == 10


def test_gevent_switches_frames_and_nothing_is_wrong(tmp_path: Path) -> None:
    """Greenlets are not lanes of their own: their calls share their thread's."""
    pytest.importorskip("gevent")
    (tmp_path / "green.py").write_text(
        """
from gevent import monkey
monkey.patch_all()
import gevent, subprocess, sys, time, threading

def leaf(n):
    time.sleep(0.001 * (n % 3))
    return n

def task(n):
    return leaf(n) + leaf(n + 1)

jobs = [gevent.spawn(task, n) for n in range(50)]
gevent.joinall(jobs)
print(sum(job.value for job in jobs))
thread = threading.Thread(target=task, args=(5,))
thread.start(); thread.join()
print(subprocess.check_output([sys.executable, "-c", "print(1)"]))
"""
    )
    _, trace = both(["green.py"], tmp_path)
    with marey.open(trace) as opened:
        assert opened.check()[1] == 0
        assert sum(1 for _ in opened.calls(function="__main__:leaf")) >= 102
        assert len(opened.processes) >= 2


def test_pytest_cov_reports_the_same(tmp_path: Path) -> None:
    pytest.importorskip("pytest_cov")
    (tmp_path / "measured.py").write_text(
        PROGRAM.replace("print(main())", "").replace("import sys\n", "")
        + "\ndef half(n):\n    if n:\n        return leaf(n)\n    return never()\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import measured\ndef test_half():\n    assert measured.half(3) == 3\n"
        "    assert sum(measured.parts(4)) == 2\n"
    )
    words = [
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_cov",
        "--cov=measured", "--cov-branch", "--cov-report=json:c.json", "test_it.py",
    ]  # fmt: skip

    def report(*command: str | Path) -> object:
        environ = {
            "COVERAGE_FILE": str(tmp_path / "data"),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # most of the time goes there
        }
        done = harness.run(command, cwd=tmp_path, env=environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads((tmp_path / "c.json").read_text())["files"]

    bare = report(sys.executable, *words)
    assert bare
    trace = tmp_path / "t.marey"
    run = [sys.executable, "-m", "marey", "run", "-q", "-o", trace]
    assert report(*run, *words) == bare
    assert names_in(trace, "leaf") == 5


def test_joblib_has_its_workers_in_the_trace(tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    (tmp_path / "jobs.py").write_text(
        "import os\nfrom joblib import Parallel, delayed\n"
        "def work(n):\n    return n * n, os.getpid() != parent\n"
        "parent = os.getpid()\n"
        "if __name__ == '__main__':\n"
        "    print(Parallel(n_jobs=2)(delayed(work)(n) for n in range(8)))\n"
    )
    done, trace = both(["jobs.py"], tmp_path)
    assert "(49, True)" in done.stdout
    with marey.open(trace) as opened:
        assert opened.check()[1] == 0
        workers = opened.processes[1:]
        assert 1 <= len(workers) <= 2  # and no helper
        assert {worker.parent for worker in workers} == {0}
        assert all(worker.flow is not None for worker in workers)
        places = [call.process.index for call in opened.calls(function="*:work")]
        assert len(places) == 8
        assert 0 not in places


LOOPS = {
    "trio": """
import trio
async def leaf(n):
    await trio.sleep(0)
    return n
async def main():
    async with trio.open_nursery() as nursery:
        for n in range(9):
            nursery.start_soon(leaf, n)
    return await trio.to_thread.run_sync(max, 3, 4)
print(trio.run(main))
""",
    "anyio": """
import anyio
async def leaf(n):
    await anyio.sleep(0)
    return n
async def main():
    async with anyio.create_task_group() as group:
        for n in range(9):
            group.start_soon(leaf, n)
    return await anyio.to_thread.run_sync(max, 3, 4)
print(anyio.run(main))
""",
    "uvloop": """
import asyncio, uvloop
async def leaf(n):
    await asyncio.sleep(0)
    return n
async def main():
    return sum(await asyncio.gather(*map(leaf, range(9))))
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    print(runner.run(main()))
""",
}


@pytest.mark.parametrize("name", LOOPS)
def test_event_loops_of_others(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    (tmp_path / "loop.py").write_text(LOOPS[name])
    _, trace = both(["loop.py"], tmp_path)
    with marey.open(trace) as opened:
        assert opened.check()[1] == 0
        calls = list(opened.calls(function="__main__:leaf"))
        assert [call.ended for call in calls] == ["returned"] * 9


class Debugger:
    """The client's side of the debug adapter protocol, as an editor speaks it."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), 60)
                break
            except OSError:
                assert process.poll() is None, "the debugger is gone"
                assert time.monotonic() < deadline
                time.sleep(0.05)
        self.file = self.socket.makefile("rb")
        self.count = 0
        self.seen: list[dict[str, Any]] = []  # not asked for yet

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def send(self, command: str, **arguments: object) -> int:
        self.count += 1
        body = json.dumps(
            {
                "seq": self.count,
                "type": "request",
                "command": command,
                "arguments": arguments,
            }
        ).encode()
        self.socket.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        return self.count

    def wait(self, **wanted: object) -> dict[str, Any]:
        """The first message of those still unread that has these values."""
        while True:
            for message in self.seen:
                if wanted.items() <= message.items():
                    self.seen.remove(message)
                    return message
            size = 0
            while line := self.file.readline().strip():
                size = int(line.partition(b":")[2])
            assert size, f"the debugger hung up; {self.seen}"
            self.seen.append(json.loads(self.file.read(size)))

    def ask(self, command: str, **arguments: object) -> Any:
        number = self.send(command, **arguments)
        answer = self.wait(type="response", request_seq=number)
        assert answer["success"], answer
        return answer.get("body")


def debugged(run: Sequence[str | Path], program: Path) -> tuple[Any, bytes, int]:
    """What a debugger sees at each stop in leaf(), and the program's output."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable, *run, "-m", "debugpy", "--listen", f"127.0.0.1:{port}",
        "--wait-for-client", program,
    ]  # fmt: skip
    environ = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    line = PROGRAM.splitlines().index("    if n % 2:") + 1
    stops = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ) as process:
        try:
            client = Debugger(port, process)
            client.ask("initialize", adapterID="test", clientID="test")
            attached = client.send("attach", justMyCode=True)
            client.wait(type="event", event="initialized")
            client.ask(
                "setBreakpoints",
                source={"path": str(program)},
                breakpoints=[{"line": line, "condition": "n in (3, 8)"}],
            )
            client.ask("configurationDone")
            client.wait(type="response", request_seq=attached)
            for _ in range(2):
                thread = client.wait(type="event", event="stopped")["body"]["threadId"]
                frames = client.ask("stackTrace", threadId=thread)["stackFrames"]
                scopes = client.ask("scopes", frameId=frames[0]["id"])["scopes"]
                values = client.ask(
                    "variables", variablesReference=scopes[0]["variablesReference"]
                )["variables"]
                stops.append(
                    (
                        [(frame["name"], frame["line"]) for frame in frames],
                        [(value["name"], value["value"]) for value in values],
                    )
                )
                client.ask("continue", threadId=thread)
            client.wait(type="event", event="terminated")
            client.close()
            assert process.stdout is not None
            return stops, process.stdout.read(), process.wait(60)
        finally:
            process.kill()


def test_debugpy_stops_and_shows_what_it_does_alone(program: Path) -> None:
    pytest.importorskip("debugpy")
    trace = program.parent / "t.marey"
    bare = debugged([], program)
    assert debugged(["-m", "marey", "run", "-q", "-o", trace], program) == bare
    stops, output, status = bare
    assert [names[0][0] for names, _ in stops] == ["leaf"] * 2
    assert [("n", "3") in stops[0][1], ("n", "8") in stops[1][1]] == [True, True]
    assert (output, status) == (b"7\n", 0)
    if HAS_MONITORING:
        assert names_in(trace, "leaf") == 10
