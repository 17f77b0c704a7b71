"""CPython's own regression tests, plain and recorded: the results must be the same.

    python tests/scale/regression.py [--out FILE] [--from NAME] [TEST…]

Runs each test of the interpreter's own test package (`python -m test`) twice, each in a
process of its own, and compares the outcome of every test case. What differs is run
twice more, since some of these tests fail now and then by themselves. Prints one line a
test as it goes and a summary at the end; exits 1 if anything differs that no entry of
EXPECTED explains. An hour or more for all.

To be run by an interpreter that has Marey and comes with its test package (`Lib/test`).
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

BARE_TIMEOUT_S = 150
# Recording everything costs a factor; of tests that measure time nothing is expected.
RECORDED_TIMEOUT_S = 900

# Too long here, or in need of a screen, a network, another compiler, or much memory.
LEFT_OUT = {
    "test_gdb", "test_idle", "test_tk", "test_ttk", "test_ttk_textonly", "test_turtle",
    "test_tkinter", "test_tools", "test_peg_generator", "test_freeze_tools",
    "test_venv", "test_ensurepip", "test_distutils", "test_bigmem", "test_zipfile64",
    "test_lib2to3", "test_tix", "test_winapi", "test_winreg", "test_winsound",
    "test_cext", "test_cppext", "test_cpyext",
}  # fmt: skip

# Cases that look at tracing itself, or at what a recording is known to be seen by, with
# the reason: (a pattern on `test:case`, why).
EXPECTED: list[tuple[str, str]] = [
    (
        r"test_subprocess.*(test_pass_fds_redirected|exit status)",
        "the child counts its open descriptors; Marey's has a number from 900 up",
    ),
    (r"test_monitoring", "looks at all tools of sys.monitoring"),
    (
        r"test_pdb|test_doctest.*(pdb|exit status)",
        "from 3.13 on set_trace() stops a line later where any tool of sys.monitoring"
        " watches PY_START",
    ),
    (
        r"test_tracemalloc.*(test_get_traced_memory|exit status)",
        "counts the interpreter's own memory; Marey keeps a slot on each code object",
    ),
    (
        r"test_(dis|opcache|type_cache):",
        "looks at bytecode that adapts itself, which watched code does not",
    ),
    (
        r"test_(exceptions|capi).*(memory_error_in_PyErr|set_nomemory|exit status)",
        "lets the first memory allocations fail and counts them",
    ),
    (
        r"test_sys_setprofile.*(test_method_with_c_function|exit status)",
        "in the same function: the return of the second sys.setprofile()",
    ),
]


def is_expected(name: str) -> str | None:
    for pattern, reason in EXPECTED:
        if re.search(pattern, name):
            return reason
    return None


def all_tests() -> list[str]:
    listed = subprocess.run(
        [sys.executable, "-m", "test", "--list-tests"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split() if name not in LEFT_OUT]


def run(command: list[str], folder: Path, timeout_s: float) -> tuple[int | None, str]:
    """Exit status (None: out of time) and the end of what it printed."""
    environ = {**os.environ, "MAREY_TRACE": ""}
    del environ["MAREY_TRACE"]
    with (folder / "output").open("w+b") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environ,
            start_new_session=True,
            # Jobs that a shell put into the background ignore it; tests wait for it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            status: int | None = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            status = None
        try:
            os.killpg(process.pid, signal.SIGKILL)  # it, and what it left behind
        except ProcessLookupError:
            pass
        process.wait()
        output.seek(max(0, output.seek(0, os.SEEK_END) - 4000))
        return status, output.read().decode("utf-8", "replace")


def cases_of(path: Path) -> dict[str, str]:
    """How each case ended, from a JUnit file."""
    found: dict[str, str] = {}
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return found
    for case in root.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            how = "failed"
        elif case.find("skipped") is not None or case.get("result") == "skipped":
            how = "skipped"
        else:
            how = "passed"
        name = f"{case.get('classname') or ''}.{case.get('name')}"
        # One case may be there several times, with its subtests.
        if found.get(name) != "failed":
            found[name] = how
    return found


class Outcome:
    def __init__(
        self, status: int | None, text: str, cases: dict[str, str], seconds: float
    ) -> None:
        self.status, self.text, self.cases = status, text, cases
        self.seconds = seconds

    def differs(self, other: Outcome) -> list[str]:
        names = sorted(self.cases.keys() | other.cases.keys())
        out = [
            f"{name}: {self.cases.get(name, 'absent')} bare, "
            f"{other.cases.get(name, 'absent')} recorded"
            for name in names
            if self.cases.get(name) != other.cases.get(name)
        ]
        if self.status != other.status:
            out.append(f"exit status {self.status} bare, {other.status} recorded")
        return out


def once(test: str, *, records: bool, check: list[str]) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="regression-") as name:
        folder = Path(name)
        trace = folder / "t.marey"
        command = [sys.executable]
        if records:
            command += ["-m", "marey", "run", "-q", "--ring", "48M", "-o", str(trace)]
        command += ["-m", "test", "-q", "--junit-xml", str(folder / "out.xml"), test]
        start = time.monotonic()
        status, text = run(
            command, folder, RECORDED_TIMEOUT_S if records else BARE_TIMEOUT_S
        )
        seconds = time.monotonic() - start
        cases = cases_of(folder / "out.xml")
        if records and trace.exists():
            done = subprocess.run(
                [sys.executable, "-m", "marey", "check", str(trace)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                check.append(
                    f"{test}: {done.stdout.strip()[-600:]}{done.stderr[-600:]}"
                )
                kept = os.environ.get("KEEP_TRACES")
                if kept:
                    trace.rename(Path(kept) / f"{test}.marey")
        elif records:
            check.append(f"{test}: no trace")
        return Outcome(status, text, cases, seconds)


def compare(test: str, log: object) -> tuple[str, list[str], int]:
    """What to say of a test, what differs, and how many cases there were."""
    damage: list[str] = []
    bare = once(test, records=False, check=damage)
    if bare.status is None:
        return "too long bare", [], 0
    recorded = once(test, records=True, check=damage)
    differences = bare.differs(recorded)
    if differences:  # again: what is the same now and then is no difference
        again = once(test, records=True, check=damage)
        second = once(test, records=False, check=damage)
        differences = [
            line
            for line in differences
            if line in bare.differs(again) and line in second.differs(again)
        ]
        if differences:
            print(again.text, file=log, flush=True)
    ratio = recorded.seconds / max(bare.seconds, 0.05)
    found = [f"{test}: {line}" for line in differences]
    found += [f"{line} (check)" for line in damage]
    return f"{len(bare.cases)} cases, {ratio:.1f} times as long", found, len(bare.cases)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("regression.log"))
    parser.add_argument("--from", dest="first", default="")
    parser.add_argument("tests", nargs="*")
    given = parser.parse_args()
    tests = [name for name in given.tests or all_tests() if name >= given.first]
    bad: list[str] = []
    explained: list[str] = []
    total = 0
    with given.out.open("a") as log:
        for number, test in enumerate(tests, 1):
            text, found, count = compare(test, log)
            total += count
            for line in found:
                reason = is_expected(line)
                (explained if reason else bad).append(line)
                text += f"\n    {line}" + (f"  [{reason}]" if reason else "")
            print(f"{number}/{len(tests)} {test}: {text}", flush=True)
            print(f"{number}/{len(tests)} {test}: {text}", file=log, flush=True)
    print(
        f"{len(tests)} tests, {total:,} cases: {len(bad)} differences, "
        f"{len(explained)} explained"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
