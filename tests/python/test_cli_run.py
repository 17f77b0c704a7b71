"""`marey run`: the program is what it is without Marey, and the trace is there."""

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROBE = """\
import json, os, sys
main = sys.modules["__main__"]
seen = {
    "argv": sys.argv, "path": sys.path, "name": __name__, "main": sorted(vars(main)),
    "file": globals().get("__file__"), "package": globals().get("__package__"),
    "flags": list(sys.flags), "optimize": sys.flags.optimize,
    "xoptions": sorted(sys._xoptions), "warnoptions": sys.warnoptions,
    "cwd": os.getcwd(), "executable": sys.executable, "stdin": sys.stdin.read(),
}
with open(os.environ["PROBE_OUT"], "w") as out:
    json.dump(seen, out)
"""


def run(
    *command: str | Path, cwd: Path, data: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MAREY")}
    return subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env={**clean, **environment},
        input=data,
        capture_output=True,
        text=True,
        timeout=300,
    )


def marey(
    *arguments: str | Path, cwd: Path, **rest: str
) -> "subprocess.CompletedProcess[str]":
    return run(sys.executable, "-m", "marey", *arguments, cwd=cwd, **rest)


def info(trace: Path) -> dict[str, object]:
    done = marey("info", "--json", trace, cwd=trace.parent)
    assert done.returncode == 0, done.stderr
    value: dict[str, object] = json.loads(done.stdout)
    return value


def traces(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.marey"))


# ---- the program is not changed ----


def probe(
    bare: list[str], recorded: list[str], folder: Path
) -> tuple[dict[str, object], dict[str, object]]:
    """What the program sees without Marey and with it."""
    seen = []
    for name, command in (("bare", bare), ("recorded", recorded)):
        out = folder / f"{name}.json"
        done = run(*command, cwd=folder, data="typed", PROBE_OUT=str(out))
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        seen.append(json.loads(out.read_text()))
    return seen[0], seen[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place with the probe in every form in which a program may come."""
    (tmp_path / "probe.py").write_text(PROBE)
    (tmp_path / "pack" / "inner").mkdir(parents=True)
    (tmp_path / "pack" / "__init__.py").touch()
    (tmp_path / "pack" / "__main__.py").write_text(PROBE)
    (tmp_path / "pack" / "inner" / "__init__.py").touch()
    (tmp_path / "pack" / "inner" / "tool.py").write_text(PROBE)
    (tmp_path / "-odd.py").write_text(PROBE)
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.writestr("__main__.py", PROBE)
    return tmp_path


@pytest.mark.parametrize(
    "target",
    [
        ["probe.py"],
        ["./probe.py", "-o", "x", "--include", "y", "--", "z"],
        ["probe.py", "a b", "", "é"],
        ["pack"],
        ["app.pyz", "1"],
        ["-m", "pack", "1"],
        ["-m", "pack.inner.tool"],
        ["-mpack"],
        ["-c", PROBE, "1", "-m"],
        ["./-odd.py"],
    ],
    ids=lambda target: target[0] if "c" not in target[0] else "-c",
)
def test_the_program_sees_what_it_sees_without_marey(
    target: list[str], folder: Path
) -> None:
    bare, recorded = probe(
        [sys.executable, *target],
        [sys.executable, "-m", "marey", "run", "-q", *target],
        folder,
    )
    assert recorded == bare
    assert bare["stdin"] == "typed"
    (trace,) = traces(folder)
    assert info(trace)["events"]


def test_flags_of_the_interpreter_are_passed_on(folder: Path) -> None:
    flags = ["-X", "dev", "-W", "ignore", "-O", "-u", "-Wdefault"]
    bare, recorded = probe(
        [sys.executable, *flags, "probe.py", "1"],
        [sys.executable, *flags, "-m", "marey", "run", "-q", "probe.py", "1"],
        folder,
    )
    assert recorded == bare
    assert bare["optimize"] == 1


def test_a_program_on_standard_input_is_recorded(folder: Path) -> None:
    done = run(
        *(sys.executable, "-m", "marey", "run", "-q", "-", "a"),
        cwd=folder,
        data="import sys; print(sys.argv, __name__)",
    )
    assert done.stdout == "['-', 'a'] __main__\n"
    (trace,) = traces(folder)
    assert trace.name.startswith("stdin-")


def test_a_command_on_path_is_found_and_recorded(folder: Path) -> None:
    tools = folder / "tools"
    tools.mkdir()
    tool = tools / "my-tool"
    tool.write_text(f"#!{sys.executable}\nimport sys; print(sys.argv)")
    tool.chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    done = marey("run", "-q", "my-tool", "--version", cwd=folder, PATH=path)
    assert done.stdout == f"['{tool}', '--version']\n"
    (trace,) = traces(folder)
    assert trace.name.startswith("my-tool-")


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit(7)",
        "import sys; sys.exit('words')",
        "raise ValueError('of the program')",
        "def f():\n    return 1 / 0\nf()",
        "import os; os._exit(9)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "raise KeyboardInterrupt",
        "syntax error",
        "import sys; sys.stdout.buffer.write(bytes(range(256)).replace(b'\\r', b''))",
    ],
)
def test_the_end_is_that_of_the_program(program: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(program)
    ends = []
    for command in (["app.py"], ["-m", "marey", "run", "-q", "app.py"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, timeout=300
        )
        ends.append((done.returncode, done.stdout, done.stderr))
    assert ends[0] == ends[1]


def test_sigterm_from_outside_ends_it_with_143_in_a_shell(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "print('on', flush=True)\nimport time; time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "marey", "run", "-o", "t.marey", "app.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"on\n"
    child.terminate()
    assert child.wait(30) == -signal.SIGTERM
    child.stdout.close()
    show = marey("show", "t.marey", cwd=tmp_path).stdout
    assert "still open" in show
    assert marey("check", "t.marey", cwd=tmp_path).returncode == 0


# ---- the summary and the name of the trace ----


def test_one_line_says_what_was_recorded(folder: Path) -> None:
    done = run(
        *(sys.executable, "-m", "marey", "run", "probe.py"),
        cwd=folder,
        PROBE_OUT=os.devnull,
    )
    assert done.stderr.startswith("marey: ")
    assert done.stderr.count("\n") == 1
    (trace,) = traces(folder)
    assert re.fullmatch(r"probe-\d{8}-\d{6}-\d+\.marey", trace.name)
    assert str(trace) in done.stderr or trace.name in done.stderr


def test_names_follow_the_program(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__main__.py").touch()
    for target, name in (
        (["pack"], "pack"),
        (["-m", "pack"], "pack"),
        (["-m", "pack.__main__"], "pack"),
        (["-c", "pass"], "command"),
    ):
        before = set(traces(tmp_path))
        marey("run", "-q", *target, cwd=tmp_path)
        (new,) = set(traces(tmp_path)) - before
        assert new.name.startswith(name + "-20")


def test_an_older_trace_makes_way(tmp_path: Path) -> None:
    trace = tmp_path / "t.marey"
    trace.touch()
    for code in ("sum([1])", "max([1])"):
        assert marey("run", "-q", "-o", trace, "-c", code, cwd=tmp_path).returncode == 0
    report = marey("report", "--limit", "0", trace, cwd=tmp_path).stdout
    assert "max" in report
    assert "sum" not in report


def test_a_folder_as_output_gets_the_default_name(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    marey("run", "-q", "-o", "out", "-c", "pass", cwd=tmp_path)
    assert len(traces(tmp_path / "out")) == 1


# ---- configuration ----


def options_of(folder: Path, *arguments: str) -> str:
    """MAREY_TRACE as the program has it, less its path."""
    code = "import os; print(os.environ['MAREY_TRACE'])"
    done = marey("run", *arguments, "-c", code, cwd=folder)
    assert done.returncode == 0, done.stderr
    fields = done.stdout.strip().split(";")
    return ";".join(field for field in fields if not field.startswith("path="))


def test_options_come_from_the_nearest_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.marey]\n"
        'include = ["app.*", "src/**"]\n'
        'exclude = "app.generated"\n'
        'min-duration = "5us"\n'
        "max_depth = 9\n"
        "no-c-calls = true\n"
        'ring = "1M"\n'
        "exact = true\n"
        "quiet = true\n"
    )
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    common = "v=1;include=app.*;include=src/**;exclude=app.generated;max_depth=9;"
    rest = "exact=1;ring=1048576;quiet=1;main=1"
    assert options_of(below) == f"{common}min_duration_ns=5000;c_calls=0;{rest}"
    changed = options_of(below, "--min-duration", "0", "--c-calls", "--no-exact")
    assert changed == f"{common}ring=1048576;quiet=1;main=1"
    replaced = options_of(below, "--include", "x", "--exclude", "y", "--no-quiet")
    assert replaced.startswith("v=1;include=x;exclude=y;max_depth=9;")
    assert "quiet" not in replaced


def test_a_named_file_counts_instead(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.marey]\nexact = true\n")
    (tmp_path / "my.toml").write_text("quiet = true\nchildren = false\n")
    code = "import os; print(os.environ.get('MAREY_TRACE'))"
    done = marey("run", "--config", "my.toml", "-c", code, cwd=tmp_path)
    assert done.stdout == "None\n"  # children = false: nothing for a child to see
    assert done.stderr == ""


def test_a_pyproject_of_others_is_no_concern(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("not toml, but it says marey [")
    assert marey("run", "-q", "-c", "pass", cwd=tmp_path).returncode == 0
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nmarey = 1\n")
    assert marey("run", "-q", "-c", "pass", cwd=tmp_path).returncode == 0


# ---- it starts fast ----


def test_run_imports_next_to_nothing(tmp_path: Path) -> None:
    done = run(
        *(sys.executable, "-X", "importtime", "-m", "marey", "run", "no-such-program"),
        cwd=tmp_path,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "marey.cli.run" in imported
    heavy = {"argparse", "re", "json", "pathlib", "dataclasses", "tomllib", "typing"}
    at_start = run(sys.executable, "-X", "importtime", "-c", "", cwd=tmp_path).stderr
    given = {line.rpartition("|")[2].strip() for line in at_start.splitlines()}
    assert not imported & heavy - given


# ---- --open ----


def test_open_runs_the_program_and_then_the_viewer(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('ran', flush=True); raise SystemExit(5)")
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MAREY")}
    child = subprocess.Popen(
        [sys.executable, "-m", "marey", "run", "-q", "--open", "app.py"],
        cwd=tmp_path,
        env={**clean, "BROWSER": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ran\n"
        assert "http://" in child.stdout.readline()
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=300)
    finally:
        child.kill()
    assert child.returncode == 5
    assert len(traces(tmp_path)) == 1
