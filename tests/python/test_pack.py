"""marey pack: fewer bytes, and every answer as before."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import harness
import marey
import pytest
import reference_reader
import trace_builder
from marey import _view

GOLDEN = sorted((harness.TESTS / "golden").glob("*.marey"))
ANSWERS = (
    ("show",),
    ("show", "--args"),
    ("report",),
    ("report", "--json"),
    ("export", "--format", "chrome", "-o", "-"),
    ("export", "--format", "perfetto", "-o", "-"),
    ("check",),
)


def run(*words: str | Path) -> tuple[int, bytes, bytes]:
    command = [sys.executable, "-m", "marey", *map(str, words)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def told(path: Path) -> list[object]:
    """All that a trace tells, without what its bytes weigh."""
    with marey.open(path) as trace:
        info = trace.info()._replace(
            size_bytes=0, chunk_count=0, skipped_bytes=0, damaged_count=0
        )
        said: list[object] = [info]
        for name in ("chrome", "text"):
            target = path.with_name("told")
            trace.export(target, format=name)
            said.append(target.read_text("utf-8", "surrogatepass"))
        return said


def columns_of(path: Path) -> int:
    return path.read_bytes().count(b"MCHK\x06")


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_a_packed_trace_tells_the_same(golden: Path, tmp_path: Path) -> None:
    target = tmp_path / golden.name
    marey.pack(golden, target)
    source = tmp_path / "source.marey"
    source.write_bytes(golden.read_bytes())
    assert told(source) == told(target)
    assert reference_reader.read(target).problems == []


def test_every_verb_answers_the_same(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    trace = tmp_path / "run.marey"
    run("run", "--quiet", "-o", trace, script)
    before = [run(*words, trace)[:2] for words in ANSWERS]
    size, mode = trace.stat().st_size, 0o640
    trace.chmod(mode)
    status, out, err = run("pack", trace)
    assert (status, out) == (0, b"")
    assert b"was" in err
    assert columns_of(trace) > 0
    assert trace.stat().st_size < size / 2
    assert trace.stat().st_mode & 0o777 == mode
    assert [run(*words, trace)[:2] for words in ANSWERS] == before
    assert sorted(os.listdir(tmp_path)) == ["program.py", "run.marey"]
    again = tmp_path / "again.marey"
    assert run("pack", trace, "-o", again)[0] == 0
    assert again.read_bytes() == trace.read_bytes()


def test_what_is_damaged_stays_as_damaged(tmp_path: Path) -> None:
    builder = trace_builder.Builder()
    process = builder.process()
    work = process.function("work")
    lane = process.lane()
    for _ in range(3):
        for _ in range(100):
            lane.call(work)
        lane.seal()
    path = builder.write(tmp_path / "damaged.marey")
    data = bytearray(path.read_bytes())
    data[data.rindex(b"MCHK\x02") + 150] ^= 1
    path.write_bytes(data)
    marey.pack(path, tmp_path / "packed.marey")
    assert told(path) == told(tmp_path / "packed.marey")
    assert run("check", tmp_path / "packed.marey")[0] == run("check", path)[0] == 1


def index(path: Path) -> bytes:
    made: bytes = _view.open(path)[1]
    return made


def test_a_packed_trace_brings_its_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = harness.TESTS / "golden/many_events.marey", tmp_path / "t.marey"
    marey.pack(source, target)
    assert b"MCHK\x07" not in target.read_bytes()
    target.unlink()
    monkeypatch.setattr("marey.trace.INDEX_FROM", 1)
    marey.pack(source, target)
    data = target.read_bytes()
    assert data.count(b"MCHK\x07") == 1
    assert index(target) == index(source)
    assert run("check", target)[0] == 0
    for at in range(data.index(b"MCHK\x07"), len(data), 97):  # damaged: built again
        target.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        assert index(target) == index(source)


def test_only_an_index_that_fits_is_taken(tmp_path: Path) -> None:
    source, target = harness.TESTS / "golden/many_events.marey", tmp_path / "t.marey"
    with marey.open(source) as trace:
        count = trace.info().event_count
    marey.pack(source, target)
    data, right = target.read_bytes(), index(source)
    forged = bytearray(right)
    forged[16] ^= 1  # begin_ns
    for events, more, want in (
        (count, b"", bytes(forged)),
        (count + 1, b"", right),  # of another number of events
        (count, bytes(64), right),  # something came after it
    ):
        last = trace_builder.extent(
            trace_builder.INDEX,
            len(data),
            bytes(forged),
            sequence=1,
            first_index=events,
        )
        whole = bytearray(data + last)
        struct.pack_into("<Q", whole, 248, len(whole))
        target.write_bytes(whole + more)
        assert index(target) == want


def test_a_trace_that_is_written_is_left_alone(tmp_path: Path) -> None:
    trace = tmp_path / "live.marey"
    with marey.record(trace):
        status, _, err = run("pack", trace)
    assert status == 2
    assert b"still being written" in err
    assert run("pack", trace)[0] == 0


def test_pack_overwrites_nothing(tmp_path: Path) -> None:
    other = tmp_path / "other.marey"
    other.write_text("mine")
    status, _, err = run("pack", GOLDEN[0], "-o", other)
    assert (status, other.read_text()) == (2, "mine")
    assert b"there already" in err
    status, _, err = run("pack", GOLDEN[0], "-o", tmp_path / "no" / "such.marey")
    assert (status, err.count(b"\n")) == (1, 1)
    status, _, err = run("pack", other)
    assert (status, other.read_text()) == (1, "mine")


PROGRAM = """
import threading

def leaf(n):
    return n % 7

def numbers(n):
    for i in range(n):
        yield leaf(i)

def work(name, n):
    try:
        total = sum(numbers(n))
        raise ValueError(name)
    except ValueError:
        return len(str(total))

threads = [threading.Thread(target=work, args=(f"t{i}", 3000)) for i in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for i in range(300):
    work("main", 20)
"""
