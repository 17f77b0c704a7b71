"""Real programs are recorded from end to end, and run as they do without."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import harness
import marey
import pytest
import reference_reader
import trees

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TIME = re.compile(r"\d\d:\d\d:\d\d\.\d+")  # stands in diffs
PACKAGES = ("black", "sqlglot", "flask", "django")


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages to import, which needs the package index once."""
    folder = tmp_path_factory.mktemp("packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    done = harness.run([*pip, "--target", folder, *PACKAGES], timeout=600)
    if done.returncode:
        pytest.skip(f"the packages cannot be installed: {done.stderr[-200:]}")
    return folder


def record_and_compare(
    words: Sequence[str | Path], folder: Path, **environ: str
) -> Path:
    """Runs a program with and without; the trace must be whole and sensible."""
    trace = folder / "t.marey"
    environ["PYTHONHASHSEED"] = "0"
    options = {"cwd": folder, "env": environ, "timeout": 600}
    bare = harness.run([sys.executable, *words], **options)
    done = harness.marey("run", "-q", "-o", trace, *words, **options)
    assert done.returncode == bare.returncode == 0, done.stderr
    assert TIME.sub("", done.stdout) == TIME.sub("", bare.stdout)
    with marey.open(trace) as opened:
        findings, count = opened.check()
        assert count == 0, findings[:5]
        info = opened.info()
        assert info.lost_count == 0
        assert info.call_count > 1_000
        assert opened.processes[0].exit_status == 0
        for call in opened.calls(process=opened.processes[0].pid, max_depth=3):
            assert call.ended != "cut"
    return trace


def agree(trace: Path) -> None:
    """The reference reader sees the same trees."""
    read = reference_reader.read(trace)
    assert not read.problems
    want, got = harness.by_reference(read), harness.by_api(trace)
    for one, other in zip(want, got, strict=True):
        assert one.name == other.name
        if not harness.SEES_THROWS:
            one, other = harness.without_throws([one, other])
        trees.require_equal(one.rows, other.rows)


SQLGLOT = """
import sqlglot
query = '''
WITH a AS (SELECT x, SUM(y) AS z FROM t WHERE x > 1 GROUP BY x)
SELECT a.x, CASE WHEN z > 2 THEN 'b' ELSE 'c' END FROM a JOIN u ON a.x = u.x
ORDER BY 1 LIMIT 10
'''
for _ in range(3):
    for dialect in ("duckdb", "spark", "tsql"):
        print(sqlglot.transpile(query, write=dialect)[0])
"""

FLASK = """
import flask
app = flask.Flask(__name__)
@app.route("/<int:n>")
def page(n):
    if n == 3:
        flask.abort(404)
    return flask.jsonify(n=n, items=[str(i) for i in range(n)])
client = app.test_client()
for n in range(6):
    response = client.get(f"/{n}")
    print(response.status_code, response.data)
"""

DJANGO = """
import django
from django.conf import settings
from django.http import JsonResponse
from django.urls import path
settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
def page(request, n):
    return JsonResponse({"n": n})
urlpatterns = [path("<int:n>/", page)]
from django.test import Client
for n in range(5):
    response = Client().get(f"/{n}/")
    print(response.status_code, response.content)
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT 1 + 1")
    print(cursor.fetchone())
"""


@pytest.mark.parametrize(
    ("name", "code"),
    [("sqlglot", SQLGLOT), ("flask", FLASK), ("django", DJANGO)],
)
def test_libraries(name: str, code: str, packages: Path, tmp_path: Path) -> None:
    (tmp_path / f"use_{name}.py").write_text(code)
    trace = record_and_compare([f"use_{name}.py"], tmp_path, PYTHONPATH=str(packages))
    agree(trace)
    with marey.open(trace) as opened:
        assert any(f.module.startswith(name) for f in opened.functions)


def test_black_on_a_source_tree(packages: Path, tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    for path in sorted(harness.TESTS.glob("*.py"))[:4]:
        text = path.read_text().replace("\n\n\n", "\n")
        (tmp_path / "sources" / path.name).write_text(text)
    words = ["-m", "black", "--quiet", "--diff", "--workers", "1", "sources"]
    trace = record_and_compare(words, tmp_path, PYTHONPATH=str(packages))
    with marey.open(trace) as opened:
        assert any(f.module.startswith("black") for f in opened.functions)


def test_pip(tmp_path: Path) -> None:
    words = ["-m", "pip", "--disable-pip-version-check", "list", "--format", "json"]
    agree(record_and_compare(words, tmp_path))


def test_pytest_on_a_suite(tmp_path: Path) -> None:
    suite = harness.TESTS / "python" / "test_xxh.py"
    (tmp_path / "test_suite.py").write_text(suite.read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    trace = tmp_path / "t.marey"
    done = harness.marey(
        "run", "-q", "-o", trace, "-m", "pytest", "-q", "test_suite.py",
        cwd=tmp_path, env={"PYTHONPATH": str(harness.TESTS)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout
    with marey.open(trace) as opened:
        assert opened.check()[1] == 0
        called = [row.function for row in opened.totals()]
        assert "test_hashes_equal_the_published_ones" in [f.name for f in called]
        assert "xxh64" in [f.name for f in called]
    agree(trace)


def test_the_standard_library_at_work(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(
        "import argparse, ast, asyncio, dataclasses, difflib, email, enum, inspect\n"
        "import json, logging, pickle, sqlite3, tempfile, textwrap, unittest, xml.dom\n"
        "print(json.dumps(json.loads(json.dumps({'a': [1, 2, {'b': None}]}))))\n"
        "print(ast.unparse(ast.parse(inspect.getsource(textwrap))).count('def'))\n"
        "print(len(list(difflib.unified_diff([*'abcabc'], [*'abdabd']))))\n"
        "print(textwrap.fill('word ' * 50, 30)[:40])\n"
        "async def f(n):\n    await asyncio.sleep(0)\n    return n\n"
        "async def main():\n    print(sum(await asyncio.gather(*map(f, range(9)))))\n"
        "asyncio.run(main())\n"
    )
    agree(record_and_compare(["work.py"], tmp_path))
