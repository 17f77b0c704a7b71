"""What transactions cost a program that makes millions of small calls.

    tools/pythons run 3.12 -- python bench/transactions.py [--calls N] [--rounds N]
    tools/pythons run 3.12 -- python bench/transactions.py --instructions

10 million calls in 10,000 transactions: bare, under Marey with the transactions chosen
(by mark, and by pattern), all calls under Marey, cProfile, and VizTracer with sparse
logging where it is installed. Each way runs in a process of its own, in turn with the
bare program: what is compared are pairs of neighbours, by CPU time of the loop alone.
The mean of the pairs (geometric) is told with its 95 % confidence interval, beside it
that of the bare program with itself: what the machine's noise makes of nothing. Then
the table of transactions is compared with what the program counted itself.

With --instructions callgrind counts instead: 300 and 100 transactions of the same
shape, the difference of the two, so that start and end are left out. Good to some
hundredths of a percent on any machine. Beside Marey stands what the interpreter takes
for events alone, with callbacks that do nothing: of the marked function, and of all
code, each place switched off at its first event, as patterns need it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = """
import json, sys, time
{imports}

def leaf(n):
    return n + 1

def branch(n):
    return leaf(n) + leaf(n + 1)

{mark}
def work(n):
    total = 0
    for i in range({inner}):
        total += branch(i)
    if n % 100 == 0:
        raise KeyError(n)
    return total

def main():
    count = errors = 0
    for n in range(int(sys.argv[1])):
        count += 1
        try:
            work(n)
        except KeyError:
            errors += 1
    return count, errors

{begin}
before = time.process_time_ns()
count, errors = main()
spent = time.process_time_ns() - before
{end}
json.dump({{"cpu_ns": spent, "count": count, "errors": errors}}, open({out!r}, "w"))
"""


class Way:
    """One way to run the program."""

    def __init__(self, name: str, **parts: object) -> None:
        self.name = name
        self.options: list[str] | None = parts.pop("options", None)  # type: ignore[assignment]
        self.module: list[str] = parts.pop("module", [])  # type: ignore[assignment]
        self.parts = {"imports": "", "mark": "", "begin": "", "end": "", **parts}


def ways() -> list[Way]:
    found = [
        Way("Marey, marked", imports="import marey", mark="@marey.transaction",
            options=["--transactions-only"]),
        Way("Marey, by pattern", options=["--transactions", "__main__:work"]),
        Way("Marey, all calls", options=[]),
        Way("cProfile", imports="import cProfile",
            begin="profile = cProfile.Profile(); profile.enable()",
            end="profile.disable()"),
    ]  # fmt: skip
    try:
        import viztracer  # noqa: F401
    except ImportError:
        return found
    found.append(
        Way("VizTracer, sparse", imports="from viztracer import log_sparse",
            mark="@log_sparse", module=["viztracer", "--log_sparse", "--quiet"])
    )  # fmt: skip
    return found


EVENTS = """
monitoring = sys.monitoring
events = monitoring.events
monitoring.use_tool_id(3, "nothing")
"""


def floors() -> list[Way]:
    """What events cost where nobody does anything with them."""
    if sys.version_info < (3, 12):
        return []
    marked = """
for event in (events.PY_START, events.PY_RETURN):
    monitoring.register_callback(3, event, slice)
monitoring.set_local_events(3, work.__code__, events.PY_START | events.PY_RETURN)
"""
    off = """
monitoring.register_callback(3, events.PY_START, lambda *_: monitoring.DISABLE)
monitoring.set_events(3, events.PY_START)
"""
    return [
        Way("events of the marked", begin=EVENTS + marked),
        Way("events switched off", begin=EVENTS + off),
    ]


# Three calls in each round of the inner loop, and one of work itself: 1,000.
INNER = 333
CALLS = 1000
TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def run(
    way: Way, folder: Path, outer: int, before: tuple[str, ...] = ()
) -> tuple[dict[str, int], Path]:
    out = folder / "out.json"
    text = PROGRAM.format(inner=INNER, out=str(out), **way.parts)
    program = folder / "program.py"
    program.write_text(text)
    trace = folder / "t.marey"
    trace.unlink(missing_ok=True)
    command = [*before, sys.executable]
    if way.options is not None:
        command += ["-m", "marey", "run", "-q", "-o", str(trace), *way.options]
    elif way.module:
        command += ["-m", *way.module, "-o", str(folder / "out.trace.json"), "--"]
    subprocess.run(
        [*command, str(program), str(outer)],
        check=True,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if before else None,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    return json.loads(out.read_text()), trace


# ---- instructions ----


def instructions(way: Way, folder: Path, outer: int) -> int:
    for old in folder.glob("callgrind.*"):
        old.unlink()
    output = f"--callgrind-out-file={folder}/callgrind.%p"
    run(way, folder, outer,
        ("valgrind", "--tool=callgrind", "--trace-children=yes", output))  # fmt: skip
    found = [TOTAL.findall(one.read_text()) for one in folder.glob("callgrind.*")]
    return sum(int(totals[-1]) for totals in found if totals)


def count_all(only: str, folder: Path) -> None:
    print(f"Python {sys.version.split()[0]}, instructions of 200,000 calls in 200")
    base = 0
    for way in [Way("bare"), *floors(), *ways()]:
        if base and only not in way.name:
            continue
        spent = instructions(way, folder, 300) - instructions(way, folder, 100)
        base = base or spent
        print(f"{way.name:20} {spent:14,}  {spent / base:8.5f} x bare, "
              f"{(spent - base) / 200:10,.0f} a transaction", flush=True)  # fmt: skip


# ---- time ----

# 97.5 % of Student's t, by degrees of freedom; beyond that the normal distribution.
STUDENT = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31,
           9: 2.26, 11: 2.20, 14: 2.14, 19: 2.09, 29: 2.05}  # fmt: skip


def interval(ratios: list[float]) -> str:
    """Geometric mean, and its confidence interval, in percent over 1."""
    logs = [math.log(ratio) for ratio in ratios]
    mean = statistics.fmean(logs)
    freedom = len(logs) - 1
    if freedom < 1:
        return f"{math.exp(mean):.4f} x bare (one pair)"
    student = next((t for n, t in sorted(STUDENT.items()) if n >= freedom), 1.96)
    reach = student * statistics.stdev(logs) / math.sqrt(len(logs))
    low, high = math.exp(mean - reach) - 1, math.exp(mean + reach) - 1
    return f"{math.exp(mean):.4f} x bare ({low:+.2%} to {high:+.2%})"


def check(trace: Path, counted: dict[str, int]) -> str:
    import marey

    with marey.open(trace) as opened:
        (row,) = (row for row in opened.transactions() if row.name == "__main__:work")
        found = {"count": row.count, "errors": row.errors}
        lost = opened.info(count=False).lost_count
    expected = {name: counted[name] for name in found}
    return "exact" if found == expected and not lost else f"{found}, lost {lost}"


def time_one(way: Way, bare: Way, folder: Path, given: argparse.Namespace) -> None:
    ratios = []
    least: dict[str, int] = {}
    for number in range(given.rounds):
        # In turn first and second, so that a drift of the machine cancels.
        order = (bare, way) if number % 2 == 0 else (way, bare)
        times = {}
        for one in order:
            result, trace = run(one, folder, given.calls // CALLS)
            times[one.name] = result["cpu_ns"]
            if one is way and one.options and number == 0:
                print(f"  {way.name}: table {check(trace, result)}")
        ratios.append(times[way.name] / times[bare.name])
        for name, time_ns in times.items():
            least[name] = min(time_ns, least.get(name, time_ns))
    print(
        f"{way.name:20} {interval(ratios)}, {given.rounds} pairs; "
        f"best against best {least[way.name] / least[bare.name]:.4f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="ways whose name has this")
    parser.add_argument("--instructions", action="store_true", help="by callgrind")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        if given.instructions:
            count_all(given.only, Path(name))
            return
        print(
            f"Python {sys.version.split()[0]}, {given.calls:,} calls, "
            "CPU time of the loop"
        )
        bare = Way("bare")
        for way in [Way("bare again"), *ways()]:
            if given.only in way.name:
                time_one(way, bare, Path(name), given)


if __name__ == "__main__":
    main()
