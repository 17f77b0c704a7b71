"""What the middleware for WSGI and ASGI share: names of requests, by their route."""

import marey
from marey import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping
    from typing import Any

    Route = Callable[[MutableMapping[str, Any]], str | None]


class ServerError(Exception):
    """What a request failed with that was answered with a status of 500 and above."""


ServerError.__module__ = "marey"


class Request:
    """One request as a transaction."""

    __slots__ = ("_find_route", "_method", "_route", "_scope", "_transaction", "status")

    def __init__(
        self,
        scope: "MutableMapping[str, Any]",
        method: str,
        path: str,
        traceparent: str,
        depth: int,
        find_route: "Route",
    ) -> None:
        values = {"method": method, "path": path}
        if traceparent:
            values["traceparent"] = traceparent
        self._scope = scope
        self._method = method
        self._find_route = find_route
        self._transaction = marey.transaction(method, depth=depth, **values)
        self._route: str | None = None
        self.status = 0

    def look(self) -> None:
        """Asks for the route, unless it is known already."""
        if self._route is not None:
            return
        try:
            route = self._find_route(self._scope)
        except Exception:
            return  # a framework that is not what it was
        if isinstance(route, str):
            self._route = route

    def begin(self) -> None:
        self._transaction.__enter__()

    def suspend(self) -> None:
        self._transaction.suspend()

    def resume(self) -> None:
        self._transaction.resume()

    def end(self, error: BaseException | None = None) -> None:
        """Says what is known by now, and ends it. The second time does nothing."""
        transaction, self._transaction = self._transaction, _NOTHING
        if transaction is _NOTHING:
            return
        transaction.resume()
        self.look()
        name = self._method if self._route is None else f"{self._method} {self._route}"
        if self.status:
            marey.annotate(name, status=self.status)
        else:
            marey.annotate(name)
        failed = error is None and self.status >= 500
        transaction.finish(ServerError if failed else error)


_NOTHING = _core.transaction("")


def plain(thing: object, name: str) -> "Any":
    """An attribute of the object itself; looking at it runs no code of the program."""
    try:
        values = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return None
    return values.get(name) if type(values) is dict else None


def filled_route(path: str, parameters: "Mapping[str, Any]") -> str:
    """`/users/7` with {"id": 7} as `/users/{id}`."""
    names = {
        str(value): name
        for name, value in parameters.items()
        if type(value) in (int, str) and value != ""
    }
    parts = path.split("/")
    return "/".join(
        "{" + names[part] + "}" if part in names else part for part in parts
    )
