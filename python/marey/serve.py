"""The loopback server of `marey view`: one trace, one page, nothing else.

Whoever knows the secret in the address may read this one trace; no path of a request
ever names a file. Requests must call the host by a loopback name, so a page elsewhere
cannot reach it by a name of its own (DNS rebinding), and nothing allows other origins.
The page asks for relative addresses only, so it works behind a proxy's prefix and
through SSH forwarding.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from marey import _index, _view
from marey._errors import MareyError

PAGE = Path(__file__).parent / "_page" / "page.html"
LOOPBACK_NAMES = {"127.0.0.1", "localhost", "[::1]"}
CHUNK_SIZE = 1 << 20
RANGE_SIZE_MAX = 1 << 26


class Shown:
    """The trace that is served; its index is built when it is first asked for."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = Path(path).name
        self._lock = threading.Lock()
        self._built: tuple[tuple[int, int], bytes, bytes] | None = None

    def size(self) -> int:
        return Path(self.path).stat().st_size

    def _version(self) -> tuple[int, int]:
        stat = Path(self.path).stat()
        return stat.st_size, stat.st_mtime_ns

    def is_live(self) -> bool:
        return _index.is_live(self.path)

    def info_and_index(self) -> tuple[bytes, bytes]:
        """What the page draws first; raises MareyError."""
        with self._lock:
            version = self._version()
            is_live = self.is_live()
            if self._built is None or self._built[0] != version or is_live:
                info, index = _index.read(self.path, is_live)
                self._built = (version, info, index)
            return self._built[1:]

    def has_coarse(self, is_live: bool) -> bool:
        """Is there something to see before the index is built?"""
        return not (is_live or self._built or _index.is_kept(self.path))

    def coarse(self) -> bytes | None:
        """Names and the index of a sample: the size of the names, then both. None: the
        index itself is there as quickly."""
        made = _view.coarse(self.path, _index.SAMPLE_EVENTS)
        return (
            None
            if made is None
            else len(made[0]).to_bytes(8, "little") + b"".join(made)
        )

    def status(self) -> bytes:
        is_live = self.is_live()
        return json.dumps(
            {
                "name": self.name,
                "size": self.size(),
                "live": is_live,
                "index": True,
                "coarse": self.has_coarse(is_live),
            }
        ).encode()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False

    def __init__(
        self, path: str, port: int = 0, host_names: frozenset[str] = frozenset()
    ) -> None:
        self.shown = Shown(path)
        self.secret = secrets.token_urlsafe(18)
        self.host_names = LOOPBACK_NAMES | host_names
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{self.secret}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each small answer waits for 40 ms
    wbufsize = 1 << 16
    server_version = "marey"
    sys_version = ""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet: the terminal belongs to the user."""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        try:
            self._route()
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True
        except MareyError as error:
            self._send(f"{error}\n".encode(), "text/plain", HTTPStatus.CONFLICT)
        except OSError as error:
            text = f"{error.strerror or error}\n".encode()
            self._send(text, "text/plain", HTTPStatus.CONFLICT)

    def _route(self) -> None:
        if not self._is_host_known():
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
            return
        what = self._asked_for()
        shown = self.server.shown
        if what == "":
            self._send(PAGE.read_bytes(), "text/html; charset=utf-8")
        elif what == "status":
            self._send(shown.status(), "application/json")
        elif what == "info":
            self._send(shown.info_and_index()[0], "application/json")
        elif what == "coarse":
            # Nothing, rather than an error that the browser's console would show.
            self._send(shown.coarse() or b"", "application/octet-stream")
        elif what == "index":
            self._send(shown.info_and_index()[1], "application/octet-stream")
        elif what == "trace":
            self._send_trace(shown.path)
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def _is_host_known(self) -> bool:
        name = self.headers.get("Host", "").rsplit(":", 1)
        host = name[0] if len(name) == 1 or name[1].isdigit() else ":".join(name)
        return host.lower() in self.server.host_names

    def _asked_for(self) -> str | None:
        """What follows the secret, wherever a proxy put it; None: no secret."""
        parts = self.path.split("?", 1)[0].split("#", 1)[0].split("/")
        secret = self.server.secret.encode()
        for i, part in enumerate(parts[:-1]):
            if hmac.compare_digest(part.encode("utf-8", "replace"), secret):
                return "/".join(parts[i + 1 :])
        return None

    def _refuse(self, status: HTTPStatus) -> None:
        self._send(f"{status.phrase}\n".encode(), "text/plain", status)

    def _send_head(self, status: HTTPStatus, kind: str, size: int, **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send_head(status, kind, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_trace(self, path: str) -> None:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            span = byte_range(self.headers.get("Range"), size)
            kind = "application/octet-stream"
            if span is None:
                self._send_head(
                    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                    kind,
                    0,
                    Content_Range=f"bytes */{size}",
                )
                return
            first, last = span
            is_part = "Range" in self.headers
            more = {"Accept_Ranges": "bytes"}
            if is_part:
                more["Content_Range"] = f"bytes {first}-{last}/{size}"
            status = HTTPStatus.PARTIAL_CONTENT if is_part else HTTPStatus.OK
            self._send_head(status, kind, last - first + 1, **more)
            if self.command == "HEAD":
                return
            file.seek(first)
            left = last - first + 1
            while left > 0:
                data = file.read(min(left, CHUNK_SIZE))
                if not data:
                    self.close_connection = True
                    return
                self.wfile.write(data)
                left -= len(data)


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte that are asked for; None when there are none such."""
    if header is None:
        return 0, size - 1
    unit, _, spans = header.partition("=")
    first, dash, last = spans.strip().partition("-")
    if unit.strip() != "bytes" or not dash or "," in spans:
        return None
    if not (first or last) or not all(n == "" or n.isdigit() for n in (first, last)):
        return None
    if first == "":
        start, end = max(size - int(last), 0), size - 1
    else:
        start = int(first)
        end = min(int(last), size - 1) if last else size - 1
    if start > end:
        return None
    return start, min(end, start + RANGE_SIZE_MAX - 1)
