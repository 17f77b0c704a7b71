"""The reference pages name everything that there is, and their links lead somewhere."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import harness
import marey
import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
VERBS = re.findall(r"^  (\w+) +\w", harness.marey("--help").stdout, re.MULTILINE)

pytestmark = pytest.mark.skipif(not REFERENCE.exists(), reason="needs the checkout")


def section(page: str, heading: str) -> str:
    """The text below a heading, up to the next one of its level or above."""
    lines = (REFERENCE / page).read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip("# ") == heading)
    level = lines[start].count("#")
    end = start + 1
    while end < len(lines) and not re.match(rf"#{{1,{level}}} ", lines[end]):
        end += 1
    return "\n".join(lines[start:end])


@pytest.mark.parametrize("verb", VERBS)
def test_each_option_of_a_verb_is_in_the_reference(verb: str) -> None:
    options = re.findall(r"(?<![\w-])--\w[\w-]+", harness.marey(verb, "--help").stdout)
    text = section("cli.md", verb) + section("cli.md", "Selection")
    # -o is described for what it is for; --output is its long name everywhere.
    expected = set(options) - {"--help", "--output"}
    assert {option for option in expected if option not in text} == set()


def names(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from names(item)
    elif isinstance(value, list):
        for item in value:
            yield from names(item)


@pytest.mark.parametrize(
    "words", [["info"], ["report", "--callers"], ["report", "--transactions"]]
)
def test_each_name_in_json_is_in_the_reference(
    words: list[str], tmp_path: Path
) -> None:
    trace = tmp_path / "t.marey"
    code = "import marey\nwith marey.transaction('a'):\n    len('b')\n"
    harness.marey("run", "-q", "-o", trace, "-c", code)
    printed = json.loads(harness.marey(*words, "--json", trace).stdout)
    for process in printed.get("processes", []):
        del process["options"]  # as they were given
    for row in printed.get("transactions", []):
        for one in row["slowest"]:
            del one["attributes"]  # the program's names
    text = (REFERENCE / "json.md").read_text()
    assert {name for name in names(printed) if f"`{name}`" not in text} == set()


def test_each_public_name_is_in_the_reference() -> None:
    text = (REFERENCE / "api.md").read_text()
    wanted = set(marey.__all__) | set(inspect.signature(marey.record).parameters)
    for kind in (marey.Info, marey.Function, marey.Process, marey.Lane, marey.Total):
        own = set(dir(kind)) - set(dir(tuple))
        wanted |= {name for name in own if name[0] != "_" and name[:2] != "n_"}
    known = set(re.findall(r"\w+", text))
    assert wanted - known == set()


def anchor(heading: str) -> str:
    """As GitHub makes them."""
    words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower())
    return words.replace(" ", "-")


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")]
    dead = []
    for page in pages:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, part = link.partition("#")
            target = page.parent / path if path else page
            if link.startswith("http"):
                continue
            headings = (
                re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
                if part and target.exists()
                else []
            )
            if not target.exists() or (part and part not in map(anchor, headings)):
                dead.append(f"{page.relative_to(ROOT)}: {link}")
    assert dead == []
    assert len(pages) > 10


def test_the_readme_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text()
    for page in (ROOT / "docs").glob("**/*.md"):
        assert f"({page.relative_to(ROOT)})" in text
