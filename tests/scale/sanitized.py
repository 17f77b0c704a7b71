"""The stress test with an extension built with the address or the thread sanitizer.

    python tests/scale/sanitized.py address|thread [CYCLES] [THREADS]

Builds the extension for this interpreter beside the usual builds, puts it with the
package into a folder of its own, and runs stress.py with the sanitizer's library loaded
before the interpreter. Exits 1 if the sanitizer found anything. Some minutes.

CPython itself is not built with the sanitizer: of its memory only what malloc gave is
watched, and what it does with its own locks the thread sanitizer sees through pthread.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILDS = {
    "address": ("address,undefined", "libasan.so", {"PYTHONMALLOC": "malloc"}),
    "thread": ("thread", "libtsan.so", {}),
}
OPTIONS = {
    # What the interpreter keeps to its end is no leak of ours.
    "ASAN_OPTIONS": "detect_leaks=0:exitcode=99",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    # Only accesses from Marey's code are watched: the interpreter was not built for it.
    "TSAN_OPTIONS": "exitcode=99:ignore_noninstrumented_modules=1",
}


def built(kind: str, folder: Path) -> Path:
    """The package with its extension, in a folder for PYTHONPATH."""
    build = ROOT / "build" / f"sanitized-{kind}-{sys.version_info[1]}"
    setup = [
        "meson", "setup", str(build), str(ROOT),
        f"-Db_sanitize={BUILDS[kind][0]}", "-Db_lundef=false",
        "-Dbuildtype=debugoptimized", "-Dpython_ext=true", "-Dtests=false",
    ]  # fmt: skip
    # Meson builds for the first python3 on the path.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path}
    if not (build / "build.ninja").exists():
        subprocess.run(setup, check=True, env=environ, stdout=subprocess.DEVNULL)
    ninja = ["ninja", "-C", str(build), f"-j{os.environ.get('MAREY_JOBS', '2')}"]
    subprocess.run(ninja, check=True, env=environ, stdout=subprocess.DEVNULL)
    shutil.copytree(ROOT / "python" / "marey", folder / "marey")
    for library in (build / "python").glob("*.so"):
        shutil.copy(library, folder / "marey")
    return folder


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in BUILDS:
        print(__doc__)
        return 2
    kind, counts = sys.argv[1], sys.argv[2:] or ["200", "8"]
    _, library, extra = BUILDS[kind]
    found = subprocess.run(
        ["gcc", f"-print-file-name={library}"], capture_output=True, text=True
    ).stdout.strip()
    with tempfile.TemporaryDirectory() as name:
        environ = {
            **os.environ, **OPTIONS, **extra,
            "PYTHONPATH": str(built(kind, Path(name))), "LD_PRELOAD": found,
        }  # fmt: skip
        stress = ROOT / "tests" / "scale" / "stress.py"
        done = subprocess.run(
            [sys.executable, str(stress), *counts],
            env=environ,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    reports = [
        line
        for line in done.stderr.splitlines()
        if "Sanitizer" in line or "runtime error" in line
    ]
    if done.returncode not in (0, 1) or reports:
        print(done.stderr[-8000:])
    # Speed and memory mean nothing under a sanitizer: a status of 1 is no finding.
    print(f"{kind}: status {done.returncode}, {len(reports)} findings")
    return 1 if reports or done.returncode not in (0, 1) else 0


if __name__ == "__main__":
    sys.exit(main())
