"""The test stand: interpreters, the tools compared on them, and one run of a tool.

Each interpreter has a folder in the cache with one virtual environment per installed
tool, so that no tool's start-up hook runs under another tool:

    ${MAREY_CACHE:-~/.cache/marey}/bench-3.12.1-5f2a/
        {plain,marey,marey-slowed,viztracer,trace0}

`plain` serves the bare interpreter, cProfile and the floor. Peers are pinned.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WORKLOADS = HERE / "workloads"
FLOOR = HERE / "floor"

LIBRARIES = ("sqlglot==30.30.0",)
PEERS = {"viztracer": "viztracer==1.1.1", "trace0": "trace0==0.1.16"}
# Marey as it is, and with ticks 64 times as long. Callgrind slows a program about so
# much: an event's time since the one before then takes the bytes, and so the
# instructions, that it takes at full speed.
OURS = {"marey": "", "marey-slowed": "-DMAREY_COUNTER_SHIFT=9"}
DEFAULT_PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")


class MissingError(Exception):
    """A tool or an interpreter is not there; the text says why."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What a tool is asked to run, and where its recording goes."""

    script: str
    args: tuple[str, ...]
    output: str
    call_count: int

    @property
    def command(self) -> list[str]:
        return [self.script, *self.args]


@dataclasses.dataclass(frozen=True)
class Tool:
    """One column of the tables: `python -m` and what follows, in its environment."""

    name: str
    environment: str
    command: Callable[[Job], list[str]]
    version_min: tuple[int, int] = (3, 11)
    has_c_calls: bool = True
    keeps_events: bool = True


def marey(*options: str) -> Callable[[Job], list[str]]:
    return lambda job: [
        *("-m", "marey", "run", "--quiet", *options, "-o", job.output),
        *job.command,
    ]


def viztracer(*options: str) -> Callable[[Job], list[str]]:
    """VizTracer keeps the newest entries: give it room for all of them, and more."""
    return lambda job: [
        *("-m", "viztracer", "--quiet", *options, "-o", job.output),
        *("--tracer_entries", str(job.call_count * 5 // 4 + 100_000), "--"),
        *job.command,
    ]


TOOLS = (
    Tool("bare", "plain", lambda job: job.command, keeps_events=False),
    Tool(
        "floor",
        "plain",
        lambda job: ["-m", "floor", *job.command],
        keeps_events=False,
    ),
    Tool(
        "floor, disabling",
        "plain",
        lambda job: ["-m", "floor", "--disable", *job.command],
        version_min=(3, 12),
        keeps_events=False,
    ),
    Tool("Marey", "marey", marey()),
    Tool("VizTracer", "viztracer", viztracer()),
    Tool(
        "cProfile",
        "plain",
        lambda job: ["-m", "cProfile", "-o", job.output, *job.command],
        keeps_events=False,
    ),
    Tool("Marey, no C", "marey", marey("--no-c-calls"), has_c_calls=False),
    Tool(
        "VizTracer, no C",
        "viztracer",
        viztracer("--ignore_c_function"),
        has_c_calls=False,
    ),
    Tool(
        "trace0 (no C)",
        "trace0",
        lambda job: ["-m", "trace0", "run", "--output", job.output, *job.command],
        version_min=(3, 13),
        has_c_calls=False,
    ),
)
COUNTER = Tool("counter", "plain", lambda job: ["-m", "floor", "--count", *job.command])


@dataclasses.dataclass(frozen=True)
class Interpreter:
    """A Python to measure on, known by the file it is started from."""

    executable: str
    version: str
    build: str

    @property
    def series(self) -> tuple[int, int]:
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @functools.cached_property
    def folder(self) -> Path:
        cache = os.environ.get("MAREY_CACHE") or Path.home() / ".cache" / "marey"
        tag = f"{zlib.crc32(self.executable.encode()) & 0xFFFF:04x}"
        return Path(cache) / f"bench-{self.version}-{tag}"

    def python_in(self, environment: str) -> str:
        return str(self.folder / environment / "bin" / "python")


PROBE = """
import json, platform, sys, sysconfig
args = sysconfig.get_config_var("CONFIG_ARGS") or ""
marks = [platform.python_compiler()]
marks += ["PGO" if "--enable-optimizations" in args else "no PGO"]
marks += ["LTO"] if "--with-lto" in args else []
marks += ["free-threaded"] if sysconfig.get_config_var("Py_GIL_DISABLED") else []
print(json.dumps([sys.executable, platform.python_version(), ", ".join(marks)]))
"""


def find_interpreter(spec: str) -> Interpreter:
    """An interpreter by file name, by command, or by version: `3.12`, `3.12.1`."""
    candidates = [spec]
    if "/" not in spec:
        versions = (Path.home() / ".pyenv" / "versions").glob(f"{spec}*/bin/python")
        candidates += [f"python{spec}", *sorted(map(str, versions), reverse=True)]
    for candidate in candidates:
        found = shutil.which(candidate)
        if found is None:
            continue
        probe = subprocess.run(
            [found, "-c", PROBE], capture_output=True, text=True, check=False
        )
        if probe.returncode == 0:
            return Interpreter(*json.loads(probe.stdout))
    raise MissingError(f"no Python found for {spec!r}")


def set_up(interpreter: Interpreter, environment: str, *, build: bool) -> None:
    """Makes the environment if it is not there; `build` installs Marey anew."""
    folder = interpreter.folder / environment
    wanted = [*LIBRARIES]
    if environment in PEERS:
        wanted.append(PEERS[environment])
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text() != repr(wanted):
        shutil.rmtree(folder, ignore_errors=True)
        run_quietly([interpreter.executable, "-m", "venv", str(folder)])
        pip_install(interpreter, environment, *wanted)
        stamp.write_text(repr(wanted))
    if environment == "plain":
        install_floor(interpreter, folder)
    if environment in OURS and build:
        if not (ROOT / "pyproject.toml").exists():
            raise MissingError("there is nothing to install yet")
        flags = OURS[environment]
        pip_install(
            interpreter, environment, "--force-reinstall", str(ROOT), flags=flags
        )


def pip_install(
    interpreter: Interpreter, environment: str, *what: str, flags: str = ""
) -> None:
    python = interpreter.python_in(environment)
    command = [python, "-m", "pip", "install", "--quiet", *what]
    run_quietly(command, {"CFLAGS": flags} if flags else {})


def install_floor(interpreter: Interpreter, folder: Path) -> None:
    """Compiles the floor and puts it into the environment, if it has changed."""
    sources = sorted(FLOOR.glob("*.[cp]*"))
    digest = hashlib.sha256(b"".join(s.read_bytes() for s in sources)).hexdigest()
    stamp = folder / "floor"
    if stamp.exists() and stamp.read_text() == digest:
        return
    paths = "import sysconfig as s; print(s.get_path('include'), s.get_path('purelib'))"
    include, site = run_quietly([str(folder / "bin" / "python"), "-c", paths]).split()
    package = Path(site) / "floor"
    package.mkdir(exist_ok=True)
    for source in FLOOR.glob("*.py"):
        shutil.copy(source, package)
    compiler = os.environ.get("CC", "cc").split()
    run_quietly(
        [
            *(*compiler, "-std=c11", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC"),
            *(f"-I{include}", str(FLOOR / "_floor.c"), "-o", f"{site}/_floor.so"),
        ]
    )
    stamp.write_text(digest)


def run_quietly(command: list[str], more: Mapping[str, str] | None = None) -> str:
    """The command's stdout; on failure MissingError with the line that says most."""
    done = subprocess.run(
        command,
        env={**os.environ, **(more or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise MissingError(last_line(done.stderr or done.stdout))
    return done.stdout


def last_line(text: str) -> str:
    """The last line that names an error, or else just the last; shortened.

    A line that begins with "error:" is pip's, and says only that there was one.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\S.*(error|Error|ERROR): ", line)]
    return (errors or lines or ["no message"])[-1][:160]


@dataclasses.dataclass(frozen=True)
class Run:
    """What one run cost. `exit_ns` is from the program's last act to the reaping.

    Only the counter knows the events: of the timed part, and `_all` with start-up.
    """

    inner_ns: int
    inner_cpu_ns: int
    wall_ns: int
    exit_ns: int
    cpu_s: float
    memory_kib: int
    output_size_bytes: int
    result: int
    python_events: int
    c_events: int
    python_events_all: int
    c_events_all: int


def run_tool(
    tool: Tool, interpreter: Interpreter, job: Job, *, work: Path, timeout_s: int
) -> Run:
    """Runs the job once under the tool. Its output file is left for the caller."""
    answer = work / "answer.json"
    answer.unlink(missing_ok=True)
    remove(Path(job.output))
    environment = {
        **os.environ,
        "BENCH_OUT": str(answer),
        "PYTHONHASHSEED": "0",
        # Not every tool puts the script's folder on the path, as Python itself does.
        "PYTHONPATH": str(WORKLOADS),
    }
    log = work / "log"
    python = interpreter.python_in(tool.environment)
    reaped = subprocess.run(
        [
            *(sys.executable, "-I", "-S", str(HERE / "reap.py")),
            *(str(timeout_s), str(log), python, *tool.command(job)),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    start, end, status, user, system, memory = reaped.stdout.split()
    if status != "0" or not answer.exists():
        message = last_line(log.read_text(encoding="utf-8", errors="replace"))
        raise MissingError(f"exit {status}: {message}")
    line = json.loads(answer.read_text())
    return Run(
        inner_ns=line["inner_ns"],
        inner_cpu_ns=line["inner_cpu_ns"],
        wall_ns=int(end) - int(start),
        exit_ns=int(end) - line["end_ns"],
        cpu_s=float(user) + float(system),
        memory_kib=int(memory),
        output_size_bytes=size_of(Path(job.output)),
        result=line["result"],
        python_events=line["python_events"],
        c_events=line["c_events"],
        python_events_all=line["python_events_all"],
        c_events_all=line["c_events_all"],
    )


def size_of(output: Path) -> int:
    """The disk a recording needs: the file, or all files where it is a folder."""
    if output.is_dir():
        return sum(f.stat().st_size for f in output.rglob("*") if f.is_file())
    return output.stat().st_size if output.exists() else 0


def remove(output: Path) -> None:
    if output.is_dir():
        shutil.rmtree(output)
    else:
        output.unlink(missing_ok=True)


def trace_info(interpreter: Interpreter, trace: str) -> dict[str, object]:
    """What `marey info --json` says of a trace."""
    python = interpreter.python_in("marey")
    text = run_quietly([python, "-m", "marey", "info", "--json", trace])
    answer: dict[str, object] = json.loads(text)
    return answer


def describe_machine() -> str:
    """Processor, cores and kernel, as they head a table."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    kernel = f"{platform.system()} {platform.release()}"
    return f"{model}, {os.cpu_count()} cores, {kernel} {platform.machine()}"


def describe_commit() -> str:
    """The commit measured, marked where the checkout has changes."""
    git = ["git", "-C", str(ROOT)]
    try:
        commit = run_quietly([*git, "rev-parse", "--short", "HEAD"]).strip()
        changed = run_quietly([*git, "status", "--porcelain", "src", "python"])
    except (MissingError, OSError):
        return "unknown"
    return commit + (" with changes" if changed.strip() else "")
