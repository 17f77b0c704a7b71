"""The golden and the must-fail traces: how each was built.

    python tests/golden_traces.py

writes those that are missing into tests/golden (each with the dump expected of it) and
tests/corrupt. One that is there is never written again: a reader must go on reading
what older versions wrote, byte for byte.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import reference_reader
from trace_builder import (
    ASYNC_GENERATOR,
    COROUTINE,
    EARLIER,
    EVENTS,
    GENERATOR,
    LEFT_OUT,
    MAIN,
    SPAN,
    TRANSACTION,
    Builder,
    C,
    Lane,
    Open,
    Process,
    extent,
    flip,
    u64,
    varint,
)

HERE = Path(__file__).resolve().parent
GOLDEN: dict[str, Callable[[], bytes]] = {}
CORRUPT: dict[str, Callable[[], bytes]] = {}


def golden(make: Callable[[], bytes]) -> Callable[[], bytes]:
    GOLDEN[make.__name__] = make
    return make


def corrupt(make: Callable[[], bytes]) -> Callable[[], bytes]:
    CORRUPT[make.__name__] = make
    return make


def start(**options: object) -> tuple[Builder, Process, Lane, list[int]]:
    """A trace with a process, its main thread and three functions."""
    builder = Builder(**options)  # type: ignore[arg-type]
    process = builder.process(arguments=("app.py", "--fast"))
    process.clock(1_000, 2_001_000)
    process.clock(3_001_000, 5_001_000)
    functions = [
        process.function("<module>", module="__main__", file="/src/app.py", line=1),
        process.function("work", module="__main__", file="/src/app.py", line=3),
        process.function("len", module="builtins", flags=C),
    ]
    lane = process.lane(flags=MAIN)
    return builder, process, lane, functions


def finish(builder: Builder, process: Process, lane: Lane) -> bytes:
    process.end_lane(lane)
    process.end(lane.now + 5, 0)
    return builder.bytes()


# --- valid ones ----------------------------------------------------------------------


@golden
def nothing_yet() -> bytes:
    """The file as it is in its first instant."""
    return Builder().bytes()


@golden
def no_events() -> bytes:
    builder, process, lane, _ = start()
    return finish(builder, process, lane)


@golden
def calls() -> bytes:
    """Every way a call ends, from a process that has ended."""
    builder, process, lane, (module, work, length) = start()
    lane.enter(module, dt=100)
    lane.enter(work, line=7)
    lane.call(length, dt=0)
    lane.leave()
    lane.enter(work)
    lane.enter(length)
    lane.unwind("TypeError")
    lane.unwind("TypeError")
    lane.enter(work)
    lane.unwind()
    lane.enter(work)
    lane.cut()
    lane.leave(dt=1_000_000)
    process.end_lane(lane)
    process.end(lane.now + 5, 3)
    return builder.bytes()


@golden
def open_calls() -> bytes:
    """Killed: definitions and events in open chunks, some events cut short."""
    builder, process, lane, (module, work, _) = start()
    process.slot()
    lane.slot()
    second = process.lane("worker")
    second.slot(8192)
    lane.enter(module)
    lane.enter(work)
    second.enter(work)
    second.call(work)
    second.raw(b"\x29\x80")  # an ENTER whose function id never came
    return builder.bytes()


@golden
def chunks() -> bytes:
    """Calls that reach over chunks; each chunk says what is open."""
    builder, process, lane, (module, work, length) = start()
    lane.enter(module)
    lane.enter(work)
    lane.seal()
    process.seal()
    lane.call(length)
    lane.seal()
    lane.leave()
    late = process.function("late", module="__main__", file="/src/app.py", line=20)
    lane.enter(late, dt=5_000)
    lane.seal()
    lane.seal()
    lane.leave()
    lane.leave()
    return finish(builder, process, lane)


@golden
def generators() -> bytes:
    """Activations: interleaved, thrown into, resumed on another lane, rebound slots."""
    builder, process, lane, (module, work, _) = start()
    numbers = process.function("numbers", module="__main__", flags=GENERATOR)
    coroutine = process.function("main", module="__main__", flags=COROUTINE)
    stream = process.function("stream", module="__main__", flags=ASYNC_GENERATOR)
    other = process.lane("other")
    lane.enter(module)
    for key in range(1, 35):  # more than there are slots
        lane.enter(numbers)
        lane.suspend(key)
    lane.resume(numbers, 1)
    lane.suspend(1)
    lane.enter(coroutine)
    lane.enter(stream)
    lane.suspend(901)
    lane.suspend(900)
    other.enter(work, dt=5_000)
    other.resume(numbers, 34, throw="KeyError")
    other.suspend(34)
    other.leave()
    lane.advance(other.now + 10)
    lane.resume(coroutine, 900)
    lane.seal()  # inside a resumed part
    lane.resume(stream, 901, throw="GeneratorExit")
    lane.unwind("GeneratorExit")
    lane.leave()
    lane.resume(numbers, 34)
    lane.leave()
    lane.resume(numbers, 2, throw="ValueError")
    lane.unwind("ValueError")
    lane.leave()
    return finish(builder, process, lane)


@golden
def resumed_before() -> bytes:
    """A recording that starts inside calls, and resumes what started before it."""
    builder = Builder()
    process = builder.process()
    module = process.function("<module>", module="__main__")
    numbers = process.function("numbers", module="__main__", flags=GENERATOR)
    lane = process.lane(flags=MAIN | EARLIER, start=600)
    lane.now = 1_200
    lane.stack = [Open(module, 700), Open(numbers, 1_100, is_resumed=True)]
    lane.begin()
    lane.suspend(5)
    lane.resume(numbers, 6)
    lane.leave()
    return builder.bytes()


@golden
def both_places() -> bytes:
    """A chunk that was closed while its slot was not yet emptied."""
    builder, _, lane, (module, work, _) = start()
    lane.slot()
    lane.enter(module)
    lane.call(work)
    builder.append(  # as the slot is, with one event more
        EVENTS,
        bytes(lane.start_snapshot + lane.events) + b"\x2a",
        process=1,
        lane=1,
        sequence=1,
        base=lane.base,
        end=lane.now + 10,
        count=4,
        snapshot_size=len(lane.start_snapshot),
    )
    return builder.bytes()


@golden
def half_copied() -> bytes:
    """Killed while a slot was copied to the tail: only zeros came of the payload."""
    data = both_places()
    at = find(data, EVENTS, 1, is_closed=True) + 128
    (size,) = struct.unpack_from("<I", data, at - 64)
    return data[:at] + bytes(size) + data[at + size :]


@golden
def emptied_slot() -> bytes:
    """A slot that is being used again holds nothing for a moment."""
    builder, process, lane, (module, _, _) = start()
    lane.call(module)
    lane.seal()
    builder.pad_to_page()
    at = builder.tail
    old = lane.fields() | {"payload": b"\x00\x29\x01\x29\x02", "sequence": 0}
    builder.body += extent(EVENTS, at, flags=1, size=4096, is_open=True, **old)  # type: ignore
    return finish(builder, process, lane)


@golden
def losses() -> bytes:
    """Events that are missing: between chunks, inside one, before the first."""
    builder, process, lane, (module, work, length) = start()
    lane.first_index = 40  # a first chunk that is not the first
    lane.stack = [Open(module, 1_000)]
    lane.now = 9_000
    lane.begin()
    lane.enter(work)
    entered = lane.now
    lane.enter(length)
    lane.gap(6, [Open(module, 1_000), Open(work, entered)])
    lane.call(length)
    lane.lose(3)
    lane.resync([Open(module, 1_000), Open(work, entered), Open(work, lane.now)])
    lane.seal()
    lane.leave()
    lane.resync([Open(module, 1_000)])
    lane.leave()
    return finish(builder, process, lane)


@golden
def lost_chunk() -> bytes:
    """A closed chunk that was never written leaves a hole, and a gap in its lane."""
    builder, process, lane, (module, work, _) = start()
    lane.enter(module)
    lane.seal()
    lane.call(work)
    at = lane.seal()
    size = builder.tail - at
    builder.put(at, bytes(size))
    lane.leave()
    return finish(builder, process, lane)


@golden
def ring() -> bytes:
    """Seven chunks in four cells: the oldest three are gone."""
    builder, process, lane, (module, work, length) = start(ring=(512, 4))
    lane.enter(module)
    for _ in range(6):
        lane.enter(work)
        lane.call(length)
        lane.leave()
        lane.seal()
    lane.leave()
    return finish(builder, process, lane)


@golden
def ring_not_full() -> bytes:
    builder, process, lane, (module, _, _) = start(ring=(512, 4))
    lane.call(module)
    return finish(builder, process, lane)


@golden
def values() -> bytes:
    """Instants, counters, logs, values of calls, spans."""
    builder, process, lane, (module, work, _) = start()
    load = process.function("load", flags=SPAN)
    lane.enter(module)
    lane.enter(load)
    lane.instant("cache miss", lane.blob({"key": "a", "size": -3, "hot": True}))
    lane.instant("plain")
    lane.leave()
    lane.enter(work)
    lane.values(
        1,
        lane.blob(
            {
                "a": None,
                "b": False,
                "c": 2.5,
                "d": b"\x00\xff",
                "e": object,
                "f": (9,),
                "g": (10,),
                "h": (11,),
                "i": (12,),
                "j": 2**62,
                "": "no name",
            }
        ),
    )
    lane.counter("queue", 3.0)
    lane.counter("queue", float("-inf"))
    lane.counter("other", 1e-300)
    lane.values(2, lane.blob({"": "result"}))
    lane.leave()
    lane.log("a line", 3)
    lane.log("with values", 255, lane.blob({"x": 1}))
    lane.leave()
    return finish(builder, process, lane)


@golden
def nested_values() -> bytes:
    """Values that hold values: every tag from 13 to 25."""
    builder, process, lane, (module, _, _) = start()
    name = varint(process.string("app.Point"))
    one, text = b"\x04\x02", b"\x06\x02it"
    raw = {
        "cut": b"\x0d\x88\x27\x03abc",
        "cut bytes": b"\x0e\x88\x27\x02\x00'",
        "number": b"\x0f\x0512345",
        "complex": b"\x10" + struct.pack("<dd", 1.0, -2.5),
        "list": b"\x11\x03\x03" + one + text + b"\x11\x05\x00",
        "tuple": b"\x12\x01\x01" + one,
        "set": b"\x13\x00\x00",
        "frozenset": b"\x14\x01\x01" + one,
        "dict": b"\x15\x02\x01" + text + b"\x09",
        "instance": b"\x16" + name + varint(0x7F00) + b"\x02\x01\x01x" + one,
        "array": b"\x16" + name + b"\x00\x01\x01\x05shape\x12\x00\x00",
        "made": b"\x17" + name + b"\x04\x01\x01" + one + b"\x01y" + text,
        "enum": b"\x18" + name + b"\x03RED",
        "seen": b"\x11\x01\x01\x19\x01",
        "words": b"\x11\x04\x04\x09\x0a\x0b\x0c",
        "deep": b"\x11\x01\x01" * 32 + b"\x01",
    }
    lane.enter(module)
    lane.values(1, lane.blob({key: tuple(value) for key, value in raw.items()}))
    lane.leave()
    return finish(builder, process, lane)


@golden
def odd_names() -> bytes:
    """Names that are hard to print, and arguments that are no text."""
    builder = Builder(
        host_name="höst-with-a-name-of-more-than-sixty-four-bytes-" + 30 * "x"
    )
    process = builder.process(
        program='a "b" \\ \n.py', arguments=(b"\xff\xfe", "", "ü", "x" * 5000)
    )
    lane = process.lane('thread\t"\u2028"\udc80')
    names = [
        "",
        " ",
        "é\u0301",
        "\ud800",
        "\udc80x",
        "nul\0nul",
        "</script>",
        "中" * 50,
    ]
    for name in names:
        function = process.function(name, module=name[::-1], file=f"/src/{name}.py")
        lane.enter(function)
        lane.unwind(name or "E")
    process.rename(lane, "renamed \U0001f600")
    return finish(builder, process, lane)


@golden
def processes() -> bytes:
    """A parent, a fork that shares its functions, a child of its own, one unended."""
    builder, parent, lane, (module, work, _) = start()
    lane.enter(module)
    fork = builder.process(parent=parent, is_fork=True, pid=101, parent_pid=100)
    own = fork.function("own", module="child")
    after = parent.function("after", module="__main__")
    lane.call(after)
    forked = fork.lane(flags=MAIN | EARLIER, parent=lane)
    forked.now = lane.now
    forked.stack = list(lane.stack)
    forked.begin()
    forked.enter(work)
    forked.call(own)
    spawned = builder.process("worker.py", parent=parent, pid=102, start=1_500)
    main = spawned.function(
        "<module>", module="__main__", file="/src/worker.py", line=1
    )
    line = spawned.lane(flags=MAIN, start=1_500)
    line.call(main)
    spawned.end(line.now, None)
    fork.end(forked.now, -9)
    return finish(builder, parent, lane)


@golden
def clocks() -> bytes:
    """A time-stamp counter, its slope known from the pairs of two processes."""
    builder = Builder(clock=1, clock_shift=2, ticks_per_second=650_000_000)
    first = builder.process()
    first.clock(1_000, 50_000)
    second = builder.process("second.py", start=900)
    second.clock(651_000_000, 1_000_070_000)
    second.clock(2_000, 51_540)
    for process in (first, second):
        lane = process.lane(f"of {process.serial}")
        function = process.function("f", module="m")
        lane.call(function, dt=1_000_003)
        lane.call(function, dt=2**40)
    return builder.bytes()


@golden
def nominal_clock() -> bytes:
    """Pairs too near each other to be divided by: the nominal rate counts."""
    builder = Builder(clock=1, ticks_per_second=2_500_000_000)
    process = builder.process()
    process.clock(1_000, 50_000)
    process.clock(2_000, 999_999)
    lane = process.lane()
    lane.call(process.function("f"), dt=1_000_003)
    return builder.bytes()


@golden
def from_the_future() -> bytes:
    """A later minor version: tags, ops, extents and bytes that are not known."""
    builder, process, lane, (module, work, _) = start(version=(1, 7))
    process.record(200, b"a new tag")
    process.record(9, u64(3_002_000) + u64(5_002_000) + bytes(16) + b"more than known")
    builder.append(9, b"an extent of a new kind", process=1, sequence=1, count=1)
    builder.append(7, b"an index", process=1, sequence=1)
    lane.enter(module)
    lane.op(0x20, varint(3) + b"new")
    lane.op(0x3F, varint(0))
    lane.call(work)
    lane.leave()
    return finish(builder, process, lane)


@golden
def sources() -> bytes:
    builder = Builder()
    process = builder.process()
    text = b"def work():\n    pass\n"
    key = builder.source(process, "/src/app.py", text)
    empty = builder.source(process, "/src/empty.py", b"")
    work = process.function("work", file="/src/app.py", key=key, line=1)
    process.file("/src/empty.py", empty)
    lane = process.lane()
    lane.call(work)
    return finish(builder, process, lane)


@golden
def packed() -> bytes:
    """Chunks as columns, some of them compressed, among one of rows."""
    builder, process, lane, (module, work, length) = start()
    mark = process.string("mark")
    lane.enter(module, dt=100)
    lane.enter(work, dt=300)
    lane.seal()
    lane.enter(length, dt=70_000)
    lane.leave(dt=3)
    lane.enter(length, dt=255)
    lane.leave(dt=256)
    lane.op(0x08, varint(mark) + b"\0", dt=9)
    lane.enter(work, line=12)
    lane.unwind("ValueError")
    lane.leave(dt=1)
    lane.seal(packed=True)
    for _ in range(50):
        lane.call(work, dt=5)
    lane.enter(work, dt=1_000_000)
    lane.seal(packed=True)
    lane.gap(3)
    lane.leave()
    return finish(builder, process, lane)


@golden
def left_out() -> bytes:
    """Chunks whose events were left out: calls that begin, and end, in there."""
    builder, process, lane, (module, work, length) = start()
    lane.enter(module, dt=100)
    lane.enter(work, dt=200)
    lane.seal()
    lane.leave(dt=1_000)
    lane.enter(length, dt=1_000)
    lane.call(work, dt=5)
    lane.seal(left_out=True)
    lane.call(work, dt=7)
    lane.seal(left_out=True)
    lane.leave(dt=3)
    lane.call(work, dt=5)
    lane.seal()
    lane.leave(dt=9)
    lane.seal(left_out=True)
    return finish(builder, process, lane)


@golden
def tasks() -> bytes:
    """A lane that is no thread, switched to and back; arrows between lanes."""
    builder, process, lane, (module, work, _) = start()
    task = process.lane("task 1", kind=2, parent=lane)
    process.lane("greenlet", kind=3, parent=lane)
    lane.enter(module)
    lane.flow(77, is_out=True)
    lane.switch(task.serial)
    lane.enter(work)
    lane.flow(77, is_out=False)
    lane.leave()
    lane.switch(lane.serial)
    lane.leave()
    return finish(builder, process, lane)


@golden
def notes() -> bytes:
    builder, process, lane, (module, _, _) = start()
    process.cost(1, 8_100)
    process.cost(2, 12_300)
    process.options('{"exact": true}')
    process.note("something a person should know")
    lane.call(module)
    return finish(builder, process, lane)


@golden
def transactions() -> bytes:
    """Units of work, what was left out of them, and a part that is still to be kept."""
    builder, process, lane, (module, _, _) = start()
    request = process.function("request", module="app", line=9, flags=TRANSACTION)
    block = process.function("query", flags=SPAN | TRANSACTION)
    tiny = process.function("tiny", module="app", line=20)
    process.options("v=1;path=run.marey;keep=transaction:query;keep_after_ns=1000")
    lane.enter(module)
    for number in range(3):
        lane.enter(request)
        lane.values(1, lane.blob({"number": number}))
        lane.enter(block)
        lane.call(tiny)
        lane.instant("marey.annotate", lane.blob({"": f"SELECT {number}"}))
        if number == 1:
            process.left_out(tiny, lane.now)
            process.unrecorded(tiny, lane.now, 1_000, 0)
            lane.unwind("KeyError")
            lane.unwind("KeyError")
            builder.keeps.append((process.serial, 1, lane.now - 60, lane.now))
            continue
        lane.leave()
        lane.leave()
    lane.leave()
    process.unrecorded(tiny, lane.now, 1_000, 234_000)
    process.window(1_000, lane.now, "transaction:query: took 0.001 ms")
    return finish(builder, process, lane)


@golden
def many_events() -> bytes:
    """A few thousand events in many chunks, some of one tick."""
    builder, process, lane, (module, work, length) = start()
    process.string("ValueError")
    process.seal()
    lane.enter(module)
    for i in range(500):
        lane.enter(work, dt=i % 3)
        lane.call(length, dt=0)
        if i % 7 == 0:
            lane.unwind("ValueError", dt=0)
        else:
            lane.leave(dt=i % 5)
        if i % 50 == 49:
            lane.seal()
    lane.leave()
    return finish(builder, process, lane)


# --- files that are no traces --------------------------------------------------------


@corrupt
def not_text() -> bytes:
    return b"print('hello')\n" * 500


@corrupt
def not_empty() -> bytes:
    return b""


@corrupt
def not_half_a_header() -> bytes:
    return calls()[:2_000]


@corrupt
def not_the_magic() -> bytes:
    return flip(calls(), 3)


@corrupt
def not_version_2() -> bytes:
    builder = Builder(version=(2, 0))
    return builder.bytes()


# --- traces with damage --------------------------------------------------------------


def damaged(change: Callable[[Lane, list[int]], None]) -> bytes:
    """A trace of three chunks; `change` acts in the middle one, inside two calls."""
    builder, process, lane, functions = start()
    lane.enter(functions[0])
    lane.enter(functions[1])
    lane.seal()
    change(lane, functions)
    lane.seal()
    lane.leave()
    lane.leave()
    return finish(builder, process, lane)


def find(data: bytes, kind: int, number: int, *, is_closed: bool = False) -> int:
    """The offset of a chunk, by its kind and its sequence."""
    at = 4096
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at + 16)
        (sequence,) = struct.unpack_from("<Q", data, at + 32)
        is_fitting = data[at + 120] == 2 or not is_closed
        if data[at + 4] == kind and sequence == number and is_fitting:
            return at
        at += size
    raise LookupError(kind)


@corrupt
def left_out_too_much() -> bytes:
    """Events behind the snapshot of a chunk that says to have none."""
    builder, process, lane, functions = start()
    lane.enter(functions[0])
    lane.seal()
    lane.call(functions[1])
    builder.append(LEFT_OUT, **lane.fields() | {"end": lane.now, "count": 2})  # type: ignore
    lane.sequence += 1
    lane.sealed += 2
    lane.first_index += 2
    lane.begin()
    lane.leave()
    return finish(builder, process, lane)


@corrupt
def flipped_event() -> bytes:
    data = chunks()
    return flip(data, find(data, EVENTS, 2) + 130)


@corrupt
def flipped_definition() -> bytes:
    data = chunks()
    return flip(data, find(data, 3, 1) + 150)


@corrupt
def flipped_content() -> bytes:
    data = chunks()
    return flip(data, find(data, EVENTS, 2) + 56)


@corrupt
def flipped_place() -> bytes:
    data = chunks()
    return flip(data, find(data, EVENTS, 2) + 24)


@corrupt
def flipped_state() -> bytes:
    data = chunks()
    return flip(data, find(data, EVENTS, 2) + 120)


@corrupt
def cut_off() -> bytes:
    """The end of a closed chunk is missing."""
    data = calls()
    return data[: find(data, EVENTS, 1) + 140]


@corrupt
def leave_of_nothing() -> bytes:
    builder, process, lane, _ = start()
    lane.raw(b"\x2a", 1)
    lane.now += 10
    return finish(builder, process, lane)


@corrupt
def unknown_function() -> bytes:
    return damaged(lambda lane, _: lane.call(900))


@corrupt
def function_zero() -> bytes:
    return damaged(lambda lane, _: lane.call(0))


@corrupt
def unknown_string() -> bytes:
    return damaged(lambda lane, _: lane.op(0x08, varint(900) + b"\0"))


@corrupt
def unknown_op() -> bytes:
    return damaged(lambda lane, _: lane.op(0x1F))


@corrupt
def kind_zero() -> bytes:
    return damaged(lambda lane, _: lane.raw(b"\x28", 1))


@corrupt
def unbound_slot() -> bytes:
    return damaged(lambda lane, _: lane.op(0x65))


@corrupt
def slot_32() -> bytes:
    return damaged(
        lambda lane, f: lane.op(0x05, b"\x20" + varint(f[1]) + u64(1), dt=0, counts=0)
    )


@corrupt
def long_varint() -> bytes:
    return damaged(lambda lane, _: lane.raw(b"\xff" * 10 + b"\x01", 1))


@corrupt
def event_cut_short() -> bytes:
    return damaged(lambda lane, _: lane.raw(b"\x29", 1))


@corrupt
def time_goes_back() -> bytes:
    return damaged(lambda lane, _: lane.op(0x01, u64(5), counts=0))


@corrupt
def wrong_snapshot() -> bytes:
    def change(lane: Lane, f: list[int]) -> None:
        lane.stack[1] = Open(f[2], lane.stack[1].start)
        lane.begin()

    return damaged(change)


@corrupt
def deep_snapshot() -> bytes:
    return damaged(lambda lane, _: lane.raw(b"\x03\x07" + varint(2**40)))


@corrupt
def wrong_count() -> bytes:
    return damaged(lambda lane, _: lane.raw(b"\x29\x02\x2a", 5))


@corrupt
def lane_twice() -> bytes:
    def change(lane: Lane, _: list[int]) -> None:
        lane.process.lane("twin", serial=1)

    return damaged(change)


@corrupt
def record_too_long() -> bytes:
    def change(lane: Lane, _: list[int]) -> None:
        lane.process.pending.append(varint(5_000) + b"\x01\x09x")

    return damaged(change)


@corrupt
def function_in_no_file() -> bytes:
    def change(lane: Lane, _: list[int]) -> None:
        lane.process.record(3, varint(77) + b"\0\0\0" + varint(55) + b"name")

    return damaged(change)


@corrupt
def huge_extent() -> bytes:
    """A size over the limit, with a check that holds."""
    builder, process, lane, (module, _, _) = start()
    lane.call(module)
    lane.seal()
    builder.body += extent(EVENTS, builder.tail, size=2**30 + 64)[:256]
    return finish(builder, process, lane)


def main() -> None:
    for folder, makers in (("golden", GOLDEN), ("corrupt", CORRUPT)):
        for name, make in makers.items():
            path = HERE / folder / f"{name}.marey"
            if path.exists():
                continue
            path.write_bytes(make())
            print(f"{path.name}: {path.stat().st_size} bytes")
            if folder == "golden":
                lines = "\n".join(reference_reader.dump(reference_reader.read(path)))
                path.with_suffix(".txt").write_text(lines + "\n")


if __name__ == "__main__":
    main()
