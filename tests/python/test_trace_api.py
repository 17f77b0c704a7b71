"""marey.open(): what a trace holds, as typed Python values."""

import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import harness
import marey
import pytest
from trace_builder import GENERATOR, MAIN, SPAN, Builder, C, Open

BASE = 1_000  # ticks of the origin


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Two threads; returned, raised, open and suspended calls; points; a span.

    main        main 10..           open at the end
                  query 20..320     called three times, 100 each, calls len
                  fail 340..350     raised
                  numbers 360..370, 400..420, over two parts
                  load (span)
    worker-1    query 10..110
    """
    b = Builder()
    p = b.process(program="shop.py", arguments=("shop.py", "-v"), pid=77)
    main = p.function("main", module="__main__", file="/src/shop.py", line=3)
    query = p.function("Session.query", module="app.db", file="/src/app/db.py", line=9)
    length = p.function("len", module="builtins", flags=C)
    fail = p.function("fail", module="app", file="/src/app/__init__.py", line=1)
    numbers = p.function("numbers", module="app", flags=GENERATOR, line=7)
    load = p.function("load", flags=SPAN)
    t = p.lane("MainThread", flags=MAIN)
    u = p.lane("worker-1")
    p.cost(1, 31_500)
    p.note("the machine was busy")
    t.enter(main)  # 10
    for _ in range(3):
        t.enter(query, line=5)
        t.call(length, dt=40)
        t.leave(dt=10)
        t.instant("row", t.blob({"key": 1, "name": "a", "raw": b"\0", "x": 1.5}))
        t.counter("queue", 2.5)
    t.enter(fail)
    t.unwind("KeyError")
    t.enter(numbers)
    t.suspend(7)
    t.resume(numbers, 7)
    t.leave(dt=20)
    t.enter(load)
    t.values(1, t.blob({"path": "x.csv", "secret": (9,)}))
    t.leave(dt=50)
    u.enter(query)
    u.leave(dt=100)
    return b.write(tmp_path / "shop.marey")


# ---- definitions ----


def test_a_trace_says_what_it_holds(shop: Path) -> None:
    with marey.open(shop) as trace:
        assert trace.path == str(shop)
        assert not trace.closed
        (process,) = trace.processes
        assert process.pid == 77
        assert process.program == "shop.py"
        assert process.arguments == ("shop.py", "-v")
        assert process.parent is None
        assert not process.has_ended
        assert process.exit_status is None
        assert [lane.name for lane in trace.threads] == ["MainThread", "worker-1"]
        assert [lane.is_main for lane in trace.lanes] == [True, False]
        assert trace.lanes[0].process == process
        assert trace.notes == ("the machine was busy",)
        names = [f"{f.module}:{f.name}" for f in trace.functions]
        assert "app.db:Session.query" in names
        length = trace.functions[names.index("builtins:len")]
        assert length.is_c
        assert length.file == ""
    assert trace.closed


def test_info_counts_the_calls(shop: Path) -> None:
    with marey.open(shop) as trace:
        info = trace.info()
        assert info.program == "shop.py"
        assert info.host == "host"
        assert info.call_count == 11
        assert info.lost_count == 0
        assert info.cost_python_ns == 31.5
        assert info.size_bytes == shop.stat().st_size
        assert info.start_realtime_ns == 1_700_000_000_000_000_000


def test_definitions_outlive_the_trace(shop: Path) -> None:
    with marey.open(shop) as trace:
        functions, lanes = trace.functions, trace.lanes
        calls = list(trace.calls())
    assert functions[0].index == 0
    assert lanes[0].process.pid == 77
    assert calls[0].name == "len"
    assert calls[0].lane is lanes[0]


# ---- calls ----


def test_calls_are_typed_and_come_as_they_end(shop: Path) -> None:
    with marey.open(shop) as trace:
        calls = list(trace.calls(thread="MainThread"))
        by_name = {call.name: call for call in calls}
        assert [call.name for call in calls] == (
            ["len", "Session.query"] * 3 + ["fail", "numbers", "load", "main"]
        )
        query = by_name["Session.query"]
        assert query.module == "app.db"
        assert query.file == "/src/app/db.py"
        assert query.line == 9
        assert query.call_line == 5
        assert query.depth == 1
        assert query.ended == "returned"
        assert query.exception is None
        assert query.parent is not None
        assert query.parent.name == "main"
        assert query.function is query.function
        assert query.duration_ns == query.end_ns - query.begin_ns == 90
        assert query.running_ns == 90
        assert query.self_ns == 50
        assert query.child_count == 1
        assert query.lane.name == "MainThread"
        assert query.process.pid == 77
        assert by_name["fail"].ended == "raised"
        assert by_name["fail"].exception == "KeyError"
        assert by_name["main"].ended == "open"
        assert by_name["main"].parent is None
        assert "Session.query" in repr(query)


def test_a_generator_is_one_call(shop: Path) -> None:
    with marey.open(shop) as trace:
        (call,) = trace.calls(function="app:numbers")
        assert call.function.is_generator
        assert call.ended == "returned"
        assert call.duration_ns == 40
        assert call.running_ns == 30


def test_generators_left_suspended_are_calls_too(tmp_path: Path) -> None:
    b = Builder()
    p = b.process()
    numbers = p.function("numbers", module="app", flags=GENERATOR)
    inner = p.function("inner", module="app")
    t = p.lane()
    for _ in range(100):  # all with one key: each takes the place of the one before
        t.enter(numbers)
        t.call(inner)
        t.suspend(7)
        t.resume(numbers, 7)
        t.call(inner)
        t.suspend(7)
    for key in range(1000, 1200):
        t.enter(numbers)
        t.suspend(key)
    for key in range(1000, 1200, 2):
        t.resume(numbers, key)
        t.unwind("StopIteration")
    with marey.open(b.write(tmp_path / "t.marey")) as trace:
        calls = list(trace.calls(function="app:numbers"))
        assert len(calls) == 300
        ended = [call.ended for call in calls]
        assert ended.count("suspended") == 200
        assert ended.count("raised") == 100
        double = calls[0]
        assert (double.ended, double.child_count) == ("suspended", 2)
        assert (double.duration_ns, double.running_ns, double.self_ns) == (70, 60, 40)
        assert len(list(trace.calls(function="app:inner"))) == 200


def test_a_span_is_a_call_with_values(shop: Path) -> None:
    with marey.open(shop) as trace:
        (call,) = (c for c in trace.calls() if c.function.is_span)
        assert call.name == "load"
        assert call.values == {
            "path": "x.csv",
            "secret": ("redacted", ""),
        }
        assert isinstance(call.values["secret"], marey.Unrecorded)


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        ({}, 11),
        ({"function": "app.*"}, 6),
        ({"function": ["app.db:*", "builtins"]}, 7),
        ({"function": "/src/app/*"}, 5),
        ({"function": "no.*"}, 0),
        ({"thread": "worker-*"}, 1),
        ({"thread": ["worker-1", "MainThread"]}, 11),
        ({"thread": "nobody"}, 0),
        ({"process": 77}, 11),
        ({"process": "shop.*"}, 11),
        ({"process": 1}, 0),
        ({"min_duration_ns": 60}, 5),
        ({"max_depth": 1}, 2),
        ({"function": "app.db:*", "thread": "worker-1"}, 1),
    ],
)
def test_a_selection_chooses(
    selection: dict[str, object], count: int, shop: Path
) -> None:
    with marey.open(shop) as trace:
        calls = list(trace.calls(**selection))  # type: ignore[arg-type]
        assert len(calls) == count, calls


def test_a_window_keeps_what_reaches_into_it(shop: Path) -> None:
    with marey.open(shop) as trace:
        calls = list(trace.calls(start_ns=30, end_ns=50, thread="MainThread"))
        assert [(call.name, call.ended) for call in calls] == [
            ("Session.query", "open"),
            ("main", "open"),
        ]


# ---- events ----


def test_events_hold_everything_in_order(shop: Path) -> None:
    with marey.open(shop) as trace:
        events = list(trace.events(thread="MainThread"))
        times = [event.time_ns for event in events]
        assert times == sorted(times)
        kinds = [event.kind for event in events]
        assert kinds.count("instant") == kinds.count("counter") == 3
        assert kinds.count("suspend") == kinds.count("resume") == 1
        assert kinds.count("begin") == kinds.count("end") == 10
        row = events[kinds.index("instant")]
        assert row.text == "row"
        assert row.values == {"key": 1, "name": "a", "raw": b"\0", "x": 1.5}
        queue = events[kinds.index("counter")]
        assert (queue.text, queue.value) == ("queue", 2.5)
        suspend = events[kinds.index("suspend")]
        resume = events[kinds.index("resume")]
        assert suspend.activation == resume.activation
        assert suspend.duration_ns == 10
        failed = next(event for event in events if event.ended == "raised")
        assert failed.text == "KeyError"
        assert "end" in repr(failed)


def test_events_may_come_lane_after_lane(shop: Path) -> None:
    with marey.open(shop) as trace:
        lanes = [event.lane.index for event in trace.events(by_lane=True)]
        assert lanes == sorted(lanes)


def test_a_gap_is_an_event(tmp_path: Path) -> None:
    b = Builder()
    p = b.process()
    f = p.function("f", module="app")
    t = p.lane()
    t.enter(f)
    t.gap(5, [Open(f, t.now)])
    t.leave()
    path = b.write(tmp_path / "t.marey")
    with marey.open(path) as trace:
        gaps = [event for event in trace.events() if event.kind == "gap"]
        assert sum(gap.lost_count for gap in gaps) == 5
        assert trace.info().lost_count == 5
        assert trace.totals().lost_count == 5


# ---- totals ----


def test_totals_are_sums_of_the_calls(shop: Path) -> None:
    with marey.open(shop) as trace:
        totals = trace.totals()
        rows = {row.function.name: row for row in totals}
        assert len(totals) == 6
        query = rows["Session.query"]
        assert query.call_count == 4
        assert query.total_ns == 3 * 90 + 100
        assert query.self_ns == 3 * 50 + 100
        assert (query.min_ns, query.mean_ns, query.max_ns) == (90, 92, 100)
        assert rows["fail"].raised_count == 1
        assert rows["main"].open_count == 1
        callers = totals.callers(query.function)
        assert {edge.other.name if edge.other else None for edge in callers} == {
            "main",
            None,
        }
        assert sum(edge.call_count for edge in callers) == 4
        (callee,) = totals.callees(query.function)
        assert callee.function.name == "len"


def test_the_mean_of_a_recursive_function_is_that_of_its_calls(tmp_path: Path) -> None:
    b = Builder()
    p = b.process()
    f = p.function("f", module="app")
    t = p.lane()
    for _ in range(3):
        t.enter(f, dt=100)
    for _ in range(3):
        t.leave(dt=100)
    with marey.open(b.write(tmp_path / "t.marey")) as trace:
        (row,) = trace.totals()
        assert (row.min_ns, row.mean_ns, row.max_ns) == (100, 300, 500)
        assert row.total_ns == row.self_ns == 500


def test_a_selection_restricts_totals(shop: Path) -> None:
    with marey.open(shop) as trace:
        totals = trace.totals(function="app.db:*", thread="worker-1")
        assert [(row.function.name, row.call_count) for row in totals] == [
            ("Session.query", 1)
        ]


# ---- life ----


def test_a_closed_trace_says_so(shop: Path) -> None:
    trace = marey.open(shop)
    calls = trace.calls()
    first = next(calls)
    trace.close()
    trace.close()
    assert first.name == "len"
    for use in (trace.info, trace.totals, trace.calls, lambda: trace.functions):
        with pytest.raises(ValueError, match="closed"):
            use()  # type: ignore[operator]
    with pytest.raises(ValueError, match="closed"):
        next(calls)


def test_an_iterator_keeps_its_trace(shop: Path) -> None:
    calls = marey.open(shop).calls()
    assert len(list(calls)) == 11
    with pytest.raises(StopIteration):
        next(calls)


def test_nothing_is_kept_when_all_is_let_go(shop: Path) -> None:
    trace = marey.open(shop)
    calls = list(trace.calls())
    gone = weakref.ref(trace)
    del trace
    assert gone() is None
    assert calls[-1].name == "main"


def test_threads_may_share_a_trace(shop: Path) -> None:
    counts: list[int] = []

    def read(trace: marey.Trace) -> None:
        for _ in range(50):
            counts.append(len(list(trace.calls())))
            counts.append(sum(row.call_count for row in trace.totals()))

    with marey.open(shop) as trace:
        threads = [threading.Thread(target=read, args=(trace,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert counts == [11] * 400


def test_definitions_and_calls_cannot_be_made_by_hand() -> None:
    for kind in (marey.Call, marey.Event):
        with pytest.raises(TypeError):
            kind()


# ---- names ----


def test_any_name_comes_back_as_it_was(tmp_path: Path) -> None:
    names = ["quote\"'", "nul\0", "\ud800 lone", "größe", "\x1b[31m", "x" * 100_000, ""]
    b = Builder()
    p = b.process()
    functions = [p.function(name, module=f"m{name[:9]}") for name in names]
    t = p.lane("thread \udfff")
    for function in functions:
        t.call(function)
    path = b.write(tmp_path / "t.marey")
    with marey.open(path) as trace:
        assert [call.name for call in trace.calls()] == names
        assert trace.lanes[0].name == "thread \udfff"


# ---- errors ----


def test_files_that_cannot_be_read_raise_what_fits(tmp_path: Path) -> None:
    with pytest.raises(marey.NotFoundError) as caught:
        marey.open(tmp_path / "no.marey")
    assert isinstance(caught.value, FileNotFoundError)
    assert caught.value.errno == 2
    assert "no.marey" in str(caught.value)
    (tmp_path / "text").write_text("text" * 2000)
    with pytest.raises(marey.NotATraceError, match="text"):
        marey.open(tmp_path / "text")
    with pytest.raises(marey.MareyError):
        marey.open(tmp_path)
    b = Builder(version=(2, 0))
    b.process()
    with pytest.raises(marey.VersionError):
        marey.open(b.write(tmp_path / "new.marey"))


def test_wrong_arguments_are_usage_errors(shop: Path) -> None:
    with marey.open(shop) as trace:
        for depth in (0, -1, 1 << 32):
            with pytest.raises(marey.UsageError, match="max_depth"):
                trace.calls(max_depth=depth)
        with pytest.raises(TypeError):
            trace.calls(start_ns="1s")  # type: ignore[arg-type]


# ---- long work ----


@pytest.fixture(scope="module")
def long_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 400,000 calls, in chunks of 20,000."""
    b = Builder()
    p = b.process()
    f = p.function("f", module="app", file="/src/app.py", line=1)
    t = p.lane()
    chunk = bytes([10 << 2 | 1, f, 10 << 2 | 2])
    for _ in range(20):
        t.raw(chunk * 20_000, 40_000)
        t.now += 20 * 20_000
        t.seal()
    return b.write(tmp_path_factory.mktemp("long") / "t.marey")


def test_an_exception_of_tick_ends_the_work(long_trace: Path) -> None:
    class StopError(Exception):
        pass

    def stop(share: float) -> None:
        assert 0 <= share <= 1
        time.sleep(0.06)
        raise StopError

    with marey.open(long_trace) as trace:
        assert trace.info().call_count == 400_000
        sink = _Sink(stop)
        with pytest.raises(StopError):
            trace.export(sink, format="chrome")  # type: ignore[arg-type]
        # The trace is as usable as before.
        assert trace.totals().rows[0].call_count == 400_000


class _Sink:
    """A stream that fails."""

    def __init__(self, stop: Callable[[float], None]) -> None:
        self.stop = stop

    def write(self, data: bytes) -> int:
        self.stop(0.5)
        return len(data)


def test_a_trace_that_is_busy_refuses_its_own_thread(long_trace: Path) -> None:
    with marey.open(long_trace) as trace:

        class Nosy:
            def write(self, data: bytes) -> int:
                trace.info()
                return len(data)

        with pytest.raises(RuntimeError, match="busy"):
            trace.export(Nosy(), format="chrome")  # type: ignore[arg-type]


def test_calls_of_a_long_trace_come_at_once(long_trace: Path) -> None:
    with marey.open(long_trace) as trace:
        started = time.process_time()
        next(trace.calls())
        assert time.process_time() - started < 0.1
        assert sum(1 for _ in trace.calls()) == 400_000


def test_traces_merge_into_a_new_file(shop: Path, tmp_path: Path) -> None:
    target = tmp_path / "both.marey"
    marey.merge([shop, str(shop)], target)
    with marey.open(target) as trace:
        assert len(trace.processes) == 2
        assert trace.info().call_count == 22
    with pytest.raises(marey.MareyError, match=r"both\.marey"):
        marey.merge([shop], target)


OBJECTS = """
import dataclasses, enum

@dataclasses.dataclass
class Point:
    x: int
    tags: list

class Colour(enum.Enum):
    RED = 1

class Order:
    def __init__(self, **fields):
        self.__dict__.update(fields)

class Names(list):
    pass

def note(value):
    return value

note(Point(1, ["a"]))
note(Colour.RED)
note(Order(point=Point(2, []), password="x"))
note(LookupError("no", 2))
note(Names([1]))
note(Order(**{f"n{i}": i for i in range(150)}))
note(print)
"""


def test_objects_come_back_with_their_types_and_fields(tmp_path: Path) -> None:
    program, path = tmp_path / "app.py", tmp_path / "t.marey"
    program.write_text(OBJECTS)
    done = harness.record(path, program, options=["--args"])
    assert done.returncode == 0, done.stderr
    with marey.open(path) as trace:
        seen = [call.values["value"] for call in trace.calls(function="*:note")]
    point, colour, order, error, names, many, function = seen
    assert point.type_name == "__main__.Point"
    assert (point.items, point.fields) == ((), {"x": 1, "tags": ["a"]})
    assert point.text == "__main__.Point(x=1, tags=['a'])"
    assert (colour.type_name, colour.fields) == ("__main__.Colour", {"name": "RED"})
    assert order.fields["point"].fields == {"x": 2, "tags": []}
    assert order.fields["password"].kind == "redacted"
    assert order.fields["password"].type_name is None
    assert (error.type_name, error.items) == ("LookupError", ("no", 2))
    assert (names.type_name, names.items) == ("__main__.Names", ([1],))
    assert len(many.fields) + many.missing_count == 150
    assert many.fields["n3"] == 3
    assert (function.kind, function.type_name) == ("object", None)
