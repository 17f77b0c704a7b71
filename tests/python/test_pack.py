"""marey pack: fewer bytes, and every answer as before."""

from __future__ import annotations

import os
import random
import re
import struct
import subprocess
import sys
from pathlib import Path

import harness
import marey
import pytest
import reference_reader
import trace_builder
from marey import _core, _view

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
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
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


def test_source_texts_are_packed_and_stand_there_once(tmp_path: Path) -> None:
    long = b"".join(b"def f%d():\n    return %d\n" % (i, i * i) for i in range(400))
    texts = {"a.py": long, "b.py": b"x", "c.py": random.Random(4).randbytes(3000)}
    builder = trace_builder.Builder()
    for _ in range(3):
        process = builder.process()
        for name, text in texts.items():
            process.file(name, builder.source(process, name, text))
        other = builder.source(process, "d.py", long)  # the same text, another file
        process.file("d.py", other)
    path = builder.write(tmp_path / "t.marey")
    packed = tmp_path / "packed.marey"
    marey.pack(path, packed)
    with marey.open(packed) as trace:
        for name, text in texts.items():
            assert trace.source(name) == text
        assert trace.source("d.py") == long
    assert reference_reader.read(packed).problems == []
    assert run("check", packed)[0] == 0
    assert path.read_bytes().count(b"MCHK\x05") == 12
    assert packed.read_bytes().count(b"MCHK\x05") == 4
    assert packed.stat().st_size < path.stat().st_size - 5 * len(long)
    marey.pack(packed, tmp_path / "again.marey")
    assert (tmp_path / "again.marey").read_bytes() == packed.read_bytes()


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


def writes_beside(pid: int, trace: Path) -> bool:
    """Has the process a file open in the folder that is not the trace?"""
    try:
        links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any(
        link.startswith(f"{trace.parent}/") and link != str(trace) for link in links
    )


def test_a_pack_that_is_killed_leaves_the_trace_as_it_was(tmp_path: Path) -> None:
    """And nothing half made under a name that someone would open."""
    trace, other = tmp_path / "t.marey", tmp_path / "other.marey"
    with marey.record(trace):
        for _ in range(400):
            sorted(range(1000), key=str)
    before = trace.read_bytes()
    killed = 0
    for words in ([trace], [trace, "-o", other]) * 10:
        command = [sys.executable, "-m", "marey", "pack", *map(str, words)]
        packing = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while packing.poll() is None and not writes_beside(packing.pid, trace):
            pass
        packing.kill()
        if packing.wait() != 0:
            killed += 1
            assert trace.read_bytes() == before
            assert list(tmp_path.iterdir()) == [trace]
        other.unlink(missing_ok=True)
        trace.write_bytes(before)
        if killed == 4:
            break
    assert killed
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


CHUNKS = 40
MARKED, RAISING, SLOW = 7, 12, 20  # chunks


def build_eventful(path: Path) -> None:
    """A lane of many chunks, three with something to see."""
    builder = trace_builder.Builder()
    process = builder.process()
    main, work = process.function("main"), process.function("work")
    mark = process.string("mark")
    lane = process.lane()
    dice = random.Random(4)
    lane.enter(main, dt=50)
    for number in range(CHUNKS):
        for _ in range(300):
            lane.enter(work, dt=dice.randrange(1, 200))
            lane.leave(dt=dice.randrange(1, 200))
        if number == MARKED:
            lane.op(0x08, trace_builder.varint(mark) + b"\0", dt=9)
        if number == RAISING:
            lane.enter(work, dt=3)
            lane.unwind("RareError")
        if number == SLOW:
            lane.call(work, dt=1_000_000)
        lane.seal()
    lane.leave()
    lane.seal()
    builder.write(path)


def calls_of(path: Path) -> list[int]:
    with marey.open(path) as trace:
        return sorted(call.begin_ns for call in trace.calls(function="work"))


def chunks_seen(part: Path, whole: Path) -> set[int]:
    """Of which chunks the calls in a part are."""
    more = (RAISING, SLOW)  # have one call more than the others
    numbers = [n for n in range(CHUNKS) for _ in range(300 + (n in more))]
    chunk_of = dict(zip(calls_of(whole), numbers, strict=True))
    return {chunk_of[begin] for begin in calls_of(part)}


def test_a_part_holds_what_matters_most(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.marey", tmp_path / "part.marey"
    build_eventful(whole)
    room = 4096 + 2000 + (CHUNKS + 1) * 192 + 6 * 700
    kept = _core.pack_part(bytes(whole), bytes(part), room, None)
    assert kept is not None
    assert part.stat().st_size <= room
    assert run("check", part)[0] == 0
    assert reference_reader.read(part).problems == []
    with marey.open(whole) as before, marey.open(part) as after:
        info = after.info()
        assert kept == (info.event_count, before.info().event_count)
        assert 0 < kept[0] < kept[1] / 2
        assert info.lost_count == 0
        left = f"{kept[1] - kept[0]} events were left out of this file"
        assert any(left in note for note in after.notes)
        # The call around it all is known from beginning to end.
        (mine,), (theirs,) = (list(t.calls(function="main")) for t in (after, before))
        assert (mine.begin_ns, mine.end_ns) == (theirs.begin_ns, theirs.end_ns)
        # What nobody sees here is not main()'s own time.
        own = [
            row.self_ns
            for trace in (after, before)
            for row in trace.totals().rows
            if row.function.name == "main"
        ]
        assert 0 < own[0] < own[1]
    seen = chunks_seen(part, whole)
    assert {MARKED, RAISING, SLOW, CHUNKS - 1} <= seen
    assert len(seen) < CHUNKS / 2
    # The others are the newest, without a hole, and where the slowest main() begins.
    rest = seen - {MARKED, RAISING, SLOW, 0}
    assert rest == set(range(CHUNKS - len(rest), CHUNKS))


def test_a_part_with_room_for_all_is_the_whole(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.marey", tmp_path / "part.marey"
    build_eventful(whole)
    kept = _core.pack_part(bytes(whole), bytes(part), 1 << 20, None)
    assert kept is not None
    assert kept[0] == kept[1]
    assert told(part) == told(whole)


def test_a_part_without_room_is_none(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.marey", tmp_path / "part.marey"
    build_eventful(whole)
    assert _core.pack_part(bytes(whole), bytes(part), 9000, None) is None
    assert not part.exists()


def test_what_was_left_out_stays_so_when_rewritten(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.marey", tmp_path / "part.marey"
    build_eventful(whole)
    kept = _core.pack_part(bytes(whole), bytes(part), 18_000, None)
    assert kept is not None
    again, merged = tmp_path / "again.marey", tmp_path / "merged.marey"
    marey.pack(part, again)
    marey.merge([part, again], merged)
    for path, times in ((again, 1), (merged, 2)):
        assert run("check", path)[0] == 0
        with marey.open(path) as trace:
            assert trace.info().event_count == kept[0] * times
            assert trace.info().lost_count == 0


def test_a_report_says_what_it_leaves_out(tmp_path: Path) -> None:
    whole, page = tmp_path / "whole.marey", tmp_path / "page.html"
    build_eventful(whole)
    size = 4096 + 2000 + (CHUNKS + 1) * 192 + 6 * 700
    run("export", whole, "-o", page)
    assert b"others were left out" not in page.read_bytes()
    most = page.stat().st_size - size // 2
    status, _, err = run("export", whole, "-o", page, "--max-size", str(most))
    assert status == 0
    assert page.stat().st_size <= most
    told_of = re.search(rb"([\d,]+) of ([\d,]+) events: the others were left out", err)
    assert told_of is not None
    assert told_of[0] in page.read_bytes()
    assert 0 < int(told_of[1].replace(b",", b"")) < int(told_of[2].replace(b",", b""))
