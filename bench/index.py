"""How long a view of a large trace takes to open, and what it weighs.

    tools/pythons run 3.12 -- python bench/index.py [--scale N ...] [--trace FILE ...]

Records examples/workshop.py at each scale (190 makes 100 million events), then opens
each trace with `marey view` three times: with the index to be built, with the one that
was kept, and packed. Where node, playwright-core and Chromium are there (`npm install`
in viewer/), a headless one says when its first picture stood. Prints a table; the last
line compares the largest trace with the smallest.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import marey
from marey import _view

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("trace", "how", "answered", "picture", "ready", "server", "tab", "index")


class Opened(NamedTuple):
    answer_s: float  # from the start of the command until names and index were there
    picture_s: float | None  # from the navigation
    ready_s: float | None
    server_bytes: int  # at most
    tab_bytes: int | None
    index_bytes: int


def record(scale: int, folder: Path) -> Path:
    path = folder / f"workshop-{scale}.marey"
    script = ROOT / "examples/workshop.py"
    words = ["marey", "run", "--quiet", "-o", path, script, "--scale", scale]
    command = [sys.executable, "-m", *map(str, words)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


def peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def in_browser(address: str) -> dict[str, float]:
    if not (ROOT / "viewer/node_modules/playwright-core").exists():
        return {}
    ran = subprocess.run(
        ["node", ROOT / "bench/first.mjs", address],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if ran.returncode != 0:
        print(ran.stderr, file=sys.stderr)
        return {}
    told: dict[str, float] = json.loads(ran.stdout)
    return told


def fetch(address: str) -> int:
    size = 0
    for what in ("info", "index"):
        with urllib.request.urlopen(address + what) as reply:
            size = len(reply.read())
    return size


def view(path: Path, cache: Path, has_browser: bool) -> Opened:
    """One `marey view`; the browser is the first to ask, where there is one."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-m", "marey", "view", "--no-browser", str(path)]
    begun = time.perf_counter()
    server = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().decode().strip()
        told = in_browser(address) if has_browser else {}
        answered = 0.0 if told else None
        index_bytes = fetch(address)
        if answered is None:
            answered = time.perf_counter() - begun
        return Opened(
            answered,
            told["picture"] / 1000 if told else None,
            told["ready"] / 1000 if told else None,
            peak_bytes(server.pid),
            int(told["tab"]) if told else None,
            index_bytes,
        )
    finally:
        server.terminate()
        server.wait()


def cell(value: float | None, unit: str) -> str:
    if not value:
        return "–"
    return f"{value / 1e6:.0f} MB" if unit == "MB" else f"{value:.2f} s"


def row(name: str, how: str, plain: Opened, drawn: Opened) -> None:
    cells = (
        name,
        how,
        cell(plain.answer_s, "s"),
        cell(drawn.picture_s, "s"),
        cell(drawn.ready_s, "s"),
        cell(max(plain.server_bytes, drawn.server_bytes), "MB"),
        cell(drawn.tab_bytes, "MB"),
        cell(plain.index_bytes, "MB"),
    )
    print("| " + " | ".join(cells) + " |", flush=True)


def measure(path: Path, folder: Path, has_browser: bool) -> dict[str, Opened]:
    with marey.open(path) as trace:
        count = trace.info(count=False).event_count
    name = f"{count / 1e6:.1f} M events, {path.stat().st_size / 1e6:.0f} MB"
    cache = folder / "cache"
    found: dict[str, Opened] = {}
    for how in ("to build", "kept", "packed"):
        if how == "packed":
            packed = folder / "packed.marey"
            marey.pack(path, packed)
            path = packed
            name = f"{count / 1e6:.1f} M events, {path.stat().st_size / 1e6:.0f} MB"
        tries = []
        for drawn in (False, True) if has_browser else (False,):
            if how != "kept":
                shutil.rmtree(cache, ignore_errors=True)
            tries.append(view(path, cache, drawn))
        row(name, how, tries[0], tries[-1])
        found[how] = tries[-1]
    path.unlink()
    return found


def building(path: Path) -> None:
    """Processor time of the index alone, on one core and on all."""
    for cores in ({min(os.sched_getaffinity(0))}, os.sched_getaffinity(0)):
        child = os.fork()
        if child == 0:
            os.sched_setaffinity(0, cores)
            begun, cpu = time.perf_counter(), time.process_time()
            _view.open(str(path))
            took, cost = time.perf_counter() - begun, time.process_time() - cpu
            print(f"index on {len(cores)} core(s): {took:.2f} s, CPU {cost:.2f} s")
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description="how long a large view takes to open")
    parser.add_argument("--scale", type=int, nargs="+", default=[19, 190])
    parser.add_argument("--trace", type=Path, nargs="+", default=[])
    parser.add_argument("--folder", type=Path, help="for the traces (default: /tmp)")
    given = parser.parse_args()
    has_browser = shutil.which("node") is not None
    firsts: list[dict[str, Opened]] = []
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        paths = given.trace or [record(scale, folder) for scale in given.scale]
        for path in paths:
            building(path)
        print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
        firsts = [measure(path, folder, has_browser) for path in paths]
    least, most = firsts[0], firsts[-1]
    for how in least:
        a, b = least[how], most[how]
        if a.picture_s and b.picture_s:
            print(f"first picture, {how}: {b.picture_s / a.picture_s:.2f} times")


if __name__ == "__main__":
    main()
