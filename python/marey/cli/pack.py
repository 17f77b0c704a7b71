"""`marey pack`: a trace in fewer bytes, for keeping and sending."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import marey
from marey._errors import UsageError
from marey.cli import _common

DESCRIPTION = """\
Rewrites a trace in a fraction of its bytes, for keeping and sending. All of it stays:
calls, values, source texts, losses; every reading command answers as before. Without -o
the packed trace takes the place of the old one, which is there until it is whole."""


def main(arguments: list[str]) -> int:
    parser = _common.Parser("pack", "[TRACE] [-o FILE]", DESCRIPTION)
    _common.add_trace(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="must not exist yet; leaves TRACE alone"
    )
    given = parser.parse_args(arguments)
    with _common.open_trace(given.trace) as trace:
        path = trace.path
    if given.output is not None and os.path.lexists(given.output):
        raise UsageError(f"{given.output}: is there already; choose another -o")
    before = Path(path).stat().st_size
    with _common.Progress("packing") as progress:
        marey.pack(path, given.output, tick=progress.tick)
    name = path if given.output is None else given.output
    after = Path(name).stat().st_size
    _common.write(
        f"marey: {name}: {_common.show_size(after)}, was {_common.show_size(before)}\n",
        sys.stderr,
    )
    return 0
