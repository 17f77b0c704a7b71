"""A server-like program under the flight recorder for a while: what memory and disk do.

    python tests/scale/soak.py SECONDS [RING, such as 16M] [PAUSE]

Run by hand: it takes as long as it is told, at low priority. A program with four worker
threads does small requests into a ring; one in a while is slow and is kept, some ten a
minute; short threads come and go. PAUSE is how many seconds the threads rest between
bursts (0.05: some 400,000 events a second). Every few seconds the resident memory and
the sizes of the trace and of the folder of keeps are noted. At the end: memory and disk
must not have grown after the first third, and every keep must be whole, without a loss,
and hold its slow request.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = """
import random, sys, threading, time

def leaf(number):
    return len(str(number))

def request(number, slow):
    total = sum(leaf(i) for i in range(40))
    if slow:
        time.sleep(0.05)
    return total

def worker(seed, end):
    chance = random.Random(seed)
    last = time.monotonic()
    while time.monotonic() < end:
        for number in range(20):
            request(number, False)
        if seed == 0 and time.monotonic() - last > 6:
            last = time.monotonic()
            request(-1, True)
        time.sleep(float(sys.argv[2]))

def short():
    request(0, False)

end = time.monotonic() + float(sys.argv[1])
workers = [threading.Thread(target=worker, args=(n, end)) for n in range(4)]
for one in workers:
    one.start()
while time.monotonic() < end:
    one = threading.Thread(target=short)
    one.start()
    one.join()
    time.sleep(0.2)
for one in workers:
    one.join()
"""


def resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


def disk(path: Path) -> int:
    if path.is_dir():  # what --keep-max bounds
        return sum(one.stat().st_size for one in path.iterdir())
    return path.stat().st_blocks * 512 if path.exists() else 0


def main() -> int:
    seconds = float(sys.argv[1])
    ring = sys.argv[2] if len(sys.argv) > 2 else "16M"
    pause = sys.argv[3] if len(sys.argv) > 3 else "0.05"
    folder = Path(tempfile.mkdtemp(prefix="marey-soak-"))
    program, trace, kept = (folder / name for name in ("app.py", "run.marey", "kept"))
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "marey", "run", "--ring", ring, "-o", trace]
    command += ["--keep", "call:*request > 40ms", "--keep-dir", kept]
    command += ["--keep-before", "500ms", "--keep-max", "24M", program, str(seconds)]
    command.append(pause)
    running = subprocess.Popen([str(word) for word in command])
    os.setpriority(os.PRIO_PROCESS, running.pid, 10)
    begin, rows, keep_names = time.monotonic(), [], set()
    while running.poll() is None:
        time.sleep(min(5.0, seconds / 30))
        try:
            row = (resident(running.pid), disk(trace), disk(kept))
            keep_names |= (
                {one.name for one in kept.iterdir()} if kept.exists() else set()
            )
        except (OSError, IndexError):
            continue
        if row[0]:
            rows.append(row)
            text = "  ".join(f"{value / 1e6:8.2f}" for value in row)
            print(f"{time.monotonic() - begin:7.0f} s  {text} MB", flush=True)
    third = rows[len(rows) // 3 :]
    growth = [
        max(r[i] for r in third[-5:]) - min(r[i] for r in third[:5]) for i in (0, 1)
    ]
    print(f"keeps made: {len(keep_names)}, on disk: {len(list(kept.iterdir()))}")
    print(f"growth after the first third: memory {growth[0]}, trace {growth[1]} bytes")
    import marey

    bad = 0
    for path in sorted(kept.iterdir()):
        with marey.open(path) as one:
            slow = [c for c in one.calls(function="*request") if c.duration_ns > 40e6]
            if one.check() != ([], 0) or one.info().lost_count or len(slow) != 1:
                print("BAD", path, one.check(limit=3), one.info().lost_count, len(slow))
                bad += 1
    is_bounded = max(row[2] for row in rows) <= 24 << 20
    is_steady = growth[0] < 1 << 20 and growth[1] < 1 << 17
    print(
        "bounded" if is_bounded else "NOT BOUNDED", "steady" if is_steady else "GROWS"
    )
    return 0 if not bad and is_bounded and is_steady else 1


if __name__ == "__main__":
    sys.exit(main())
