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
    from collections.abc import Callable

    from marey._core import Trace, _Tick

    Tell = Callable[[str], object]

PAGE = Path(__file__).parent / "_page" / "page.html"
CHUNK_SIZE = 8 << 20
PICTURE_WIDTH = 1920
NO_INDEX = 2**64 - 1  # the page has it already
BASE64_SHARE = 0.74  # bytes of a trace in a byte of the page, gzip and tags included
REPORT_MARK = "<!--REPORT-->"
DATA_MARK = "<!--DATA-->"


def pieces(
    trace: Trace,
    name: str,
    max_size: int | None = None,
    tick: _Tick = None,
    tell: Tell | None = None,
) -> Iterator[bytes]:
    """The file's bytes in order; raises MareyError. `tell` hears what is left out."""
    if name == "png":
        yield _view.picture(trace.path, PICTURE_WIDTH, False)
    else:
        yield from _html(trace, max_size, tick, tell)


def _html(
    trace: Trace, max_size: int | None, tick: _Tick, tell: Tell | None
) -> Iterator[bytes]:
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
        kept = _pack(trace.path, packed, room, tick)
        chunks = _chunks(packed, room) if kept is not None else None
    head: dict[str, object] = {"name": Path(trace.path).name}
    note = ""
    if chunks is None:
        sources = _tag("sources", json.dumps(_sources(trace)).encode())
        if room is not None and len(sources) < room:
            start.insert(3, sources)
        head["chunks"] = 0
        note = (
            "Only the overview: the events themselves were left out to keep this file "
            "small"
        )
    else:
        head["chunks"] = len(chunks)
        if kept is not None and kept[0] < kept[1]:
            note = (
                f"{kept[0]:,} of {kept[1]:,} events: the others were left out to keep "
                f"this file small, the time line shows them from afar only"
            )
    if note:
        head["note"] = note
        if tell is not None:
            tell(note)
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


def _pack(
    path: str, packed: Path, room: int | None, tick: _Tick
) -> tuple[int, int] | None:
    """How many events of how many are in `packed`; None: there is no room for any."""
    names = os.fsencode(path), os.fsencode(packed)
    if room is None:
        _core.pack(*names, NO_INDEX, tick)
        return 0, 0
    return _core.pack_part(*names, int(room * BASE64_SHARE), tick)


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
