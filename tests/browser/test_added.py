"""The page's tables and flame graphs of any window, added from sums of the index, are
to the last digit what playing every event gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from browse import PAGE, browse, needs_node

PROGRAM = """
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def numbers(n):
    for i in range(n):
        yield fib(2) + i

def endless():
    i = 0
    while True:
        i += 1
        yield i

def bad(i):
    if i % 7 == 0:
        raise ValueError(i)

def early():
    for x in numbers(5):
        if x > 2:
            return x

def nested(n):
    if n:
        yield from nested(n - 1)
    yield n

def main():
    always, kept = endless(), []
    for i in range(16_000):
        next(always)
        if i % 100 == 0:
            kept.append(numbers(3))
            next(kept[-1])
        if len(kept) > 50:
            list(kept.pop(0))
        early()
        if i % 50 == 0:
            fib(8)
            list(nested(4))
        try:
            bad(i)
        except ValueError:
            pass

main()
"""


@needs_node
def test_the_page_adds_what_it_would_else_play(tmp_path: Path) -> None:
    script, path = tmp_path / "program.py", tmp_path / "program.marey"
    script.write_text(PROGRAM)
    command = [sys.executable, "-m", "marey", "run", "--quiet", "-o", path, script]
    subprocess.run([*map(str, command)], check=True)
    told = browse("sums.mjs", PAGE, path)
    assert told["failed"] == told["different"] == 0
    assert told["same_as_filtered"] < told["answers"] / 2  # small windows may be alike
    assert told["answers"] == 12
    assert told["contexts"] > 20
    assert 0 < told["sums_size"] < told["index_size"] / 2
    assert told["read_to_add"] < told["read_to_play"] * 0.8
