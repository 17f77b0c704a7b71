"""Writes trace files byte by byte, valid ones and damaged ones, for tests.

    b = Builder()
    p = b.process(program="app.py")
    f = p.function("work", module="app", file="/src/app.py", line=3)
    t = p.lane("MainThread")
    t.enter(f); t.leave()
    b.write("t.marey")

Each event moves the lane's time on by `dt` ticks (default 10; a tick is a nanosecond
here). A lane keeps its open calls, so `seal()` starts the next chunk with the right
snapshot. Chunks stand in the file in the order they were sealed; what is still unsealed
at the end is sealed then, or left open where the lane has a `slot()`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from xxh import xxh32, xxh64

PAD, EVENTS, DEFINITIONS, BLOBS, SOURCE, PACKED, INDEX, LEFT_OUT = range(1, 9)
RING, UNMAPPED = 1, 2  # flags of a file
SLOT, CELL = 1, 2  # flags of an extent
C, GENERATOR, COROUTINE, ASYNC_GENERATOR, SPAN = 1, 2, 4, 8, 16  # of a function
TRANSACTION = 32
MAIN, EARLIER = 1, 2  # of a lane


def varint(n: int) -> bytes:
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def zigzag(n: int) -> bytes:
    return varint((n << 1) ^ (n >> 63))


def u64(n: int) -> bytes:
    return n.to_bytes(8, "little")


def utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def sized(data: str | bytes) -> bytes:
    data = utf8(data) if isinstance(data, str) else data
    return varint(len(data)) + data


def extent(
    kind: int,
    offset: int,
    payload: bytes = b"",
    *,
    flags: int = 0,
    size: int | None = None,
    process: int = 0,
    lane: int = 0,
    sequence: int = 0,
    base: int = 0,
    end: int = 0,
    first_index: int = 0,
    count: int = 0,
    snapshot_size: int = 0,
    raw_size: int = 0,
    codec: int = 0,
    start_depth: int = 0,
    is_open: bool = False,
) -> bytes:
    """One extent: header, payload, padding. Open ones state no sizes and checks."""
    if size is None:
        size = -(-(128 + len(payload)) // 64) * 64
    assert 128 + len(payload) <= size
    place = struct.pack(
        "<4sBBHQIII", b"MCHK", kind, flags, 128, offset, size, process, lane
    )
    content = struct.pack(
        "<QQQQIIIIQB3xI24xI",
        sequence,
        base,
        0 if is_open else end,
        first_index,
        0 if is_open else len(payload),
        0 if is_open else count,
        snapshot_size,
        raw_size,
        0 if is_open else xxh64(payload),
        codec,
        start_depth,
        1 if is_open else 2,
    )
    head = place + struct.pack("<I", xxh32(place)) + content
    head += struct.pack("<I", 0 if is_open else xxh32(content))
    return (head + payload).ljust(size, b"\0")


@dataclass
class Builder:
    """A file. `ring` is (bytes of a cell, number of cells)."""

    start_ticks: int = 1_000
    start_realtime_ns: int = 1_700_000_000_000_000_000
    ticks_per_second: int = 1_000_000_000
    clock: int = 2
    clock_shift: int = 0
    flags: int = 0
    boot_id: bytes = bytes(range(16))
    host_name: str = "host"
    version: tuple[int, int] = (1, 0)
    ring: tuple[int, int] | None = None
    processes: list[Process] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    ring_next: int = 0
    source_keys: list[int] = field(default_factory=list)
    keeps: list[tuple[int, int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ring_offset = 0
        if self.ring:
            self.flags |= RING
            cell_size, cell_count = self.ring
            self.pad_to_page()
            self.ring_offset = self.tail
            self.body += bytes(cell_size * cell_count)

    @property
    def tail(self) -> int:
        return 4096 + len(self.body)

    def pad_to_page(self) -> None:
        """So that a slot can follow; a pad extent needs room for its header."""
        gap = -self.tail % 4096
        if gap and gap < 128:
            gap += 4096
        if gap:
            self.body += extent(PAD, self.tail, size=gap)

    def append(self, kind: int, payload: bytes, **fields: int) -> int:
        """A closed chunk at the tail. Returns its offset."""
        at = self.tail
        self.body += extent(kind, at, payload, **fields)  # type: ignore[arg-type]
        return at

    def put(self, at: int, data: bytes) -> None:
        """Overwrites bytes of the body, `at` being an offset in the file."""
        self.body[at - 4096 : at - 4096 + len(data)] = data

    def hole(self, size: int) -> None:
        """Space that was taken and never written."""
        assert size % 64 == 0
        self.body += bytes(size)

    def process(
        self,
        program: str = "app.py",
        *,
        pid: int = 100,
        parent_pid: int = 1,
        parent: Process | None = None,
        is_fork: bool = False,
        start: int | None = None,
        arguments: tuple[str | bytes, ...] | None = None,
        executable: str = "/usr/bin/python3",
        version: str = "3.13.0",
        directory: str = "/src",
    ) -> Process:
        """A process that starts now; `is_fork`: it shares its parent's definitions."""
        process = Process(self, len(self.processes) + 1)
        if is_fork and parent:
            process.inherited = parent.counts[:]
            process.counts = parent.counts[:]
            process.known = dict(parent.known)
        self.processes.append(process)
        arguments = (program,) if arguments is None else arguments
        process.record(
            4,
            varint(pid)
            + varint(parent_pid)
            + varint(parent.serial if parent else 0)
            + u64(self.start_ticks if start is None else start)
            + b"".join(varint(n) for n in process.inherited)
            + varint(len(arguments))
            + b"".join(sized(one) for one in arguments)
            + b"".join(map(sized, (executable, version, directory, program))),
        )
        return process

    def source(self, process: Process, path: str, content: bytes) -> int:
        """Stores a text; returns the key to give to `Process.file`."""
        key = xxh64(utf8(path) + content) or 1
        process.source_count += 1
        self.source_keys.append(key)
        self.append(
            SOURCE,
            u64(key) + sized(path) + content,
            process=process.serial,
            sequence=process.source_count,
            count=1,
        )
        return key

    def header(self) -> bytes:
        head = bytearray(4096)
        head[:8] = bytes.fromhex("894D415245590D0A")
        struct.pack_into("<HHI", head, 8, *self.version, 4096)
        head[16:32] = self.boot_id
        host = utf8(self.host_name)[:64]
        head[32 : 32 + len(host)] = host
        struct.pack_into("<II", head, 96, self.clock, self.clock_shift)
        struct.pack_into(
            "<QQQQ",
            head,
            104,
            self.ticks_per_second,
            self.start_ticks,
            self.start_realtime_ns,
            self.flags,
        )
        if self.ring:
            struct.pack_into("<QII", head, 136, self.ring_offset, *self.ring)
        struct.pack_into("<QQ", head, 248, self.tail, self.ring_next)
        struct.pack_into("<II", head, 312, len(self.processes), len(self.lanes))
        struct.pack_into(
            "<QQ",
            head,
            320,
            sum(lane.sealed for lane in self.lanes),
            sum(lane.lost for lane in self.lanes),
        )
        for at, (serial, rule, begin, matched) in enumerate(self.keeps):
            struct.pack_into("<IIQQ", head, 336 + at * 24, rule, serial, begin, matched)
        for key in self.source_keys:
            at = key % 448
            while any(head[512 + at * 8 : 520 + at * 8]):
                at = (at + 1) % 448
            struct.pack_into("<Q", head, 512 + at * 8, key)
        return bytes(head)

    def bytes(self) -> bytes:
        """The whole file. Ends building."""
        for process in self.processes:
            process.finish()
        for lane in self.lanes:
            lane.finish()
        return self.header() + bytes(self.body)

    def write(self, path: str | Path) -> Path:
        Path(path).write_bytes(self.bytes())
        return Path(path)


@dataclass
class Process:
    """Definitions of a process. Ids count from 1, or on from those inherited."""

    builder: Builder
    serial: int
    inherited: list[int] = field(default_factory=lambda: [0, 0, 0])
    counts: list[int] = field(default_factory=lambda: [0, 0, 0])
    known: dict[str, int] = field(default_factory=dict)
    source_count: int = 0
    pending: list[bytes] = field(default_factory=list)
    sequence: int = 0
    record_count: int = 0
    slot_at: int = 0
    slot_size: int = 0

    def record(self, tag: int, body: bytes) -> None:
        """Any definition at all."""
        self.pending.append(sized(bytes([tag]) + body))

    def string(self, text: str) -> int:
        """The id of a text, which is defined where it is new."""
        if text not in self.known:
            self.counts[0] += 1
            self.known[text] = self.counts[0]
            self.record(1, varint(self.counts[0]) + utf8(text))
        return self.known[text]

    def file(self, path: str, key: int = 0) -> int:
        if "file " + path not in self.known:
            self.counts[1] += 1
            self.known["file " + path] = self.counts[1]
            self.record(2, varint(self.counts[1]) + u64(key) + utf8(path))
        return self.known["file " + path]

    def function(
        self,
        name: str,
        *,
        module: str = "",
        file: str = "",
        key: int = 0,
        line: int = 0,
        flags: int = 0,
    ) -> int:
        head = varint(flags) + varint(line)
        head += varint(self.string(module) if module else 0)
        head += varint(self.file(file, key) if file else 0)
        self.counts[2] += 1
        self.record(3, varint(self.counts[2]) + head + utf8(name))
        return self.counts[2]

    def call_site(self, function: int, caller: int, line: int) -> int:
        """An id for the calls of a function from a line of another."""
        self.counts[2] += 1
        body = varint(function) + varint(caller) + varint(line)
        self.record(16, varint(self.counts[2]) + body)
        return self.counts[2]

    def lane(
        self,
        name: str = "MainThread",
        *,
        kind: int = 1,
        flags: int = 0,
        native_id: int = 0,
        python_id: int = 0,
        start: int | None = None,
        parent: Lane | None = None,
        serial: int | None = None,
    ) -> Lane:
        start = self.builder.start_ticks if start is None else start
        serial = len(self.builder.lanes) + 1 if serial is None else serial
        lane = Lane(self, serial, start)
        self.builder.lanes.append(lane)
        self.record(
            6,
            varint(lane.serial)
            + varint(kind)
            + varint(flags)
            + varint(native_id or 1000 + lane.serial)
            + u64(python_id or 0x7000_0000 + lane.serial)
            + u64(start)
            + varint(parent.serial if parent else 0)
            + utf8(name),
        )
        return lane

    def rename(self, lane: Lane, name: str) -> None:
        self.record(7, varint(lane.serial) + utf8(name))

    def end_lane(self, lane: Lane, ticks: int | None = None) -> None:
        self.record(8, varint(lane.serial) + u64(lane.now if ticks is None else ticks))

    def end(self, ticks: int, status: int | None = 0) -> None:
        self.record(5, u64(ticks) + zigzag(status or 0) + bytes([status is not None]))

    def clock(self, ticks: int, monotonic: int) -> None:
        boot, real = monotonic + 5, monotonic + self.builder.start_realtime_ns
        self.record(9, u64(ticks) + u64(monotonic) + u64(boot) + u64(real))

    def cost(self, kind: int, picoseconds: int) -> None:
        self.record(10, varint(kind) + varint(picoseconds))

    def options(self, json: str) -> None:
        self.record(11, utf8(json))

    def note(self, text: str) -> None:
        self.record(12, utf8(text))

    def window(self, from_ticks: int, to_ticks: int, why: str) -> None:
        self.record(22, u64(from_ticks) + u64(to_ticks) + utf8(why))

    def left_out(self, function: int, ticks: int) -> None:
        self.record(23, varint(function) + u64(ticks))

    def unrecorded(
        self, function: int, ticks: int, counted: int, estimated: int
    ) -> None:
        body = varint(function) + u64(ticks) + varint(counted) + varint(estimated)
        self.record(28, body)

    def slot(self, size: int = 4096) -> None:
        """What is not sealed at the end stays in an open chunk here."""
        self.builder.pad_to_page()
        self.slot_at, self.slot_size = self.builder.tail, size
        self.builder.hole(size)

    def seal(self) -> int:
        """Closes the definitions so far. Returns the chunk's offset."""
        return self.builder.append(DEFINITIONS, **self.take())  # type: ignore

    def take(self) -> dict[str, int | bytes]:
        self.sequence += 1
        first, self.record_count = (
            self.record_count,
            self.record_count + len(self.pending),
        )
        payload, count = b"".join(self.pending), len(self.pending)
        self.pending.clear()
        return {
            "payload": payload,
            "process": self.serial,
            "sequence": self.sequence,
            "first_index": first,
            "count": count,
        }

    def finish(self) -> None:
        if not self.pending:
            return
        if not self.slot_at:
            self.seal()
            return
        fields = self.take()
        del fields["count"]
        self.builder.put(
            self.slot_at,
            extent(
                DEFINITIONS, self.slot_at, flags=SLOT, size=self.slot_size,
                is_open=True, **fields  # type: ignore[arg-type]
            ),
        )  # fmt: skip


@dataclass
class Open:
    """A call that is open on a lane."""

    function: int
    start: int
    is_resumed: bool = False


@dataclass
class Lane:
    """Events of a lane; `dt` is how many ticks pass before each."""

    process: Process
    serial: int
    now: int
    stack: list[Open] = field(default_factory=list)
    sequence: int = 0
    first_index: int = 0  # events before the present chunk, lost ones included
    lost: int = 0
    sealed: int = 0
    blobs: list[bytes] = field(default_factory=list)
    slot_at: int = 0
    slot_size: int = 0

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.base, self.count, self.lost_inside = self.now, 0, 0
        self.slots: list[tuple[int, int] | None] = [None] * 32
        self.next_slot = 0
        self.events = bytearray()
        self.tokens: list[tuple[int, int, int]] = []  # place of each, its kind, delta
        self.start_snapshot = self.snapshot()
        self.start_depth = len(self.stack)

    def snapshot(self) -> bytes:
        """The open calls at the present time."""
        out = varint(len(self.stack))
        for call in self.stack:
            out += varint(call.function << 1 | call.is_resumed)
            out += varint(self.now - call.start)
        return out

    def token(self, kind: int, dt: int) -> None:
        self.now += dt
        self.tokens.append((len(self.events), kind, dt))
        self.events += varint(dt << 2 | kind)

    def op(self, op: int, body: bytes = b"", *, dt: int = 10, counts: int = 1) -> None:
        """Any extended event at all."""
        self.token(3, dt)
        self.events += bytes([op]) + body
        self.count += counts

    def raw(self, data: bytes, counts: int = 0) -> None:
        """Bytes as they are, right or wrong."""
        self.events += data
        self.count += counts

    def enter(self, function: int, *, dt: int = 10, line: int | None = None) -> None:
        """With a line, it is called from there by the function that is open."""
        if line is not None:
            caller = self.stack[-1].function if self.stack else function
            function = self.process.call_site(function, caller, line)
        self.token(1, dt)
        self.events += varint(function)
        self.count += 1
        self.stack.append(Open(function, self.now))

    def leave(self, *, dt: int = 10) -> None:
        self.token(2, dt)
        self.count += 1
        self.stack.pop()

    def call(self, function: int, *, dt: int = 10) -> None:
        self.enter(function, dt=dt)
        self.leave(dt=dt)

    def unwind(self, exception: str = "", *, dt: int = 10) -> None:
        number = self.process.string(exception) if exception else 0
        self.op(0x02, varint(number), dt=dt)
        self.stack.pop()

    def cut(self, *, dt: int = 10) -> None:
        self.op(0x03, dt=dt)
        self.stack.pop()

    def bind(self, function: int, key: int) -> int:
        """The slot of an activation; bound where this chunk has not done so."""
        if (function, key) in self.slots:
            return self.slots.index((function, key))
        slot = self.next_slot
        self.next_slot = (slot + 1) % 32
        self.slots[slot] = function, key
        self.op(0x05, bytes([slot]) + varint(function) + u64(key), dt=0, counts=0)
        return slot

    def suspend(self, key: int, *, dt: int = 10) -> None:
        """The innermost call yields; `key` is its activation."""
        self.op(0x40 + self.bind(self.stack[-1].function, key), dt=dt)
        self.stack.pop()

    def resume(self, function: int, key: int, *, throw: str = "", dt: int = 10) -> None:
        self.op(0x60 + self.bind(function, key), dt=dt)
        if throw:
            self.op(0x04, varint(self.process.string(throw)), dt=0, counts=0)
        self.stack.append(Open(function, self.now, is_resumed=True))

    def advance(self, ticks: int) -> None:
        """The time is now this."""
        self.op(0x01, u64(ticks), dt=0, counts=0)
        self.now = ticks

    def lose(self, count: int, *, dt: int = 10) -> None:
        """A LOST note; use `gap` for losses between chunks."""
        self.op(0x06, varint(count), dt=dt, counts=0)
        self.lost += count
        self.lost_inside += count

    def resync(self, stack: list[Open], *, dt: int = 10) -> None:
        self.now += dt
        self.stack = list(stack)
        self.events += varint(dt << 2 | 3) + b"\x07" + self.snapshot()

    def instant(self, name: str, blob: int = 0, *, dt: int = 10) -> None:
        self.op(0x08, varint(self.process.string(name)) + varint(blob), dt=dt)

    def log(self, name: str, level: int, blob: int = 0, *, dt: int = 10) -> None:
        body = varint(self.process.string(name)) + bytes([level]) + varint(blob)
        self.op(0x0F, body, dt=dt)

    def counter(self, name: str, value: float, *, dt: int = 10) -> None:
        body = varint(self.process.string(name)) + struct.pack("<d", value)
        self.op(0x09, body, dt=dt)

    def values(self, role: int, blob: int) -> None:
        self.op(0x0A, bytes([role]) + varint(blob), dt=0, counts=0)

    def switch(self, serial: int) -> None:
        self.op(0x0C, varint(serial), dt=0, counts=0)

    def flow(self, number: int, *, is_out: bool, dt: int = 10) -> None:
        self.op(0x0D if is_out else 0x0E, varint(number), dt=dt)

    def blob(self, values: dict[str, object]) -> int:
        """Stores values; returns what events refer to them by."""
        body = bytearray(b"\x01" + varint(len(values)))
        for name, value in values.items():
            body += varint(self.process.string(name) if name else 0)
            body += tagged(value)
        self.blobs.append(sized(bytes(body)))
        return len(self.blobs)

    def fields(self) -> dict[str, int | bytes]:
        return {
            "payload": self.start_snapshot + bytes(self.events),
            "process": self.process.serial,
            "lane": self.serial,
            "sequence": self.sequence,
            "base": self.base,
            "first_index": self.first_index,
            "snapshot_size": len(self.start_snapshot),
            "start_depth": self.start_depth,
        }

    def pack(self) -> bytes:
        """The present chunk's payload as columns, some of them as zstd frames."""
        columns = [bytearray(self.start_snapshot), *(bytearray() for _ in range(8))]
        before, ends = 0, [at for at, _, _ in self.tokens[1:]] + [len(self.events)]
        for (at, kind, dt), end in zip(self.tokens, ends, strict=True):
            rest, is_enter = self.events[at + len(varint(dt << 2)) : end], kind == 1
            columns[1] += self.after(rest) if is_enter else varint(kind == 3)
            columns[2 + 2 * before + is_enter].append(dt & 0xFF)
            columns[6] += varint(dt >> 8)
            if kind == 3:
                columns[7] += varint(len(rest))
                columns[8] += rest
            before = int(is_enter)
        out = bytearray()
        for at, column in enumerate(columns):
            out += bytes([at % 2]) + varint(len(column))
            out += sized(frame(bytes(column))) if at % 2 else column
        return bytes(out)

    @staticmethod
    def after(number: bytes) -> bytes:
        """The varint of one more."""
        value = sum((byte & 0x7F) << 7 * at for at, byte in enumerate(number))
        return varint(value + 1)

    def seal(self, *, packed: bool = False, left_out: bool = False) -> int:
        """Closes the present chunk and starts the next. Returns the chunk's offset."""
        builder = self.process.builder
        self.sequence += 1
        fields = self.fields() | {"end": self.now, "count": self.count}
        if packed:
            raw_size = len(fields["payload"])  # type: ignore[arg-type]
            fields |= {"payload": self.pack(), "raw_size": raw_size, "codec": 1}
            at = builder.append(PACKED, **fields)  # type: ignore[arg-type]
        elif left_out:
            size = fields["snapshot_size"]
            fields |= {"payload": fields["payload"][:size]}  # type: ignore
            at = builder.append(LEFT_OUT, **fields)  # type: ignore[arg-type]
        elif builder.ring:
            size, cells = builder.ring
            at = builder.ring_offset + builder.ring_next % cells * size
            builder.ring_next += 1
            builder.put(
                at,
                extent(EVENTS, at, flags=CELL, size=size, **fields),  # type: ignore
            )
        else:
            at = builder.append(EVENTS, **fields)  # type: ignore[arg-type]
        self.sealed += self.count
        self.first_index += self.count + self.lost_inside
        self.begin()
        return at

    def gap(self, count: int, stack: list[Open] | None = None) -> None:
        """Seals, then loses `count` events; the calls open afterwards are `stack`."""
        self.seal()
        self.first_index += count
        self.lost += count
        if stack is not None:
            self.stack = list(stack)
        self.begin()

    def slot(self, size: int = 4096) -> None:
        """What is not sealed at the end stays in an open chunk here."""
        builder = self.process.builder
        builder.pad_to_page()
        self.slot_at, self.slot_size = builder.tail, size
        builder.hole(size)

    def finish(self) -> None:
        builder = self.process.builder
        if self.blobs:
            builder.append(
                BLOBS,
                b"".join(self.blobs),
                process=self.process.serial,
                lane=self.serial,
                sequence=1,
                count=len(self.blobs),
            )
            self.blobs.clear()
        if not self.slot_at:
            if self.events:
                self.seal()
            return
        self.sequence += 1
        builder.put(
            self.slot_at,
            extent(
                EVENTS, self.slot_at, flags=SLOT, size=self.slot_size,
                is_open=True, **self.fields()  # type: ignore[arg-type]
            ),
        )  # fmt: skip


def frame(data: bytes) -> bytes:
    """A zstd frame that stores its bytes as they are, in blocks of at most 128 KiB."""
    out = bytes.fromhex("28B52FFD A0") + len(data).to_bytes(4, "little")
    blocks = [data[at : at + 2**17] for at in range(0, len(data), 2**17)] or [b""]
    for at, block in enumerate(blocks):
        out += (len(block) << 3 | (at == len(blocks) - 1)).to_bytes(3, "little") + block
    return out


def tagged(value: object) -> bytes:
    """A value of a blob. A tuple (tag,) stands for one of the tags 9 to 12."""
    if isinstance(value, tuple):
        return bytes(value)
    if value is None or value is False or value is True:
        return bytes([{None: 1, False: 2, True: 3}[value]])
    if isinstance(value, int):
        return b"\x04" + zigzag(value)
    if isinstance(value, float):
        return b"\x05" + struct.pack("<d", value)
    if isinstance(value, str):
        return b"\x06" + sized(value)
    if isinstance(value, bytes):
        return b"\x07" + sized(value)
    return b"\x08" + sized(repr(value))


def flip(data: bytes, at: int, bit: int = 0) -> bytes:
    """The same bytes with one bit turned over."""
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
