"""Traces of a few kilobytes that ask a reader for gigabytes.

What the format lets a writer say in few bytes is said here as often as it lets: large
numbers where a count, an id or a depth stands, and payloads that unpack to the most
that their stored size allows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trace_builder import (
    BLOBS,
    DEFINITIONS,
    INDEX,
    PACKED,
    SOURCE,
    Builder,
    Lane,
    extent,
    sized,
    u64,
    varint,
)  # fmt: skip

RATIO = 256  # raw bytes for one that is stored: the most there may be


def run_of(byte: int, size: int) -> bytes:
    """A zstd frame of `size` equal bytes, each block as large as RATIO allows."""
    out = bytearray(bytes.fromhex("28B52FFD A0") + size.to_bytes(4, "little"))
    left = size
    while True:
        block = min(left, 4 * RATIO)
        left -= block
        out += (block << 3 | 1 << 1 | (left == 0)).to_bytes(3, "little")
        out.append(byte)
        if left == 0:
            return bytes(out)


def column(data: bytes) -> bytes:
    return b"\0" + varint(len(data)) + data


def run_column(head: bytes, byte: int, size: int) -> bytes:
    """A column of `head`, then `size` equal bytes, as a zstd frame."""
    frame = run_of(byte, size)
    raw_block = (len(head) << 3).to_bytes(3, "little") + head
    frame = frame[:5] + (len(head) + size).to_bytes(4, "little") + raw_block + frame[9:]
    return b"\1" + varint(len(head) + size) + sized(frame)


def start(b: Builder, lane_count: int = 0) -> list[Lane]:
    """A process with one function, `work`, whose id is 1; and so many lanes."""
    process = b.process()
    process.function("work", module="app", file="/src/app.py", line=1)
    lanes = [process.lane(f"t{number}") for number in range(lane_count)]
    process.finish()
    return lanes


def deep_stacks(b: Builder) -> None:
    """Lanes that begin with a million open calls, all at the same time."""
    depth = 1_000_000
    for lane in start(b, 10):
        size = len(varint(depth)) + 2 * depth
        leave = [b"\0", b"\x09", b"", b"", b"", b"\0", b"", b""]
        b.append(
            PACKED,
            run_column(varint(depth), 2, 2 * depth) + b"".join(map(column, leave)),
            process=1, lane=lane.serial, sequence=1, base=10_000_000, end=10_000_009,
            raw_size=size + 1, snapshot_size=size, codec=1, count=1,
            start_depth=depth,
        )  # fmt: skip


def many_enters(b: Builder) -> None:
    """Lanes with chunks of calls that begin and never end."""
    count = 1_000_000
    for lane in start(b, 10):
        columns = [
            column(b"\0"),
            run_column(b"", 2, count),  # enters of function 1
            column(b""),
            run_column(b"", 1, 1),  # the first, after none
            column(b""),
            run_column(b"", 1, count - 1),
            run_column(b"", 0, count),
            column(b""),
            column(b""),
        ]
        b.append(
            PACKED, b"".join(columns), process=1, lane=lane.serial, sequence=1,
            base=1_000, end=1_000 + count, raw_size=1 + 2 * count, snapshot_size=1,
            count=count, codec=1,
        )  # fmt: skip


def many_strings(b: Builder) -> None:
    """Definitions that unpack to many small records."""
    start(b)
    size = 4 << 20
    b.append(
        DEFINITIONS, run_of(1, size), process=1, sequence=2, first_index=3,
        count=size // 2, raw_size=size, codec=1,
    )  # fmt: skip


def many_lanes(b: Builder) -> None:
    """A name for one lane after the other, each made by three bytes."""
    start(b)
    body = b"".join(sized(b"\x07" + varint(n)) for n in range(1, 1 << 14))
    b.append(
        DEFINITIONS, body, process=1, sequence=2, first_index=3, count=(1 << 14) - 1
    )


def large_ids(b: Builder) -> None:
    """Ids and serials next to their limits."""
    process = b.process()
    for number in (2**26 - 1, 2**26, 2**32 - 1, 2**40, 2**64 - 1):
        process.record(1, varint(number) + b"text")
        process.record(2, varint(number) + u64(0) + b"/src/x.py")
        process.record(3, varint(number) + b"\0" * 4 + b"name")
        process.record(16, varint(number) + varint(number) * 3)
        process.record(6, varint(number) + b"\1\0\0" + u64(0) * 2 + b"\0lane")
    lane = process.lane()
    lane.raw(b"\x05" + varint(2**26 - 1), 1)
    lane.seal()


def large_serials(b: Builder) -> None:
    """Chunks of the last process there may be, on the last lane, far into both."""
    start(b)
    for process in (2**20, 2**19, 2**20 - 1):
        for lane in (2**24, 2**23):
            b.append(
                2, b"\0\x05\1", process=process, lane=lane, sequence=2**63,
                first_index=2**62, count=1, snapshot_size=1,
            )  # fmt: skip


def large_inheritance(b: Builder) -> None:
    """Processes that say they share every id there may be with their parent."""
    start(b)
    for _ in range(50):
        child = b.process(parent=b.processes[-1])
        child.pending.clear()
        most = varint(2**26 - 1)
        child.record(
            4,
            varint(9) + varint(100) + varint(child.serial - 1) + u64(5) + most * 3
            + varint(0) + sized("") * 4,
        )  # fmt: skip
        child.record(1, varint(2**26 - 1) + b"text")


def many_arguments(b: Builder) -> None:
    """A command line with more arguments than bytes."""
    process = b.process()
    process.pending.clear()
    process.record(
        4,
        varint(9) + varint(1) + b"\0" + u64(5) + b"\0\0\0" + varint(2**16) + b"\0" * 9,
    )


def large_losses(b: Builder) -> None:
    """Losses next to the largest number, on each of many chunks."""
    process = b.process()
    work = process.function("work", module="app")
    lane = process.lane()
    for _ in range(50):
        lane.call(work)
        lane.gap(2**57)
    lane.lose(2**60)


def large_blobs(b: Builder) -> None:
    """Values that unpack to a list of lists, and texts that say they are long."""
    process = b.process()
    work = process.function("work", module="app")
    lane = process.lane()
    lane.enter(work)
    for number in range(1, 9):
        lane.values(1, number)
        lane.call(work)
    lane.seal()
    size = 4 << 20
    b.append(
        BLOBS, run_of(1, size), process=1, lane=1, sequence=1, count=size // 2,
        raw_size=size, codec=1,
    )  # fmt: skip
    b.append(
        BLOBS,
        sized(b"\1\1\0\x06" + varint(2**40)) + sized(b"\1" + varint(2**60)),
        process=1, lane=1, sequence=2, count=2, first_index=size // 2,
    )  # fmt: skip


def large_sources(b: Builder) -> None:
    """Sources that unpack to all that they may."""
    process, size = b.process(), 4 << 20
    lane = process.lane()
    for number in range(1, 17):
        path = f"/src/{number}.py"
        work = process.function("work", file=path, key=number)
        lane.call(work)
        head = u64(number) + sized(path)
        b.append(
            SOURCE, head + run_of(10, size), process=1, sequence=number, count=1,
            first_index=number - 1, raw_size=size, codec=1,
        )  # fmt: skip


def damaged_index(b: Builder, size: int = 4 << 20, byte: int = 0xFF) -> None:
    """An index of nothing but one byte, that unpacks to all that it may."""
    process = b.process()
    work = process.function("work", module="app")
    lane = process.lane()
    lane.call(work)
    process.finish()
    lane.finish()
    lane.events = bytearray()
    b.append(
        INDEX, run_of(byte, size), sequence=1, first_index=2, raw_size=size, codec=1
    )


def huge_extents(b: Builder) -> None:
    """Headers of chunks of a gigabyte, of which the file holds nothing."""
    start(b)
    for kind in range(1, 9):
        b.body += extent(
            kind, b.tail, b"", process=1, lane=kind & 1, sequence=1, raw_size=2**28,
            codec=1, size=128,
        )[:128]  # fmt: skip
        head = extent(kind, b.tail, b"", process=1, size=128)
        b.body += head[:16] + (2**30).to_bytes(4, "little") + head[20:]


TRACES: dict[str, Callable[[Builder], None]] = {
    make.__name__: make
    for make in (
        deep_stacks, many_enters, many_strings, many_lanes, large_ids, large_serials,
        large_inheritance, many_arguments, large_losses, large_blobs, large_sources,
        damaged_index, huge_extents,
    )
}  # fmt: skip


def write(name: str, path: Path) -> Path:
    builder = Builder()
    TRACES[name](builder)
    return builder.write(path)
