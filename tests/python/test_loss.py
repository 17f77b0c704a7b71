"""Where chunks are lost, what is left is as it was: parent, times, callees."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import NamedTuple

import harness
import marey
import pytest

PROGRAM = """
import random, sys, threading

def leaf(n):
    return len("x") + n

def branch(rng, depth):
    for _ in range(rng.randrange(1, 4)):
        if depth and rng.random() < 0.6:
            branch(rng, depth - 1)
        else:
            leaf(depth)
    if rng.random() < 0.1:
        raise KeyError

def tree(rng):
    try:
        branch(rng, 8)
    except KeyError:
        pass

def parts(rng):
    while True:
        yield leaf(0)
        yield tree(rng)

def work(seed):
    rng = random.Random(seed)
    generator = parts(rng)
    for n in range(60):
        if n % 10 == 9:
            generator = parts(rng)  # at the address of the one before, often
        tree(rng)
        next(generator)

threads = [threading.Thread(target=work, args=(n,), name=f"w{n}") for n in range(2)]
for thread in threads: thread.start()
work(7)
for thread in threads: thread.join()
"""


class Known(NamedTuple):
    """What is true of a call, whatever else is lost."""

    parent: str | None
    depth: int
    ended: str
    end_ns: int | None
    running_ns: int
    self_ns: int
    child_count: int


Key = tuple[str, str, int | None]  # lane, function, begin


class Seen(NamedTuple):
    calls: dict[Key, Known]
    touched: set[Key]  # by their own word
    gap_count: int


def calls_of(path: Path, **window: int) -> Seen:
    calls: dict[Key, Known] = {}
    touched = set()
    with marey.open(path) as trace:
        for call in trace.calls(**window):
            key = (call.lane.name, call.function.name, call.begin_ns)
            if call.has_gap:
                touched.add(key)
            calls[key] = Known(
                call.parent.name if call.parent else None,
                call.depth, call.ended, call.end_ns, call.running_ns, call.self_ns,
                call.child_count,
            )  # fmt: skip
        gaps = [event for event in trace.events() if event.kind == "gap"]
        assert all(event.duration_ns >= 0 and event.lost_count > 0 for event in gaps)
    return Seen(calls, touched, len(gaps))


def event_chunks(data: bytes) -> list[tuple[int, int]]:
    """Offset and payload size of closed chunks of events."""
    found, at = [], 4096
    while at + 128 <= len(data):
        if data[at : at + 4] != b"MCHK":
            at += 64
            continue
        (size,) = struct.unpack_from("<I", data, at + 16)
        (payload,) = struct.unpack_from("<I", data, at + 64)
        (state,) = struct.unpack_from("<I", data, at + 120)
        if data[at + 4] == 2 and state == 2 and payload > 0:
            found.append((at, payload))
        at += size
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loss")
    program, trace = folder / "tree.py", folder / "whole.marey"
    program.write_text(PROGRAM)
    done = harness.record(trace, program)
    assert done.returncode == 0, done.stderr
    return trace


def compare(truth: dict[Key, Known], left: Seen) -> int:
    """Every call that is left against the truth; how many no loss touches."""
    parts_of_generators = 0
    for key, call in left.calls.items():
        is_touched = key in left.touched
        known = truth.get(key)
        if known is None:
            # A generator's, of which only a later part is there. It says so.
            assert is_touched or call.ended == "cut", (key, call)
            assert key[1] == "parts", key
            parts_of_generators += 1
            continue
        if is_touched and call.ended in ("suspended", "cut", "open"):
            # Each part of a generator's call has a parent, and the call that of the
            # last one that is known.
            if key[1] == "parts":
                assert call.parent in ("next", "work"), key
                continue
            assert call.ended != "suspended"
        assert (call.parent, call.depth) == (known.parent, known.depth), key
        if not is_touched and call.ended not in ("cut", "open"):
            assert call == known, key
            continue
        assert call.self_ns <= known.self_ns, (key, call, known)
        assert call.child_count <= known.child_count, (key, call, known)
        assert call.running_ns <= known.running_ns or call.ended == "open", key
        if call.ended in ("returned", "raised"):
            assert (call.ended, call.end_ns) == (known.ended, known.end_ns), key
    assert parts_of_generators < len(left.calls) / 4
    return len(left.calls) - len(left.touched)


def test_chunks_lost_at_random_make_nothing_wrong(whole: Path, tmp_path: Path) -> None:
    truth = calls_of(whole)
    assert not truth.gap_count
    assert not truth.touched
    data = whole.read_bytes()
    chunks = event_chunks(data)
    assert len(chunks) > 8
    rng = random.Random(4)
    path = tmp_path / "damaged.marey"
    gap_count = 0
    for _ in range(4):
        damaged = bytearray(data)
        for at, payload in rng.sample(chunks, rng.randrange(1, len(chunks) // 2)):
            if rng.random() < 0.5:
                damaged[at : at + 4] = bytes(4)  # the header is gone
            else:
                damaged[at + 128 + rng.randrange(payload)] ^= 0x55
        path.write_bytes(damaged)
        left = calls_of(path)
        gap_count += left.gap_count
        assert left.touched
        assert 0 < compare(truth.calls, left) < len(truth.calls)
        with marey.open(path) as trace:
            problems, _ = trace.check()
            assert problems
            # Totals are sums of the same.
            sums: dict[str, int] = {}
            for (_, name, _), call in left.calls.items():
                sums[name] = sums.get(name, 0) + call.self_ns
            for row in trace.totals().rows:
                if row.function.name in ("leaf", "branch", "tree", "work"):
                    assert row.self_ns == sums[row.function.name]
    assert gap_count > 0  # of each at the end of a lane there is none


TELLING = """
import random, sys, threading

def node(serial, parent, kids, rng, depth):
    for n in range(kids):
        more = rng.randrange(4) if depth else 0
        node(serial * 4 + n, serial, more, rng, depth - 1)

def work(seed):
    rng = random.Random(seed)
    for serial in range(1, int(sys.argv[1])):
        node(serial << 32, 0, 3, rng, 9)

threads = [threading.Thread(target=work, args=(n,), name=f"w{n}") for n in range(2)]
for thread in threads: thread.start()
work(7)
for thread in threads: thread.join()
"""


def test_calls_in_a_ring_are_where_the_program_says(tmp_path: Path) -> None:
    """Each call is told by its arguments who it is, who calls it and whom it calls."""
    program, trace = tmp_path / "telling.py", tmp_path / "ring.marey"
    program.write_text(TELLING)
    done = harness.record(
        trace, program, "120", options=["--ring", "1M", "--args", "--no-c-calls"]
    )
    assert done.returncode == 0, done.stderr
    whole = touched = compared = 0
    with marey.open(trace) as opened:
        assert opened.check()[1] == 0
        info = opened.info()
        assert info.lost_count > info.event_count > 0
        stacks: dict[str, list[tuple[dict[str, object], list[tuple[str, int]]]]] = {}
        for event in opened.events():
            stack = stacks.setdefault(event.lane.name, [])
            if event.kind == "begin":
                values = event.values or {}
                if "serial" not in values:  # dropped: they come too fast
                    values = {}
                if stack and stack[-1][0] and values:
                    assert values["parent"] == stack[-1][0]["serial"]
                    compared += 1
                stack.append((values, []))
            elif event.kind == "end":
                values, inside = stack.pop()
                if stack:
                    stack[-1][1].append((event.function.name, event.duration_ns))
                if event.has_gap or event.ended != "returned":
                    touched += 1
                    assert 0 <= event.self_ns <= event.duration_ns
                else:
                    whole += 1
                    assert event.self_ns == event.duration_ns - sum(
                        ns for _, ns in inside
                    )
                    if values:
                        nodes = [name for name, _ in inside if name == "node"]
                        assert len(nodes) == values["kids"]
    assert whole > 100
    assert compared > 100
    assert touched > 0


def test_a_ring_keeps_the_newest_as_they_were(tmp_path: Path) -> None:
    """By structure: a second run would have other times."""
    program, trace = tmp_path / "tree.py", tmp_path / "ring.marey"
    program.write_text(PROGRAM.replace("range(60)", "range(3000)"))
    done = harness.record(trace, program, options=["--ring", "1M"])
    assert done.returncode == 0, done.stderr
    with marey.open(trace) as opened:
        assert opened.check()[1] == 0
        info = opened.info()
        assert info.lost_count > 0
        assert info.event_count > 0
        for call in opened.calls(function="__main__:leaf"):
            assert call.ended in ("returned", "cut", "open")
            if call.ended == "returned" and call.parent is not None:
                assert call.parent.name == "branch"
                assert call.child_count == 1
        report = opened.calls(function="__main__:branch")
        assert {call.ended for call in report} <= {"returned", "raised", "cut", "open"}


THREADS = """
import os, sys, threading, time

def leaf(n):
    return len(str(n))

def work():
    for n in range(30):
        leaf(n)

for n in range(int(sys.argv[1])):
    thread = threading.Thread(target=work, name=f"w{n}")
    thread.start()
    thread.join()
while len(os.listdir("/proc/self/task")) > 1:  # joined, and not quite over
    time.sleep(0.001)
"""


def test_a_ring_does_not_grow_with_the_threads_that_lived(tmp_path: Path) -> None:
    """And what is left of them has their names, also packed and merged."""
    program = tmp_path / "threads.py"
    program.write_text(THREADS)
    sizes = []
    for count in (300, 1500):
        trace = tmp_path / f"{count}.marey"
        done = harness.record(trace, program, str(count), options=["--ring", "1M"])
        assert done.returncode == 0, done.stderr
        sizes.append(trace.stat().st_size)
    assert abs(sizes[1] - sizes[0]) < 16 << 10
    packed, merged = tmp_path / "packed.marey", tmp_path / "merged.marey"
    for verb in (["pack", trace, "-o", packed], ["merge", packed, trace, "-o", merged]):
        done = harness.marey(*verb)
        assert done.returncode == 0, done.stderr
    for path in (trace, packed, merged):
        with marey.open(path) as one:
            assert one.check() == ([], 0)
            workers = {a.name: a for a in one.lanes if a.name.startswith("w")}
            assert len(workers) < 60
            last = workers["w1499"]
            assert last.has_ended
            assert (last.end_ns or 0) > (last.start_ns or 0)
            leaves = [c for c in one.calls(function="*leaf") if c.lane.name == "w1499"]
            assert len(leaves) in (30, 60)  # in the merged one twice
