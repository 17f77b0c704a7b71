"""Any object in readable form: `show`, `fmt`, `to_json`, and what belongs to them.

The formatting is C (python/ext/show/) and runs no code of the objects: no `__repr__`,
no property, no `__getattr__`. Formatters that are registered here are the exception.
"""

import ast
import builtins
import functools
import linecache
import os
import re
import sys
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import IO, Any, TypeVar, overload

from marey import _core

T = TypeVar("T")
C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[[Any], str])

Patterns = str | re.Pattern[str] | Iterable[str | re.Pattern[str]]

_formatters: dict[type, tuple[Callable[[Any], str], bool]] = {}
_NO_LIMIT = -1


def _wanted(
    include: Patterns | None, exclude: Patterns | None
) -> Callable[[str], bool] | None:
    """Whether the attribute of this name is shown; None: all are."""
    if include is None and exclude is None:
        return None
    included, excluded = _compiled("include", include), _compiled("exclude", exclude)

    def wanted(name: str) -> bool:
        if include is not None and not any(p.fullmatch(name) for p in included):
            return False
        return not any(p.fullmatch(name) for p in excluded)

    return wanted


def _compiled(option: str, patterns: Patterns | None) -> list[re.Pattern[str]]:
    if patterns is None:
        return []
    if isinstance(patterns, str | re.Pattern):
        patterns = [patterns]
    try:
        return [re.compile(pattern) for pattern in patterns]
    except (re.error, TypeError) as error:
        raise ValueError(f"{option}: {error}") from None


def _limit(name: str, value: int | None, default: int) -> int:
    if value is None:
        return _NO_LIMIT if default == _NO_LIMIT else default
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a whole number, not {type(value).__name__}")
    if not 0 <= value <= 0x7FFFFFFF:
        raise ValueError(f"{name}={value} is out of range")
    return value


def _format(
    function: Callable[..., str],
    obj: object,
    *,
    depth: int | None,
    indent: int,
    width: int,
    elements: int | None,
    characters: int | None,
    include: Patterns | None = None,
    exclude: Patterns | None = None,
    methods: bool = False,
    color: bool = False,
    own_repr: bool = False,
    secrets: bool = False,
    address: bool = False,
) -> str:
    return function(
        obj,
        depth=_limit("depth", depth, 200),
        indent=indent,
        width=_limit("width", width, 80),
        elements=_limit("elements", elements, _NO_LIMIT),
        characters=_limit("characters", characters, _NO_LIMIT),
        methods=methods,
        colour=color,
        own_repr=own_repr,
        secrets=secrets,
        address=address,
        qualified=False,
        wanted=_wanted(include, exclude),
        formatters=_formatters,
    )


def fmt(
    obj: object,
    /,
    *,
    depth: int | None = 8,
    indent: int = 2,
    width: int = 80,
    elements: int | None = 100,
    characters: int | None = 10_000,
    include: Patterns | None = None,
    exclude: Patterns | None = None,
    methods: bool = False,
    color: bool = False,
    own_repr: bool = False,
    secrets: bool = False,
    address: bool = False,
) -> str:
    """The object as readable text. No code of the object runs.

    depth       levels that are shown; None: all (up to 200)
    indent      blanks a level
    width       columns of a line; what does not fit is put one item a line
    elements    items shown of one container; None: all
    characters  shown of one text; None: all
    include     regular expressions: only attributes whose whole name matches one
    exclude     regular expressions: no attribute whose name matches one
    methods     list the methods, too
    color       with the escape sequences of a terminal
    own_repr    use the `__repr__` of classes that have one: this runs their code
    secrets     show what stands under names like `password` or `token`
    address     say where the object is
    """
    return _format(
        _core.format_object,
        obj,
        depth=depth,
        indent=_limit("indent", indent, 2),
        width=width,
        elements=elements,
        characters=characters,
        include=include,
        exclude=exclude,
        methods=methods,
        color=color,
        own_repr=own_repr,
        secrets=secrets,
        address=address,
    )


def to_json(
    obj: object,
    /,
    *,
    depth: int | None = 8,
    indent: int | None = None,
    elements: int | None = 100,
    characters: int | None = 10_000,
    include: Patterns | None = None,
    exclude: Patterns | None = None,
    own_repr: bool = False,
    secrets: bool = False,
) -> str:
    """The object as JSON text: always valid, whatever the object.

    Lists, tuples and sets are arrays, dicts are objects, an instance is an object that
    says its type first: `{"$type": "app.Point", "x": 1, "y": 2}`. What JSON has no word
    for is a string, as `fmt()` writes it. The options are those of `fmt()`.
    """
    return _format(
        _core.format_json,
        obj,
        depth=depth,
        indent=_NO_LIMIT if indent is None else _limit("indent", indent, 2),
        width=80,
        elements=elements,
        characters=characters,
        include=include,
        exclude=exclude,
        own_repr=own_repr,
        secrets=secrets,
    )


@overload
def show() -> None: ...
@overload
def show(
    obj: T,
    /,
    *,
    depth: int | None = 8,
    indent: int = 2,
    width: int | None = None,
    elements: int | None = 100,
    characters: int | None = 10_000,
    include: Patterns | None = None,
    exclude: Patterns | None = None,
    methods: bool = False,
    line_number: bool = False,
    arg_name: bool = False,
    color: bool | None = None,
    own_repr: bool = False,
    secrets: bool = False,
    address: bool = False,
    file: IO[str] | None = None,
    enable: bool = True,
) -> T: ...
@overload
def show(*objs: Any, **options: Any) -> tuple[Any, ...]: ...
def show(
    *objs: Any,
    width: int | None = None,
    line_number: bool = False,
    arg_name: bool = False,
    color: bool | None = None,
    file: IO[str] | None = None,
    enable: bool = True,
    **options: Any,
) -> Any:
    """Prints objects readably, and returns them: one as it is, several as a tuple.

    The options are those of `fmt()`, and

    width        None: that of the terminal
    line_number  say first where the call stands
    arg_name     say the expression that was passed
    color        None: on a terminal, unless NO_COLOR is set
    file         where to, in place of sys.stdout
    enable       False: print nothing, only return
    """
    if not enable:
        return objs[0] if len(objs) == 1 else objs or None
    out: Any = sys.stdout if file is None else file
    if color is None:
        color = _is_terminal(out) and not os.environ.get("NO_COLOR")
    if width is None:
        width = _terminal_width(out)
    lines = []
    caller = sys._getframe(1) if line_number or arg_name else None
    if line_number and caller is not None:
        code = caller.f_code
        place = f"{code.co_filename}:{caller.f_lineno} in {code.co_qualname}"
        lines.append(f"\033[90m{place}\033[0m" if color else place)
    names = _argument_texts(caller) if arg_name and caller is not None else []
    for index, obj in enumerate(objs):
        if index < len(names):
            lines.append(f"{names[index]}:")
        lines.append(fmt(obj, width=width, color=color, **options))
    text = "".join(line + "\n" for line in lines)
    if out is not None:
        try:
            out.write(text)
        except UnicodeEncodeError:
            encoding = getattr(out, "encoding", None) or "ascii"
            out.write(text.encode(encoding, "backslashreplace").decode(encoding))
    return objs[0] if len(objs) == 1 else objs or None


def _is_terminal(out: Any) -> bool:
    try:
        return bool(out.isatty())
    except (AttributeError, ValueError, OSError):
        return False


def _terminal_width(out: Any) -> int:
    if not _is_terminal(out):
        return 80
    try:
        return max(20, os.get_terminal_size(out.fileno()).columns)
    except (AttributeError, ValueError, OSError):
        return 80


def _call_text(code: CodeType, instruction: int) -> str | None:
    """The source of the expression that this instruction belongs to."""
    positions = list(code.co_positions())
    if not 0 <= instruction // 2 < len(positions):
        return None
    line, end_line, column, end_column = positions[instruction // 2]
    if line is None or end_line is None or column is None or end_column is None:
        return None
    lines = [
        linecache.getline(code.co_filename, number).encode()
        for number in range(line, end_line + 1)
    ]
    if not lines or not lines[-1]:
        return None
    lines[-1] = lines[-1][:end_column]
    lines[0] = lines[0][column:]
    return b"".join(lines).decode(errors="replace")


def _argument_texts(frame: FrameType) -> list[str]:
    """The expressions that were passed to the call that this frame is in."""
    text = _call_text(frame.f_code, frame.f_lasti)
    if text is None:
        return []
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        return []
    if not isinstance(call, ast.Call):
        return []
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return []
    return [
        " ".join((ast.get_source_segment(text.strip(), argument) or "?").split())
        for argument in call.args
    ]


def formatter(
    cls: type, /, *, inherit: bool = True, remove: bool = False
) -> Callable[[F], F]:
    """Registers how `show`, `fmt` and `to_json` write objects of a class.

        @marey.formatter(Money)
        def money(value):
            return f"{value.amount} {value.currency}"

    With `inherit` (the default) it counts for subclasses, too; the nearest class wins.
    `marey.formatter(Money, remove=True)` takes it back. Recordings never use it.
    """
    if not isinstance(cls, type):
        raise TypeError(f"formatter() takes a class, not {type(cls).__name__}")
    if remove:
        _formatters.pop(cls, None)

    def register(function: F) -> F:
        if not callable(function):
            raise TypeError("a formatter is a function that returns a str")
        _formatters[cls] = (function, inherit)
        return function

    return register


def formatters() -> dict[type, Callable[[Any], str]]:
    """The formatters that are registered."""
    return {cls: function for cls, (function, _) in _formatters.items()}


@overload
def readable(cls: C, /) -> C: ...
@overload
def readable(**options: Any) -> Callable[[C], C]: ...
def readable(cls: Any = None, /, **options: Any) -> Any:
    """Class decorator: `str()` of its objects is what `fmt()` writes.

    `@marey.readable`, or `@marey.readable(depth=2, exclude=["_.*"])`.
    """

    def decorate(cls: Any) -> Any:
        def __str__(self: object) -> str:  # noqa: N807
            return fmt(self, **options)

        cls.__str__ = __str__
        return cls

    if cls is None:
        fmt(None, **options)  # wrong options are said here, not at the first print
        return decorate
    if not isinstance(cls, type):
        raise TypeError(f"readable decorates a class, not {type(cls).__name__}")
    return decorate(cls)


_installed: dict[str, tuple[object, object]] = {}
_ABSENT = object()
_OF_SHOW = {"line_number", "arg_name", "color", "width", "file", "enable"}


def install(name: str = "show", **options: Any) -> None:
    """Makes `show` a built-in under this name, so that no file has to import it.

    `options` become its defaults: `marey.install(indent=4, enable=False)`.
    """
    fmt(None, **{key: options[key] for key in options.keys() - _OF_SHOW})
    if not name.isidentifier():
        raise ValueError(f"{name!r} is no name")
    installed = _with_defaults(options) if options else show
    before, _ = _installed.get(name, (getattr(builtins, name, _ABSENT), None))
    _installed[name] = (before, installed)
    setattr(builtins, name, installed)


def _with_defaults(options: dict[str, Any]) -> Callable[..., Any]:
    # No wrapper in Python: arg_name and line_number look at the caller's frame.
    function: Any = functools.partial(show, **options)
    return functools.update_wrapper(function, show)


def uninstall(name: str = "show") -> None:
    """Takes back what `install()` did; does nothing where it did nothing."""
    if name not in _installed:
        return
    before, installed = _installed.pop(name)
    if getattr(builtins, name, None) is not installed:
        return  # someone else's by now
    if before is _ABSENT:
        delattr(builtins, name)
    else:
        setattr(builtins, name, before)
