"""What is wrong is said in one clear line, with the right exit status."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import golden_traces
import harness
import marey
import pytest
from trace_builder import flip

READING = ("info", "show", "report", "check")


def one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.stderr.startswith("marey: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


BAD: dict[str, Callable[[Path], object]] = {
    "text.marey": lambda path: path.write_text("hello\n" * 1000),
    "empty.marey": lambda path: path.write_bytes(b""),
    "short.marey": lambda path: path.write_bytes(golden_traces.calls()[:3000]),
    "version.marey": lambda path: path.write_bytes(golden_traces.not_version_2()),
    "flipped.marey": lambda path: path.write_bytes(flip(golden_traces.calls(), 1)),
    "folder.marey": lambda path: path.mkdir(),
    "missing.marey": lambda _: None,
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    BAD[name](path)
    for verb in READING:
        done = harness.marey(verb, path)
        assert done.returncode == 1
        assert done.stdout == ""
        one_line(done, name)
    done = harness.marey("export", path, "-o", tmp_path / "out.json")
    assert done.returncode == 1
    one_line(done, name)
    assert not (tmp_path / "out.json").exists()


def test_errors_of_the_api_are_the_documented_ones(tmp_path: Path) -> None:
    wanted = {
        "text.marey": marey.NotATraceError,
        "empty.marey": marey.NotATraceError,
        "version.marey": marey.VersionError,
        "folder.marey": marey.MareyError,
        "missing.marey": marey.NotFoundError,
    }
    for name, kind in wanted.items():
        BAD[name](tmp_path / name)
        with pytest.raises(kind) as caught:
            marey.open(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "secret.marey"
    path.write_bytes(golden_traces.calls())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads everything")
    done = harness.marey("info", path)
    assert done.returncode == 1
    one_line(done, "secret.marey")


def test_a_truncated_trace_is_read_and_check_says_where(tmp_path: Path) -> None:
    path = tmp_path / "cut.marey"
    data = golden_traces.many_events()
    path.write_bytes(data[: len(data) * 2 // 3])
    assert harness.marey("info", path).returncode == 0
    assert "work" in harness.marey("show", path).stdout
    done = harness.marey("check", path)
    assert done.returncode == 1
    assert done.stdout.strip()


def test_a_recording_cut_at_a_chunk_is_not_called_whole(tmp_path: Path) -> None:
    trace = tmp_path / "t.marey"
    program = "def f():\n    pass\nfor _ in range(100_000):\n    f()\n"
    assert harness.marey("run", "-q", "-o", trace, "-c", program).returncode == 0
    size = trace.stat().st_size
    for kept in (4096, size // 4096 // 2 * 4096, size // 4096 * 3 // 4 * 4096):
        cut = tmp_path / "cut.marey"
        cut.write_bytes(trace.read_bytes()[:kept])
        done = harness.marey("check", cut)
        assert done.returncode == 1
        assert "cut short" in done.stdout


def test_a_pipe_is_no_trace_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.marey")
    done = harness.marey("info", tmp_path / "pipe.marey")
    assert done.returncode == 1
    one_line(done, "pipe.marey")


def test_traces_to_merge_may_stand_around_the_option(tmp_path: Path) -> None:
    (tmp_path / "a.marey").write_bytes(golden_traces.calls())
    (tmp_path / "b.marey").write_bytes(golden_traces.many_events())
    done = harness.marey("merge", "a.marey", "-o", "c.marey", "b.marey", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert harness.marey("check", tmp_path / "c.marey").returncode == 0


def test_a_flipped_byte_is_found_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "flipped.marey"
    data = golden_traces.many_events()
    path.write_bytes(flip(data, data.index(b"MCHK", 6000) + 140))
    assert "work" in harness.marey("show", path).stdout
    done = harness.marey("check", path)
    assert done.returncode == 1
    assert done.stdout.strip()


def test_an_unknown_suffix_says_which_are_known(tmp_path: Path) -> None:
    path = tmp_path / "t.marey"
    path.write_bytes(golden_traces.calls())
    done = harness.marey("export", path, "-o", tmp_path / "out.docx")
    assert done.returncode == 2
    one_line(done, ".docx")
    assert not (tmp_path / "out.docx").exists()


USAGE: list[list[str]] = [
    ["run"],
    ["run", "--nonsense", "x.py"],
    ["run", "no-such-program.py"],
    ["run", "-o"],
    ["run", "--ring", "plenty", "x.py"],
    ["run", "--min-duration", "5", "x.py"],
    ["run", "--max-depth", "-1", "x.py"],
    ["show", "--from", "yesterday"],
    ["merge", "a.marey"],
    ["ctl"],
    ["ctl", "list", "more"],
    ["report", "--slowest", "3"],
    ["report", "--transactions", "--callers"],
    ["nonsense"],
]


@pytest.mark.parametrize("words", USAGE, ids=" ".join)
def test_wrong_use_is_one_line_and_status_2(words: list[str], tmp_path: Path) -> None:
    done = harness.marey(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    one_line(done)
    assert not list(tmp_path.iterdir())


def test_no_trace_here_is_one_line(tmp_path: Path) -> None:
    done = harness.marey("show", cwd=tmp_path)
    assert done.returncode in (1, 2)
    one_line(done)


def test_a_trace_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    done = harness.marey("run", "-o", tmp_path / "no" / "t.marey", "-c", "print(1)")
    assert done.returncode == 2
    assert done.stdout == ""
    one_line(done)


def test_a_ring_that_does_not_fit_on_the_disk(tmp_path: Path) -> None:
    done = harness.marey("run", "--ring", "999999T", "-c", "print(1)", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    one_line(done, "--ring", "MiB free")
    assert not list(tmp_path.iterdir())


# Makes some megabytes of events, then says that it was not disturbed.
BUSY = """
import sys
def f(n):
    return len("x") + n
def main():
    for i in range(300_000):
        f(i)
main()
print("done")
sys.exit(5)
"""


def recorded_with_losses(done: subprocess.CompletedProcess[str], trace: Path) -> None:
    """The program went its way, and the trace knows what it lacks."""
    assert done.stdout == "done\n"
    assert done.returncode == 5
    assert "Traceback" not in done.stderr
    with marey.open(trace) as opened:
        assert opened.check() == ([], 0)
        info = opened.info()
        assert info.lost_count > 0
        calls = sum(1 for call in opened.calls(function="__main__:f"))
        assert 0 < calls < 300_000
        assert info.lost_count + info.event_count >= 1_200_000
    assert "lost" in harness.marey("show", "--max-depth", "2", trace).stdout
    assert harness.marey("check", trace).returncode == 0


def test_a_limit_of_file_size_is_no_crash(tmp_path: Path) -> None:
    program, trace = tmp_path / "busy.py", tmp_path / "t.marey"
    program.write_text(BUSY)
    limit = 1 << 20
    done = harness.record(
        trace,
        program,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    recorded_with_losses(done, trace)
    assert trace.stat().st_size <= limit


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("needs the right to mount")
    except FileNotFoundError:
        pytest.skip("needs mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_no_crash(small_disk: Path, tmp_path: Path) -> None:
    program, trace = tmp_path / "busy.py", small_disk / "t.marey"
    program.write_text(BUSY)
    done = harness.record(trace, program)
    recorded_with_losses(done, trace)


def test_a_disk_that_is_full_from_the_start(small_disk: Path, tmp_path: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(1 << 20))
    program, trace = tmp_path / "busy.py", small_disk / "t.marey"
    program.write_text(BUSY)
    done = harness.marey("run", "-o", trace, program)
    one_line(done, "t.marey")
    if done.returncode != 2:  # found out only inside the program, which runs on
        assert done.stdout == "done\n"
        assert done.returncode == 5


def test_an_export_to_a_full_disk_is_one_line(small_disk: Path, tmp_path: Path) -> None:
    trace, out = tmp_path / "t.marey", small_disk / "out.json"
    program = tmp_path / "busy.py"
    program.write_text(BUSY)
    harness.record(trace, program)
    done = harness.marey("export", trace, "-o", out)
    assert done.returncode == 1
    one_line(done, "out.json")
    assert not out.exists()


@pytest.mark.parametrize(
    "words", ["--help", "info t.marey", "show t.marey", "report --json t.marey",
              "check t.marey", "ctl list", "run --help", "run -q -o u.marey -c pass",
              "export --format chrome -o - t.marey"],
)  # fmt: skip
def test_a_closed_stdout_is_no_crash(words: str, tmp_path: Path) -> None:
    (tmp_path / "t.marey").write_bytes(golden_traces.calls())
    command = f"{sys.executable} -m marey {words} >&-"
    done = harness.run(["sh", "-c", command], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    trace = tmp_path / "t.marey"
    trace.write_bytes(golden_traces.many_events())
    command = f"{sys.executable} -m marey show {trace} | head -n 1"
    done = harness.run(["sh", "-c", command])
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
