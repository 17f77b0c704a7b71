"""`marey merge`: several traces in one file."""

from __future__ import annotations

import os

import marey
from marey._errors import UsageError
from marey.cli import _common

DESCRIPTION = """\
Puts traces together in a new file, also those of other hosts: their clocks are aligned
by the time of day that each recorded."""


def main(arguments: list[str]) -> int:
    parser = _common.Parser("merge", "TRACE TRACE… -o FILE", DESCRIPTION)
    parser.add_argument(
        "traces", nargs="+", metavar="TRACE", help="what to put together"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="must not exist yet"
    )
    # Traces may stand on both sides of -o.
    given = parser.parse_intermixed_args(arguments)
    if os.path.lexists(given.output):
        raise UsageError(f"{given.output}: is there already; choose another -o")
    with _common.Progress("merging") as progress:
        marey.merge(given.traces, given.output, tick=progress.tick)
    return 0
