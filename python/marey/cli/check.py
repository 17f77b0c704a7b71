"""`marey check`: verifies the bytes of a trace."""

from __future__ import annotations

from marey.cli import _common

DESCRIPTION = """\
Verifies every byte of a trace: structure, checksums, definitions, nesting, order. Exits
with 1 and says where, if anything is wrong."""

FINDINGS_SHOWN = 50


def main(arguments: list[str]) -> int:
    parser = _common.Parser("check", "[TRACE]", DESCRIPTION)
    _common.add_trace(parser)
    given = parser.parse_args(arguments)
    with _common.open_trace(given.trace) as trace:
        findings, count = trace.check(limit=FINDINGS_SHOWN)
        info = trace.info(count=False)
        path = trace.path
    for offset, line in findings:
        _common.write(f"{path}: at {offset:,}: {_common.safe(line)}\n")
    if count > len(findings):
        _common.write(f"{path}: … and {count - len(findings):,} more\n")
    if count:
        _common.write(f"{path}: {_common.show_count(count, 'finding')}\n")
        return 1
    events = _common.show_count(info.event_count, "event")
    chunks = _common.show_count(info.chunk_count, "chunk")
    _common.write(f"{path}: whole: {events} in {chunks}\n")
    return 0
