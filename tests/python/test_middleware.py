"""Requests as transactions: any WSGI and ASGI application, Flask, Django, FastAPI."""

import asyncio
import io
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import marey
import marey.asgi
import marey.wsgi
import pytest

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def environ(path: str, method: str = "GET") -> dict[str, Any]:
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_TRACEPARENT": TRACEPARENT,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": None,
    }


def get(application: Any, path: str, method: str = "GET") -> tuple[str, bytes]:
    """As a server calls a WSGI application."""
    answer: list[str] = []

    def start_response(status: str, headers: object, exc_info: object = None) -> None:
        answer.append(status)

    body = application(environ(path, method), start_response)
    try:
        content = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    return answer[0], content


def recorded(
    trace: Path, work: Callable[[], object], *, only: bool = True
) -> dict[str, Any]:
    with marey.record(trace, transactions_only=only):
        work()
    with marey.open(trace) as opened:
        assert opened.check() == ([], 0)
        return {row.name: row for row in opened.transactions(slowest=10)}


@pytest.mark.parametrize("only", [True, False])
def test_a_wsgi_answer_ends_with_its_last_part(tmp_path: Path, only: bool) -> None:
    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/bad":
            raise KeyError(path)
        start_response("503 no" if path == "/busy" else "200 OK", [])
        if path == "/stream":
            return stream()
        return [b"whole"]

    def stream() -> Iterator[bytes]:
        for part in (b"a", b"b", b"c"):
            time.sleep(0.001)
            with marey.transaction("part"):
                yield part

    def outer(environ: Any, start_response: Any) -> Any:
        return wrapped(environ, start_response)  # returns before the body is read

    wrapped = marey.wsgi.Middleware(application, route=lambda e: e["PATH_INFO"])
    assert get(outer, "/plain") == ("200 OK", b"whole")  # nothing records

    def work() -> None:
        assert get(outer, "/plain") == ("200 OK", b"whole")
        assert get(outer, "/stream") == ("200 OK", b"abc")
        assert get(outer, "/busy", "POST") == ("503 no", b"whole")
        with pytest.raises(KeyError):
            get(outer, "/bad")

    found = recorded(tmp_path / "t.marey", work, only=only)
    assert {name: (row.count, row.errors) for name, row in found.items()} == {
        "GET /plain": (1, 0),
        "GET /stream": (1, 0),
        "POST /busy": (1, 1),
        "GET /bad": (1, 1),
        "part": (3, 0),
    }
    one = found["GET /stream"].slowest[0]
    assert one.attributes == {
        "method": "GET",
        "path": "/stream",
        "status": "200",
        "traceparent": TRACEPARENT,
    }
    assert one.duration_ns > 3_000_000
    assert one.ended == "returned"
    assert found["POST /busy"].slowest[0].exception == "marey.ServerError"
    assert found["GET /bad"].slowest[0].exception == "KeyError"


async def call(application: Any, path: str) -> list[Any]:
    """As a server calls an ASGI application."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        await asyncio.sleep(0)
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"traceparent", TRACEPARENT.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await application(scope, receive, send)
    return sent


@pytest.mark.parametrize("only", [True, False])
def test_an_asgi_answer_ends_when_it_was_sent(tmp_path: Path, only: bool) -> None:
    left = list(range(50))

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = type("Route", (), {})()
        scope["route"].path = "/item/{n}"
        await asyncio.sleep(0.002)
        status = 500 if scope["path"] == "/item/13" else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"1", "more_body": True})
        await asyncio.create_task(  # the last part comes from another task
            send({"type": "http.response.body", "body": b"2"})
        )
        left.pop()
        while left:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.25)  # work behind the answer

    wrapped = marey.asgi.Middleware(application)

    async def all_of_them() -> None:
        await asyncio.gather(*(call(wrapped, f"/item/{n}") for n in range(50)))

    spent = []

    def work() -> None:
        before = time.perf_counter_ns()
        asyncio.run(all_of_them())
        spent.append(time.perf_counter_ns() - before)

    found = recorded(tmp_path / "t.marey", work, only=only)
    row = found["GET /item/{n}"]
    assert set(found) == {"GET /item/{n}"}
    assert (row.count, row.errors, row.cut, row.open) == (50, 1, 0, 0)
    assert row.min_ns > 2_000_000
    assert row.max_ns + 250_000_000 < max(spent)
    assert row.waiting_ns > 0.8 * (row.mean_ns * 50 - row.own_ns)
    assert row.slowest[0].attributes["traceparent"] == TRACEPARENT


def test_flask_names_its_routes(tmp_path: Path) -> None:
    flask = pytest.importorskip("flask")
    app = flask.Flask("app")

    @app.route("/user/<int:n>")
    def user(n: int) -> str:
        return str(n)

    @app.route("/stream")
    def stream() -> Any:
        return flask.Response(iter(["a", "b"]))

    @app.route("/bad")
    def bad() -> str:
        raise ValueError

    app.wsgi_app = marey.wsgi.Middleware(app.wsgi_app)

    def work() -> None:
        client = app.test_client()
        for n in range(3):
            assert client.get(f"/user/{n}").data == str(n).encode()
        assert client.get("/stream").data == b"ab"
        assert b"Internal Server Error" in client.get("/bad").data
        assert b"Not Found" in client.get("/nowhere").data

    found = recorded(tmp_path / "t.marey", work)
    assert {name: (row.count, row.errors) for name, row in found.items()} == {
        "GET /user/<int:n>": (3, 0),
        "GET /stream": (1, 0),
        "GET /bad": (1, 1),
        "GET": (1, 0),
    }


def test_django_names_its_routes(tmp_path: Path) -> None:
    django = pytest.importorskip("django")
    from django.conf import settings
    from django.http import HttpResponse, StreamingHttpResponse
    from django.urls import path

    urls = type("urls", (), {})()
    urls.urlpatterns = [
        path("user/<int:n>/", lambda _, n: HttpResponse(str(n))),
        path("stream/", lambda _: StreamingHttpResponse(iter([b"a", b"b"]))),
    ]
    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=urls, SECRET_KEY="x")
    django.setup()
    from django.core.wsgi import get_wsgi_application

    application = marey.wsgi.Middleware(get_wsgi_application())

    def work() -> None:
        for n in range(3):
            assert get(application, f"/user/{n}/") == ("200 OK", str(n).encode())
        assert get(application, "/stream/") == ("200 OK", b"ab")

    found = recorded(tmp_path / "t.marey", work)
    assert {name: row.count for name, row in found.items()} == {
        "GET /user/<int:n>/": 3,
        "GET /stream/": 1,
    }


def test_fastapi_and_starlette_name_their_routes(tmp_path: Path) -> None:
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()

    @app.get("/user/{n}")
    async def user(n: int) -> int:
        return n

    @app.get("/plain/{n}")
    def plain(n: int) -> int:  # runs in a thread of a pool
        return n

    wrapped = marey.asgi.Middleware(app)

    async def all_of_them() -> None:
        await asyncio.gather(*(call(wrapped, f"/user/{n}") for n in range(5)))
        await asyncio.gather(*(call(wrapped, f"/plain/{n}") for n in range(5)))

    found = recorded(tmp_path / "t.marey", lambda: asyncio.run(all_of_them()))
    assert {name: (row.count, row.errors) for name, row in found.items()} == {
        "GET /user/{n}": (5, 0),
        "GET /plain/{n}": (5, 0),
    }
