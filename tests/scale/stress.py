"""Starts and stops a recording a thousand times beside threads that call all the time.

    python tests/scale/stress.py [CYCLES] [THREADS]        (default: 1000 and 8)

No crash, no growth of memory, and nothing left in the interpreter: after the last stop
the calls are as fast as before the first start. Exits 1 if not. To be run also with an
extension built with the address sanitizer, or on a free-threaded build.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import threading
import time
from pathlib import Path

import marey

GROWTH_MAX_MB = 24
SLOWER_MAX = 1.35  # of the fastest of several rounds; machines are noisy


def leaf(n: int) -> int:
    return n + len("x")


def parts(n: int) -> object:
    for i in range(n):
        yield leaf(i)


def work(n: int) -> int:
    total = 0
    for value in parts(n):
        total += value  # type: ignore[operator]
    try:
        raise KeyError(n)
    except KeyError:
        pass
    return total


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def seconds() -> float:
    best = float("inf")
    for _ in range(7):
        start = time.thread_time()
        work(60_000)
        best = min(best, time.thread_time() - start)
    return best


def main() -> int:
    cycles = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    before_s = seconds()
    stops = threading.Event()

    def busy() -> None:
        while not stops.is_set():
            work(200)

    threads = [threading.Thread(target=busy) for _ in range(count)]
    for thread in threads:
        thread.start()
    first_mb = 0.0
    with tempfile.TemporaryDirectory() as name:
        for cycle in range(cycles):
            path = Path(name) / "t.marey"
            with marey.record(path):
                work(50)
                if cycle % 7 == 0:
                    time.sleep(0.002)
            if cycle % 50 == 0:
                with marey.open(path) as trace:
                    findings, wrong = trace.check()
                    if wrong:
                        print(f"cycle {cycle}: {findings[:3]}")
                        return 1
            path.unlink()
            if cycle == cycles // 10:
                gc.collect()
                first_mb = resident_mb()
    last_mb = resident_mb()
    stops.set()
    for thread in threads:
        thread.join()
    after_s = seconds()
    for _ in range(20):  # a neighbour of the machine's may have slowed us, not Marey
        if after_s <= before_s * SLOWER_MAX:
            break
        time.sleep(0.5)
        after_s = min(after_s, seconds())
    print(
        f"{cycles} cycles, {count} threads: {first_mb:.1f} MB after a tenth, "
        f"{last_mb:.1f} MB after all; {before_s * 1e3:.1f} ms before, "
        f"{after_s * 1e3:.1f} ms after"
    )
    if last_mb - first_mb > GROWTH_MAX_MB:
        print("memory has grown")
        return 1
    if after_s > before_s * SLOWER_MAX:
        print("calls are slower than before")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
