"""Every way of starting a child gives the same child, and one process in the trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import harness
import marey
import pytest
from marey import Process

PROGRAM = Path(__file__).with_name("start_methods.py")

# The exit statuses of the processes that each way starts, in order of their start.
# None: nobody learned it, or the process became another program.
WAYS: dict[str, list[int | None]] = {
    "fork": [4],
    "fork_that_returns": [5],
    "fork_in_thread": [4],
    "fork_killed": [-signal.SIGKILL],
    "fork_terminated": [-signal.SIGTERM],
    "fork_raises": [1],
    "waitid": [6],
    "outlives": [0, 0],
    "exec": [None, 8],
    "exec_bare": [None, 9],
    "exec_fails": [],
    "spawnv": [None, 2, None, 2],
    "posix_spawn": [3, 2, 1, 0, 0],
    "posix_spawn_fails": [],
    "system": [0],
    "list": [7],
    "shell": [7],
    "path": [7],
    "bytes": [7],
    "other_folder": [7],
    "env": [7],
    "no_env": [7],
    "isolated": [7],
    "module": [7],
    "zipapp": [7],
    "stdin_program": [7],
    "console_script": [7],
    "preexec": [None, 7],
    "not_python": [],
    "other_interpreter": [],
    "other_environment": [],
    "no_site": [0],
    "program_between": [6],
    "three_deep": [9, 8, 7],
    "mp_fork": [0],
    "mp_spawn": [0],
    "mp_forkserver": [0, 0],
    "mp_forkserver_nested": [0, 0],
    "mp_daemon": [0],
    "mp_terminate": [-signal.SIGTERM],
    "pool": [0, 0],
    "pool_spawn": [0],
    "executor": [0],
}


def batches(count: int) -> list[list[str]]:
    names = list(WAYS)
    return [names[i::count] for i in range(count)]


def outputs(command: Sequence[str | Path], folder: Path) -> tuple[int, str, str]:
    folder.mkdir(exist_ok=True)
    done = harness.run(command, timeout=300)
    return done.returncode, done.stdout, done.stderr


def same(bare: tuple[int, str, str], recorded: tuple[int, str, str]) -> None:
    assert recorded[1].splitlines() == bare[1].splitlines()
    assert recorded == bare
    assert bare[0] == 0, bare[2]


def by_way(trace: marey.Trace) -> dict[str, list[Process]]:
    """The processes that were started while the way's function ran."""
    calls = [
        call
        for call in trace.calls(function=["__main__:way_*", "__main__:main"])
        if call.process.index == 0
        and call.parent is not None
        and call.parent.name == "main"
    ]
    found: dict[str, list[Process]] = {}
    for call in calls:
        begin_ns, end_ns = call.begin_ns, call.end_ns
        assert begin_ns is not None
        assert end_ns is not None
        found[call.name.removeprefix("way_")] = sorted(
            (
                process
                for process in trace.processes[1:]
                if process.start_ns is not None
                and begin_ns <= process.start_ns <= end_ns
            ),
            key=lambda process: process.start_ns or 0,
        )
    return found


def verify(path: Path, ways: Sequence[str]) -> None:
    with marey.open(path) as trace:
        findings, count = trace.check()
        assert count == 0, findings
        found = by_way(trace)
        starts = {
            event.flow: event for event in trace.events() if event.kind == "flow_out"
        }
        ends = {
            event.flow: event for event in trace.events() if event.kind == "flow_in"
        }
        assert sum(len(one) for one in found.values()) == len(trace.processes) - 1
        for way in ways:
            processes = found[way]
            statuses = [process.exit_status for process in processes]
            assert sorted(statuses, key=str) == sorted(WAYS[way], key=str), way
            for process in processes:
                assert process.parent is not None, way
                assert process.has_ended, way
                assert process.is_replaced == (process.exit_status is None), way
                assert process.python == trace.processes[0].python
                # A child of subprocess in which Python runs before the program does.
                if way == "preexec" and process.is_replaced:
                    continue
                assert process.flow is not None, way
                assert starts[process.flow].process.index == process.parent, way
                assert ends[process.flow].process.index == process.index, way
                assert starts[process.flow].time_ns <= ends[process.flow].time_ns


@pytest.mark.parametrize("part", range(3))
def test_children_are_the_same_and_in_the_trace(part: int, tmp_path: Path) -> None:
    ways, trace = batches(3)[part], tmp_path / "t.marey"
    folder = tmp_path / "work"
    bare = outputs([sys.executable, PROGRAM, folder, *ways], folder)
    recorded = outputs(
        [
            sys.executable, "-m", "marey", "run", "-q", "-o", trace, PROGRAM, folder,
            *ways
        ],
        folder,
    )  # fmt: skip
    same(bare, recorded)
    verify(trace, ways)


def test_recording_in_code_has_the_same_children(tmp_path: Path) -> None:
    ways, trace = ["fork", "no_env", "system", "mp_spawn"], tmp_path / "t.marey"
    folder = tmp_path / "work"
    bare = outputs([sys.executable, PROGRAM, folder, *ways], folder)
    recorded = outputs(
        [sys.executable, PROGRAM, "--in-code", trace, folder, *ways], folder
    )
    same(bare, recorded)
    verify(trace, ways)


def test_no_children_means_none(tmp_path: Path) -> None:
    ways = ["fork", "list", "mp_fork", "system", "posix_spawn"]
    trace, folder = tmp_path / "t.marey", tmp_path / "work"
    done = outputs(
        [
            sys.executable, "-m", "marey", "run", "-q", "--no-children", "-o", trace,
            PROGRAM, folder, *ways
        ],
        folder,
    )  # fmt: skip
    assert done[0] == 0, done[2]
    with marey.open(trace) as opened:
        assert opened.check()[1] == 0
        assert len(opened.processes) == 1


def test_a_childs_own_recording_goes_where_it_says(tmp_path: Path) -> None:
    """`marey run` inside a recorded program: the inner trace is the inner program's."""
    program, inner = tmp_path / "p.py", tmp_path / "inner.marey"
    program.write_text(
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'marey', 'run', '-q', '-o',"
        f" {str(inner)!r}, '-c', 'print(len(\"abc\"))'], check=True)\n"
    )
    outer = tmp_path / "outer.marey"
    done = harness.record(outer, program)
    assert done.stdout == "3\n", done.stderr
    with marey.open(inner) as opened:
        assert [process.program for process in opened.processes] == ["-c"]
        assert opened.processes[0].parent is None


def test_the_status_of_an_executor_left_open(tmp_path: Path) -> None:
    program = tmp_path / "p.py"
    program.write_text(
        "import sys\nfrom concurrent.futures import ProcessPoolExecutor\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(1) as executor:\n"
        "        executor.submit(len, 'abc')\n"
        "        sys.exit(3)\n"
    )
    bare = harness.run([sys.executable, program])
    done = harness.record(tmp_path / "t.marey", program)
    assert (done.returncode, done.stdout, done.stderr) == (3, bare.stdout, bare.stderr)


def test_a_reader_of_a_pipe(tmp_path: Path) -> None:
    program = tmp_path / "reader.py"
    program.write_text("import sys\nprint([line for line in sys.stdin])\n")
    command = "seq 5 | {} -m marey run -q -o {} {}".format(
        *(sys.executable, tmp_path / "t.marey", program)
    )
    done = subprocess.run(command, shell=True, capture_output=True, check=True)
    assert done.stdout == b"['1\\n', '2\\n', '3\\n', '4\\n', '5\\n']\n"


def test_a_shell_sees_143(tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), 15)"
    command = f'{sys.executable} -m marey run -q -o {tmp_path}/t.marey -c "{code}"'
    done = subprocess.run(
        ["sh", "-c", f"{command}; echo $?"], capture_output=True, check=False
    )
    assert done.stdout == b"143\n"


def test_the_program_does_not_see_the_origin(tmp_path: Path) -> None:
    """What a parent adds for one child is taken out before the program begins, so that
    the child's own children do not claim to be its siblings."""
    child, program = tmp_path / "child.py", tmp_path / "p.py"
    child.write_text("import os\nprint(os.environ['MAREY_TRACE'])\n")
    program.write_text(
        "import os, subprocess, sys\nprint(os.environ['MAREY_TRACE'], flush=True)\n"
        f"subprocess.run([sys.executable, {str(child)!r}], check=True)\n"
        f"os.system(sys.executable + {' ' + str(child)!r})\n"
    )
    done = harness.record(tmp_path / "t.marey", program)
    first, *others = done.stdout.splitlines()
    assert others == [first, first], done.stderr
    assert ";from=" not in first


def test_hostile_values_of_the_variable_write_nowhere(tmp_path: Path) -> None:
    """Not through a link, not into another's file, not into a file that is no trace."""
    target, link = tmp_path / "precious", tmp_path / "link.marey"
    target.write_text("precious")
    link.symlink_to(target)
    for path in (link, target, tmp_path / "no" / "folder", Path("/proc/self/mem")):
        for origin in ("", ";from=1.16777217", ";from=x.y", ";from=" + "9" * 60):
            done = harness.run(
                [sys.executable, "-c", "print(1)"],
                env={"MAREY_TRACE": f"v=1;path={path}{origin}"},
            )
            assert (done.returncode, done.stdout) == (0, "1\n")
            assert len(done.stderr.splitlines()) == (0 if origin else 1)
    assert target.read_text() == "precious"
    assert sorted(os.listdir(tmp_path)) == ["link.marey", "precious"]


def test_a_program_with_rights_of_another_takes_no_orders(tmp_path: Path) -> None:
    """As a set-uid program runs: what its caller may do is not what it may do."""
    if os.geteuid() != 0:
        pytest.skip("needs the right to change its user")

    def become_set_uid() -> None:
        os.setresuid(65534, 0, 0)

    for before, count in ((None, 1), (become_set_uid, 0)):
        trace = tmp_path / f"t{count}.marey"
        done = harness.run(
            [sys.executable, "-c", "print(1)"],
            env={"MAREY_TRACE": f"v=1;path={trace}"},
            preexec_fn=before,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
        assert len(list(tmp_path.glob(trace.name))) == count
