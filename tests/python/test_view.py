"""marey view, the page, the report: what they serve, show and refuse."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import marey
import pytest
import trace_builder
from marey import _view
from marey.serve import PAGE, Server, byte_range
from view_trace import small_trace


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_trace(tmp_path_factory.mktemp("view") / "small <b>.marey")


@contextlib.contextmanager
def running(path: Path) -> Iterator[Server]:
    with Server(str(path)) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield one
        one.shutdown()


@pytest.fixture(scope="module")
def server(trace: Path) -> Iterator[Server]:
    with running(trace) as one:
        yield one


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


def build_long(path: Path) -> Path:
    builder = trace_builder.Builder()
    process = builder.process()
    main, work = process.function("main"), process.function("work")
    lane = process.lane()
    lane.enter(main, dt=50)
    for _ in range(150):
        for _ in range(400):
            lane.call(work, dt=90)
        lane.seal()
    lane.leave()
    lane.seal()
    return builder.write(path)


def test_a_first_impression_is_there_before_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("marey._index.WORTH_KEEPING", 1)
    monkeypatch.setattr("marey._index.SAMPLE_EVENTS", 1000)
    path = build_long(tmp_path / "long.marey")
    with running(path) as server:
        base = f"/{server.secret}"
        assert json.loads(ask(server, f"{base}/status")[2])["coarse"]
        status, _, sample = ask(server, f"{base}/coarse")
        assert status == 200
        size = int.from_bytes(sample[:8], "little")
        index = sample[8 + size :]
        assert sample[8 : 8 + size] == ask(server, f"{base}/info")[2]
        whole = ask(server, f"{base}/index")[2]
        assert index != whole
        assert index[:8] == whole[:8]  # both are one,
        assert index[24:32] == whole[24:32]  # and end at the same time
        # Once the index is kept nobody asks for less.
        assert not json.loads(ask(server, f"{base}/status")[2])["coarse"]
    with running(path) as server:
        assert not json.loads(ask(server, f"/{server.secret}/status")[2])["coarse"]
    # What another build of Marey made tells other things.
    monkeypatch.setattr("marey._index._build", lambda: "another")
    with running(path) as server:
        assert json.loads(ask(server, f"/{server.secret}/status")[2])["coarse"]


def test_a_small_trace_needs_no_first_impression(server: Server) -> None:
    assert not json.loads(ask(server, f"/{server.secret}/status")[2])["coarse"]
    status, _, sample = ask(server, f"/{server.secret}/coarse")
    assert (status, sample) == (200, b"")
