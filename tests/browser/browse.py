"""Starts the scripts beside it, which use the page in node or in a browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from marey.serve import PAGE

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent
CHROMIUM = os.environ.get("MAREY_CHROMIUM", "/usr/bin/chromium")

PLAYWRIGHT_NODE = 20  # the oldest that runs it; Debian 12 has 18


def node_major() -> int:
    """0: there is none."""
    if shutil.which("node") is None:
        return 0
    version = subprocess.check_output(["node", "--version"], text=True)
    return int(version.lstrip("v").split(".")[0])


needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
has_browser = (
    node_major() >= PLAYWRIGHT_NODE
    and (ROOT / "viewer/node_modules/playwright-core").exists()
    and Path(CHROMIUM).exists()
)
needs_browser = pytest.mark.skipif(
    not has_browser, reason="needs playwright-core, node 20 and chromium"
)


def browse(script: str, *words: object, timeout: int = 400) -> Any:
    """What a script of this folder prints, which is JSON."""
    ran = subprocess.run(
        ["node", HERE / script, *map(str, words)],
        capture_output=True,
        check=False,
        text=True,
        timeout=timeout,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


__all__ = ["PAGE", "ROOT", "browse", "needs_browser", "needs_node"]
