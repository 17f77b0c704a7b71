"""Where an export goes: a file that appears when it is whole, a pipe, a stream."""

# Plain paths, as they were given: errors name them.
# ruff: noqa: PTH105, PTH108, PTH116, PTH119, PTH123

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, NamedTuple

from marey import _core
from marey._errors import StorageError, UsageError
from marey.trace import FORMATS_BY_SUFFIX

if TYPE_CHECKING:
    from marey._core import _Selection, _Tick


# Made by marey._report, which is imported for them alone.
REPORT_FORMATS = ("html", "png")


class TextOptions(NamedTuple):
    """Of the formats "text" and "log"."""

    values: bool = True  # of arguments and returns
    stacks: bool = False
    value: bytes = b""  # a pattern; empty: everything


NO_TEXT_OPTIONS = TextOptions()


def known_formats() -> list[str]:
    return [*_core.export_formats(), *REPORT_FORMATS]


def put(
    trace: _core.Trace,
    selection: _Selection,
    name: str,
    target: int | Callable[[bytes], object],
    tick: _Tick,
    max_size: int | None = None,
    text: TextOptions = NO_TEXT_OPTIONS,
    tell: Callable[[str], object] | None = None,
) -> None:
    """Writes a format to a descriptor or a function; raises MareyError."""
    if max_size is not None and name != "html":
        raise UsageError(f"max_size is for html, not for {name}")
    if name not in REPORT_FORMATS:
        trace.export(selection, name, target, tick, *text)
        return
    if any(part not in (None, 0) for part in selection):
        raise UsageError(f"{name} holds the whole recording: it takes no selection")
    from marey import _report

    for piece in _report.pieces(trace, name, max_size, tick, tell):
        if isinstance(target, int):
            view = memoryview(piece)
            while view:
                view = view[os.write(target, view) :]
        else:
            target(piece)


def format_of(path: str) -> str:
    """The format that belongs into a file of this name; raises UsageError."""
    file_name = os.path.basename(path).lower()
    known = known_formats()
    for suffix, name in FORMATS_BY_SUFFIX.items():
        if file_name.endswith(suffix) and name in known:
            return name
    suffixes = ", ".join(
        suffix for suffix, name in FORMATS_BY_SUFFIX.items() if name in known
    )
    raise UsageError(f"{path}: no format has this suffix; use one of {suffixes}")


def check_format(name: str) -> None:
    """Raises UsageError when there is no such format."""
    known = known_formats()
    if name not in known:
        raise UsageError(f"no format {name!r}; there are {', '.join(known)}")


def write(
    trace: _core.Trace,
    selection: _Selection,
    target: str | os.PathLike[str] | IO[bytes],
    name: str | None,
    tick: _Tick,
    max_size: int | None = None,
    text: TextOptions = NO_TEXT_OPTIONS,
    tell: Callable[[str], object] | None = None,
) -> None:
    if name is not None:
        check_format(name)
    if not isinstance(target, (str, os.PathLike)):
        if name is None:
            raise UsageError("a stream has no suffix: say which format it is to get")
        put(trace, selection, name, target.write, tick, max_size, text, tell)
        return
    path = os.fspath(target)
    name = name or format_of(path)
    try:
        _write_file(trace, selection, path, name, tick, max_size, text, tell)
    except StorageError:
        raise
    except OSError as error:
        refused = StorageError(f"{path}: cannot be written: {error.strerror or error}")
        refused.errno = error.errno
        raise refused from None


def _write_file(
    trace: _core.Trace,
    selection: _Selection,
    path: str,
    name: str,
    tick: _Tick,
    max_size: int | None,
    text: TextOptions,
    tell: Callable[[str], object] | None,
) -> None:
    """Into a file beside the target first: a failed export leaves nothing behind."""
    if _is_special(path):
        with open(path, "wb", buffering=0) as special:
            put(trace, selection, name, special.fileno(), tick, max_size, text, tell)
        return
    path = os.path.realpath(path)  # a link stays a link
    part = f"{path}.part-{os.getpid()}"
    try:
        with open(part, "xb", buffering=0) as file:
            if path.lower().endswith(".gz"):
                _compress(trace, selection, name, file.write, tick, text)
            else:
                put(trace, selection, name, file.fileno(), tick, max_size, text, tell)
        os.replace(part, path)
    except BaseException:
        try:
            os.unlink(part)
        except OSError:
            pass
        raise


def _compress(
    trace: _core.Trace,
    selection: _Selection,
    name: str,
    put: Callable[[bytes], object],
    tick: _Tick,
    text: TextOptions,
) -> None:
    import zlib

    # 31: a gzip header and trailer. Level 4 takes half the time of 6 for 5 % more.
    packer = zlib.compressobj(4, zlib.DEFLATED, 31)

    def put_all(data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = put(view)  # type: ignore[arg-type]
            view = view[written:] if isinstance(written, int) else view[:0]

    trace.export(
        selection, name, lambda raw: put_all(packer.compress(raw)), tick, *text
    )
    put_all(packer.flush())


def _is_special(path: str) -> bool:
    """A pipe or a device, which is written as it is and never replaced."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False
