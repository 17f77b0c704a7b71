"""Exports say what the trace says, in formats that others read.

Perfetto files are decoded with the official schema, Chrome files with Python's json.
"""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import marey
import pytest
from trace_builder import GENERATOR, MAIN, SPAN, Builder, C, Lane, Open

START_NS = 1_700_000_000_000_000_000


def export(path: Path, form: str, **choice: Any) -> bytes:
    target = io.BytesIO()
    with marey.open(path) as trace:
        trace.export(target, format=form, **choice)
    return target.getvalue()


# ---- reading back ----


@dataclass
class Slice:
    """A call as either format tells it."""

    lane: str
    name: str
    category: str
    begin_ns: int
    end_ns: int | None
    depth: int
    args: dict[str, Any] = field(default_factory=dict)

    def where(self) -> tuple[str, str, int, int | None, int]:
        return self.lane, self.name, self.begin_ns, self.end_ns, self.depth


def nanoseconds(micros: float) -> int:
    return round(micros * 1000)


def chrome_events(data: bytes) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(data)
    lines = data.decode().splitlines()
    assert lines[0] == "["
    assert lines[-1] == "]"
    assert len(lines) == len(events) + 2, "one event a line"
    return events


def chrome_slices(data: bytes) -> list[Slice]:
    names: dict[tuple[int, int], str] = {}
    stacks: dict[tuple[int, int], list[Slice]] = defaultdict(list)
    found = []
    for event in chrome_events(data):
        place = event["pid"], event["tid"]
        stack = stacks[place]
        if event["ph"] == "M" and event["name"] == "thread_name":
            assert place not in names
            names[place] = event["args"]["name"]
        elif event["ph"] == "B":
            one = Slice(
                names[place], event["name"], event["cat"], nanoseconds(event["ts"]),
                None, len(stack), event.get("args", {}),
            )  # fmt: skip
            stack.append(one)
            found.append(one)
        elif event["ph"] == "E":
            one = stack.pop()
            assert one.name == event["name"]
            one.end_ns = nanoseconds(event["ts"])
            one.args |= event.get("args", {})
    return found


def perfetto_reading(data: bytes) -> Any:
    pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    import perfetto_reader

    return perfetto_reader.read(data)


def perfetto_slices(data: bytes) -> list[Slice]:
    reading = perfetto_reading(data)
    return [
        Slice(
            reading.tracks[one.track].thread.thread_name
            or reading.tracks[one.track].name,
            one.name,
            one.category,
            one.begin_ns - START_NS,
            None if one.end_ns is None else one.end_ns - START_NS,
            one.depth,
            one.args,
        )
        for one in reading.slices()
    ]


SLICES = {"chrome": chrome_slices, "perfetto": perfetto_slices}
both = pytest.mark.parametrize("form", sorted(SLICES))


def slices(path: Path, form: str, **choice: Any) -> list[Slice]:
    return SLICES[form](export(path, form, **choice))


@dataclass
class Simple:
    """A trace of one process; names are those of its functions."""

    builder: Builder = field(default_factory=Builder)

    def __post_init__(self) -> None:
        self.process = self.builder.process(pid=100)
        self.main = self.process.function("main", module="app", file="/a/b.py", line=3)
        self.len = self.process.function("len", module="builtins", flags=C)
        self.numbers = self.process.function(
            "numbers", module="app", file="/a/b.py", line=9, flags=GENERATOR
        )
        self.load = self.process.function("load", flags=SPAN)
        self.lane = self.process.lane("MainThread", flags=MAIN, native_id=100)

    def thread(self, name: str, native_id: int) -> Lane:
        return self.process.lane(name, native_id=native_id)

    def write(self, path: Path) -> Path:
        return self.builder.write(path / "t.marey")


# ---- calls ----


@both
def test_calls_nest_at_their_times(tmp_path: Path, form: str) -> None:
    t = Simple()
    t.lane.enter(t.main)
    t.lane.call(t.len, dt=7)
    t.lane.enter(t.load, dt=1)
    t.lane.call(t.len, dt=1)
    t.lane.leave()
    t.lane.leave(dt=1_234_567_891)
    found = slices(t.write(tmp_path), form)
    assert [one.where() for one in found] == [
        ("MainThread", "main", 10, 1_234_567_928, 0),
        ("MainThread", "len", 17, 24, 1),
        ("MainThread", "load", 25, 37, 1),
        ("MainThread", "len", 26, 27, 2),
    ]
    assert [one.category for one in found] == ["python", "c", "span", "c"]


@both
def test_calls_on_one_tick_nest_as_they_were_made(tmp_path: Path, form: str) -> None:
    t = Simple()
    t.lane.enter(t.main)
    for _ in range(3):
        t.lane.enter(t.load, dt=0)
        t.lane.call(t.len, dt=0)
        t.lane.call(t.len, dt=0)
        t.lane.leave(dt=0)
    t.lane.leave(dt=0)
    found = slices(t.write(tmp_path), form)
    assert [(one.name, one.depth) for one in found] == [
        ("main", 0),
        *[("load", 1), ("len", 2), ("len", 2)] * 3,
    ]
    assert {(one.begin_ns, one.end_ns) for one in found} == {(10, 10)}


@both
def test_nanoseconds_stay_exact_after_days(tmp_path: Path, form: str) -> None:
    t = Simple()
    ten_days = 10 * 86400 * 10**9
    t.lane.enter(t.main)
    t.lane.advance(1000 + ten_days)
    for _ in range(100):
        t.lane.call(t.len, dt=1)
    t.lane.leave()
    found = slices(t.write(tmp_path), form)
    assert [one.begin_ns for one in found[1:]] == [
        ten_days + 1 + 2 * i for i in range(100)
    ]


@both
def test_open_calls_are_not_finished(tmp_path: Path, form: str) -> None:
    t = Simple()
    t.lane.enter(t.main)
    t.lane.enter(t.load)
    t.lane.call(t.len)
    found = slices(t.write(tmp_path), form)
    assert [(one.name, one.end_ns) for one in found] == [
        ("main", None),
        ("load", None),
        ("len", 40),
    ]


@both
def test_how_a_call_ended_is_told(tmp_path: Path, form: str) -> None:
    t = Simple()
    t.lane.enter(t.main)
    t.lane.enter(t.load)
    t.lane.unwind("ValueError")
    t.lane.enter(t.len)
    t.lane.unwind()
    t.lane.enter(t.len)
    t.lane.cut()
    t.lane.enter(t.len, line=33)
    t.lane.leave()
    found = slices(t.write(tmp_path), form)
    said = [
        {key: one.args.get(key) for key in ("raised", "end_not_seen", "call_line")}
        for one in found
    ]
    nothing = {"raised": None, "end_not_seen": None, "call_line": None}
    assert said == [
        nothing,
        nothing | {"raised": "ValueError"},
        nothing | {"raised": "<unknown>"},
        nothing | {"end_not_seen": True},
        nothing | {"call_line": 33},
    ]


@both
def test_parts_of_a_generator_are_slices(tmp_path: Path, form: str) -> None:
    t = Simple()
    other = t.thread("worker", 101)
    t.lane.enter(t.main)
    t.lane.enter(t.numbers)
    t.lane.suspend(77)
    t.lane.resume(t.numbers, 77)
    t.lane.suspend(77)
    other.advance(t.lane.now)
    other.resume(t.numbers, 77, throw="KeyError")
    other.unwind("KeyError")
    t.lane.leave()
    parts = [one for one in slices(t.write(tmp_path), form) if one.name == "numbers"]
    assert [one.lane for one in parts] == ["MainThread", "MainThread", "worker"]
    assert [one.args.get("resumed") for one in parts] == [None, True, True]
    assert [one.args.get("suspended") for one in parts] == [True, True, None]
    assert parts[2].args["thrown"] == "KeyError"
    assert parts[2].args["raised"] == "KeyError"
    assert {one.category for one in parts} == {"generator"}


def test_parts_of_a_generator_are_joined(tmp_path: Path) -> None:
    t = Simple()
    for key in (1, 2):
        t.lane.enter(t.numbers)
        t.lane.suspend(key)
        t.lane.resume(t.numbers, key)
        t.lane.suspend(key)
        t.lane.resume(t.numbers, key)
        t.lane.leave()
    path = t.write(tmp_path)

    activations = [one.args["activation"] for one in slices(path, "chrome")]
    assert activations == ["0x1"] * 3 + ["0x2"] * 3

    waiting: dict[int, Any] = {}
    arrows = []
    for one in perfetto_reading(export(path, "perfetto")).slices():
        for flow in one.begin.flows_in:
            arrows.append((waiting.pop(flow), one.begin_ns))
        for flow in one.end.flows_out:
            waiting[flow] = one.end_ns
    assert [(a - START_NS, b - START_NS) for a, b in arrows] == [
        (20, 30), (40, 50), (80, 90), (100, 110),
    ]  # fmt: skip
    assert not waiting


# ---- names ----

ODD_NAMES = [
    'say "hi"',
    "back\\slash",
    "nul\0inside",
    "line\nfeed\r\t",
    "\x01\x1f\x7f\x80\x9f",
    "é 中文 🙂",
    "</script><!--",
    "x" * 1_000_000,
    "é" * 500_000,
    '"' * 300_000,
    "",
]


@both
@pytest.mark.parametrize("name", ODD_NAMES, ids=lambda name: ascii(name)[:12])
def test_any_name_is_kept(tmp_path: Path, form: str, name: str) -> None:
    t = Simple()
    odd = t.process.function(name, module="m", file=name, line=1)
    t.lane.call(odd)
    t.lane.enter(t.main)
    t.lane.unwind(name or "E")
    first, second = slices(t.write(tmp_path), form)
    assert first.name == name
    assert second.args["raised"] == (name or "E")


@both
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\ud800b", "a\ufffdb"),
        ("\udcff", "\ufffd"),
        ("\ud83d\ude00", "\ufffd\ufffd"),
        ("x\udfff" * 3, "x\ufffd" * 3),
    ],
    ids=ascii,
)
def test_lone_surrogates_become_valid_text(
    tmp_path: Path, form: str, name: str, shown: str
) -> None:
    t = Simple()
    t.lane.call(t.process.function(name))
    assert slices(t.write(tmp_path), form)[0].name == shown


def test_chrome_tells_where_a_function_is(tmp_path: Path) -> None:
    t = Simple()
    t.lane.enter(t.main)
    t.lane.call(t.len)
    main, c_function = chrome_slices(export(t.write(tmp_path), "chrome"))
    assert main.args["file"] == "/a/b.py:3"
    assert c_function.args == {"module": "builtins"}


def test_perfetto_tells_where_a_function_is(tmp_path: Path) -> None:
    t = Simple()
    t.lane.enter(t.main)
    t.lane.call(t.len)
    main, c_function = perfetto_reading(export(t.write(tmp_path), "perfetto")).slices()
    assert (main.begin.file, main.begin.function, main.begin.line) == (
        "/a/b.py",
        "app.main",
        3,
    )
    assert (c_function.begin.file, c_function.begin.function) == ("", "builtins.len")


# ---- processes and lanes ----


def two_processes_of_one_pid(tmp_path: Path) -> Path:
    b = Builder()
    for program in ("first.py", "second.py"):
        process = b.process(program, pid=500, arguments=(program, "-v"))
        function = process.function("f")
        for name, native_id, flags in (
            ("MainThread", 500, MAIN),
            ("worker", 501, 0),
            ("worker again", 501, 0),
        ):
            process.lane(name, native_id=native_id, flags=flags).call(function)
    return b.write(tmp_path / "t.marey")


def test_chrome_numbers_are_unique(tmp_path: Path) -> None:
    events = chrome_events(export(two_processes_of_one_pid(tmp_path), "chrome"))
    names = {
        (event["pid"], event["tid"]): event["args"]["name"]
        for event in events
        if event["name"] == "thread_name"
    }
    assert len(names) == 6
    assert len({tid for _, tid in names}) == 6
    assert names[500, 500] == "MainThread"
    assert names[500, 501] == "worker"
    programs = {
        event["pid"]: event["args"]["name"]
        for event in events
        if event["name"] == "process_name"
    }
    assert sorted(programs.values()) == ["first.py", "second.py"]
    assert programs[500] == "first.py"
    calls = [(event["pid"], event["tid"]) for event in events if event["ph"] == "B"]
    assert sorted(calls) == sorted(names)


def test_perfetto_tracks_are_unique(tmp_path: Path) -> None:
    reading = perfetto_reading(export(two_processes_of_one_pid(tmp_path), "perfetto"))
    tracks = list(reading.tracks.values())
    processes = [track for track in tracks if track.HasField("process")]
    threads = [track for track in tracks if track.HasField("thread")]
    assert [track.process.process_name for track in processes] == [
        "first.py",
        "second.py",
    ]
    assert list(processes[0].process.cmdline) == ["first.py", "-v"]
    assert processes[0].process.start_timestamp_ns == START_NS
    assert len({track.process.pid for track in processes}) == 2
    assert len(threads) == len({track.thread.tid for track in threads}) == 6
    pids = {track.uuid: track.process.pid for track in processes}
    assert all(pids[track.parent_uuid] == track.thread.pid for track in threads)
    mains = [track for track in threads if track.thread.thread_name == "MainThread"]
    assert all(track.thread.tid == track.thread.pid for track in mains)


@both
def test_tasks_are_lanes_of_their_own(tmp_path: Path, form: str) -> None:
    t = Simple()
    task = t.process.lane("Task-1", kind=2)
    t.lane.call(t.main)
    task.call(t.numbers)
    found = slices(t.write(tmp_path), form)
    assert sorted((one.lane, one.name) for one in found) == [
        ("MainThread", "main"),
        ("Task-1", "numbers"),
    ]


def test_a_task_is_a_track_below_its_process(tmp_path: Path) -> None:
    t = Simple()
    t.process.lane("Task-1", kind=2).call(t.numbers)
    reading = perfetto_reading(export(t.write(tmp_path), "perfetto"))
    track = reading.tracks[reading.track_of("Task-1")]
    assert reading.tracks[track.parent_uuid].HasField("process")
    assert not track.HasField("thread")


@both
def test_many_lanes_interleave(tmp_path: Path, form: str) -> None:
    t = Simple()
    lanes = [t.thread(f"thread {i}", 1000 + i) for i in range(50)]
    for turn in range(20):
        for i, lane in enumerate(lanes):
            lane.advance(1000 + turn * 1000 + i)
            lane.call(t.len, dt=1)
    found = slices(t.write(tmp_path), form)
    assert len(found) == 1000
    for i in range(50):
        assert [one.begin_ns for one in found if one.lane == f"thread {i}"] == [
            turn * 1000 + i + 1 for turn in range(20)
        ]


# ---- what is not a call ----


def everything_else(tmp_path: Path) -> Path:
    t = Simple()
    other = t.thread("worker", 101)
    t.lane.enter(t.main)
    t.lane.instant("saved", t.lane.blob({"path": "a.db", "count": 3}))
    t.lane.counter("queue", 2.5)
    t.lane.counter("queue", -3.0)
    t.lane.log("line", 2, t.lane.blob({"": "text"}))
    t.lane.flow(9, is_out=True)
    other.advance(t.lane.now + 10)
    other.enter(t.load)
    other.flow(9, is_out=False)
    other.leave()
    t.lane.leave(dt=100)
    return t.write(tmp_path)


def test_chrome_has_points_counters_logs_and_arrows(tmp_path: Path) -> None:
    events = chrome_events(export(everything_else(tmp_path), "chrome"))
    by_phase = defaultdict(list)
    for event in events:
        by_phase[event["ph"]].append(event)
    saved, line = by_phase["i"]
    assert saved["name"] == "saved"
    assert saved["args"] == {"values": {"path": "a.db", "count": 3}}
    assert line["cat"] == "log"
    assert line["args"]["log_class"] == "attribute"
    assert [(event["name"], event["args"]) for event in by_phase["C"]] == [
        ("queue", {"value": 2.5}),
        ("queue", {"value": -3.0}),
    ]
    (start,), (finish,) = by_phase["s"], by_phase["f"]
    assert start["id"] == finish["id"]
    assert (start["tid"], finish["tid"]) == (100, 101)
    assert finish["bp"] == "e"


def test_perfetto_has_points_counters_logs_and_arrows(tmp_path: Path) -> None:
    reading = perfetto_reading(export(everything_else(tmp_path), "perfetto"))
    points = {one.name: one for one in reading.events if one.kind == "instant"}
    assert points["saved"].args == {"values": {"path": "a.db", "count": 3}}
    assert points["saved"].time_ns == START_NS + 20
    assert points["line"].category == "log"
    assert points["line"].args == {"log_class": "attribute", "values": {"0": "text"}}
    assert points["flow out"].flows_out == points["flow in"].flows_in != []
    counts = [one for one in reading.events if one.kind == "counter"]
    assert [one.value for one in counts] == [2.5, -3.0]
    (track,) = {one.track for one in counts}
    assert reading.tracks[track].name == "queue"
    assert reading.tracks[track].HasField("counter")


@both
def test_arguments_and_results_are_values(tmp_path: Path, form: str) -> None:
    t = Simple()
    given = {
        "n": -7,
        "big": 2**62,
        "x": 0.1,
        "nan": float("nan"),
        "s": 'a"\0\ud800',
        "raw": b"\x00'",
        "nothing": None,
        "yes": True,
        "hidden": (9,),
    }
    t.lane.enter(t.main)
    t.lane.values(1, t.lane.blob(given))
    t.lane.values(2, t.lane.blob({"": [1, 2]}))
    t.lane.leave()
    (call,) = slices(t.write(tmp_path), form)
    assert call.args["returned"] == "[1, 2]"
    arguments = call.args["arguments"]
    assert arguments["n"] == -7
    assert int(arguments["big"]) == 2**62
    assert arguments["x"] == 0.1
    assert str(arguments["nan"]) == "nan"
    assert arguments["s"] == 'a"\0\ufffd'
    assert arguments["raw"] == "b'\\x00\\x27'"
    assert arguments["nothing"] in (None, "None")
    assert arguments["yes"] is True
    assert arguments["hidden"] == "<redacted>"


@both
def test_lost_events_leave_a_mark_and_right_nesting(tmp_path: Path, form: str) -> None:
    t = Simple()
    t.lane.enter(t.main)
    t.lane.enter(t.load)
    main, load = t.lane.stack
    t.lane.gap(12, [main, Open(t.len, t.lane.now)])
    t.lane.leave(dt=50)
    t.lane.leave()
    path = t.write(tmp_path)
    found = {one.name: one for one in slices(path, form)}
    assert load.function == t.load
    assert set(found) == {"main", "load", "len"}
    assert found["load"].args["end_not_seen"] is True
    assert (found["main"].end_ns, found["len"].depth) == (80, 1)
    assert b"12 events lost" in export(path, form)
    if form == "perfetto":
        assert perfetto_reading(export(path, form)).loss_count == 1


# ---- parts of a trace ----


@both
def test_a_window_holds_what_reaches_into_it(tmp_path: Path, form: str) -> None:
    t = Simple()
    t.lane.enter(t.main)
    for _ in range(100):
        t.lane.call(t.len)
    t.lane.leave()
    path = t.write(tmp_path)
    found = slices(path, form, start_ns=500, end_ns=1000)
    assert found[0].name == "main"
    assert found[0].args["began_ns"] == 10
    assert found[0].end_ns is None
    inside = [one for one in found[1:] if one.begin_ns >= 500]
    assert [one.begin_ns for one in inside] == list(range(500, 1000, 20))


@both
def test_a_choice_of_lanes_names_only_those(tmp_path: Path, form: str) -> None:
    t = Simple()
    t.lane.call(t.main)
    t.thread("worker", 101).call(t.len)
    data = export(t.write(tmp_path), form, thread="worker")
    assert [one.lane for one in SLICES[form](data)] == ["worker"]
    assert b"MainThread" not in data


@both
def test_short_calls_can_be_left_out(tmp_path: Path, form: str) -> None:
    t = Simple()
    other = t.thread("worker", 101)
    t.lane.enter(t.main)
    for _ in range(20):
        other.call(t.len, dt=1)
        t.lane.call(t.len, dt=1)
    t.lane.enter(t.load)
    t.lane.leave(dt=1000)
    t.lane.leave()
    other.enter(t.numbers)
    other.leave(dt=500)
    found = slices(t.write(tmp_path), form, min_duration_ns=100)
    assert sorted((one.lane, one.name, one.begin_ns, one.depth) for one in found) == [
        ("MainThread", "load", 60, 1),
        ("MainThread", "main", 10, 0),
        ("worker", "numbers", 50, 0),
    ]


def test_a_chrome_file_cut_short_still_holds_its_lines(tmp_path: Path) -> None:
    t = Simple()
    t.lane.enter(t.main)
    for _ in range(50):
        t.lane.call(t.len)
    data = export(t.write(tmp_path), "chrome")
    for size in range(len(data) - 10, 100, -97):
        lines = data[:size].decode().splitlines()
        whole = "\n".join(lines[:-1]).rstrip(",\n")
        json.loads(whole + "]")


def test_a_perfetto_file_cut_short_still_holds_its_packets(tmp_path: Path) -> None:
    schema = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    t = Simple()
    for _ in range(50):
        t.lane.call(t.len)
    data = export(t.write(tmp_path), "perfetto")
    ends, at = [], 0
    while at < len(data):
        assert data[at] == 0x0A
        size, at, shift = 0, at + 1, 0
        while True:
            byte = data[at]
            size, shift, at = size | (byte & 0x7F) << shift, shift + 7, at + 1
            if byte < 0x80:
                break
        at += size
        ends.append(at)
    for i, end in enumerate(ends):
        assert len(schema.Trace.FromString(data[:end]).packet) == i + 1


@both
def test_an_empty_trace_is_a_valid_file(tmp_path: Path, form: str) -> None:
    t = Simple()
    assert slices(t.write(tmp_path), form) == []


def test_a_file_can_be_compressed(tmp_path: Path) -> None:
    t = Simple()
    t.lane.call(t.main)
    with marey.open(t.write(tmp_path)) as trace:
        trace.export(tmp_path / "t.json.gz")
    with gzip.open(tmp_path / "t.json.gz") as file:
        assert len(chrome_slices(file.read())) == 1


# ---- real recordings ----

PROGRAM = """
import sys, threading, marey

def numbers(n):
    for i in range(n):
        yield i

def fail():
    raise KeyError("x")

def work(n):
    total = sum(numbers(n))
    try:
        fail()
    except KeyError:
        pass
    return [len(str(i)) for i in range(n)] and total

with marey.record(sys.argv[1]):
    threads = [threading.Thread(target=work, args=(50,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    work(30)
    with marey.span("load", rows=3):
        marey.instant("point", x=1)
        marey.counter("depth", 2.0)
    for thread in threads:
        thread.join()
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "t.marey"
    subprocess.run([sys.executable, "-c", PROGRAM, path], check=True, timeout=300)
    return path


def test_chrome_has_every_event_of_a_recording(recording: Path) -> None:
    phases = {
        "begin": "B", "resume": "B", "end": "E", "suspend": "E", "instant": "i",
        "counter": "C", "log": "i", "flow_out": "s", "flow_in": "f", "gap": "i",
    }  # fmt: skip
    with marey.open(recording) as trace:
        want = [
            (phases[event.kind], event.time_ns)
            for event in trace.events()
            if event.ended != "open"
        ]
    got = [
        (event["ph"], nanoseconds(event["ts"]))
        for event in chrome_events(export(recording, "chrome"))
        if event["ph"] != "M"
    ]
    assert got == want
    assert len(got) > 500


def test_perfetto_has_every_event_of_a_recording(recording: Path) -> None:
    kinds = {
        "begin": "begin", "resume": "begin", "end": "end", "suspend": "end",
        "counter": "counter",
    }  # fmt: skip
    reading = perfetto_reading(export(recording, "perfetto"))
    with marey.open(recording) as trace:
        start_ns = trace.info(count=False).start_realtime_ns
        events = [event for event in trace.events() if event.ended != "open"]
    want = [(kinds.get(e.kind, "instant"), start_ns + e.time_ns) for e in events]
    assert [(e.kind, e.time_ns) for e in reading.events] == want
    begins = [e.function for e in events if e.kind in ("begin", "resume")]
    names = [function and function.name for function in begins]
    assert [e.name for e in reading.events if e.kind == "begin"] == names


@both
def test_calls_of_a_recording_nest_as_in_the_trace(recording: Path, form: str) -> None:
    with marey.open(recording) as trace:
        depths = [
            (event.function and event.function.name, event.depth)
            for event in trace.events()
            if event.kind in ("begin", "resume")
        ]
    assert [(one.name, one.depth) for one in slices(recording, form)] == depths


MANY_CALLS = """
import sys, marey

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

with marey.record(sys.argv[1]):
    fib(27)
"""
MEASURED_EXPORT = """
import resource, sys, marey

with marey.open(sys.argv[1]) as trace:
    trace.info(count=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open("/dev/null", "wb", buffering=0) as nothing:
        trace.export(nothing, format=sys.argv[2])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@both
@pytest.mark.slow
def test_memory_does_not_grow_with_the_trace(tmp_path: Path, form: str) -> None:
    path = tmp_path / "t.marey"
    subprocess.run([sys.executable, "-c", MANY_CALLS, path], check=True, timeout=300)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED_EXPORT, path, form],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert int(done.stdout) < 32 * 1024, "kilobytes"
