"""The test suites of well-known packages, plain and recorded: the same results.

    python tests/scale/packages.py [--work FOLDER] [PACKAGE…]

Gets each package's source with pip, installs it with what its tests need into one
virtual environment (made in FOLDER for each interpreter that runs this, whose Marey is
copied into it), runs its tests by pytest twice, and compares the outcome of each. What
differs is run once more both ways. Exits 1 if anything differs, and if a suite could
not be had or ran nothing: what was not compared is not the same.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import marey
from regression import Outcome, cases_of, run

TIMEOUT_S = 1800

# Package: what its tests need besides, which of them, and options. Those whose source
# archive has no tests are tested as they are installed (--pyargs).
PACKAGES: dict[str, tuple[list[str], list[str]]] = {
    "attrs": (["hypothesis", "cloudpickle"], ["tests"]),
    "click": ([], ["tests"]),
    "jinja2": (["trio"], ["tests"]),
    "flask": (["asgiref", "python-dotenv"], ["tests"]),
    "werkzeug": (["ephemeral-port-reserve", "pytest-timeout"], ["tests"]),
    "more-itertools": ([], ["tests"]),
    "networkx": ([], ["--pyargs", "networkx.classes", "networkx.generators"]),
    "sympy": (
        ["mpmath"],
        ["--pyargs", "sympy.core", "sympy.sets", "-k", "not issue and not slow"],
    ),
    "sqlalchemy": ([], ["test/base", "test/sql/test_operators.py"]),
    "marshmallow": (["simplejson"], ["tests"]),
    "tornado": ([], ["--pyargs", "tornado.test"]),
    "trio": (
        ["astor", "outcome", "trustme"],
        ["--pyargs", "trio._core._tests", "-p", "trio._tests.pytest_plugin"],
    ),
    "packaging": (["pretend"], ["tests"]),
    "toolz": ([], ["--pyargs", "toolz"]),
    "pluggy": ([], ["testing"]),
    "requests": (
        ["pytest-httpbin", "pytest-mock", "pysocks", "trustme"],
        ["tests", "-k", "not test_requests.py"],
    ),
    "pydantic": (
        [
            "dirty-equals",
            "jsonschema",
            "pytest-mock",
            "pytz",
            "pytest-run-parallel",
            "pytest-examples",
            "pytest-codspeed",
            "pytest-timeout",
            "faker",
            "tzdata",
        ],
        ["tests/test_main.py", "tests/test_types.py", "tests/test_validators.py"],
    ),
    "markdown": ([], ["tests"]),
}


def venv_of(work: Path) -> Path:
    """A virtual environment with pytest and this Marey; its interpreter."""
    folder = work / "venv"
    python = folder / "bin" / "python"
    if not python.exists():
        base = getattr(sys, "_base_executable", sys.executable)
        subprocess.run([base, "-m", "venv", folder], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "pytest<9", "setuptools", "wheel"],
            check=True,
        )
    site = next(folder.glob("lib/python*/site-packages"))
    package = Path(marey.__file__).parent
    shutil.rmtree(site / "marey", ignore_errors=True)
    shutil.copytree(package, site / "marey")
    for name in ("marey.pth", "marey.start"):
        shutil.copy(package.parent / name, site / name)
    return python


def source_of(package: str, work: Path, python: Path) -> Path | None:
    """The unpacked source, with the package and its needs installed; or None."""
    folder = work / package
    if not any(path.is_dir() for path in folder.glob("*")):
        done = subprocess.run(
            [
                python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary",
                package, "-d", folder, package
            ],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        archives = list(folder.glob("*.tar.gz"))
        if not archives:
            print(f"{package}: no source: {done.stderr.strip()[-200:]}")
            return None
        with tarfile.open(archives[0]) as archive:
            archive.extractall(folder, filter="data")
    unpacked = next(path for path in folder.iterdir() if path.is_dir())
    version = unpacked.name.rpartition("-")[2]
    done = subprocess.run(
        [
            python, "-m", "pip", "install", "-q", f"{package}=={version}",
            *PACKAGES[package][0]
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        print(f"{package}: cannot be installed: {done.stderr.strip()[-200:]}")
        return None
    return unpacked


def once(
    package: str, source: Path, python: Path, *, records: bool, check: list[str]
) -> Outcome:
    result, trace = source / "out.xml", source / "t.marey"
    result.unlink(missing_ok=True)
    trace.unlink(missing_ok=True)
    words = [str(python)]
    if records:
        words += ["-m", "marey", "run", "-q", "--ring", "64M", "-o", str(trace)]
    words += [
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly",
        "--continue-on-collection-errors",
        f"--junit-xml={result}", *PACKAGES[package][1]
    ]  # fmt: skip
    start = time.monotonic()
    status, text = run(words, source, TIMEOUT_S)
    seconds = time.monotonic() - start
    if records:
        done = subprocess.run(
            [python, "-m", "marey", "check", trace],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            check.append(f"check: {done.stdout.strip()[-600:]}{done.stderr[-300:]}")
    return Outcome(status, text, cases_of(result), seconds)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, default=Path("packages"))
    parser.add_argument("packages", nargs="*")
    given = parser.parse_args()
    interpreter = f"{sys.implementation.cache_tag}{sys.abiflags}"
    work = given.work.resolve() / interpreter  # nothing is shared between versions
    work.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONHASHSEED"] = "0"  # some suites name their cases after sets
    python = venv_of(work)
    bad = total = 0
    for package in given.packages or PACKAGES:
        source = source_of(package, work, python)
        if source is None:
            bad += 1
            continue
        damage: list[str] = []
        bare = once(package, source, python, records=False, check=damage)
        recorded = once(package, source, python, records=True, check=damage)
        differences = bare.differs(recorded)
        if differences:
            second = once(package, source, python, records=False, check=damage)
            again = once(package, source, python, records=True, check=damage)
            differences = [
                line
                for line in differences
                if line in bare.differs(again) and line in second.differs(again)
            ]
        total += len(bare.cases)
        passed = sum(how == "passed" for how in bare.cases.values())
        ratio = recorded.seconds / max(bare.seconds, 0.05)
        print(
            f"{source.name}: {len(bare.cases)} cases, {passed} passed, "
            f"{len(differences)} differences, {ratio:.1f} times as long",
            flush=True,
        )
        if passed == 0:
            damage.append("nothing ran: " + bare.text[-800:])
        for line in differences + damage:
            bad += 1
            print(f"    {line}", flush=True)
    print(f"{total:,} cases, {bad} differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
