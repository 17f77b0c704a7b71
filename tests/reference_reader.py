"""A second reader of trace files, written from docs/format.md alone.

It shares no code with the reader in C, loads a trace whole, and prefers being plain to
being fast: where the two disagree, one of them or the page is wrong.

    trace = read("run.marey")
    for lane in trace.lanes.values():
        for call in lane.roots: ...

As a script it prints a canonical dump, one line an event.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from xxh import xxh32, xxh64

MAGIC = bytes.fromhex("894D415245590D0A")
PAD, EVENTS, DEFINITIONS, BLOBS, SOURCE, PACKED = 1, 2, 3, 4, 5, 6
LEFT_OUT = 8
OPEN, CLOSED = 1, 2
T = TypeVar("T")
EXTENT_MAX, NAME_MAX, DEPTH_MAX, ID_MAX = 2**30, 2**21, 2**24, 2**26 - 1
VALUE_DEPTH_MAX = 32


class NotATraceError(Exception):
    """The file is none, or of a version that this reader does not know."""


class DamageError(Exception):
    """Bytes that no writer writes."""


class EndError(Exception):
    """The bytes end inside something."""


@dataclass
class Function:
    id: int
    name: str
    module: str = ""
    file: str = ""
    line: int = 0
    flags: int = 0

    def __str__(self) -> str:
        return f"{self.module}:{self.name}" if self.module else self.name


@dataclass
class Call:
    """One running part of a call; a generator's call has one for each resume."""

    function: Function
    lane: Lane
    start: int
    parent: Call | None
    resumed: bool = False
    earlier: bool = False  # its start was not seen: known from a snapshot
    thrown: str = ""  # the part starts with this exception
    line: int = 0  # the line it was called from
    end: int | None = None
    how: str = "open"  # or returned, raised, yielded, cut
    exception: str = ""
    key: int | None = None  # of the activation, where the trace says it
    children: list[Call] = field(default_factory=list)


@dataclass
class Event:
    kind: str
    ticks: int
    depth: int
    call: Call | None = None
    detail: str = ""


@dataclass
class Lane:
    serial: int
    process: int
    kind: int = 1
    flags: int = 0
    native_id: int = 0
    python_id: int = 0
    start: int = 0
    parent: int = 0
    name: str = ""
    end: int | None = None
    events: list[Event] = field(default_factory=list)
    roots: list[Call] = field(default_factory=list)
    stack: list[Call] = field(default_factory=list)  # calls open at the end
    event_count: int = 0
    lost_count: int = 0


@dataclass
class Process:
    serial: int
    pid: int = 0
    parent_pid: int = 0
    parent: int = 0
    start: int | None = None
    arguments: list[bytes] = field(default_factory=list)
    executable: str = ""
    version: str = ""
    directory: str = ""
    program: str = ""
    end: int | None = None
    exit_status: int | None = None
    inherited: tuple[int, int, int] = (0, 0, 0)
    strings: dict[int, str] = field(default_factory=dict)
    files: dict[int, tuple[str, int]] = field(default_factory=dict)
    functions: dict[int, Function] = field(default_factory=dict)
    call_sites: dict[int, tuple[Function, int]] = field(default_factory=dict)
    clocks: list[tuple[int, int, int, int]] = field(default_factory=list)
    costs: dict[int, int] = field(default_factory=dict)
    options: str = ""
    notes: list[str] = field(default_factory=list)
    flow: int = 0
    child_ends: list[tuple[int, int, int]] = field(default_factory=list)
    left_out: dict[int, list[int]] = field(default_factory=dict)
    became_other: int | None = None


@dataclass
class Extent:
    offset: int
    kind: int
    flags: int
    size: int
    process: int
    lane: int
    sequence: int
    base: int
    end: int
    first_index: int
    record_count: int
    snapshot_size: int
    raw_size: int
    codec: int
    start_depth: int
    is_closed: bool
    is_whole: bool  # its payload is what its check says; always, where it is open
    payload: bytes
    is_left_out: bool = False  # only its snapshot is here


@dataclass
class Trace:
    path: str
    host: str = ""
    ticks_per_second: int = 0
    flags: int = 0
    size: int = 0
    skipped: int = 0
    origin: int = 0
    extents: list[Extent] = field(default_factory=list)
    processes: dict[int, Process] = field(default_factory=dict)
    lanes: dict[int, Lane] = field(default_factory=dict)
    blobs: dict[tuple[int, int], list[tuple[str, object]]] = field(default_factory=dict)
    sources: dict[int, tuple[str, bytes | None]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    lacks_definitions: bool = False  # so what is not defined is no damage of its own

    def ns(self, ticks: int) -> int:
        """Nanoseconds from the origin, rounded down."""
        pairs = sorted(p[:2] for q in self.processes.values() for p in q.clocks)
        slope = Fraction(10**9, self.ticks_per_second or 10**9)
        if pairs:
            (t0, m0), (t1, m1) = pairs[0], pairs[-1]
            if m1 - m0 >= 1_000_000 and t1 > t0:
                slope = Fraction(m1 - m0, t1 - t0)
        return int((ticks - self.origin) * slope // 1)


class Bytes:
    """A cursor that refuses to run past its end."""

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data, self.at = data, at
        self.end = len(data) if end is None else end

    def take(self, size: int) -> bytes:
        if size > self.end - self.at:
            raise EndError
        self.at += size
        return self.data[self.at - size : self.at]

    def u8(self) -> int:
        return self.take(1)[0]

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def f64(self) -> float:
        return float(struct.unpack("<d", self.take(8))[0])

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.u8()
            if byte == 0 and shift:
                raise EndError  # superfluous: the rest was never written
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift >= 70:
                raise DamageError("a varint of more than ten bytes")
        if value >> 64:
            raise DamageError("a varint of more than 64 bits")
        return value

    def zigzag(self) -> int:
        n = self.varint()
        return (n >> 1) ^ -(n & 1)

    def rest(self) -> str:
        return text(self.take(self.end - self.at))

    def sized(self, limit: int = NAME_MAX) -> bytes:
        size = self.varint()
        if size > limit:
            raise DamageError(f"a size of {size}")
        return self.take(size)


def text(data: bytes) -> str:
    if len(data) > NAME_MAX:
        raise DamageError("a name over the limit")
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise DamageError("a text that is not UTF-8") from None


# --- extents -------------------------------------------------------------------------


def step_from(data: bytes, at: int) -> int:
    """Bytes from a place without an extent to the next that may have one."""
    (flags,) = struct.unpack_from("<Q", data, 128)
    offset, cell, count = struct.unpack_from("<QII", data, 136)
    end = offset + cell * count
    is_sound = cell >= 128 and cell % 64 == 0 and offset % 64 == 0 and end <= len(data)
    if flags & 1 and is_sound and offset <= at < end:
        return int(cell - (at - offset) % cell)
    return 64


def walk_extents(data: bytes, trace: Trace) -> Iterator[Extent]:
    at = 4096
    while at < len(data):
        head = data[at : at + 128]
        if len(head) < 128 or head[:4] != b"MCHK" or not place_holds(head, at):
            step = step_from(data, at)
            is_cell = step > 64
            if not is_cell or any(head):
                trace.skipped += min(step, len(data) - at)
            if any(head if is_cell else head[:64]):
                trace.problems.append(f"{at}: bytes that belong to no chunk")
            at += step
            continue
        (size,) = struct.unpack_from("<I", head, 16)
        extent = read_extent(data, at, head, trace)
        if extent is not None:
            yield extent
        at += size


def place_holds(head: bytes, at: int) -> bool:
    header_size, offset, size = struct.unpack_from("<HQI", head, 6)
    return bool(
        header_size == 128
        and offset == at
        and 128 <= size <= EXTENT_MAX
        and size % 64 == 0
        and struct.unpack_from("<I", head, 28)[0] == xxh32(head[:28])
    )


def read_extent(data: bytes, at: int, head: bytes, trace: Trace) -> Extent | None:
    kind, flags, _, _, size, process, lane, _ = struct.unpack_from("<BBHQIIII", head, 4)
    sequence, base, end, first, payload_size, count, snapshot, raw, check = (
        struct.unpack_from("<QQQQIIIIQ", head, 32)
    )
    codec = head[88]
    (start_depth,) = struct.unpack_from("<I", head, 92)
    state, content_check = struct.unpack_from("<II", head, 120)
    if sequence == 0 or kind == PAD:
        return None
    payload, is_whole = data[at + 128 : at + size], True
    if state == CLOSED:
        if content_check != xxh32(head[32:124]):
            trace.problems.append(f"{at}: a header whose check does not hold")
            return None
        payload = payload[:payload_size]
        is_whole = len(payload) == payload_size and xxh64(payload) == check
        if is_whole and codec and kind != SOURCE:
            try:
                unpacked = unpack(kind, payload, raw)
            except (EndError, DamageError, ValueError) as problem:
                trace.problems.append(f"{at}: does not unpack: {problem!r}")
                return None
            payload, kind = unpacked, EVENTS if kind == PACKED else kind
    elif state != OPEN:
        trace.problems.append(f"{at}: state {state}")
        return None
    is_left_out = kind == LEFT_OUT
    if is_left_out:
        kind = EVENTS
        if state == OPEN or codec or payload_size != snapshot:
            trace.problems.append(f"{at}: more than a snapshot of what was left out")
            return None
    return Extent(
        at, kind, flags, size, process, lane, sequence, base, end, first, count,
        snapshot, raw, codec, start_depth, state == CLOSED, is_whole, payload,
        is_left_out,
    )  # fmt: skip


def unpack(kind: int, payload: bytes, raw_size: int) -> bytes:
    """What a packed chunk stands for."""
    if raw_size > 65536 + 256 * len(payload):
        raise DamageError("unpacks to too much")
    if kind != PACKED:
        return zstd(payload, raw_size)
    data, columns = Bytes(payload), []
    for _ in range(9):
        method, size = data.u8(), data.varint()
        if method > 1 or size > raw_size:
            raise DamageError("a column that cannot be")
        columns.append(
            Bytes(zstd(data.sized(EXTENT_MAX), size) if method else data.take(size))
        )
    acts, high, sizes, rest = columns[1], *columns[6:]
    rows, before = columns[0].take(columns[0].end), 0
    while acts.at < acts.end:
        act = acts.varint()
        is_enter = int(act > 1)
        low = columns[2 + 2 * before + is_enter].u8()
        delta, before = high.varint() << 8 | low, is_enter
        rows += varint_bytes(delta << 2 | (1 if is_enter else 2 if act == 0 else 3))
        if is_enter:
            rows += varint_bytes(act - 1)
        elif act == 1:
            rows += rest.take(sizes.varint())
    if len(rows) != raw_size or any(some.at < some.end for some in [data, *columns]):
        raise DamageError("another size than its header says")
    return rows


def varint_bytes(n: int) -> bytes:
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*out, n])


def zstd(data: bytes, size: int) -> bytes:
    """By the library itself: the standard one has it from 3.14 on only."""
    name = ctypes.util.find_library("zstd")
    if name is None:
        raise DamageError("there is no libzstd to read it with")
    library, out = ctypes.CDLL(name), ctypes.create_string_buffer(size + 1)
    library.ZSTD_decompress.restype = ctypes.c_size_t
    library.ZSTD_decompress.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t
    ]  # fmt: skip
    if library.ZSTD_decompress(out, size, data, len(data)) != size:
        raise DamageError("a frame that does not decompress")
    return out.raw[:size]


def streams(trace: Trace, kind: int) -> dict[tuple[int, int], list[Extent]]:
    """Whole chunks of each (process, lane) in order; the closed of two of a sequence.

    A closed one that is not whole is damage, but where it still stands in its slot.
    """
    found: dict[tuple[int, int], dict[int, Extent]] = {}
    for extent in trace.extents:
        if extent.kind == kind:
            chunks = found.setdefault((extent.process, extent.lane), {})
            other = chunks.get(extent.sequence)
            if other is None or rank(extent) > rank(other):
                chunks[extent.sequence] = extent
    for chunks in found.values():
        for sequence, extent in list(chunks.items()):
            if not extent.is_whole:
                del chunks[sequence]
                trace.problems.append(f"{extent.offset}: its check does not hold")
    return {key: [some[n] for n in sorted(some)] for key, some in found.items() if some}


def rank(extent: Extent) -> tuple[bool, bool]:
    return extent.is_whole, extent.is_closed


def each_record(chunk: Extent, trace: Trace) -> Iterator[Bytes]:
    """Cursors over the records of a chunk, at their tag."""
    data, count = Bytes(chunk.payload), 0
    while data.at < data.end and (chunk.is_closed or data.data[data.at]):
        try:
            size = data.varint()
            body = Bytes(data.data, data.at, data.at + size)
            data.take(size)
            if not size:
                raise DamageError("a record of size 0")
            yield body
        except EndError:
            if chunk.is_closed:
                trace.problems.append(f"{chunk.offset}: a record is cut short")
            return
        except DamageError as problem:
            trace.problems.append(f"{chunk.offset}: {problem}")
            return
        count += 1
    if chunk.is_closed and count != chunk.record_count:
        trace.problems.append(f"{chunk.offset}: {count} records, not as said")


# --- definitions ---------------------------------------------------------------------


def read_definitions(trace: Trace) -> None:
    """Those of parents first, as children inherit."""
    bodies: dict[int, list[tuple[Extent, Bytes]]] = {}
    for (serial, _), chunks in streams(trace, DEFINITIONS).items():
        bodies[serial] = [(c, r) for c in chunks for r in each_record(c, trace)]
    for serial in sorted(bodies):  # a child's serial is larger than its parent's
        process = trace.processes[serial] = Process(serial)
        for chunk, body in bodies[serial]:
            try:
                define(trace, process, body.u8(), body)
            except (EndError, DamageError) as problem:
                trace.problems.append(f"{chunk.offset}: a record: {problem!r}")
    trace.origin = min(
        (p.start for p in trace.processes.values() if p.start is not None), default=0
    )


def define_place(trace: Trace, process: Process, body: Bytes) -> None:
    flags, name_size, serial = body.u8(), body.u8(), body.u32()
    native, python, start, end = (body.u64() for _ in range(4))
    name = body.take(84)
    if name_size > len(name):
        raise DamageError("a name longer than its place")
    if serial == 0 or body.u32() != serial:
        return
    before = trace.lanes.get(serial)
    if before is not None and before.process != process.serial:
        raise DamageError(f"lane {serial} is defined twice")
    trace.lanes[serial] = Lane(
        serial, process.serial, 1, flags, native, python, start, 0,
        text(name[:name_size]), end or None
    )  # fmt: skip


def define(trace: Trace, process: Process, tag: int, body: Bytes) -> None:
    if tag == 1:
        number = identifier(body)
        process.strings[number] = body.rest()
    elif tag == 2:
        number, key = identifier(body), body.u64()
        process.files[number] = (body.rest(), key)
    elif tag == 3:
        number, flags, line = identifier(body), body.varint(), body.varint()
        module, file = body.varint(), body.varint()
        if (module and module not in process.strings) or (
            file and file not in process.files
        ):
            trace.problems.append(f"function {number}: its module or file is not known")
        process.functions[number] = Function(
            number, body.rest(), process.strings.get(module, ""),
            process.files.get(file, ("", 0))[0], line, flags
        )  # fmt: skip
    elif tag == 16:
        number, function, caller = (identifier(body) for _ in range(3))
        if function not in process.functions or caller not in process.functions:
            trace.problems.append(f"call site {number}: of what is not known")
            return
        process.functions[number] = process.functions[function]
        process.call_sites[number] = process.functions[caller], body.varint()
    elif tag == 4:
        define_process(trace, process, body)
    elif tag == 5:
        process.end = body.u64()
        status = body.zigzag()
        process.exit_status = status if body.u8() else None
    elif tag == 6:
        serial, kind, flags, native = (body.varint() for _ in range(4))
        python, start, parent = body.u64(), body.u64(), body.varint()
        if serial in trace.lanes:
            raise DamageError(f"lane {serial} is defined twice")
        trace.lanes[serial] = Lane(
            serial, process.serial, kind, flags, native, python, start, parent,
            body.rest()
        )  # fmt: skip
    elif tag == 17:
        define_place(trace, process, body)
    elif tag == 7:
        lane = lane_of(trace, process, body.varint())
        lane.name = body.rest()
    elif tag == 8:
        lane = lane_of(trace, process, body.varint())
        lane.end = body.u64()
    elif tag == 9:
        process.clocks.append((body.u64(), body.u64(), body.u64(), body.u64()))
    elif tag == 10:
        kind = body.varint()
        process.costs[kind] = body.varint()
    elif tag == 11:
        process.options = body.rest()
    elif tag == 12:
        process.notes.append(body.rest())
    elif tag == 22:
        body.u64(), body.u64()
        process.notes.append(body.rest())
    elif tag == 23:
        number = identifier(body)
        process.left_out.setdefault(number, [body.u64(), 0, 0])
    elif tag == 28:
        number, _ = identifier(body), body.u64()
        if number in process.left_out:
            process.left_out[number][1:] = [body.varint(), body.varint()]
    elif tag == 14:
        ticks, pid = body.u64(), body.varint()
        process.child_ends.append((ticks, pid, body.zigzag()))
    elif tag == 15:
        ticks = body.u64()
        process.became_other = ticks if body.u8() == 1 else None


def define_process(trace: Trace, process: Process, body: Bytes) -> None:
    process.pid, process.parent_pid, process.parent = (body.varint() for _ in range(3))
    process.start = body.u64()
    strings, files, functions = (body.varint() for _ in range(3))
    process.inherited = strings, files, functions
    parent = trace.processes.get(process.parent)
    if parent is not None:
        process.strings |= upto(parent.strings, strings)
        process.files |= upto(parent.files, files)
        process.functions |= upto(parent.functions, functions)
        process.call_sites |= upto(parent.call_sites, functions)
    elif strings or files or functions:
        raise DamageError("inherits from a process that is not there")
    count = body.varint()
    if count > 2**16:
        raise DamageError(f"{count} arguments")
    process.arguments = [body.sized() for _ in range(count)]
    process.executable, process.version, process.directory, process.program = (
        text(body.sized()) for _ in range(4)
    )
    if body.at < body.end:
        process.flow = body.varint()


def upto(things: dict[int, T], last: int) -> dict[int, T]:
    return {number: thing for number, thing in things.items() if number <= last}


def identifier(body: Bytes) -> int:
    number = body.varint()
    if not 1 <= number <= ID_MAX:
        raise DamageError(f"id {number}")
    return number


def lane_of(trace: Trace, process: Process, serial: int) -> Lane:
    if serial not in trace.lanes:
        trace.problems.append(f"lane {serial} is not defined")
        trace.lanes[serial] = Lane(serial, process.serial)
    return trace.lanes[serial]


# --- events --------------------------------------------------------------------------


class Player:
    """Plays the chunks of one stream onto the stacks of its lanes."""

    def __init__(self, trace: Trace, process: Process, lane: Lane) -> None:
        self.trace, self.process, self.home, self.lane = trace, process, lane, lane
        self.ticks = self.count = self.lost = 0
        self.slots: dict[int, tuple[Function, int]] = {}

    def play(self, chunk: Extent, is_next: bool) -> None:
        """`is_next`: nothing is missing between the last chunk and this one."""
        trace, data = self.trace, Bytes(chunk.payload)
        self.lane, self.ticks, self.slots = self.home, chunk.base, {}
        self.count = self.lost = 0
        try:
            data.end = min(chunk.snapshot_size, len(chunk.payload))
            depth = self.snapshot(data, must_be_equal=is_next)
            if data.at != chunk.snapshot_size or depth != chunk.start_depth:
                raise DamageError("a snapshot that is not as said")
            if chunk.is_left_out:
                return
            data.end = len(chunk.payload)
            while data.at < data.end and (chunk.is_closed or data.data[data.at]):
                self.event(data)
        except EndError:
            if chunk.is_closed:
                trace.problems.append(f"{chunk.offset}: an event is cut short")
        except DamageError as problem:
            trace.problems.append(f"{chunk.offset}+{data.at}: {problem}")
        if chunk.is_closed and (self.count, self.ticks) != (
            chunk.record_count,
            chunk.end,
        ):
            trace.problems.append(f"{chunk.offset}: count or end is not as said")

    def snapshot(self, data: Bytes, must_be_equal: bool) -> int:
        """Makes the open calls those of a snapshot. Returns how many they are."""
        entries, lines, stack = [], [], self.lane.stack
        count = data.varint()
        if count > DEPTH_MAX:
            raise DamageError(f"a snapshot of {count} calls")
        for _ in range(count):
            packed, age = data.varint(), data.varint()
            lines.append(self.line(packed >> 1))
            entries.append((self.function(packed >> 1), self.ticks - age, packed & 1))
        same = 0
        while same < min(len(stack), count) and entries[same] == (
            stack[same].function,
            stack[same].start,
            stack[same].resumed,
        ):
            same += 1
        if must_be_equal and not same == len(stack) == count:
            self.trace.problems.append(f"lane {self.lane.serial}: snapshot differs")
        while len(stack) > same:
            self.leave("cut")
        for (function, start, resumed), line in zip(
            entries[same:], lines[same:], strict=True
        ):
            call = self.enter(function, "earlier", start)
            call.resumed, call.earlier, call.line = bool(resumed), True, line
        return count

    def function(self, number: int) -> Function:
        if number not in self.process.functions:
            if not self.trace.lacks_definitions:
                raise DamageError(f"function {number} is not defined")
            self.process.functions[number] = Function(number, "?")
        return self.process.functions[number]

    def line(self, number: int) -> int:
        """The line that calls of this number are made from; 0: not known."""
        return self.process.call_sites.get(number, (None, 0))[1]

    def string(self, number: int) -> str:
        if number and number not in self.process.strings:
            self.trace.problems.append(f"string {number} is not defined")
        return self.process.strings.get(number, "?")

    def note(self, kind: str, call: Call | None = None, detail: str = "") -> None:
        events, stack = self.lane.events, self.lane.stack
        events.append(Event(kind, self.ticks, len(stack), call, detail))

    def enter(self, function: Function, kind: str, start: int | None = None) -> Call:
        stack = self.lane.stack
        parent = stack[-1] if stack else None
        start = self.ticks if start is None else start
        if len(stack) >= DEPTH_MAX or start < 0:
            raise DamageError("too deep" if start >= 0 else "a start before time")
        call = Call(function, self.lane, start, parent)
        self.note(kind, call)
        (parent.children if parent else self.lane.roots).append(call)
        stack.append(call)
        return call

    def leave(self, how: str, exception: str = "") -> Call:
        if not self.lane.stack:
            raise DamageError(f"{how} where nothing is open")
        call = self.lane.stack.pop()
        call.how, call.end, call.exception = how, self.ticks, exception
        self.note(how, call, exception)
        return call

    def event(self, data: Bytes) -> None:
        start = data.at
        token = data.varint()
        kind, before = token & 3, self.ticks
        if kind == 0:
            raise DamageError("an event of kind 0")
        op = data.u8() if kind == 3 else 0
        body = Bytes(data.data, data.at, data.end)
        self.ticks += token >> 2
        try:
            counts = self.act(kind, op, body)
        except EndError:
            self.ticks = before
            data.at = start
            raise
        data.at = body.at
        self.count += counts

    def act(self, kind: int, op: int, data: Bytes) -> bool:
        """One event. True where it counts as one; False for a note."""
        if kind == 1:
            number = data.varint()
            self.enter(self.function(number), "enter").line = self.line(number)
        elif kind == 2:
            self.leave("returned")
        elif op == 0x01:
            now = data.u64()
            if now < self.ticks:
                raise DamageError("time goes back")
            self.ticks = now
            return False
        elif op == 0x02:
            self.leave("raised", self.string(data.varint()))
        elif op == 0x03:
            self.leave("cut")
        elif op == 0x04:
            exception = self.string(data.varint())
            if not self.lane.stack or self.lane.events[-1].kind != "resume":
                raise DamageError("a throw without a resume")
            self.lane.stack[-1].thrown = exception
            self.note("thrown", self.lane.stack[-1], exception)
            return False
        elif op == 0x05:
            slot, function, key = data.u8(), self.function(data.varint()), data.u64()
            if slot > 31:
                raise DamageError(f"slot {slot}")
            self.slots[slot] = function, key
            return False
        elif op == 0x06:
            lost = data.varint()
            self.lost += lost
            self.lane.lost_count += lost
            self.note("lost", detail=str(lost))
            return False
        elif op == 0x07:
            self.snapshot(data, must_be_equal=False)
            return False
        elif op in (0x08, 0x0F):
            name = self.string(data.varint())
            detail = f" class {data.u8()}" if op == 0x0F else ""
            blob = data.varint()
            detail = name + detail + (f" blob {blob - 1}" if blob else "")
            self.note("instant" if op == 0x08 else "log", detail=detail)
        elif op == 0x09:
            name = self.string(data.varint())
            self.note("counter", detail=f"{name} {data.f64()!r}")
        elif op == 0x0A:
            role, blob = data.u8(), data.varint()
            self.note("values", self.lane.stack[-1] if self.lane.stack else None,
                      f"role {role} blob {blob - 1}")  # fmt: skip
            return False
        elif op == 0x0C:
            self.lane = lane_of(self.trace, self.process, data.varint())
            self.note("switch")
            return False
        elif op in (0x0D, 0x0E):
            name = "flow_out" if op == 0x0D else "flow_in"
            self.note(name, detail=str(data.varint()))
        elif 0x20 <= op <= 0x3F:
            data.sized(EXTENT_MAX)
        elif 0x40 <= op <= 0x7F:
            if op & 31 not in self.slots:
                raise DamageError(f"slot {op & 31} is not bound")
            function, key = self.slots[op & 31]
            if op < 0x60:
                call = self.leave("yielded")
                if call.function is not function:
                    raise DamageError("a yield of another function than bound")
            else:
                call = self.enter(function, "resume")
                call.resumed = True
            call.key = key
        else:
            raise DamageError(f"op {op:#04x} is not known")
        return True


def read_events(trace: Trace) -> None:
    for (serial, number), chunks in streams(trace, EVENTS).items():
        process = trace.processes.setdefault(serial, Process(serial))
        lane = lane_of(trace, process, number)
        player, due, was_left_out = Player(trace, process, lane), 0, False
        for at, chunk in enumerate(chunks):
            player.lane, player.ticks = lane, chunk.base
            if chunk.first_index > due:
                lane.lost_count += chunk.first_index - due
                player.note("lost", detail=str(chunk.first_index - due))
            elif chunk.first_index < due:
                trace.problems.append(f"{chunk.offset}: starts before the last ended")
            is_next = at > 0 and chunk.first_index == due and not was_left_out
            player.play(chunk, is_next)
            lane.event_count += player.count
            was_left_out = chunk.is_left_out
            count = chunk.record_count if was_left_out else player.count
            due = chunk.first_index + count + player.lost


# --- blobs, sources, all of it -------------------------------------------------------


def read_blobs(trace: Trace) -> None:
    for (serial, lane), chunks in streams(trace, BLOBS).items():
        process = trace.processes.setdefault(serial, Process(serial))
        for chunk in chunks:
            for at, body in enumerate(each_record(chunk, trace), chunk.first_index):
                try:
                    if body.u8() == 1:
                        trace.blobs[lane, at] = read_values(process, body)
                except (EndError, DamageError) as problem:
                    trace.problems.append(f"{chunk.offset}: a blob: {problem!r}")


def read_values(process: Process, body: Bytes) -> list[tuple[str, object]]:
    values: list[tuple[str, object]] = []
    for _ in range(body.varint()):
        name = process.strings.get(body.varint(), "")
        values.append((name, read_value(process, body)))
    return values


def read_value(process: Process, body: Bytes, depth: int = 0) -> object:
    """A plain value as Python has it, all else as a tuple that begins with its name."""
    tag = body.u8()
    if depth > VALUE_DEPTH_MAX:
        raise DamageError("values nest too deep")
    if tag in (1, 2, 3):
        return (None, False, True)[tag - 1]
    if tag == 4:
        return body.zigzag()
    if tag == 5:
        return body.f64()
    if tag == 6:
        return text(body.sized())
    if tag == 7:
        return body.sized(EXTENT_MAX)
    if tag == 8:
        return f"<{text(body.sized())}>"
    if tag in (9, 10, 11, 12):
        return ("<redacted>", "<not recorded>", "<unbound>", "<error>")[tag - 9]
    if tag == 13:
        return ("cut text", body.varint(), text(body.sized()))
    if tag == 14:
        return ("cut bytes", body.varint(), body.sized(EXTENT_MAX))
    if tag == 15:
        return ("number", text(body.sized()))
    if tag == 16:
        return ("complex", body.f64(), body.f64())
    if tag == 25:
        return ("seen", body.varint())
    if not 17 <= tag <= 24:
        raise DamageError(f"a value of tag {tag}")
    return read_structure(process, body, tag, depth)


def read_structure(process: Process, body: Bytes, tag: int, depth: int) -> object:
    def plain(count: int) -> list[object]:
        return [read_value(process, body, depth + 1) for _ in range(count)]

    def named(count: int) -> list[object]:
        return [
            (text(body.sized()), read_value(process, body, depth + 1))
            for _ in range(count)
        ]

    kind = ("list", "tuple", "set", "frozenset", "dict", "instance", "made", "enum")
    head: tuple[object, ...] = (kind[tag - 17],)
    if tag >= 22:
        head += (process.strings.get(body.varint(), ""),)
    if tag == 24:
        return (*head, text(body.sized()))
    if tag == 22:
        body.varint()  # the address: another one in each run
    in_all, first = body.varint(), body.varint()
    if tag == 22:
        return (*head, in_all, named(first))
    if tag == 23:
        second = body.varint()
        return (*head, in_all, plain(first), named(second))
    return (*head, in_all, plain(first * 2 if tag == 21 else first))


def read_sources(trace: Trace) -> None:
    for chunk in trace.extents:
        if chunk.kind == SOURCE and chunk.is_closed and chunk.is_whole:
            try:
                body = Bytes(chunk.payload)
                key, path = body.u64(), text(body.sized())
                stored = body.take(body.end - body.at)
                trace.sources[key] = path, stored if chunk.codec == 0 else None
            except (EndError, DamageError) as problem:
                trace.problems.append(f"{chunk.offset}: a source: {problem!r}")


def activations(trace: Trace) -> list[list[Call]]:
    """The running parts of each call that was suspended, in order, over all lanes."""
    parts = [
        (event.call.start, event.call.resumed, event.call)
        for lane in trace.lanes.values()
        for event in lane.events
        if event.call is not None
        and event.call.key is not None
        and event.kind in ("enter", "earlier", "resume")
    ]
    found: list[list[Call]] = []
    alive: dict[tuple[int, int], list[Call]] = {}
    for _, resumed, call in sorted(parts, key=lambda part: part[:2]):
        key = call.lane.process, call.key or 0
        last = alive[key][-1] if key in alive else None
        # A key is unique among those alive, so one that has ended is another.
        if not resumed or last is None or last.how != "yielded":
            alive[key] = []
            found.append(alive[key])
        alive[key].append(call)
    return found


def read(path: str | Path) -> Trace:
    data = Path(path).read_bytes()
    if len(data) < 4096 or data[:8] != MAGIC:
        raise NotATraceError(f"{path} is not a Marey trace")
    major, _, header_size = struct.unpack_from("<HHI", data, 8)
    if major != 1 or header_size != 4096:
        raise NotATraceError(
            f"{path} is of version {major}, which this reader does not know"
        )
    trace = Trace(str(path), size=len(data))
    trace.host = data[32:96].rstrip(b"\0").decode("utf-8", "replace")
    (trace.ticks_per_second,) = struct.unpack_from("<Q", data, 104)
    (trace.flags,) = struct.unpack_from("<Q", data, 128)
    trace.extents = list(walk_extents(data, trace))
    read_definitions(trace)
    trace.lacks_definitions = bool(trace.problems)
    read_events(trace)
    read_blobs(trace)
    read_sources(trace)
    return trace


def dump(trace: Trace) -> Iterator[str]:
    """What a trace holds, one line a thing, the same for every reader."""
    for process in trace.processes.values():
        yield f"process {process.serial} pid {process.pid} {plain(process.program)}"
        for number, (ticks, counted, estimated) in process.left_out.items():
            name = plain(process.functions[number].name)
            since = f"{trace.ns(ticks)}: {counted} counted, {estimated} estimated"
            yield f"  left out {name} since {since}"
    for lane in sorted(trace.lanes.values(), key=lambda one: one.serial):
        yield f"lane {lane.serial} process {lane.process} {plain(lane.name)}"
        for event in lane.events:
            words = [str(trace.ns(event.ticks)), str(event.depth), event.kind]
            if event.call is not None:
                words.append(plain(str(event.call.function)))
            if event.detail:
                words.append(plain(event.detail))
            if event.kind == "enter" and event.call and event.call.line:
                words.append(f"line {event.call.line}")
            yield "  " + " ".join(words)
        for call in lane.stack:
            yield f"  open {plain(str(call.function))}"
        yield f"  {lane.event_count} events, {lane.lost_count} lost"
    yield from (f"problem {problem}" for problem in trace.problems)


def plain(name: str) -> str:
    return name if name.isascii() and name.isprintable() and name else ascii(name)


if __name__ == "__main__":
    try:
        print("\n".join(dump(read(sys.argv[1]))))
    except (OSError, NotATraceError) as problem:
        sys.exit(f"reference_reader: {problem}")
