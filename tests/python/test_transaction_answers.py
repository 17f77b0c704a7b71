"""What is said of transactions: counts, times, where these went, one as a tree."""

import asyncio
import base64
import io
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import marey
import pytest
from trees import VERSION


def busy(ns: int) -> None:
    end = time.perf_counter_ns() + ns
    while time.perf_counter_ns() < end:
        pass


class Counters:
    """What the program itself counts, to compare with."""

    def __init__(self) -> None:
        self.count = 0
        self.errors = 0
        self.total_ns = 0
        self.longest_ns = 0

    def run(self, work: Callable[[], object]) -> None:
        self.count += 1
        before = time.perf_counter_ns()
        try:
            work()
        except ZeroDivisionError:
            self.errors += 1
        spent = time.perf_counter_ns() - before
        self.total_ns += spent
        self.longest_ns = max(self.longest_ns, spent)


@marey.transaction
def order(n: int) -> None:
    with marey.transaction("query", table=f"t{n % 3}"):
        busy(2_000)
    busy(3_000)
    if n % 10 == 0:
        raise ZeroDivisionError


@marey.transaction("wait", depth=1)
async def wait(n: int) -> None:
    busy(1_000)
    await asyncio.sleep(0.003)
    marey.annotate(f"wait {n % 2}", parity=n % 2, size=n)


@marey.transaction
def nested(n: int) -> None:
    busy(1_000)
    if n:
        nested(n - 1)


def rows(path: Path, **options: Any) -> dict[str, Any]:
    with marey.open(path) as trace:
        found = trace.transactions(**options)
        return {
            row.name if row.group is None else f"{row.name}={row.group}": row
            for row in found
        }


def test_the_table_agrees_with_the_programs_own_counters(tmp_path: Path) -> None:
    counters = Counters()
    with marey.record(tmp_path / "t.marey", transactions_only=True):
        for n in range(1_000):
            counters.run(lambda n=n: order(n))  # type: ignore[misc]
    found = rows(tmp_path / "t.marey")
    mine = found[f"{__name__}:order"]
    assert (mine.count, mine.errors) == (counters.count, counters.errors) == (1000, 100)
    assert 0.5 * counters.total_ns < mine.total_ns < counters.total_ns
    assert 0 < mine.max_ns <= counters.longest_ns
    assert mine.min_ns <= mine.p50_ns <= mine.p90_ns <= mine.p99_ns <= mine.max_ns
    assert mine.mean_ns == mine.total_ns // 1000
    assert sum(count for _, count in mine.histogram) == 1000
    parts = mine.own_ns + mine.calls_ns + mine.c_ns + mine.children_ns + mine.waiting_ns
    assert parts == mine.total_ns
    query = found["query"]
    assert (query.count, query.errors) == (1000, 0)
    assert mine.children_ns == query.total_ns
    by_table = rows(tmp_path / "t.marey", group_by="table")
    assert [by_table[f"query=t{i}"].count for i in range(3)] == [334, 333, 333]
    assert sum(by_table[f"query=t{i}"].total_ns for i in range(3)) == query.total_ns


def test_recursion_counts_each_and_times_once(tmp_path: Path) -> None:
    with marey.record(tmp_path / "t.marey", transactions_only=True):
        before = time.perf_counter_ns()
        nested(4)
        spent = time.perf_counter_ns() - before
    mine = rows(tmp_path / "t.marey")[f"{__name__}:nested"]
    assert mine.count == 5
    assert mine.total_ns == mine.max_ns <= spent


def test_waiting_names_and_values_that_come_late(tmp_path: Path) -> None:
    async def all_of_them() -> None:
        await asyncio.gather(*(wait(n) for n in range(20)))

    with marey.record(tmp_path / "t.marey", transactions_only=True):
        asyncio.run(all_of_them())
    found = rows(tmp_path / "t.marey")
    assert set(found) == {"wait 0", "wait 1"}
    for row in found.values():
        assert row.count == 10
        assert row.mean_ns > 3_000_000
        assert row.waiting_ns > 0.5 * row.total_ns
        assert row.own_ns > 10_000
    grouped = rows(tmp_path / "t.marey", group_by="size", slowest=1)
    assert grouped["wait 1=7"].count == 1
    assert grouped["wait 1=7"].slowest[0].attributes == {"parity": "1", "size": "7"}
    one = grouped["wait 1=7"].slowest[0]
    with marey.open(tmp_path / "t.marey") as trace:
        nodes, left_out = trace.transaction(one.id)
    assert left_out == 0
    assert (nodes[0].name, nodes[0].kind) == ("wait 1", "transaction")
    assert nodes[0].duration_ns == one.duration_ns
    assert nodes[0].running_ns == one.duration_ns - one.waiting_ns
    below = {(node.depth, node.name) for node in nodes[1:]}
    assert {(1, "busy"), (1, "sleep")} <= below
    assert {depth for depth, _ in below} == {1}


def test_what_is_still_open_says_so(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import os, asyncio, marey\n"
        "@marey.transaction\n"
        "def outer():\n"
        "    marey.transaction('job', n=1).start()\n"
        "    os._exit(0)\n"
        "outer()\n"
    )
    trace = tmp_path / "t.marey"
    done = harness.record(trace, program, options=["--transactions-only"])
    assert done.returncode == 0, done.stderr
    found = rows(trace)
    assert {name: (row.count, row.open) for name, row in found.items()} == {
        "__main__:outer": (1, 1),
        "job": (1, 1),
    }
    assert found["job"].slowest[0].attributes == {"n": "1"}


def test_report_and_show_print_them(tmp_path: Path) -> None:
    trace = tmp_path / "t.marey"
    with marey.record(trace, transactions_only=True):
        for n in range(20):
            try:
                order(n)
            except ZeroDivisionError:
                pass
    done = harness.marey("report", "--transactions", "--json", trace)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    named = {row["name"]: row for row in answer["transactions"]}
    mine = named[f"{__name__}:order"]
    assert (mine["count"], mine["errors"]) == (20, 2)
    assert mine["p50_ns"] <= mine["p99_ns"]
    assert mine["rate_per_s"] > 0
    text = harness.marey("report", "--transactions", trace).stdout
    assert "2 (10 %)" in text
    assert "transactions inside" in text
    identity = mine["slowest"][0]["id"]
    assert identity in text
    tree = harness.marey("show", "--transaction", identity, trace).stdout
    assert tree.splitlines()[0].endswith("  call")
    assert f"{__name__}:order" in tree
    assert "query  table=t" in tree
    for words, message in (
        (("show", "--transaction", "1.1"), "no transaction 1.1"),
        (("show", "--transaction", "x"), "is no id of a transaction"),
        (("report", "--group-by", "x"), "goes with --transactions"),
        (("report", "--transactions", "--sort", "self"), "--sort self"),
    ):
        done = harness.marey(*words, trace)
        assert done.returncode in (1, 2)
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_window_and_patterns_choose(tmp_path: Path) -> None:
    trace = tmp_path / "t.marey"
    with marey.record(trace, transactions_only=True):
        for n in range(1, 10):
            order(n)
    assert set(rows(trace, function="*:order")) == {f"{__name__}:order"}
    assert rows(trace, min_duration_ns=10**12) == {}
    with marey.open(trace) as opened:
        middle = opened.transactions().rows[0].slowest[0].begin_ns
        early = sum(row.count for row in opened.transactions(end_ns=middle).rows)
        late = sum(row.count for row in opened.transactions(start_ns=middle).rows)
    assert early + late >= 18
    with marey.open(trace) as opened, pytest.raises(marey.UsageError):
        opened.transactions(slowest=-1)


def otlp(trace: Path, **options: Any) -> list[dict[str, Any]]:
    out = io.BytesIO()
    with marey.open(trace) as opened:
        opened.export(out, format="otlp", **options)
    found = json.loads(out.getvalue())
    return [
        span
        for resource in found["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def test_opentelemetry_gets_transactions_and_no_calls(tmp_path: Path) -> None:
    trace = tmp_path / "t.marey"
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    before = time.time_ns()
    with marey.record(trace):
        with marey.transaction("request", traceparent=traceparent, method="GET"):
            order(1)
            marey.annotate("GET /", path="/", status=200)
        with pytest.raises(ZeroDivisionError):
            order(10)
    spans = otlp(trace)
    names = [span["name"] for span in spans]
    mine = f"{__name__}:order"
    assert names == ["query", mine, "GET /", "query", mine]
    by_id = {span["spanId"]: span for span in spans}
    assert len(by_id) == 5
    query, inner, request, _, failed = spans
    assert request["traceId"] == inner["traceId"] == query["traceId"]
    assert request["traceId"] == "0af7651916cd43dd8448eb211c80319c"
    assert request["parentSpanId"] == "b7ad6b7169203331"
    assert inner["parentSpanId"] == request["spanId"]
    assert query["parentSpanId"] == inner["spanId"]
    assert "parentSpanId" not in failed
    assert (request["kind"], inner["kind"]) == (2, 1)
    attributes = {a["key"]: a["value"] for a in request["attributes"]}
    assert attributes["http.response.status_code"] == {"intValue": "200"}
    assert attributes["url.path"] == {"stringValue": "/"}
    # A profile function, on 3.11, is not told which exception it is.
    kind = "ZeroDivisionError" if VERSION >= (3, 12) else "<unknown>"
    assert failed["status"] == {"code": 2, "message": kind}
    assert failed["events"][0]["name"] == "exception"
    for span in spans:
        start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        assert before - 1e9 < start <= end < time.time_ns() + 1e9
    assert otlp(trace) == spans
    assert [span["name"] for span in otlp(trace, function="query")] == ["query"] * 2


def test_what_opentelemetry_gets_is_what_it_expects(tmp_path: Path) -> None:
    trace_pb2 = pytest.importorskip("opentelemetry.proto.trace.v1.trace_pb2")
    from google.protobuf import json_format

    with marey.record(tmp_path / "t.marey", transactions_only=True):
        order(1)
        asyncio.run(wait(1))
    target = tmp_path / "spans.otlp.json"
    done = harness.marey("export", tmp_path / "t.marey", "-o", target)
    assert done.returncode == 0, done.stderr
    # In OTLP ids are hexadecimal; protobuf's own JSON has them in base64.
    text = re.sub(
        r'"((?:trace|span|parentSpan)Id)":"([0-9a-f]+)"',
        lambda m: (
            f'"{m[1]}":"{base64.urlsafe_b64encode(bytes.fromhex(m[2])).decode()}"'
        ),
        target.read_text(),
    )
    data = json_format.Parse(text, trace_pb2.TracesData())
    spans = data.resource_spans[0].scope_spans[0].spans
    assert [span.name for span in spans] == ["query", f"{__name__}:order", "wait 1"]
    for span in spans:
        assert (len(span.trace_id), len(span.span_id)) == (16, 8)
    resource = data.resource_spans[0].resource.attributes
    assert "service.name" in {a.key for a in resource}


def test_a_golden_trace_of_transactions() -> None:
    with marey.open(harness.TESTS / "golden" / "transactions.marey") as trace:
        assert trace.check() == ([], 0)
        assert trace.info().is_window
        assert trace.notes[-1] == "transaction:query: took 0.001 ms"
        rows = {row.name: (row.count, row.errors) for row in trace.transactions().rows}
        assert rows == {
            "app:request": (3, 1),
            **{f"SELECT {number}": (1, number == 1) for number in range(3)},
        }
        [(tiny, calls)] = trace.left_out_calls.items()
        assert trace.functions[tiny].name == "tiny"
        assert calls == (235_000, False)
        [due] = trace.keeps_due
        assert due.rule == "transaction:query"
        assert due.until_ns - due.from_ns == 60
