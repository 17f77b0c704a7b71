"""Odd traces: each opens, is drawn sensibly, and can be used."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest
from browse import browse, needs_browser
from marey.serve import Server
from odd_traces import DEPTH, HOUR, ODD, RIGHT_TO_LEFT, THREADS, write_odd


@needs_browser
def test_odd_traces_are_drawn(tmp_path: Path) -> None:
    addresses = []
    with contextlib.ExitStack() as stack:
        for name in ODD:
            path = write_odd(name, tmp_path / f"{name}.marey")
            server = stack.enter_context(Server(str(path)))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            addresses.append(f"{name}={server.address}")
        told = browse("odd.mjs", tmp_path, *addresses)
    for name, page in told.items():
        assert page["errors"] == [], name
        assert page["elements"] < 3000, name
    assert (told["deep"]["lanes"], told["deep"]["rows"]) == (1, DEPTH)
    assert told["deep"]["title"].startswith("down_")
    assert told["deep"]["scrolled"] > DEPTH * 17
    assert told["wide"]["lanes"] == THREADS
    assert told["wide"]["scrolled"] > THREADS * 20
    assert told["one"]["rows"] == 1
    assert told["none"]["lanes"] == 0
    assert RIGHT_TO_LEFT in told["names"]["tip"] or "nnn" in told["names"]["tip"]
    assert told["gap"]["whole"] == pytest.approx(HOUR, rel=0.01)
    assert (told["apart"]["lanes"], told["apart"]["rows"]) == (2, 1)
    assert told["apart"]["life"] < HOUR / 1000  # of the second process
    assert told["apart"]["whole"] == pytest.approx(HOUR, rel=0.01)
    assert "lost" in told["damaged"]["facts"]
    assert (told["logs"]["lanes"], told["logs"]["rows"]) == (1, 0)
    assert told["logs"]["variables"] == ["word  outside of calls, 500 values"]
    assert told["one"]["variables"] == []
    assert "Transactions" in told["transactions"]["tabs"]
    assert "Transactions" not in told["logs"]["tabs"]
