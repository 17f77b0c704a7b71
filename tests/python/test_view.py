"""marey view, the page, the report: what they serve, show and refuse."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import marey
import pytest
from marey import _view
from marey._core import Total
from marey.serve import PAGE, Server, byte_range
from trace_builder import Builder

ROOT = Path(__file__).parent.parent.parent
SOURCE = b"""\
def outer():
    return [inner(i) for i in range(3)]

def inner(n):
    pass
"""


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A main thread that calls, a thread that raises, counters, instants, a loss."""
    path = tmp_path_factory.mktemp("view") / "small <b>.marey"
    b = Builder()
    p = b.process(program="app.py")
    key = b.source(p, "/src/app.py", SOURCE)
    outer, inner = (
        p.function(name, module="app", file="/src/app.py", key=key, line=line)
        for name, line in (("outer", 1), ("inner", 4))
    )
    length = p.function("len", module="builtins", flags=1)
    main, other = p.lane("MainThread", flags=1), p.lane("worker")
    main.enter(outer, dt=1000)
    for i in range(5000):
        main.enter(inner, dt=100 + i % 7)
        main.call(length, dt=40)
        main.leave(dt=300)
        if i % 500 == 0:
            main.instant("tick")
            main.counter("queue", float(i % 9))
    main.leave(dt=500)
    for _ in range(200):
        other.enter(outer, dt=3000)
        other.enter(inner, dt=200)
        other.unwind("ValueError", dt=900)
        other.leave(dt=5)
    other.lose(77)
    other.call(outer, dt=100)
    return b.write(path)


@pytest.fixture(scope="module")
def server(trace: Path) -> Iterator[Server]:
    with Server(str(trace)) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield one
        one.shutdown()


def ask(
    server: Server, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1])
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        reply = connection.getresponse()
        found = {name.lower(): value for name, value in reply.getheaders()}
        return reply.status, found, reply.read()


def test_the_page_and_the_trace_are_served_behind_the_secret(
    server: Server, trace: Path
) -> None:
    base = f"/{server.secret}"
    status, headers, page = ask(server, f"{base}/")
    assert (status, page) == (200, PAGE.read_bytes())
    assert headers["cache-control"] == "no-store"
    assert not any(name.startswith("access-control") for name in headers)
    assert ask(server, f"{base}/trace")[2] == trace.read_bytes()
    assert json.loads(ask(server, f"{base}/status")[2])["name"] == trace.name
    info, index = _view.open(str(trace))
    assert ask(server, f"{base}/info")[2] == info
    assert ask(server, f"{base}/index")[2] == index


@pytest.mark.parametrize(
    "path", ["/", "/x/", "/x/trace", "/{}", "/{}/../etc/passwd", "/{}/trace/x"]
)
def test_nothing_else_is_served(server: Server, path: str) -> None:
    assert ask(server, path.format(server.secret))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_reading_is_possible(server: Server, method: str) -> None:
    assert ask(server, f"/{server.secret}/", method)[0] == 501


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", ""])
def test_another_host_name_is_refused(server: Server, host: str) -> None:
    assert ask(server, f"/{server.secret}/trace", Host=host)[0] == 421


@pytest.mark.parametrize("host", ["localhost:9999", "127.0.0.1", "[::1]:80"])
def test_forwarded_ports_and_prefixes_work(server: Server, host: str) -> None:
    path = f"/user/me/proxy/8888/{server.secret}/status"
    assert ask(server, path, Host=host)[0] == 200


def test_ranges(server: Server, trace: Path) -> None:
    data = trace.read_bytes()
    status, headers, body = ask(
        server, f"/{server.secret}/trace", Range="bytes=100-299"
    )
    assert (status, body) == (206, data[100:300])
    assert headers["content-range"] == f"bytes 100-299/{len(data)}"
    status, _, body = ask(
        server, f"/{server.secret}/trace", Range=f"bytes={len(data)}-"
    )
    assert (status, body) == (416, b"")
    status, headers, body = ask(server, f"/{server.secret}/trace", "HEAD")
    assert (int(headers["content-length"]), body) == (len(data), b"")


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, (0, 99)),
        ("bytes=0-0", (0, 0)),
        ("bytes=90-", (90, 99)),
        ("bytes=-10", (90, 99)),
        ("bytes=5-1000", (5, 99)),
        ("bytes=100-", None),
        ("bytes=9-5", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1-2,5-6", None),
        ("lines=1-2", None),
    ],
)
def test_byte_ranges(header: str | None, span: tuple[int, int] | None) -> None:
    assert byte_range(header, 100) == span


def test_a_report_holds_the_trace_and_asks_for_nothing(
    trace: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    with marey.open(trace) as opened:
        opened.export(out)
        opened.export(tmp_path / "small.html", max_size=400_000)
    text = out.read_text("utf-8")
    assert 'id="marey-data-0"' in text
    assert "<b>" not in text.split('id="marey-report">')[1].split("</script>")[0]
    for word in ("http://", "https://"):
        places = text.count(word) - text.count(word + "www.w3.org/2000/svg")
        assert places == 0, word


def test_a_picture_is_a_png(trace: Path, tmp_path: Path) -> None:
    out = tmp_path / "picture.png"
    with marey.open(trace) as opened:
        opened.export(out)
    data = out.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data[12:16] == b"IHDR"
    assert data.endswith(b"IEND\xaeB`\x82")


needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


@needs_node
def test_the_page_answers_as_the_native_core(trace: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        ["node", ROOT / "tests/browser/core.mjs", PAGE, trace, tmp_path],
        capture_output=True,
        check=True,
        text=True,
    )
    told = json.loads(ran.stdout)
    info, index = _view.open(str(trace))
    assert (tmp_path / "trace_info").read_bytes() == info
    assert (tmp_path / "trace_index").read_bytes() == index
    assert SOURCE.decode() in told["sources"]
    with marey.open(trace) as opened:
        rows = {row.function.index: row for row in opened.totals().rows}
    for row in told["rows"]:
        native = rows[row[0]]
        assert row[1:4] == [native.call_count, native.total_ns, native.self_ns]


@needs_node
def test_wrong_bytes_never_trap_the_page(trace: Path, tmp_path: Path) -> None:
    data = bytearray(trace.read_bytes())
    for turn in range(12):
        broken = bytearray(data)
        for k in range(40):
            broken[(turn * 7919 + k * 104729) % len(broken)] ^= 1 << (turn + k) % 8
        path = tmp_path / f"broken-{turn}.marey"
        path.write_bytes(broken[: len(broken) - turn * 1000])
        ran = subprocess.run(
            ["node", ROOT / "tests/browser/core.mjs", PAGE, path, tmp_path],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["memory"] < 256 << 20


has_browser = (
    shutil.which("node") is not None
    and (ROOT / "viewer/node_modules/playwright-core").exists()
    and Path(os.environ.get("MAREY_CHROMIUM", "/usr/bin/chromium")).exists()
)


@pytest.mark.skipif(not has_browser, reason="needs playwright-core and chromium")
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
        ran = subprocess.run(
            ["node", ROOT / "tests/browser/page.mjs", address, tmp_path],
            capture_output=True,
            check=False,
            text=True,
            timeout=100,
        )
        assert ran.returncode == 0, ran.stderr
        shown = json.loads(ran.stdout)
        assert shown["errors"] == []
        check_tables(shown, totals)
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


tools = (
    all(shutil.which(name) for name in ("node", "clang", "wasm-ld"))
    and (ROOT / "viewer/node_modules/esbuild").exists()
)


@pytest.mark.skipif(not tools, reason="needs clang, wasm-ld, node, esbuild")
def test_the_page_is_what_its_sources_build(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    subprocess.run([ROOT / "viewer/build.sh", out], check=True, capture_output=True)
    assert out.read_bytes() == PAGE.read_bytes(), "run viewer/build.sh and commit"
