"""Totals made of sums of the index are those made by playing every event."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import marey
import pytest
from marey import _index, _view

PROGRAM = """
import sys
import threading

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def work(i):
    return i * 2

def numbers(n):
    for i in range(n):
        yield work(i)

def endless():
    i = 0
    while True:
        i += 1
        yield i

def nested(n):
    if n:
        yield from nested(n - 1)
    yield n

def early():
    for x in numbers(5):
        if x > 2:
            return x

def bad(i):
    if i % 7 == 0:
        raise ValueError(i)

def main(n):
    always, seldom, kept = endless(), endless(), []
    for i in range(n):
        next(always)
        if i % 100 == 0:
            next(seldom)
            kept.append(numbers(3))
            next(kept[-1])
        if len(kept) > 50:
            list(kept.pop(0))
        early()
        list(numbers(4))
        if i % 50 == 0:
            fib(8)
            list(nested(4))
        try:
            bad(i)
        except ValueError:
            pass

threads = [threading.Thread(target=main, args=(7_000,)) for _ in range(2)]
if "threads" in sys.argv:
    [thread.start() for thread in threads]
main(7_000 if "threads" in sys.argv else 30_000)
if "threads" in sys.argv:
    [thread.join() for thread in threads]
"""


def record(folder: Path, *words: str) -> Path:
    script, path = folder / "program.py", folder / "program.marey"
    script.write_text(PROGRAM)
    command = [sys.executable, "-m", "marey", "run", "--quiet", "-o", path]
    subprocess.run([*map(str, command), str(script), *words], check=True)
    return path


def told(trace: marey.Trace, **window: Any) -> tuple[object, ...]:
    totals = trace.totals(**window)
    return totals.rows, totals.edges, totals.lost_count


def part_count(index: bytes) -> int:
    """Parts that have sums: the header of include/marey/lod.h."""
    return int(struct.unpack_from("<I", index, 32 + 10 * 4 + 8 * 8 + 4)[0])


@pytest.mark.parametrize("words", [(), ("threads",)], ids=["one", "threads"])
def test_added_totals_of_any_window_are_the_played_ones(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    path = record(tmp_path, *words)
    index = _view.open(path)[1]
    chance = random.Random(7)
    with marey.open(path) as played, marey.open(path) as added:
        assert added._core.use_index(index)
        end_ns = played.info(count=False).duration_ns
        assert told(played) == told(added)
        for _ in range(8):
            start, end = sorted(chance.randrange(end_ns) for _ in range(2))
            window = {"start_ns": start, "end_ns": end}
            assert told(played, **window) == told(added, **window)
        for window in ({"function": "*:fib"}, {"max_depth": 2}):
            assert told(played, **window) == told(added, **window)
    if not words:
        assert part_count(index) > 1
        marey.pack(path)
        with marey.open(path) as packed, marey.open(path) as added:
            assert added._core.use_index(index)
            assert told(packed) == told(added)


def test_a_damaged_index_is_no_harm(tmp_path: Path) -> None:
    path = record(tmp_path)
    index = bytearray(_view.open(path)[1])
    sums_at, sums_size = struct.unpack_from("<QQ", index, 32 + 10 * 4 + 8 * 8 + 24)
    chance = random.Random(3)
    with marey.open(path) as trace:
        assert not trace._core.use_index(bytes(index[:-8]))
        for _ in range(12):
            torn = bytearray(index)
            for _ in range(20):
                torn[sums_at + chance.randrange(sums_size)] = chance.randrange(256)
            if trace._core.use_index(bytes(torn)):
                assert trace.totals().rows


def test_small_traces_are_not_worth_an_index(tmp_path: Path) -> None:
    path = record(tmp_path)
    assert path.stat().st_size < _index.WORTH_ADDING
    assert _index.for_totals(str(path)) is None
