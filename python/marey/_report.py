"""A trace as one HTML file, or as a picture.

The file is the page itself with the trace inside: page, names and index first, so
that it draws before the rest has come in, then the trace's bytes in packed chunks.
Nothing in it asks for anything elsewhere.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from marey import _core, _index, _view
from marey._errors import UsageError

if TYPE_CHECKING:
    from marey._core import Trace

FORMATS = ("html", "png")
PAGE = Path(__file__).parent / "_page" / "page.html"
CHUNK_SIZE = 8 << 20
PICTURE_WIDTH = 1920
NO_INDEX = 2**64 - 1  # the page has it already
REPORT_MARK = "<!--REPORT-->"
DATA_MARK = "<!--DATA-->"


def pieces(trace: Trace, name: str, max_size: int | None = None) -> Iterator[bytes]:
    """The file's bytes in order; raises MareyError."""
    if name == "png":
        yield _view.picture(trace.path, PICTURE_WIDTH, False)
    else:
        yield from _html(trace, max_size)


def _html(trace: Trace, max_size: int | None) -> Iterator[bytes]:
    page = PAGE.read_text("utf-8")
    before, rest = page.split(REPORT_MARK)
    middle, after = rest.split(DATA_MARK)
    info, index = _index.read(trace.path, False)
    start = [before.encode(), _tag("info", info), _tag("index", index), middle.encode()]
    room = None if max_size is None else max_size - sum(map(len, start)) - len(after)
    if room is not None and room < 0:
        raise UsageError(
            f"the page and its index alone take {sum(map(len, start)):,} bytes; "
            f"allow more with --max-size"
        )
    with tempfile.TemporaryDirectory(prefix="marey-") as folder:
        packed = Path(folder, "packed.marey")
        _core.pack(os.fsencode(trace.path), os.fsencode(packed), NO_INDEX, None)
        chunks = _chunks(packed, room)
    head: dict[str, object] = {"name": Path(trace.path).name}
    if chunks is None:
        sources = _tag("sources", json.dumps(_sources(trace)).encode())
        if room is not None and len(sources) < room:
            start.insert(3, sources)
        head["chunks"] = 0
        head["note"] = (
            "Only the overview: the events themselves were left out to keep this file "
            "small"
        )
    else:
        head["chunks"] = len(chunks)
    # A name may hold anything, so "<" is written in a way no parser takes for a tag.
    text = json.dumps(head).replace("<", "\\u003c")
    yield start[0]
    tag = '<script type="application/json" id="marey-report">'
    yield f"{tag}{text}</script>\n".encode()
    yield from start[1:]
    yield from chunks or ()
    yield after.encode()


def _tag(name: str, content: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)  # 31: as gzip
    packed = packer.compress(content) + packer.flush()
    head = f'<script type="text/plain" id="marey-{name}">'.encode()
    return head + base64.b64encode(packed) + b"</script>\n"


def _chunks(path: Path, room: int | None) -> list[bytes] | None:
    """The trace's bytes; None when they do not fit."""
    found: list[bytes] = []
    size = 0
    with path.open("rb") as file:
        while data := file.read(CHUNK_SIZE):
            found.append(_tag(f"data-{len(found)}", data))
            size += len(found[-1])
            if room is not None and size > room:
                return None
    return found


def _sources(trace: Trace) -> dict[str, str]:
    files = {function.file for function in trace.functions if function.file}
    texts = {file: trace.source(file) for file in sorted(files)}
    return {
        file: text.decode("utf-8", "replace")
        for file, text in texts.items()
        if text is not None
    }
