"""Runs the whole test suite, or the stages named, and adds up what passed.

    python tools/suite.py             every stage that has something to test
    python tools/suite.py c python    those whose name is, or starts with, a word given
    python tools/suite.py --list      their names

A stage is a row of `all_stages`: it runs commands, whose output goes to
build/log/STAGE.log, and returns counts. Stages run side by side, one for each two
cores and at least two, and each is told its share of the cores; they share no build
folder. What a stage needs and this machine cannot have is skipped, and counted so.

The last line is `N passed, N failed, N skipped`, and nothing else is on it. The exit
status is 1 if anything failed, or if nothing was run at all. Standard library only, so
that any Python can start it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tidy import tracked_files

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LOGS = BUILD / "log"
CACHE = Path(os.environ.get("MAREY_CACHE") or Path.home() / ".cache" / "marey")

CORES = os.cpu_count() or 1
STAGES_AT_ONCE = max(2, CORES // 2) if CORES > 1 else 1
JOBS = max(1, CORES // STAGES_AT_ONCE)

PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.13t", "3.15")
FUZZ_SECONDS = int(os.environ.get("MAREY_FUZZ_SECONDS", "20"))
COMMAND_SECONDS_MAX = 1200
TAIL_LINES = 60
INSTRUCTIONS_NOT_MEASURED = 2  # the exit status of bench/instructions.py for that
EXIT_SKIPPED = 77  # as in tools/pythons, Meson and automake


@dataclass(frozen=True)
class Counts:
    """What a stage found. Sums with +."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


Command = Sequence[str | Path]

PASSED = Counts(passed=1)
FAILED = Counts(failed=1)
SKIPPED = Counts(skipped=1)


class Running:
    """The process groups of running commands, so that none outlives the suite."""

    def __init__(self) -> None:
        self.groups: set[int] = set()
        self.stopping = False

    @contextlib.contextmanager
    def entered(self, group: int) -> Iterator[None]:
        self.groups.add(group)
        try:
            yield
        finally:
            self.groups.discard(group)

    def stop_all(self) -> None:
        self.stopping = True
        for group in list(self.groups):
            end_group(group)


def end_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


RUNNING = Running()


class Log:
    """Runs commands for one stage and keeps what they print."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.path = LOGS / f"{stage}.log"
        self.path.write_bytes(b"")

    def run(self, command: Command, env: Mapping[str, str] | None = None) -> int:
        """The command's exit status; 1 where it could not start or took too long."""
        words = [str(word) for word in command]
        with self.path.open("ab") as out:
            out.write(f"\n$ {' '.join(words)}\n".encode())
            out.flush()
            if RUNNING.stopping:
                return 1
            try:
                process = subprocess.Popen(
                    words,
                    cwd=ROOT,
                    env=environment() | dict(env or {}),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                out.write(f"{words[0]}: {error.strerror}\n".encode())
                return 1
            with RUNNING.entered(process.pid):
                try:
                    return process.wait(COMMAND_SECONDS_MAX)
                except subprocess.TimeoutExpired:
                    end_group(process.pid)
                    process.wait()
                    out.write(f"\nended after {COMMAND_SECONDS_MAX} s\n".encode())
                    return 1

    def add(self, text: str) -> None:
        with self.path.open("a") as out:
            out.write(f"{text}\n")

    def tail(self) -> str:
        lines = self.path.read_text(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])


Stage = Callable[[Log], Counts]


def environment() -> dict[str, str]:
    """The machine's, with our tools first and without a recording under way."""
    env = {key: value for key, value in os.environ.items() if key != "MAREY_TRACE"}
    env["PATH"] = f"{CACHE / 'tools' / 'bin'}{os.pathsep}{env['PATH']}"
    env["MAREY_JOBS"] = str(JOBS)
    return env


# --- C -------------------------------------------------------------------------------

CLANG = {"CC": "clang", "CC_LD": "lld"}


def meson_build(
    log: Log, folder: Path, options: Sequence[str], env: Mapping[str, str]
) -> bool:
    if not (folder / "build.ninja").exists():
        common = ("-Dpython_ext=false", "-Dbuildtype=debugoptimized")
        if log.run(["meson", "setup", folder, *common, *options], env) != 0:
            return False
    return log.run(["meson", "compile", "-C", folder, f"-j{JOBS}"], env) == 0


def meson_counts(folder: Path) -> Counts:
    """Meson writes one JSON object a line for every test that it ran."""
    counts = Counts()
    path = folder / "meson-logs" / "testlog.json"
    for line in path.read_text().splitlines() if path.exists() else ():
        result = json.loads(line)["result"]
        if result in ("OK", "EXPECTEDFAIL"):
            counts += PASSED
        elif result == "SKIP":
            counts += SKIPPED
        else:
            counts += FAILED
    return counts


def c_tests(
    log: Log, options: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> Counts:
    folder = BUILD / log.stage
    env = env or {}
    if not meson_build(log, folder, ["-Dtests=true", *options], env):
        return FAILED
    (folder / "meson-logs" / "testlog.json").unlink(missing_ok=True)
    # A sanitizer maps its shadow at fixed addresses, which a kernel that randomises
    # more bits than it was built for may have given away already.
    fixed = ["setarch", "-R"] if options else []
    how = ["--no-rebuild", "--print-errorlogs", f"--num-processes={JOBS}"]
    status = log.run([*fixed, "meson", "test", "-C", folder, *how], env)
    counts = meson_counts(folder)
    return counts + FAILED if status != 0 and not counts.failed else counts


def c_plain(log: Log) -> Counts:
    return c_tests(log) + no_python_inside(log)


def c_asan(log: Log) -> Counts:
    return c_tests(log, ["-Db_sanitize=address,undefined", "-Db_lundef=false"], CLANG)


def c_tsan(log: Log) -> Counts:
    env = CLANG | {"TSAN_OPTIONS": "halt_on_error=1:die_after_fork=0"}
    return c_tests(log, ["-Db_sanitize=thread", "-Db_lundef=false"], env)


def no_python_inside(log: Log) -> Counts:
    """The libraries can read and write a trace without an interpreter."""
    archives = sorted((BUILD / log.stage / "src").glob("*/*.a"))
    if not archives:
        return Counts()
    if log.run(["nm", "--undefined-only", *archives]) != 0:
        return FAILED
    needed = re.findall(r"\bU (_?Py\w+)", log.path.read_text(errors="replace"))
    if needed:
        log.add(f"the C libraries need Python: {', '.join(needed)}")
    return FAILED if needed else PASSED


# Each fuzzer starts from what the tests already know to be interesting. What it finds
# stays in the build folder until someone makes a test of it.
def fuzz(log: Log) -> Counts:
    folder = BUILD / log.stage
    if not meson_build(log, folder, ["-Dfuzz=true", "-Db_lundef=false"], CLANG):
        return FAILED
    seeds = [ROOT / "tests" / name for name in ("golden", "corrupt", "fuzz/corpus")]
    counts = Counts()
    for program in sorted(folder.rglob("fuzz_*")):
        if not program.is_file() or not os.access(program, os.X_OK):
            continue
        corpus = folder / "corpus" / program.name
        corpus.mkdir(parents=True, exist_ok=True)
        limits = (
            f"-max_total_time={FUZZ_SECONDS}",
            "-timeout=60",
            "-rss_limit_mb=2048",
        )
        found = f"-artifact_prefix={folder}/{program.name}-"
        places = [corpus, *(seed for seed in seeds if seed.is_dir())]
        status = log.run(["setarch", "-R", program, *limits, found, *places])
        counts += PASSED if status == 0 else FAILED
    return counts


# --- checks --------------------------------------------------------------------------


def check(log: Log) -> Counts:
    """Each checker counts as one."""
    sources = [name for name in tracked_files() if name.endswith((".c", ".h"))]
    tools = sorted(ROOT.glob("tools/*.py"))
    layout = ["clang-format", "--dry-run", "-Werror", "--ferror-limit=1"]
    checkers: dict[str, Command] = {}
    if sources:
        checkers["clang-format"] = [*layout, *sources]
    if any(ROOT.glob("python/marey/*.py")):
        checkers["types of marey"] = ["mypy", "--no-error-summary"]
    checkers |= {
        "types of tools": ["mypy", "--no-error-summary", *tools],
        "ruff check": ["ruff", "check", "--quiet", "--output-format=concise", "."],
        "ruff format": ["ruff", "format", "--check", "--output-format=concise", "."],
        "tidy": [sys.executable, "tools/tidy.py"],
        "format page": [sys.executable, "tools/format_page.py"],
    }
    broken = [name for name, command in checkers.items() if log.run(command) != 0]
    if broken:
        log.add(f"not content: {', '.join(broken)}")
    return Counts(passed=len(checkers) - len(broken), failed=len(broken))


# --- Python --------------------------------------------------------------------------


def junit_counts(path: Path) -> Counts:
    if not path.exists():
        return Counts()
    counts = Counts()
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        total, failures, errors, skipped = (
            int(suite.get(name, "0"))
            for name in ("tests", "failures", "errors", "skipped")
        )
        failed = failures + errors
        counts += Counts(total - failed - skipped, failed, skipped)
    return counts


def python_tests(version: str) -> Stage:
    def stage(log: Log) -> Counts:
        pythons = ROOT / "tools" / "pythons"
        status = log.run([pythons, "install", version])
        if status != 0:
            return SKIPPED if status == EXIT_SKIPPED else FAILED
        report = LOGS / f"{log.stage}.xml"
        report.unlink(missing_ok=True)
        pytest = ["python", "-X", "dev", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        options = ["--timeout=600", f"--junitxml={report}"]
        status = log.run([pythons, "run", version, "--", *pytest, *options])
        counts = junit_counts(report)
        return counts + FAILED if status != 0 and not counts.failed else counts

    return stage


# --- the viewer ----------------------------------------------------------------------

VIEWER_PYTHON = "3.12"  # or, where that is not to be had, the machine's newest


def viewer_tools(log: Log) -> bool:
    """What package.json asks for; false where this machine cannot have it."""
    viewer = ROOT / "viewer"
    wanted = json.loads((viewer / "package.json").read_text())["devDependencies"]
    for name, version in wanted.items():
        package = viewer / "node_modules" / name / "package.json"
        has = json.loads(package.read_text())["version"] if package.exists() else None
        if has != version:
            quiet = ["--no-audit", "--no-fund"]
            return log.run(["npm", "install", "--prefix", viewer, *quiet]) == 0
    return True


def viewer(log: Log) -> Counts:
    """The page: its types, its pure parts in node, and all of it in a browser."""
    if log.run(["node", "--version"]) != 0 or not viewer_tools(log):
        return SKIPPED
    modules = ROOT / "viewer" / "node_modules"
    counts = Counts()
    commands: tuple[Command, ...] = (
        [modules / ".bin" / "tsc", "--noEmit", "--project", "viewer"],
        ["node", "viewer/test.mjs"],
    )
    for command in commands:
        counts += PASSED if log.run(command) == 0 else FAILED
    pythons = ROOT / "tools" / "pythons"
    version = VIEWER_PYTHON
    if log.run([pythons, "which", version]) != 0:
        version = subprocess.check_output([pythons, "newest"], text=True).strip()
    status = log.run([pythons, "install", version])
    if status != 0:
        return counts + (SKIPPED if status == EXIT_SKIPPED else FAILED)
    report = LOGS / f"{log.stage}.xml"
    report.unlink(missing_ok=True)
    pytest = ["python", "-X", "dev", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    options = ["--timeout=200", f"--junitxml={report}", "tests/browser"]
    status = log.run([pythons, "run", version, "--", *pytest, *options])
    found = junit_counts(report)
    counts += found
    return counts + FAILED if status != 0 and not found.failed else counts


def instructions(log: Log) -> Counts:
    """The hot path's price in instructions, which no busy machine can change."""
    # Calls keep to the goal; yields and resumes do not yet (see ARCHITECTURE.md).
    # On 3.13 `f(*arguments)` is an event also where a Python function is called.
    limits = (
        ("3.12", "40", "fib", "ccall"),
        ("3.12", "56", "generators"),
        ("3.13", "56", "generators"),
    )
    counts = Counts()
    for version, limit, *workloads in limits:
        if log.run([ROOT / "tools" / "pythons", "which", version]) != 0:
            counts += SKIPPED
            continue
        guard = [sys.executable, "bench/instructions.py", "--python", version]
        how = ["--jobs", str(JOBS), "--limit", limit, "--workloads", *workloads]
        status = log.run([*guard, *how])
        found = {0: PASSED, INSTRUCTIONS_NOT_MEASURED: SKIPPED}
        counts += found.get(status, FAILED)
    return counts


# --- running them --------------------------------------------------------------------


def all_stages() -> dict[str, Stage]:
    """What there is to run here, the order being the order of starting.

    The interpreters that may have to be made first come last and apart: on a new
    machine 3.13t is compiled while the sid folder of 3.14 and 3.15 is downloaded.
    """
    stages: dict[str, Stage] = {"check": check}
    if (ROOT / "tests/c/meson.build").exists():
        stages |= {"c": c_plain, "c-asan": c_asan, "c-tsan": c_tsan}
    if any(ROOT.glob("tests/python/test_*.py")):
        stages |= {f"python-{version}": python_tests(version) for version in PYTHONS}
    if any(ROOT.glob("tests/browser/test_*.py")):
        stages["viewer"] = viewer
    if any(ROOT.glob("python/ext/*/*.c")) and (ROOT / "bench/instructions.py").exists():
        stages["instructions"] = instructions
    if any(ROOT.glob("tests/fuzz/fuzz_*.c")):
        stages["fuzz"] = fuzz
    return stages


def chosen(words: Sequence[str]) -> dict[str, Stage]:
    """The stages a word names: the one it is, or else those it begins."""
    stages = all_stages()
    if not words:
        return stages
    picked: dict[str, Stage] = {}
    for word in words:
        names = [word] if word in stages else [n for n in stages if n.startswith(word)]
        if not names:
            sys.exit(f"suite: no stage {word!r} (there are: {', '.join(stages)})")
        picked |= {name: stages[name] for name in names}
    return picked


@dataclass(frozen=True)
class Outcome:
    log: Log
    counts: Counts
    seconds: float


def run_stage(name: str, stage: Stage) -> Outcome:
    log = Log(name)
    started = time.monotonic()
    counts = stage(log)
    if counts == Counts():
        log.add("ran nothing")
        counts = FAILED
    return Outcome(log, counts, time.monotonic() - started)


def run_all(stages: dict[str, Stage]) -> list[Outcome]:
    outcomes = []
    with ThreadPoolExecutor(STAGES_AT_ONCE) as pool:
        waiting: list[Future[Outcome]] = [
            pool.submit(run_stage, name, stage) for name, stage in stages.items()
        ]
        for future in as_completed(waiting):
            outcome = future.result()
            outcomes.append(outcome)
            where = outcome.log.path.relative_to(ROOT)
            print(
                f"{outcome.log.stage:<13}{outcome.counts!s:<36}"
                f"{outcome.seconds:6.1f} s   {where}",
                flush=True,
            )
    return outcomes


def stop(signum: int, _frame: object) -> None:
    RUNNING.stop_all()
    os._exit(128 + signum)


def main(words: Sequence[str]) -> int:
    if "--list" in words:
        print("\n".join(all_stages()))
        return 0
    LOGS.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)

    started = time.monotonic()
    outcomes = run_all(chosen(words))
    total = Counts()
    for outcome in outcomes:
        total += outcome.counts
        if outcome.counts.failed:
            print(f"\n{outcome.log.stage} failed:\n{outcome.log.tail()}")
    print(f"\n{len(outcomes)} stages, {time.monotonic() - started:.0f} s\n{total}")
    return 0 if total.passed and not total.failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
