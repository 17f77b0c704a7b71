"""What was logged, in the page: values over time, the way of an exception."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from browse import PAGE, browse, needs_browser, needs_node
from marey.serve import Server
from trace_builder import Builder

VALUE, ATTRIBUTE, RAISED, HANDLED, LINE = 1, 2, 3, 4, 12


def logged_trace(path: Path) -> Path:
    """Calls of `work` of 1000 ns, 1000 ns apart, each of which logs."""
    b = Builder()
    p = b.process(program="app.py")
    main, work = (
        p.function(name, module="app", file="/app.py", line=1)
        for name in ("main", "work")
    )
    lane = p.lane("MainThread", flags=1)
    lane.enter(main, dt=1000)
    lane.log("main", LINE, lane.blob({"": 3}), dt=0)
    for i in range(5):
        lane.enter(work, dt=1000)
        lane.log("word", VALUE, lane.blob({"": "odd" if i % 2 else "even"}), dt=100)
        lane.log("state", ATTRIBUTE, lane.blob({"": i > 2, "of": "Machine"}), dt=100)
        lane.log("work", LINE, lane.blob({"": 7, "level": i * 1.5}), dt=100)
        lane.leave(dt=700)
    lane.enter(work, dt=1000)
    values = {"": "five", "id": 1, "line": 25}
    lane.log("ValueError", RAISED, lane.blob(values), dt=100)
    lane.unwind("ValueError", dt=100)
    lane.log("ValueError", HANDLED, lane.blob({"id": 1, "line": 18}), dt=100)
    lane.leave(dt=1000)
    return b.write(path)


@needs_browser
def test_values_of_variables_are_lanes(tmp_path: Path) -> None:
    moments = [
        ("level", 2000 + 2000 * 3 + 600),
        ("level", 2000 + 2000 * 3 + 1500),  # its call is over
        ("word", 2000 + 2000 * 3 + 600),
        ("Machine.state", 2000 + 1500),  # objects outlive calls
        ("Machine.state", 2000 + 2000 * 4 + 600),
    ]
    with Server(str(logged_trace(tmp_path / "logged.marey"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        shown = browse("history.mjs", server.address, json.dumps(moments))
        server.shutdown()
    assert shown["errors"] == []
    assert shown["variables"] == [
        "word  in work, 5 values",
        "Machine.state  attribute, 5 values",
        "level  in work, 5 values",
    ]
    assert shown["facts"] == [["level", 5], ["word", 5], ["Machine.state", 5]]
    assert shown["tips"] == [
        "level = 4.5",
        None,
        "word = 'odd'",
        "Machine.state = False",
        "Machine.state = True",
    ]
    assert abs(shown["playhead"] - (2000 + 2000 * 4 + 200)) < 30
    assert shown["again"] == ["level", "word", "Machine.state"]
    assert shown["unwinding"] == [
        '"five"',
        "raised at line 25 of work",
        "caught at line 18 of main",
    ]
    assert shown["lines"] == [
        [8300, "level", "4.5"],
        [10300, "level", "6.0"],
        [8300, "level", "4.5"],
    ]
    # In a call after and before its line; in main between two calls; late in one.
    assert shown["standing"] == [
        [7, "level4.5"],
        [None, ""],
        [3, ""],
        [7, "level0.0"],
    ]
    assert shown["filtered"] == "No values in what is shown."


@needs_node
def test_wrong_bytes_of_histories_never_trap_or_hang(tmp_path: Path) -> None:
    trace = logged_trace(tmp_path / "logged.marey")
    told = browse("fuzz.mjs", PAGE, trace, 2, 3)
    assert told["turns"] > 20
    assert told["slowest_ms"] < 5000
