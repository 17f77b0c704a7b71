"""Each request to an ASGI application as a transaction.

    application = marey.asgi.Middleware(application)

It is named by method and route (Starlette and FastAPI leave theirs in the scope; of
others, give `route=`), has the attributes method, path, status and, where the request
came with one, traceparent, and ends when the last part of the body was sent: what the
application does after that is not the request. A connection of a websocket is one
transaction. While nothing records, requests go straight through.
"""

from marey import _core
from marey._web import Request, filled_route, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    from marey._web import Route

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["Middleware"]


class Middleware:
    """An ASGI application around another.

    depth  levels of calls to record below each request
    route  finds the route in the scope; the default knows Starlette and FastAPI
    """

    def __init__(
        self,
        application: "Application",
        *,
        depth: int = 0,
        route: "Route | None" = None,
    ) -> None:
        self.application = application
        self._depth = depth
        self._route = route or _route

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        kind = scope.get("type")
        if kind not in ("http", "websocket") or not _core.is_recording():
            await self.application(scope, receive, send)
            return
        request = Request(
            scope,
            str(scope.get("method", "")) or "WEBSOCKET",
            str(scope.get("path", "")),
            _header(scope, b"traceparent"),
            self._depth,
            self._route,
        )

        async def send_on(message: "MutableMapping[str, Any]") -> None:
            what = message.get("type")
            if what == "http.response.start":
                status = message.get("status", 0)
                request.status = status if isinstance(status, int) else 0
            await send(message)
            if what == "http.response.body" and not message.get("more_body", False):
                request.end()

        request.begin()
        try:
            await self.application(scope, receive, send_on)
        except BaseException as error:
            request.end(error)
            raise
        request.end()


def _header(scope: "Scope", name: bytes) -> str:
    for key, value in scope.get("headers") or ():
        if key == name and isinstance(value, bytes):
            return value.decode("latin-1")
    return ""


def _route(scope: "Scope") -> str | None:
    route = scope.get("route")
    for name in ("path_format", "path"):
        path = plain(route, name)
        if isinstance(path, str):
            return path
    if scope.get("endpoint") is None:
        return None
    parameters = scope.get("path_params")
    path = scope.get("path")
    if not isinstance(path, str) or type(parameters) is not dict:
        return None
    return filled_route(path, parameters)
