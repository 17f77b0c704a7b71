"""The page is readable and reachable: contrast, names, focus, tables, motion."""

from __future__ import annotations

import threading
from pathlib import Path

from browse import browse, needs_browser
from marey.serve import Server
from view_trace import small_trace


@needs_browser
def test_all_can_be_read_and_reached(tmp_path: Path) -> None:
    with Server(str(small_trace(tmp_path / "small.marey"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        shown = browse("access.mjs", server.address)
        server.shutdown()
    assert shown["errors"] == []
    assert shown["pale"] == {}
    names = {stop["what"]: stop["name"] for stop in shown["stops"]}
    for element in ("input#search", "button#theme", "canvas#overlay", "div#splitter"):
        assert any(what.startswith(element) for what in names), element
    assert [stop for stop in shown["stops"] if not stop["name"]] == []
    assert [stop for stop in shown["stops"] if not stop["seen"]] == []
    for name, heads in shown["tables"]:
        assert name
        assert heads or name == "Transactions by time"  # there are none
    assert not shown["glides"]
    assert shown["moving"] == 0
