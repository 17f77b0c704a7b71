"""What transactions cost a program that makes millions of small calls.

    tools/pythons run 3.12 -- python bench/transactions.py [--calls N] [--rounds N]

10 million calls in 10,000 transactions: bare, under Marey with the transactions chosen
(by mark, and by pattern), all calls under Marey, cProfile, and VizTracer with sparse
logging where it is installed. Each way runs in a process of its own, in turn with the
bare program: what is compared are pairs of neighbours, by CPU time of the loop alone,
and the median of the pairs is told. Then the table of transactions is compared with
what the program counted itself.
"""

from __future__ import annotations

import argparse
import json
import os
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
    for n in range({outer}):
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


def run(way: Way, folder: Path, calls: int) -> tuple[dict[str, int], Path]:
    out = folder / "out.json"
    outer = 10_000
    # Three calls in each round of the inner loop, and one of work itself.
    inner = max(calls // outer // 3, 1)
    text = PROGRAM.format(outer=outer, inner=inner, out=str(out), **way.parts)
    program = folder / "program.py"
    program.write_text(text)
    trace = folder / "t.marey"
    trace.unlink(missing_ok=True)
    command = [sys.executable]
    if way.options is not None:
        command += ["-m", "marey", "run", "-q", "-o", str(trace), *way.options]
    elif way.module:
        command += ["-m", *way.module, "-o", str(folder / "out.trace.json"), "--"]
    subprocess.run([*command, str(program)], check=True, stdin=subprocess.DEVNULL)
    return json.loads(out.read_text()), trace


def check(trace: Path, counted: dict[str, int]) -> str:
    import marey

    with marey.open(trace) as opened:
        (row,) = (row for row in opened.transactions() if row.name == "__main__:work")
        found = {"count": row.count, "errors": row.errors}
        lost = opened.info(count=False).lost_count
    expected = {name: counted[name] for name in found}
    return "exact" if found == expected and not lost else f"{found}, lost {lost}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="ways whose name has this")
    given = parser.parse_args()
    bare = Way("bare")
    print(
        f"Python {sys.version.split()[0]}, {given.calls:,} calls, CPU time of the loop"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for way in ways():
            if given.only not in way.name:
                continue
            pairs = []
            least = {}
            for number in range(given.rounds):
                # In turn first and second, so that a drift of the machine cancels.
                order = (bare, way) if number % 2 == 0 else (way, bare)
                results = {}
                for one in order:
                    results[one.name], trace = run(one, Path(folder), given.calls)
                    if one is way and one.options and number == 0:
                        print(f"  {way.name}: table {check(trace, results[way.name])}")
                times = {name: result["cpu_ns"] for name, result in results.items()}
                pairs.append(times[way.name] / times["bare"])
                for name, time_ns in times.items():
                    least[name] = min(time_ns, least.get(name, time_ns))
            pairs.sort()
            print(
                f"{way.name:20} {statistics.median(pairs):8.4f} x bare "
                f"({pairs[0]:.4f} to {pairs[-1]:.4f}, {given.rounds} pairs), "
                f"best against best {least[way.name] / least['bare']:.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
