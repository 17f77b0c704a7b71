"""The view and the report in Firefox, where there is one: opened, clicked, asked."""

from __future__ import annotations

import threading
from pathlib import Path

import marey
import pytest
from marey.serve import Server
from marionette import FIREFOX, firefox
from view_trace import small_trace

pytestmark = pytest.mark.skipif(not FIREFOX, reason="needs firefox-esr, MAREY_FIREFOX")


@pytest.mark.parametrize("kind", ["served", "report"])
def test_firefox_shows_what_the_terminal_says(kind: str, tmp_path: Path) -> None:
    path = small_trace(tmp_path / "small.marey")
    with marey.open(path) as opened, Server(str(path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = server.address
        if kind == "report":
            opened.export(tmp_path / "report.html")
            address = (tmp_path / "report.html").as_uri()
        self_ns = {row.function.name: row.self_ns for row in opened.totals().rows}
        with firefox(tmp_path) as page:
            page.go(address)
            page.settle()
            assert "small" in page.tell("return document.title")
            drawn = page.tell("""
                const lanes = document.getElementById('lanes')
                const { width, height } = lanes
                const context = lanes.getContext('2d')
                const { data } = context.getImageData(0, 0, width, height)
                return new Set(new Uint32Array(data.buffer)).size""")
            assert drawn > 3  # colours
            page.click(700, 143)
            page.until("document.querySelector('#call-facts .facts')")
            title = "return document.querySelector('.call-title').textContent"
            assert page.tell(title) == "outer"
            page.press("2")
            page.until("document.querySelector('tr[data-function]')")
            rows = page.tell("""
                return [...document.querySelectorAll('tr[data-function]')].map((row) =>
                    [row.dataset.function.split(':')[1], row.cells[3].title])""")
            shown = {
                name: int(title.replace(",", "").removesuffix(" ns"))
                for name, title in rows
            }
            assert shown == self_ns
        server.shutdown()
