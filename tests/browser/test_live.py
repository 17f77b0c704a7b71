"""A trace that is still being written grows on the screen."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path

from browse import HERE, needs_browser
from harness import start
from marey.serve import Server

PROGRAM = """\
import time

def beat():
    time.sleep(0.002)

while True:
    beat()
"""


@needs_browser
def test_a_growing_trace_grows_on_the_screen(tmp_path: Path) -> None:
    (tmp_path / "beat.py").write_text(PROGRAM)
    trace = tmp_path / "beat.marey"
    program = start(trace, tmp_path / "beat.py")
    try:
        deadline = time.monotonic() + 60
        while not (trace.exists() and trace.stat().st_size > 4096):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with Server(str(trace)) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            with subprocess.Popen(
                ["node", HERE / "live.mjs", server.address],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as page:
                assert page.stdin
                assert page.stdout
                assert json.loads(page.stdout.readline())["ready"]
                program.kill()
                program.wait()
                page.stdin.write("it ended\n")
                page.stdin.flush()
                shown = json.loads(page.stdout.readline())
            server.shutdown()
    finally:
        program.kill()
        program.wait()
    assert shown["errors"] == []
    assert "recording" in shown["live"]
    assert shown["followed"]
    assert shown["stayed"]
    assert int(shown["row"].replace(",", "")) > 10
    assert "recording" not in shown["ended"]
