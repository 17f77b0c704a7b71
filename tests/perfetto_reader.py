"""Reads a Perfetto export as a viewer does, with the official schema.

Follows the rules of the format and asserts that the file keeps them: a sequence's state
is cleared before it is used, its clock is known before time is added to it, every id is
looked up among what that sequence brought, no call ends that was not open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from google.protobuf.unknown_fields import (  # type: ignore[import-untyped]
    UnknownFieldSet,
)
from perfetto.protos.perfetto.trace import (  # type: ignore[import-not-found]
    perfetto_trace_pb2 as schema,
)

REALTIME = 1
CLEARED, NEEDED = 1, 2  # flags of a sequence
BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4  # types of events


@dataclass
class Event:
    kind: str  # "begin", "end", "instant", "counter"
    time_ns: int  # on the clock of the file
    track: int
    name: str
    category: str
    file: str
    function: str
    line: int
    args: dict[str, Any]
    flows_out: list[int]
    flows_in: list[int]
    value: float


@dataclass
class Slice:
    track: int
    name: str
    category: str
    begin_ns: int
    end_ns: int | None  # None: not finished
    depth: int
    args: dict[str, Any]
    begin: Event
    end: Event | None = None


@dataclass
class Sequence:
    time_ns: int | None = None
    track: int = 0
    clock: int = 0
    names: dict[int, str] = field(default_factory=dict)
    categories: dict[int, str] = field(default_factory=dict)
    annotations: dict[int, str] = field(default_factory=dict)
    locations: dict[int, Any] = field(default_factory=dict)


@dataclass
class Reading:
    events: list[Event] = field(default_factory=list)
    tracks: dict[int, Any] = field(default_factory=dict)
    loss_count: int = 0
    sequences: dict[int, Sequence] = field(default_factory=dict)

    def track_of(self, name: str) -> int:
        """The uuid of the one track of this name."""
        (found,) = [
            uuid
            for uuid, track in self.tracks.items()
            if name in (track.name, track.thread.thread_name)
        ]
        return found

    def slices(self) -> list[Slice]:
        """The calls of every track, in the order in which they began."""
        found: list[Slice] = []
        stacks: dict[int, list[Slice]] = {}
        for event in self.events:
            stack = stacks.setdefault(event.track, [])
            if event.kind == "begin":
                args = dict(event.args)
                one = Slice(
                    event.track, event.name, event.category, event.time_ns, None,
                    len(stack), args, event,
                )  # fmt: skip
                stack.append(one)
                found.append(one)
            elif event.kind == "end":
                assert stack, "an end without a begin"
                one = stack.pop()
                assert event.time_ns >= one.begin_ns
                one.end_ns, one.end = event.time_ns, event
                one.args.update(event.args)
        return found


def value_of(sequence: Sequence, annotation: Any) -> Any:
    kind = annotation.WhichOneof("value")
    if annotation.dict_entries:
        return {
            name_of(sequence, one): value_of(sequence, one)
            for one in annotation.dict_entries
        }
    return getattr(annotation, kind)


def name_of(sequence: Sequence, annotation: Any) -> str:
    if annotation.name_iid:
        return sequence.annotations[annotation.name_iid]
    return str(annotation.name)


def start_sequence(sequence: Sequence, packet: Any) -> None:
    assert packet.HasField("clock_snapshot")
    assert packet.clock_snapshot.primary_trace_clock == REALTIME
    clocks = {clock.clock_id: clock for clock in packet.clock_snapshot.clocks}
    defaults = packet.trace_packet_defaults
    sequence.clock = defaults.timestamp_clock_id
    assert 64 <= sequence.clock < 128
    assert clocks[sequence.clock].is_incremental
    assert clocks[sequence.clock].timestamp == clocks[REALTIME].timestamp
    sequence.time_ns = clocks[sequence.clock].timestamp
    sequence.track = defaults.track_event_defaults.track_uuid
    assert sequence.track


def take_names(sequence: Sequence, data: Any) -> None:
    for known, entries in (
        (sequence.names, data.event_names),
        (sequence.categories, data.event_categories),
        (sequence.annotations, data.debug_annotation_names),
    ):
        for entry in entries:
            assert entry.iid > 0
            assert entry.iid not in known
            known[entry.iid] = entry.name
    for entry in data.source_locations:
        sequence.locations[entry.iid] = entry


def time_of(sequence: Sequence, packet: Any) -> int:
    if packet.HasField("timestamp_clock_id"):
        assert packet.timestamp_clock_id == REALTIME
        return int(packet.timestamp)
    assert sequence.time_ns is not None
    sequence.time_ns += packet.timestamp
    return sequence.time_ns


def read_event(sequence: Sequence, packet: Any) -> Event:
    event = packet.track_event
    name = sequence.names[event.name_iid] if event.name_iid else event.name
    location = schema.SourceLocation()
    if event.source_location_iid:
        location = sequence.locations[event.source_location_iid]
    args: dict[str, Any] = {}
    for annotation in event.debug_annotations:
        key = name_of(sequence, annotation)
        assert key not in args
        args[key] = value_of(sequence, annotation)
    return Event(
        kind={BEGIN: "begin", END: "end", INSTANT: "instant", COUNTER: "counter"}[
            event.type
        ],
        time_ns=time_of(sequence, packet),
        track=event.track_uuid or sequence.track,
        name=name,
        category=",".join(sequence.categories[iid] for iid in event.category_iids),
        file=location.file_name,
        function=location.function_name,
        line=location.line_number,
        args=args,
        flows_out=list(event.flow_ids),
        flows_in=list(event.terminating_flow_ids),
        value=event.double_counter_value,
    )


def assert_known(message: Any) -> None:
    """All fields are the schema's, also those of messages inside."""
    assert len(UnknownFieldSet(message)) == 0
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            is_list = not hasattr(value, "ListFields")
            for inner in value if is_list else (value,):
                assert_known(inner)


def read(data: bytes) -> Reading:
    """The whole of an export. AssertionError: it breaks a rule of the format."""
    reading = Reading()
    trace = schema.Trace()
    trace.ParseFromString(data)
    for packet in trace.packet:
        assert_known(packet)
        number = packet.trusted_packet_sequence_id
        assert number > 0
        assert packet.first_packet_on_sequence == (number not in reading.sequences)
        if packet.sequence_flags & CLEARED:
            reading.sequences[number] = Sequence()
            start_sequence(reading.sequences[number], packet)
        else:
            assert packet.sequence_flags & NEEDED
        reading.loss_count += packet.previous_packet_dropped
        sequence = reading.sequences[number]
        take_names(sequence, packet.interned_data)
        if packet.HasField("track_descriptor"):
            assert packet.track_descriptor.uuid not in reading.tracks
            reading.tracks[packet.track_descriptor.uuid] = packet.track_descriptor
        if packet.HasField("track_event"):
            event = read_event(sequence, packet)
            assert event.track in reading.tracks
            reading.events.append(event)
    return reading
