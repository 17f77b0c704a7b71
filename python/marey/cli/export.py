"""`marey export`: a trace in the format of another tool."""

from __future__ import annotations

import sys

from marey._errors import UsageError
from marey._export import check_format, format_of
from marey.cli import _common

DESCRIPTION = """\
Writes a trace in another format, which the suffix of FILE tells: .html for one page
that shows it anywhere, .json and .json.gz for chrome://tracing, Perfetto, speedscope,
.pftrace for Perfetto, .txt for the text of marey show, .png for a picture."""


def main(arguments: list[str]) -> int:
    parser = _common.Parser("export", "[options] [TRACE] -o FILE", DESCRIPTION)
    _common.add_trace(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="- is standard output"
    )
    parser.add_argument("--format", metavar="NAME", help="instead of the suffix's")
    parser.add_argument(
        "--max-size",
        metavar="SIZE",
        type=_common.size,
        help="of an .html, such as 50M; what does not fit is left out, and it says so",
    )
    _common.add_selectors(parser)
    given = parser.parse_args(arguments)
    to_stdout = given.output == "-"
    if given.format is not None:
        check_format(given.format)
    elif to_stdout:
        raise UsageError("export: -o - has no suffix: say --format")
    else:
        format_of(given.output)
    with _common.open_trace(given.trace) as trace:
        chosen = _common.selectors(given, trace)
        target = sys.stdout.buffer if to_stdout else given.output
        left_out: list[str] = []
        with _common.Progress("exporting") as progress:
            trace.export(
                target,
                format=given.format,
                max_size=given.max_size,
                tick=progress.tick,
                tell=left_out.append,
                **chosen,
            )
        lost_count = trace.info(count=False).lost_count
    for line in left_out:
        _common.write(f"marey: {given.output}: {line}\n", sys.stderr)
    if lost_count:
        lost = _common.show_count(lost_count, "event")
        _common.write(f"marey: {lost} of this trace are lost\n", sys.stderr)
    return 0
