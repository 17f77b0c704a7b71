"""The names and the index that a page starts from, kept between two views.

Building the index walks the whole trace, so it is kept in the user's cache folder
($XDG_CACHE_HOME/marey), under the trace's place, size and time of change and the build
of Marey that made it: another may tell more, or tell it otherwise. What is kept is only
ever a shortcut: whatever is wrong with it, the index is built again.
"""

from __future__ import annotations

import functools
import hashlib
import os
import struct
import zlib
from pathlib import Path

import marey
from marey import _view
from marey._errors import MareyError

KEPT_MAX = 40
WORTH_KEEPING = 4 << 20  # smaller traces are walked in no time
WORTH_ADDING = 32 << 20  # of smaller ones totals are there as soon
WORTH_BUILDING = 512 << 20  # larger ones are read with their progress shown
SAMPLE_EVENTS = 1 << 21  # of a large trace, for the first picture
HEAD = struct.Struct("<8sQQI")  # magic, sizes of both, crc of both
MAGIC = b"mareyix1"


def read(path: str, is_live: bool) -> tuple[bytes, bytes]:
    """Names (JSON) and index; raises MareyError."""
    stat = Path(path).stat()
    if is_live or stat.st_size < WORTH_KEEPING:
        return _view.open(path)
    place = _place(path, stat)
    kept = _kept(place)
    if kept is None:
        kept = _view.open(path)
        _keep(place, kept)
    return kept


def for_totals(path: str) -> bytes | None:
    """The index, where totals are had sooner with it than by reading the trace."""
    try:
        stat = Path(path).stat()
        if stat.st_size < WORTH_ADDING or is_live(path):
            return None
        kept = _kept(_place(path, stat))
        if kept is None and stat.st_size < WORTH_BUILDING:
            kept = read(path, False)
    except (MareyError, OSError):
        return None  # whoever reads the trace says what is wrong
    return kept[1] if kept else None


def is_kept(path: str) -> bool:
    """Does read() have nothing to build?"""
    stat = Path(path).stat()
    place = _place(path, stat)
    return stat.st_size < WORTH_KEEPING or (place is not None and place.exists())


def is_live(path: str) -> bool:
    """Is a process of the recorded run still there to write?"""
    try:
        with marey.open(path) as trace:
            if trace.info(count=False).host != os.uname().nodename:
                return False
            return any(
                not process.has_ended and Path(f"/proc/{process.pid}").exists()
                for process in trace.processes
            )
    except (MareyError, OSError):
        return False


def _stamp(stat: os.stat_result) -> str:
    return f"{stat.st_size} {stat.st_mtime_ns}"


@functools.cache
def _build() -> str:
    """What tells this build of the C core from others."""
    return _stamp(Path(_view.__file__).stat())


def _place(path: str, stat: os.stat_result) -> Path | None:
    try:
        default = Path.home() / ".cache"
    except RuntimeError:
        return None
    folder = Path(os.environ.get("XDG_CACHE_HOME") or default) / "marey"
    key = "\0".join((os.path.realpath(path), _stamp(stat), str(stat.st_ino), _build()))
    name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return folder / f"{name}.index"


def _kept(place: Path | None) -> tuple[bytes, bytes] | None:
    try:
        data = place.read_bytes() if place else b""
        magic, info_size, index_size, check = HEAD.unpack_from(data)
    except (OSError, struct.error):
        return None
    body = data[HEAD.size :]
    if magic != MAGIC or len(body) != info_size + index_size:
        return None
    if zlib.crc32(body) != check:
        return None
    return body[:info_size], body[info_size:]


def _keep(place: Path | None, made: tuple[bytes, bytes]) -> None:
    if place is None:
        return
    body = made[0] + made[1]
    head = HEAD.pack(MAGIC, len(made[0]), len(made[1]), zlib.crc32(body))
    part = place.with_suffix(f".{os.getpid()}")
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.write_bytes(head + body)
        part.replace(place)
        kept = sorted(place.parent.glob("*.index"), key=lambda p: p.stat().st_mtime)
        for old in kept[:-KEPT_MAX]:
            old.unlink()
    except OSError:
        pass  # a full or read-only home: the next view builds it again
