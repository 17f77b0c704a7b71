"""`marey show`: the recording as indented text, or its log. The text is made in C."""

from __future__ import annotations

import sys

from marey._errors import UsageError
from marey.cli import _common, _transactions

DESCRIPTION = """\
Prints the recording as indented text with durations, like a function-graph tracer. A
call that made no other shown call is one line; a duration stands where a call ends.
With --log, only what was logged: instants, counters, values, records, a line each."""


def main(arguments: list[str]) -> int:
    parser = _common.Parser("show", "[options] [TRACE]", DESCRIPTION)
    _common.add_trace(parser)
    _common.add_selectors(parser, depth=True)
    parser.add_argument(
        "--transaction",
        metavar="ID",
        help="one transaction as a tree (report --transactions prints ids)",
    )
    group = parser.add_argument_group("values")
    group.add_argument(
        "--values",
        action="store_true",
        help="arguments and return values, where they were recorded",
    )
    group.add_argument(
        "--value",
        metavar="PATTERN",
        help="only what has such a value: '*timeout*', 'user=42', 'return=None'",
    )
    group.add_argument("--log", action="store_true", help="only the log")
    group.add_argument(
        "--stack", action="store_true", help="with --log: the open calls of each line"
    )
    given = parser.parse_args(arguments)
    if given.stack and not given.log:
        raise UsageError("show: --stack goes with --log (marey show --help)")
    if given.value == "":
        raise UsageError("show: --value needs a pattern (marey show --help)")
    if given.transaction is not None:
        with _common.open_trace(given.trace) as trace:
            _transactions.show(trace, given.transaction)
        return 0
    with _common.open_trace(given.trace) as trace:
        chosen = _common.selectors(given, trace)
        sys.stdout.flush()
        trace.export(
            sys.stdout.buffer,
            format="log" if given.log else "text",
            values=given.values,
            stack=given.stack,
            value=given.value,
            **chosen,
        )
        lost_count = trace.info(count=False).lost_count
    sys.stdout.flush()
    if lost_count:
        lost = _common.show_count(lost_count, "event")
        _common.write(f"marey: {lost} of this trace are lost\n", sys.stderr)
    return 0
