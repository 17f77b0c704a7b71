"""Each request to a WSGI application as a transaction.

    application = marey.wsgi.Middleware(application)

It is named by method and route (Flask and Django are asked for theirs; of others, give
`route=`), has the attributes method, path, status and, where the request came with one,
traceparent, and ends with the last part of the body. Answers of 500 and above count as
errors. While nothing records, requests go straight through.
"""

import sys

from marey import _core
from marey._web import Request, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, MutableMapping
    from typing import Any

    from marey._web import Route

    Environ = dict[str, Any]
    Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

__all__ = ["Middleware"]


class Middleware:
    """A WSGI application around another.

    depth  levels of calls to record below each request
    route  finds the route in the request's environ; the default knows Flask and Django
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
        self._route = route

    def __call__(
        self, environ: "Environ", start_response: "Callable[..., Any]"
    ) -> "Iterable[bytes]":
        if not _core.is_recording():
            return self.application(environ, start_response)
        found: dict[str, Any] = {}
        request = Request(
            environ,
            str(environ.get("REQUEST_METHOD", "")) or "REQUEST",
            str(environ.get("SCRIPT_NAME", "")) + str(environ.get("PATH_INFO", "")),
            str(environ.get("HTTP_TRACEPARENT", "")),
            self._depth,
            self._route or (lambda environ: _route(environ, found)),
        )

        def start(status: str, *rest: "Any", **more: "Any") -> "Any":
            head = status[:3] if isinstance(status, str) else ""
            request.status = int(head) if head.isdecimal() else 0
            request.look()  # Flask forgets its route before the body is read
            return start_response(status, *rest, **more)

        request.begin()
        try:
            body = self.application(environ, start)
        except BaseException as error:
            request.end(error)
            raise
        found["request"] = _django_request(body)
        if type(body) in (list, tuple) or _is_file(body, environ):
            request.end()  # whole; and the server looks at what it is
            return body
        request.suspend()
        return _Body(body, request)


class _Body:
    """The parts of a body; the request runs while one is made."""

    def __init__(self, body: "Iterable[bytes]", request: Request) -> None:
        self._body = body
        self._iterator: Iterator[bytes] | None = None
        self._request = request

    def __iter__(self) -> "Iterator[bytes]":
        return self

    def __next__(self) -> bytes:
        self._request.resume()
        try:
            if self._iterator is None:
                self._iterator = iter(self._body)
            part = next(self._iterator)
        except StopIteration:
            self._request.end()  # not every server calls close() then
            raise
        except BaseException as error:
            self._request.end(error)
            raise
        self._request.suspend()
        return part

    def __del__(self) -> None:
        self._request.end()  # nobody read it to its end, nor closed it

    def close(self) -> None:
        self._request.resume()
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            self._request.end(error)
            raise
        self._request.end()


def _is_file(body: object, environ: "Environ") -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and type(body) is wrapper


def _django_request(body: object) -> object:
    """Django's answer knows its request by what it is to close."""
    for closer in plain(body, "_resource_closers") or ():
        owner = getattr(closer, "__self__", None) if callable(closer) else None
        if plain(owner, "resolver_match") is not None:
            return owner
    return None


def _route(environ: "MutableMapping[str, Any]", found: "dict[str, Any]") -> str | None:
    rule = plain(plain(environ.get("werkzeug.request"), "url_rule"), "rule")
    if rule is None and "django" in sys.modules:
        match = plain(found.get("request"), "resolver_match")
        rule = plain(match, "route")
        rule = rule if rule is None or rule.startswith("/") else "/" + rule
    return rule if isinstance(rule, str) else None
