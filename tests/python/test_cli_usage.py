"""The command line without recording: what is wrong is one line and a status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

READING_VERBS = ["show", "report", "info", "check"]


def marey(
    *arguments: str | Path, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "marey", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def assert_one_line(
    done: subprocess.CompletedProcess[str], status: int, *words: str
) -> None:
    assert done.returncode == status, done
    assert done.stdout == ""
    assert done.stderr.startswith("marey: ")
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


# ---- help ----


def test_help_lists_the_verbs_one_a_line() -> None:
    for arguments in ([], ["--help"], ["-h"]):
        done = marey(*arguments)
        assert done.returncode == 0
        assert done.stderr == ""
        verbs = [line.split()[0] for line in done.stdout.splitlines()[4:-2]]
        assert {"run", "show", "report", "info", "export", "merge", "check"} <= set(
            verbs
        )
        assert all(len(line) <= 80 for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    "verb", ["run", "show", "report", "info", "export", "merge", "check"]
)
def test_each_verb_has_help(verb: str) -> None:
    done = marey(verb, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: marey {verb} ")
    assert done.stderr == ""


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert marey("--version").stdout == f"marey {version('marey')}\n"


# ---- usage errors: status 2, one line ----


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trace"], ["no verb 'trace'", "--help"]),
        (["app.py"], ["marey run app.py"]),
        (["--wrong"], ["--wrong"]),
        (["show", "--wrong"], ["show: ", "--wrong"]),
        (["show", "a", "b"], ["show: ", "b"]),
        (["show", "--from", "10"], ["--from", "has no unit"]),
        (["show", "--from", "2s", "--to", "1s", "x.marey"], []),
        (["show", "--depth", "few"], ["--depth"]),
        (["report", "--sort", "colour"], ["--sort"]),
        (["export", "x.marey"], ["-o"]),
        (["export", "x.marey", "-o", "x.docx"], ["x.docx", ".pftrace"]),
        (["export", "x.marey", "-o", "x.json", "--format", "no"], ["'no'", "chrome"]),
        (["export", "x.marey", "-o", "-"], ["--format"]),
        (["merge", "x.marey"], ["-o"]),
        (["run"], ["nothing to run"]),
        (["run", "--"], ["nothing to run"]),
        (["run", "-m"], ["-m needs a module"]),
        (["run", "-c"], ["-c needs code"]),
        (["run", "--wrong", "app.py"], ["--wrong", "after its name"]),
        (["run", "-x", "app.py"], ["-x"]),
        (["run", "-o"], ["-o needs a value"]),
        (["run", "--include="], ["--include needs a value"]),
        (["run", "--exact=yes", "app.py"], ["--exact takes no value"]),
        (["run", "--min-duration", "10", "app.py"], ["--min-duration", "no unit"]),
        (["run", "--ring", "big", "app.py"], ["--ring", "200M"]),
        (["run", "--max-depth", "x", "app.py"], ["--max-depth"]),
        (["run", "--config", "no.toml", "app.py"], ["no.toml"]),
        (["run", "no-such-program"], ["no-such-program", "no such file"]),
        (["run", "no/such.py"], ["no/such.py"]),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_to_do(
    arguments: list[str], words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text("raise SystemExit(9)")
    done = marey(*arguments, cwd=tmp_path)
    if arguments[-1] == "x.marey" and not words:
        assert done.returncode in (1, 2)  # the file is missing, too
        return
    assert_one_line(done, 2, *words)


@pytest.mark.parametrize("verb", READING_VERBS)
def test_without_a_trace_here_one_is_asked_for(verb: str, tmp_path: Path) -> None:
    assert_one_line(marey(verb, cwd=tmp_path), 2, "no trace here", "marey run")


# ---- what cannot be run ----


def test_a_program_that_is_not_python_is_refused(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    assert_one_line(marey("run", "tool", PATH=path), 2, "not a Python program")
    assert_one_line(marey("run", "ls", cwd=tmp_path), 2, "not a Python program")


def test_a_folder_without_main_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert_one_line(marey("run", "folder", cwd=tmp_path), 2, "__main__.py")


# ---- where the trace goes; the program must not have started ----


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app.py"
    path.write_text("open('started', 'w')")
    return path


def test_a_file_that_is_no_trace_is_not_overwritten(app: Path) -> None:
    precious = app.parent / "precious"
    precious.write_text("years of work")
    done = marey("run", "-o", "precious", "app.py", cwd=app.parent)
    assert_one_line(done, 2, "precious", "no trace")
    assert precious.read_text() == "years of work"
    assert not (app.parent / "started").exists()


def test_a_folder_that_is_missing_or_read_only_is_said(app: Path) -> None:
    done = marey("run", "-o", "no/t.marey", "app.py", cwd=app.parent)
    assert_one_line(done, 2, "no such folder")
    done = marey("run", "-o", "/proc/t.marey", "app.py", cwd=app.parent)
    assert_one_line(done, 2, "/proc")
    assert not (app.parent / "started").exists()


# ---- configuration ----


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.marey]\ncolour = 'red'", ["colour", "no such option"]),
        ("[tool.marey]\nring = 'big'", ["ring", "200M"]),
        ("[tool.marey]\nexact = 'yes'", ["exact", "true or false"]),
        ("[tool.marey]\ninclude = 3", ["include"]),
        ("[tool]\nmarey = 3", ["tool.marey"]),
    ],
)
def test_a_wrong_configuration_is_said(text: str, words: list[str], app: Path) -> None:
    (app.parent / "pyproject.toml").write_text(text)
    done = marey("run", "app.py", cwd=app.parent)
    assert_one_line(done, 2, "pyproject.toml", *words)
    assert not (app.parent / "started").exists()


def test_a_configuration_file_that_is_no_toml_is_said(app: Path) -> None:
    (app.parent / "my.toml").write_text("[")
    done = marey("run", "--config", "my.toml", "app.py", cwd=app.parent)
    assert_one_line(done, 2, "my.toml")


# ---- data errors: status 1, one line ----


@pytest.mark.parametrize("verb", READING_VERBS)
@pytest.mark.parametrize("content", ["", "text\n", "x" * 10000])
def test_what_is_no_trace_is_said(verb: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "t.marey").write_text(content)
    assert_one_line(marey(verb, "t.marey", cwd=tmp_path), 1, "t.marey")


@pytest.mark.parametrize("verb", READING_VERBS)
def test_missing_files_and_folders_are_said(verb: str, tmp_path: Path) -> None:
    assert_one_line(marey(verb, "no.marey", cwd=tmp_path), 1, "no.marey")
    assert_one_line(marey(verb, tmp_path), 1, str(tmp_path))


def test_control_characters_of_a_name_do_not_reach_the_terminal(tmp_path: Path) -> None:
    done = marey("show", "\x1b[2J\n.marey", cwd=tmp_path)
    assert_one_line(done, 1, "\\x1b[2J")
