"""Spans and `ignore` as decorators. As context managers they are C."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import AbstractContextManager
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

    elif inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def wrapper(*args: Any, **keywords: Any) -> Any:
            with _core.span(name):
                async for item in _forwarded(function(*args, **keywords)):
                    yield item

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


def ignore(function: F) -> F:
    """The function, unrecorded: neither it nor what it calls is in the trace.

    Coroutines and generators are left out while they run, and what runs on their
    thread while they wait is not.
    """
    wrapper: Callable[..., Any]
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapper(*args: Any, **keywords: Any) -> Any:
            return await _Unseen(function(*args, **keywords))

    elif inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def wrapper(*args: Any, **keywords: Any) -> Any:
            async for item in _forwarded(function(*args, **keywords), _Unseen):
                yield item

    elif inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def wrapper(*args: Any, **keywords: Any) -> Any:
            return (yield from _unseen(function(*args, **keywords)))

    elif callable(function):

        @functools.wraps(function)
        def wrapper(*args: Any, **keywords: Any) -> Any:
            with _core.ignore:
                return function(*args, **keywords)

    else:
        raise TypeError(f"ignore decorates a function, not {type(function).__name__}")
    return wrapper  # type: ignore[return-value]


def _unseen(
    steps: Generator[Any, Any, Any] | Coroutine[Any, Any, Any],
    unseen: AbstractContextManager[object] = _core.ignore,
) -> Generator[Any, Any, Any]:
    """The same steps, each of them inside the context."""
    step, value = steps.send, None
    while True:
        try:
            with unseen:
                given = step(value)
        except StopIteration as end:
            return end.value
        try:
            step, value = steps.send, (yield given)
        except GeneratorExit:
            with unseen:
                steps.close()
            raise
        except BaseException as error:
            step, value = steps.throw, error


class _Unseen:
    """An awaitable that runs another one unseen."""

    def __init__(self, steps: Any) -> None:
        self._steps = steps if inspect.iscoroutine(steps) else _awaited(steps)

    def __await__(self) -> Generator[Any, Any, Any]:
        return _unseen(self._steps)


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


async def _forwarded(
    items: AsyncGenerator[Any, Any], wrap: Callable[[Any], Any] = lambda step: step
) -> AsyncGenerator[Any, Any]:
    """The items, and to their generator what is sent or thrown in."""
    step = items.__anext__()
    while True:
        try:
            item = await wrap(step)
        except StopAsyncIteration:
            return
        try:
            step = items.asend((yield item))
        except GeneratorExit:
            await items.aclose()
            raise
        except BaseException as error:
            step = items.athrow(error)
