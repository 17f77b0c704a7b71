"""Runs a workload's `main` and says in one line of JSON how long it took.

Every workload imports this and nothing of the benchmark else, so that each is an
ordinary script: `python fib.py [ROUNDS]`. The work is linear in its rounds, which lets
a caller choose how long it runs and cancel start-up by measuring two sizes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable


def run(main: Callable[[int], int], *, rounds: int) -> None:
    """Calls `main(rounds)` and reports its inner time; argv[1] overrides `rounds`.

    The line goes to the file named by BENCH_OUT, else to stdout. Its last value is the
    monotonic clock and writing it is the last act of the program: all that happens
    between then and the end of the process is the price of a tool's exit.
    """
    if len(sys.argv) > 1:
        rounds = int(sys.argv[1])
    # Under `python -m floor --count` the events can be told, those of start-up apart.
    counts = getattr(sys.modules.get("_floor"), "counts", lambda: (0, 0))

    python_before, c_before = counts()
    start_cpu_ns = time.process_time_ns()
    start_ns = time.perf_counter_ns()
    result = main(rounds)
    inner_ns = time.perf_counter_ns() - start_ns
    inner_cpu_ns = time.process_time_ns() - start_cpu_ns
    python_after, c_after = counts()

    line = {
        "rounds": rounds,
        "result": result,
        "inner_ns": inner_ns,
        "inner_cpu_ns": inner_cpu_ns,
        "python_events": python_after - python_before,
        "c_events": c_after - c_before,
        "python_events_all": python_after,
        "c_events_all": c_after,
    }
    text = json.dumps(line)[:-1] + ', "end_ns": '
    path = os.environ.get("BENCH_OUT")
    # Unbuffered, so that the write is over when the clock's value has just been read.
    with open(
        path or sys.stdout.fileno(), "wb", buffering=0, closefd=bool(path)
    ) as out:
        out.write(f"{text}{time.clock_gettime_ns(time.CLOCK_MONOTONIC)}}}\n".encode())
