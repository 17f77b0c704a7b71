"""Kills at random moments: every trace opens, is whole, and holds what was done.

    python tests/scale/kills.py [COUNT]        (default: 100 of each kind)

A program counts the steps it has finished in memory shared with this one. It is killed
by SIGKILL from outside, or ends itself by a segmentation fault or os._exit at a random
moment. Every step counted must be in the trace; one more may be. Exits 1 on a failure.
"""

from __future__ import annotations

import mmap
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import marey

PROGRAM = """
import ctypes, mmap, os, sys, threading, time

def leaf(n):
    return n

def step(n):
    leaf(n)
    len("x")

def die(how, delay_s):
    time.sleep(delay_s)
    if how == "segv":
        ctypes.string_at(0)
    elif how == "exit":
        os._exit(9)

def main():
    with open(sys.argv[1], "r+b") as file:
        counter = memoryview(mmap.mmap(file.fileno(), 4096)).cast("Q")
    if sys.argv[2] != "kill":
        threading.Thread(target=die, args=(sys.argv[2], float(sys.argv[3]))).start()
    n = 0
    while True:
        step(n)
        n += 1
        counter[0] = n

main()
"""
STATUS = {"kill": -signal.SIGKILL, "segv": -signal.SIGSEGV, "exit": 9}


def once(how: str, folder: Path) -> str | None:
    """What was wrong, or None."""
    program, counter = folder / "program.py", folder / "counter"
    trace = folder / "t.marey"
    program.write_text(PROGRAM)
    counter.write_bytes(bytes(4096))
    trace.unlink(missing_ok=True)
    delay_s = random.uniform(0.002, 0.12)
    with counter.open("r+b") as file, mmap.mmap(file.fileno(), 4096) as memory:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "marey", "run", "-q", "-o", trace, program,
                counter, how, str(delay_s)
            ],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while memory[:8] == bytes(8) and process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
                return "nothing happened"
            time.sleep(0.001)
        if how == "kill":
            time.sleep(delay_s)
            process.kill()
        status = process.wait()
        counted = struct.unpack_from("<Q", memory)[0]
    if status != STATUS[how]:
        return f"ended with {status}"
    with marey.open(trace) as opened:
        findings, count = opened.check()
        if count:
            return f"check: {findings[:3]}"
        calls = opened.calls(function="__main__:step")
        ended = sum(1 for call in calls if call.ended == "returned")
        still_open = [
            call.name
            for call in opened.calls(function="__main__:main")
            if call.ended == "open"
        ]
    if still_open != ["main"]:
        return "main is not open"
    if not 0 <= ended - counted <= 1:
        return f"{counted} steps were counted, {ended} are there"
    return None


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    bad = 0
    for how in STATUS:
        with tempfile.TemporaryDirectory() as name:
            for number in range(count):
                wrong = once(how, Path(name))
                if wrong is not None:
                    bad += 1
                    print(f"{how} {number}: {wrong}", flush=True)
        print(f"{how}: {count} done, {bad} wrong so far", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
