"""What the page tells and copies is what the terminal says."""

from __future__ import annotations

import json
import os
import shlex
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from browse import browse, needs_browser
from marey.serve import Server
from trace_builder import Builder

CALLERS, CALLEES = "Called by", "It called"


def reading_trace(path: Path) -> Path:
    """Two callers of `middle`, which calls two others; an arrow between two lanes."""
    b = Builder()
    p = b.process(program="app.py")
    main, first, second, middle, low, lower = (
        p.function(name, module="app")
        for name in ("main", "first", "second", "middle", "low", "lower")
    )
    lane, other = p.lane("MainThread", flags=1), p.lane("it's [a] worker")
    lane.enter(main, dt=1000)
    for i in range(40):
        lane.enter(second if i % 3 else first, dt=100)
        lane.enter(middle, dt=100)
        for _ in range(1 + i % 2):
            lane.call(low, dt=300 + i)
        lane.call(lower, dt=500)
        lane.leave(dt=200)
        if i == 20:
            lane.flow(7, is_out=True)
        lane.leave(dt=100)
    lane.leave(dt=1000)
    other.enter(main, dt=60000)
    other.flow(7, is_out=False)
    other.enter(middle, dt=1000)
    other.leave(dt=3000)
    other.leave(dt=1000)
    return b.write(path)


def reported(folder: Path, command: list[str]) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", *command, "--json", "--callers", "--callees"],
        cwd=folder,
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )
    rows = json.loads(ran.stdout)["functions"]
    return {f"{row['module']}:{row['name']}": row for row in rows}


def number(text: str) -> int:
    return int(text.replace(",", "").removesuffix(" ns").removesuffix(" ×"))


def check_window(shown: dict[str, Any], rows: dict[str, Any]) -> None:
    cells = {row["fn"]: row["cells"] for row in shown["functions"]}
    want = {
        name: [row["calls"], row["total_ns"], row["self_ns"]]
        for name, row in rows.items()
    }
    assert {
        name: [number(text) for text in row[1:4]] for name, row in cells.items()
    } == want
    for title, key in ((CALLERS, "callers"), (CALLEES, "callees")):
        edges = {
            name: [number(calls), number(total)]
            for name, calls, total in shown["edges"][title]
        }
        assert edges == {
            f"{edge['module']}:{edge['name']}": [edge["calls"], edge["total_ns"]]
            for edge in rows["app:middle"][key]
            if edge["name"]
        }
    assert shown["flame"] == {row["name"]: row["self_ns"] for row in rows.values()}
    lines = [line.split("\t") for line in shown["text"].splitlines()]
    assert {line[0]: number(line[2]) for line in lines[1:]} == {
        name: row["calls"] for name, row in rows.items()
    }


@needs_browser
def test_tables_copies_and_the_terminal_agree(tmp_path: Path) -> None:
    trace = reading_trace(tmp_path / "what it's.marey")
    b = Builder()
    p = b.process(program="other.py")
    p.lane("MainThread", flags=1).call(p.function("dropped", module="other"), dt=50)
    dropped = b.write(tmp_path / "dropped.marey")
    with Server(str(trace)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        shown = browse("reading.mjs", server.address, tmp_path, dropped)
        server.shutdown()
    assert shown["errors"] == []
    check_window(shown["whole"], reported(tmp_path, ["marey", "report", trace.name]))
    command = shlex.split(shown["area"]["command"])
    assert command[:3] == ["marey", "report", trace.name]
    assert command[3:7] == ["--from", "30500ns", "--to", "70500ns"]
    assert command[7:] == ["--thread", "MainThread"]
    check_window(shown["area"], reported(tmp_path, command))
    assert "a=30500_70500" in shown["address"]
    assert shown["address"].startswith("http://127.0.0.1:")
    out_ns, in_ns, *lanes = shown["flows"]
    assert lanes == [0, 1]
    assert in_ns == 60010
    end_ns = max(row["max_ns"] for row in reported(tmp_path, command[:3]).values())
    assert any(
        min(out_ns, in_ns) / end_ns - 0.1 < x < max(out_ns, in_ns) / end_ns + 0.1
        for x in shown["arrow"]
    )
    assert shown["picture"] == f"{trace.name}.png"
    head = (tmp_path / "saved.png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:])[0] > 800
    assert shown["dropped"] == ["dropped"]
    assert [row["fn"] for row in shown["droppedFunctions"]] == ["other:dropped"]
