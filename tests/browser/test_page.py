"""The page, as a person uses it; and its core in node, as its worker does."""

from __future__ import annotations

import base64
import gzip
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import marey
import pytest
from browse import PAGE, ROOT, browse, needs_browser, needs_node
from marey import _view
from marey._core import Total
from marey.serve import Server
from view_trace import SOURCE, small_trace

WORK = """
import contextlib, sys, time, marey
@marey.transaction
def handle(n):
    marey.annotate(user=f"user {n % 3}")
    time.sleep(0.03 if n == 4 else 0.001)
    if n == 7:
        raise ValueError(n)
with marey.record(sys.argv[1]):
    for n in range(9):
        with contextlib.suppress(ValueError):
            handle(n)
"""


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_trace(tmp_path_factory.mktemp("view") / "small <b>.marey")


@pytest.fixture(scope="module")
def server(trace: Path) -> Iterator[Server]:
    with Server(str(trace)) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield one
        one.shutdown()


@needs_node
def test_the_page_answers_as_the_native_core(trace: Path, tmp_path: Path) -> None:
    told = browse("core.mjs", PAGE, trace, tmp_path)
    info, index = _view.open(str(trace))
    assert (tmp_path / "trace_info").read_bytes() == info
    assert (tmp_path / "trace_index").read_bytes() == index
    assert SOURCE.decode() in told["sources"]
    assert told["edges"] == [0, 0, 0]
    with marey.open(trace) as opened:
        rows = {row.function.index: row for row in opened.totals().rows}
    for row in told["rows"]:
        native = rows[row[0]]
        assert row[1:4] == [native.call_count, native.total_ns, native.self_ns]


@needs_browser
@pytest.mark.parametrize("kind", ["served", "report"])
def test_the_page_shows_what_the_terminal_says(
    kind: str, server: Server, trace: Path, tmp_path: Path
) -> None:
    address = server.address
    with marey.open(trace) as opened:
        if kind == "report":
            opened.export(tmp_path / "report.html")
            address = (tmp_path / "report.html").as_uri()
        totals = {
            f"{row.function.module}:{row.function.name}": row
            for row in opened.totals().rows
        }
        shown = browse("page.mjs", address, tmp_path)
        assert shown["errors"] == []
        check_tables(shown, totals)
        inner = max(call.duration_ns for call in opened.calls(function="*:inner"))
        assert shown["slowest"] == {"tab": "call", "fn": "inner", "ns": inner}
        assert shown["rowChosen"] == "inner"
        area = shown["area"]
        window = opened.totals(
            start_ns=int(area["from"]),
            end_ns=int(-(-area["to"] // 1)),
            thread=[opened.lanes[lane].name for lane in area["lanes"] or ()] or None,
        )
        check_tables(
            {"functions": shown["areaFunctions"]},
            {f"{r.function.module}:{r.function.name}": r for r in window.rows},
        )
    if kind == "report":
        asked = set(shown["requests"])
        assert {one.split("#")[0] for one in asked} <= {address, "blob:", "about:blank"}
    assert shown["call"]["Lane"] == "MainThread"
    assert shown["callTitle"] == "outer"
    assert any("def outer" in line for line in shown["source"])
    assert shown["searchNote"] == "1 function"
    assert shown["found"] == "inner"
    assert 0.3 < shown["zoomed"] < 0.9
    assert shown["paused"]
    assert shown["stack"] > 0
    assert shown["theme"] == "dark"
    assert shown["help"] > 20
    assert shown["tab"] == shown["tabAgain"] == "flame"


def check_tables(shown: dict[str, list[dict]], totals: dict[str, Total]) -> None:
    rows = {row["fn"]: row["cells"] for row in shown["functions"]}
    assert set(rows) == set(totals)
    for name, cells in rows.items():
        total = totals[name]
        texts = [text.replace(",", "").removesuffix(" ns") for text in cells[1:4]]
        want = [total.call_count, total.total_ns, total.self_ns]
        assert [int(text) for text in texts] == want


@needs_browser
def test_what_is_filtered_is_out_of_the_picture_and_the_numbers(
    server: Server, trace: Path
) -> None:
    shown = browse("filter.mjs", server.address)
    assert shown["errors"] == []
    with marey.open(trace) as opened:
        totals = {row.function.name: row for row in opened.totals().rows}
    assert shown["depthsBefore"] == shown["depthsAfter"] == [3, 2]
    assert shown["ownDepths"] == [2, 2]
    own = {row["fn"]: row["cells"] for row in shown["own"]}
    assert set(own) == {"app:outer", "app:inner"}
    # The times of what stays are what they were.
    self_ns = int(own["app:inner"][3].replace(",", "").removesuffix(" ns"))
    assert self_ns == totals["inner"].self_ns
    assert "f=l" in shown["hash"]
    assert shown["again"] == "inner"
    assert set(shown["withoutInner"]) == {"app:outer", "builtins:len"}
    assert shown["shallow"] == [1, 1]
    assert [name for name, _ in shown["long"]] == ["app:outer"]
    assert shown["invalid"] == "true"


@needs_browser
def test_lanes_are_arranged_and_read(server: Server) -> None:
    shown = browse("lanes.mjs", server.address)
    assert shown["errors"] == []
    straight, turned = ["MainThread", "worker"], ["worker", "MainThread"]
    assert shown["order"] == straight
    assert shown["line"]
    assert shown["dragged"] == turned
    assert shown["moved"] == straight
    assert (shown["focus"], shown["focusAbove"]) == ("1", "0")
    assert shown["pinned"] == turned
    assert shown["hidden"] == ["worker"]
    assert shown["hiddenText"] == "1 hidden"
    assert shown["shownAgain"] == straight
    assert shown["folded"]
    assert shown["lanesFound"] == ["worker"]
    name, _, value = shown["tip"].partition(": ")
    assert name == "queue"
    assert 0 <= float(value) <= 8
    assert len(shown["marks"]) == 1
    assert shown["callNames"] == ["inner"]
    assert shown["lineNote"].startswith("5,000 × ")
    assert "Duration: " in shown["copied"]
    assert shown["slowestInside"] == 380  # 40, 40 in len, 300
    first, second = shown["returns"]
    assert 0 < second - first < 1000
    assert shown["busy"] == ["MainThread"]
    assert shown["busyOrPinned"] == turned
    number, unit = shown["distance"].split("+")[1].split(" ")
    assert unit == "µs"
    assert abs(float(number) - 30) < 1  # a pixel
    assert shown["keptOrder"] == turned
    assert shown["keptFolds"] == ["all", "thin"]


@needs_browser
def test_transactions_lead_from_the_outlier_to_its_place(tmp_path: Path) -> None:
    path = tmp_path / "work.marey"
    subprocess.run(
        [sys.executable, "-c", WORK, path], check=True, stdin=subprocess.DEVNULL
    )
    with Server(str(path)) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        shown = browse("transactions.mjs", one.address)
        one.shutdown()
    assert shown["errors"] == []
    (row,) = shown["rows"]
    assert row[0].endswith("handle")
    assert row[1:3] == ["9", "1"]
    assert sorted(count for _, count in shown["groups"]) == ["3", "3", "3"]
    assert shown["title"] == "handle"
    assert shown["duration"] >= 30_000_000
    assert shown["inSight"]
    assert len(shown["hits"]) >= 3  # the three of user 2
    assert shown["hits"] == sorted(set(shown["hits"]))


tools = (
    all(shutil.which(name) for name in ("node", "clang", "wasm-ld"))
    and (ROOT / "viewer/node_modules/esbuild").exists()
)


def unpacked(page: Path) -> bytes:
    """The page with its core unpacked: each node's zlib packs in its own way."""
    text, count = re.subn(
        rb"H4sI[A-Za-z0-9+/=]{99,}",
        lambda found: gzip.decompress(base64.b64decode(found[0])),
        page.read_bytes(),
    )
    assert count == 1
    return text


@pytest.mark.skipif(not tools, reason="needs clang, wasm-ld, node, esbuild")
def test_the_page_is_what_its_sources_build(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    subprocess.run([ROOT / "viewer/build.sh", out], check=True, capture_output=True)
    assert unpacked(out) == unpacked(PAGE), "run viewer/build.sh and commit"


@needs_node
@pytest.mark.parametrize("seed", [1, 2])
def test_wrong_bytes_never_trap_hang_or_grow_the_page(trace: Path, seed: int) -> None:
    told = browse("fuzz.mjs", PAGE, trace, 5, seed)
    assert told["turns"] > 20
    assert told["opened"] > 0
    assert told["slowest_ms"] < 5000
    early, late = told["memory"]
    assert late <= max(2 * early, 64 << 20)
