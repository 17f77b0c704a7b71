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

def work(seed):
    rng = random.Random(seed)
    for _ in range(400):
        tree(rng)

threads = [threading.Thread(target=work, args=(n,), name=f"w{n}") for n in range(2)]
for thread in threads: thread.start()
work(7)
for thread in threads: thread.join()
"""


class Known(NamedTuple):
    """What is true of a call, whatever else is lost."""

    parent: str | None
    depth: int
    end_ns: int | None
    self_ns: int
    child_count: int
    ended: str


Key = tuple[str, str, int | None]  # lane, function, begin


def calls_of(path: Path) -> tuple[dict[Key, Known], dict[str, list[tuple[int, int]]]]:
    """All calls; and the gaps by lane, each from what was seen last to what is next."""
    with marey.open(path) as trace:
        calls = {
            (call.lane.name, call.function.name, call.begin_ns): Known(
                call.parent.name if call.parent else None,
                call.depth, call.end_ns, call.self_ns, call.child_count, call.ended
            )
            for call in trace.calls()
        }  # fmt: skip
        gaps: dict[str, list[tuple[int, int]]] = {}
        since: dict[str, int] = {}
        for event in trace.events():
            lane = event.lane.name
            if event.kind == "gap":
                since.setdefault(lane, event.time_ns)
            elif lane in since and event.time_ns > since[lane]:
                gaps.setdefault(lane, []).append((since.pop(lane), event.time_ns))
        for lane, time_ns in since.items():
            gaps.setdefault(lane, []).append((time_ns, 1 << 62))
    return calls, gaps


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


def compare(truth: dict[Key, Known], path: Path) -> tuple[int, int]:
    """Calls that are left, and how many of them no loss touches."""
    left, gaps = calls_of(path)
    untouched = 0
    for key, call in left.items():
        lane, _, begin_ns = key
        # A call whose begin was lost is there from where it is seen again.
        if key not in truth:
            raise AssertionError(f"no such call: {key} {call}")
        known = truth[key]
        assert (call.parent, call.depth) == (known.parent, known.depth), key
        if call.ended in ("cut", "open"):
            continue  # its end is lost, perhaps with all that came behind it
        assert (call.ended, call.end_ns) == (known.ended, known.end_ns), key
        assert begin_ns is not None
        assert call.end_ns is not None
        if any(
            begin_ns <= to_ns and from_ns <= call.end_ns
            for from_ns, to_ns in gaps.get(lane, ())
        ):
            continue  # what it called meanwhile is partly lost, and said to be
        assert call == known, key
        untouched += 1
    return len(left), untouched


def test_chunks_lost_at_random_make_nothing_wrong(whole: Path, tmp_path: Path) -> None:
    truth, gaps = calls_of(whole)
    assert not gaps
    data = whole.read_bytes()
    chunks = event_chunks(data)
    assert len(chunks) > 8
    rng = random.Random(4)
    path = tmp_path / "damaged.marey"
    for _ in range(4):
        damaged = bytearray(data)
        for at, payload in rng.sample(chunks, rng.randrange(1, len(chunks) // 2)):
            if rng.random() < 0.5:
                damaged[at : at + 4] = bytes(4)  # the header is gone
            else:
                damaged[at + 128 + rng.randrange(payload)] ^= 0x55
        path.write_bytes(damaged)
        left, untouched = compare(truth, path)
        assert 0 < untouched <= left < len(truth)
        with marey.open(path) as trace:
            problems, _ = trace.check()
            assert problems


def test_a_ring_keeps_the_newest_as_they_were(tmp_path: Path) -> None:
    """By structure: a second run would have other times."""
    program, trace = tmp_path / "tree.py", tmp_path / "ring.marey"
    program.write_text(PROGRAM.replace("range(400)", "range(3000)"))
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
