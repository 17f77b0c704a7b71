"""What --max-overhead left out, in the page's table of functions."""

from __future__ import annotations

import threading
from pathlib import Path

from browse import browse, needs_browser
from marey.serve import Server
from trace_builder import Builder


def budget_trace(path: Path) -> Path:
    """Two calls of each function; then `hot` is counted, `warm` estimated only."""
    b = Builder()
    p = b.process(program="app.py")
    main, hot, warm = (
        p.function(name, module="app") for name in ("main", "hot", "warm")
    )
    lane = p.lane("MainThread", flags=1)
    lane.enter(main, dt=1000)
    for function in (hot, warm, hot, warm):
        lane.enter(function, dt=100)
        lane.leave(dt=200)
    lane.leave(dt=8000)
    for function, counted, estimated in ((hot, 1000, 0), (warm, 0, 70)):
        p.left_out(function, 3000)
        p.unrecorded(function, 9000, counted, estimated)
    p.end(12000)
    return b.write(path)


@needs_browser
def test_calls_that_were_not_recorded_are_in_the_table(tmp_path: Path) -> None:
    with Server(str(budget_trace(tmp_path / "budget.marey"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        shown = browse("left_out.mjs", server.address)
        server.shutdown()
    assert shown["errors"] == []
    assert shown["whole"] == [
        ["main", "1", "9.2 µs", "8.4 µs"],
        ["hot", "1,002", "≥ 400 ns", "≥ 400 ns"],
        ["warm", "≈ 72", "≥ 400 ns", "≥ 400 ns"],
    ]
    assert shown["told"] == [
        "",
        "left out from 2 µs on; 1,000 calls since then not recorded",
        "left out from 2 µs on; 70 calls since then not recorded",
    ]
    # Of a part it is only known that calls may be missing, or that none are.
    assert {row[0]: row[1] for row in shown["before"]} == {
        "main": "1",
        "hot": "2",
        "warm": "1",
    }
    assert [row[:3] for row in shown["after"]][1:] == [
        ["hot", "≥ 2", "≥ 400 ns"],
        ["warm", "≥ 2", "≥ 400 ns"],
    ]
