"""Spans as decorators. As context managers they are C (`marey.span`)."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from marey import _core

F = TypeVar("F", bound=Callable[..., Any])


def decorate(function: F, name: str) -> F:
    """The function with a span of this name around each of its calls.

    Of a coroutine function the span is the awaited run, of a generator function the
    iteration, each suspended when they are.
    """
    wrapper: Callable[..., Any]
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapper(*args: Any, **keywords: Any) -> Any:
            with _core.span(name):
                return await function(*args, **keywords)

    elif inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def wrapper(*args: Any, **keywords: Any) -> Any:
            with _core.span(name):
                return (yield from function(*args, **keywords))

    else:

        @functools.wraps(function)
        def wrapper(*args: Any, **keywords: Any) -> Any:
            with _core.span(name):
                return function(*args, **keywords)

    return wrapper  # type: ignore[return-value]
