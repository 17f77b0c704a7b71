"""`marey view`: the time line of a trace in the browser."""

from __future__ import annotations

import os
import sys

from marey._errors import UsageError
from marey.cli import _common

DESCRIPTION = """\
Opens the time line of a trace in the browser; the newest trace here when none is named.
The page comes from a server on this machine's loopback that serves this one trace to
whoever has the printed address. Ctrl-C ends it."""


def main(arguments: list[str]) -> int:
    parser = _common.Parser("view", "[options] [TRACE]", DESCRIPTION)
    _common.add_trace(parser)
    parser.add_argument(
        "--no-browser", action="store_true", help="only print the address"
    )
    parser.add_argument(
        "--port", metavar="N", type=int, default=0, help="instead of any free one"
    )
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a name that a proxy in front calls this server by",
    )
    given = parser.parse_args(arguments)
    if not 0 <= given.port <= 65535:
        raise UsageError("view: --port is a number from 0 to 65535")
    with _common.open_trace(given.trace) as trace:  # says what is wrong with it
        path = os.path.abspath(trace.path)  # noqa: PTH100
    from marey.serve import Server

    names = frozenset(name.lower() for name in given.allow_host)
    with Server(path, given.port, names) as server:
        _common.write(f"{server.address}\n")
        sys.stdout.flush()
        if not given.no_browser:
            _open_browser(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            _common.write("\n", sys.stderr)
    return 0


def _open_browser(address: str) -> None:
    import webbrowser

    try:
        is_open = webbrowser.open(address)
    except webbrowser.Error:
        is_open = False
    if not is_open:
        _common.write("marey: no browser was found; open the address\n", sys.stderr)
