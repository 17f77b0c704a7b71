"""`marey show`: the recording as indented text. The text is made in C."""

from __future__ import annotations

import sys

from marey.cli import _common

DESCRIPTION = """\
Prints the recording as indented text with durations, like a function-graph tracer. A
call that made no other shown call is one line; a duration stands where a call ends."""


def main(arguments: list[str]) -> int:
    parser = _common.Parser("show", "[options] [TRACE]", DESCRIPTION)
    _common.add_trace(parser)
    _common.add_selectors(parser, depth=True)
    given = parser.parse_args(arguments)
    with _common.open_trace(given.trace) as trace:
        chosen = _common.selectors(given, trace)
        sys.stdout.flush()
        trace.export(sys.stdout.buffer, format="text", **chosen)
        lost_count = trace.info(count=False).lost_count
    sys.stdout.flush()
    if lost_count:
        lost = _common.show_count(lost_count, "event")
        _common.write(f"marey: {lost} of this trace are lost\n", sys.stderr)
    return 0
