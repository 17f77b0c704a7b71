"""A program is given the same, and leaves the same, recorded or not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import harness
import pytest

# All that a program is given, and all it can do to its streams.
PROBE = r"""
import os
import signal
import sys

print(sys.argv, sys.orig_argv, sys.executable)
print(sys.path, sys.prefix, sys.flags, sys.warnoptions)
print(__name__, __spec__ and __spec__.name, globals().get("__file__"))
print(sorted(globals()))
print(sys.modules["__main__"].__dict__ is globals())
print(os.getcwd(), os.getpid() == os.getpgid(0), os.open(".", 0))
print(sys.stdin.read().encode("utf-8", "surrogateescape"))
print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
print(sys.getrecursionlimit(), sys.getswitchinterval(), sys.gettrace())
sys.stdout.flush()
sys.stdout.buffer.write(bytes(range(256)))
sys.stderr.buffer.write(bytes(range(255, -1, -1)))
"""

Outcome = tuple[int, bytes, bytes]


def outcome(
    command: Sequence[object], cwd: Path, stdin: bytes = b"some \xff\n input"
) -> Outcome:
    environ = {key: os.environ[key] for key in os.environ if key != "MAREY_TRACE"}
    done = subprocess.run(
        [os.fsencode(str(word)) for word in command],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        env=environ,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def both(
    words: Sequence[object],
    cwd: Path,
    *,
    flags: Sequence[str] = (),
    stdin: bytes = b"some \xff\n input",
) -> Outcome:
    """The outcome with and without recording, which must be the same."""
    trace = cwd.parent / "t.marey"
    bare = outcome([sys.executable, *flags, *words], cwd, stdin)
    recorded = outcome(
        [sys.executable, *flags, "-m", "marey", "run", "-q", "-o", trace, *words],
        cwd,
        stdin,
    )
    for one, other in zip(recorded, bare, strict=True):
        if isinstance(one, bytes) and isinstance(other, bytes):
            assert one.splitlines() == other.splitlines()
        assert one == other
    assert trace.stat().st_size > 4096
    trace.unlink()
    return bare


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to run in, with the probe as everything that can be run."""
    place = tmp_path / "work"
    (place / "package" / "sub").mkdir(parents=True)
    for name in (
        "probe.py", "package/__main__.py", "package/sub/mod.py", "-odd name.py"
    ):  # fmt: skip
        (place / name).write_text(PROBE)
    (place / "package" / "__init__.py").write_text("")
    with zipfile.ZipFile(place / "probe.zip", "w") as file:
        file.writestr("__main__.py", PROBE)
    return place


FORMS: dict[str, list[str]] = {
    "script": ["probe.py", "a", "-b", "--", "-m"],
    "script in a folder": ["package/sub/mod.py"],
    "folder": ["package", "x"],
    "zip": ["probe.zip", "x"],
    "module": ["-m", "package.sub.mod", "-m", "x"],
    "package": ["-m", "package"],
    "code": ["-c", PROBE, "-c", "x"],
    "odd arguments": ["probe.py", "", " ", "ü", "\udcff", "*", "\n", "-o", "--quiet"],
    "options of run": ["probe.py", "--exact", "-o", "x.marey", "--help"],
}


@pytest.mark.parametrize("form", FORMS)
def test_what_a_program_is_given_is_the_same(form: str, folder: Path) -> None:
    status, stdout, _ = both(FORMS[form], folder)
    assert status == 0
    assert bytes(range(256)) in stdout


def test_a_program_on_standard_input(folder: Path) -> None:
    both(["-", "x"], folder, stdin=b"import sys\nprint(sys.argv, __name__)\n")


@pytest.mark.parametrize("flag", ["-O", "-I", "-E", "-B", "-u", "-Wignore", "-Xdev"])
def test_flags_of_the_interpreter_reach_the_program(flag: str, folder: Path) -> None:
    status, _, _ = both(["probe.py"], folder, flags=[flag])
    assert status == 0


ENDS = {
    "pass": 0,
    "import sys; sys.exit(3)": 3,
    "import sys; sys.exit()": 0,
    "import sys; sys.exit('a message')": 1,
    "raise SystemExit(256 + 5)": 5,
    "def f():\n    g()\ndef g():\n    raise ValueError('told')\nf()": 1,
    "raise KeyboardInterrupt": -signal.SIGINT,
    "import os, signal; os.kill(os.getpid(), signal.SIGTERM)": -signal.SIGTERM,
    "import os; os._exit(9)": 9,
    "import os; os.abort()": -signal.SIGABRT,
    "this is no Python": 1,
    "import no_such_module": 1,
    "import atexit; atexit.register(print, 'at exit'); 1 / 0": 1,
    "import sys; sys.excepthook = lambda *a: print(a[0]); 1 / 0": 1,
    "import sys; sys.stdout.close()": 0,
    "import sys\ntry:\n    1 / 0\nexcept Exception as e:\n    raise OSError from e": 1,
    "import threading\nthreading.Thread(target=int, args='x').start()": 0,
    "def f():\n    f()\nf()": 1,
    "import sys; sys.setprofile(None); sys.settrace(None); print(1)": 0,
    "import os\nif os.fork() == 0:\n    print('child')\nelse:\n    os.wait()": 0,
    "import subprocess, sys; subprocess.call([sys.executable, '-c', 'print(4)'])": 0,
    "import sys; sys.unraisablehook = id\nclass A:\n    __del__ = 1\nA()": 0,
    "import warnings; warnings.warn('careful')": 0,
    "print(input(), input())": 0,
    "import faulthandler; faulthandler._sigsegv()": -signal.SIGSEGV,
}


@pytest.mark.parametrize("code", ENDS)
def test_how_a_program_ends_is_the_same(code: str, folder: Path) -> None:
    (folder / "program.py").write_text(code + "\n")
    status, _, _ = both(["program.py"], folder, stdin=b"one\ntwo\n")
    assert status == ENDS[code]


def test_a_shell_sees_143_after_a_termination(folder: Path) -> None:
    program = folder / "waits.py"
    program.write_text("import time\nprint(1, flush=True)\ntime.sleep(60)\n")
    trace = folder.parent / "t.marey"
    process = harness.start(trace, program, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.terminate()
    process.stdout.close()
    assert process.wait() == -signal.SIGTERM


def test_no_user_code_runs_because_of_recording(tmp_path: Path) -> None:
    """Names, arguments and exceptions are seen without calling anything on them."""
    program, trace = tmp_path / "spiteful.py", tmp_path / "t.marey"
    program.write_text(
        """
class Meta(type):
    def __getattribute__(cls, name):
        if name not in ("__abstractmethods__", "__del__"):
            print("metaclass asked for", name)
        return super().__getattribute__(name)

class Spiteful(Exception, metaclass=Meta):
    def __getattribute__(self, name):
        print("asked for", name)
        return super().__getattribute__(name)
    __repr__ = __str__ = __len__ = __bool__ = __hash__ = __eq__ = (
        lambda self, *_: print("called")
    )

def takes(thing):
    return thing

spiteful = Spiteful.__new__(Spiteful)
takes(spiteful)
[].append(spiteful)
try:
    raise spiteful
except BaseException:
    pass
print("end")
"""
    )
    bare = harness.run([sys.executable, program])
    recorded = harness.record(trace, program)
    assert recorded.stdout == bare.stdout
    assert recorded.stderr == bare.stderr == ""


def test_a_program_may_close_all_files_it_finds(tmp_path: Path) -> None:
    """As daemons do. What it then writes to the same numbers is its own."""
    program, trace = tmp_path / "closes.py", tmp_path / "t.marey"
    program.write_text(
        """
import os
def leaf(n):
    return len("x") + n
os.closerange(3, os.sysconf("SC_OPEN_MAX"))
files = [os.open(f"file{n}", os.O_RDWR | os.O_CREAT) for n in range(4)]
for n in range(200_000):
    leaf(n)
for number in files:
    os.write(number, b"mine")
print("done")
"""
    )
    done = harness.record(trace, program, cwd=tmp_path)
    assert done.stdout == "done\n", done.stderr
    assert [path.read_bytes() for path in sorted(tmp_path.glob("file*"))] == [
        b"mine"
    ] * 4
    import marey

    with marey.open(trace) as opened:
        assert opened.check()[1] == 0
        calls = sum(row.call_count for row in opened.totals(function="__main__:leaf"))
        assert calls == 200_000 or opened.info().lost_count > 0


def test_a_summary_is_one_line_on_stderr(folder: Path) -> None:
    trace = folder.parent / "t.marey"
    (folder / "hello.py").write_text("print('hello')\n")
    done = harness.marey("run", "-o", trace, "hello.py", cwd=folder)
    assert done.returncode == 0
    assert done.stdout == "hello\n"
    assert done.stderr.count("\n") == 1
    assert "1 process" in done.stderr
    assert str(trace) in done.stderr


def test_the_trace_names_the_program_and_its_arguments(folder: Path) -> None:
    import marey

    trace = folder.parent / "t.marey"
    harness.marey("run", "-q", "-o", trace, "probe.py", "a", "ü", cwd=folder)
    with marey.open(trace) as opened:
        [process] = opened.processes
        assert process.program == "probe.py"
        assert process.arguments[-3:] == ("probe.py", "a", "ü")
        assert process.executable == sys.executable
        assert process.directory == str(folder)
        assert process.exit_status == 0
        assert process.has_ended
