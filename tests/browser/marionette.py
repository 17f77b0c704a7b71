"""A Firefox that is told what to do, by the protocol it brings with it (Marionette): no
driver and no package is needed. A message is its length in digits, a colon, JSON."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

FIREFOX = os.environ.get("MAREY_FIREFOX") or shutil.which("firefox-esr")
STARTS_S = 120  # a loaded machine takes its time
HANGS_S = 60
POLL_S = 0.05
PORT_FILE = "MarionetteActivePort"


class Firefox:
    """One window. Commands are answered in turn."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), STARTS_S)
        self._file = self._socket.makefile("rb")
        self._count = 0
        self._read()  # its greeting
        self.ask("WebDriver:NewSession", {})

    def _read(self) -> Any:
        digits = b""
        while (one := self._file.read(1)) != b":":
            assert one, "Firefox ended"
            digits += one
        return json.loads(self._file.read(int(digits)))

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, command: str, words: dict[str, Any]) -> Any:
        self._count += 1
        text = json.dumps([0, self._count, command, words]).encode()
        self._socket.sendall(b"%d:%s" % (len(text), text))
        _, _, error, result = self._read()
        assert error is None, error["message"]
        return result

    def go(self, address: str) -> None:
        self.ask("WebDriver:Navigate", {"url": address})

    def tell(self, script: str) -> Any:
        """What the body of a function gives, which runs beside the page's own script;
        `session` and `app` are the page's, or null until it runs."""
        page = (
            "const running = window.marey?.running() ?? null;"
            "const session = running?.session, app = running?.app;"
        )
        words = {"script": page + script, "args": []}
        return self.ask("WebDriver:ExecuteScript", words)["value"]

    def until(self, expression: str) -> None:
        end = time.monotonic() + HANGS_S
        while not self.tell(f"return Boolean({expression})"):
            assert time.monotonic() < end, f"never so: {expression}"
            time.sleep(POLL_S)

    def settle(self) -> None:
        """Until nothing is under way in the page."""
        self.until("app && session.hasData && app.underWay().length === 0")

    def press(self, key: str) -> None:
        down = {"type": "keyDown", "value": key}
        up = {"type": "keyUp", "value": key}
        keys = {"type": "key", "id": "keys", "actions": [down, up]}
        self.ask("WebDriver:PerformActions", {"actions": [keys]})
        self.settle()

    def click(self, x: int, y: int) -> None:
        """At a place of the window, in CSS pixels."""
        actions = [
            {"type": "pointerMove", "x": x, "y": y, "duration": 0},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "actions": actions}
        self.ask("WebDriver:PerformActions", {"actions": [mouse]})
        self.settle()


@contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """A new one with a profile of its own in `folder`, which ends with the block."""
    assert FIREFOX
    profile = folder / "profile"
    profile.mkdir()
    (profile / "user.js").write_text('user_pref("marionette.port", 0);\n')
    command = [FIREFOX, "--headless", "--marionette", "--no-remote", "--profile"]
    process = subprocess.Popen(
        [*command, str(profile), "--width", "1280", "--height", "800"],
        env={**os.environ, "HOME": str(folder), "MOZ_HEADLESS_WIDTH": "1280"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + STARTS_S
        port = profile / PORT_FILE
        while not (port.exists() and port.read_text().strip()):
            assert process.poll() is None, "Firefox did not start"
            assert time.monotonic() < end, "Firefox does not say its port"
            time.sleep(POLL_S)
        with closing(Firefox(int(port.read_text()))) as one:
            yield one
    finally:
        process.terminate()
        try:
            process.wait(HANGS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
