"""--comments: what `# marey: …` comments in a program ask for."""

import sys
from pathlib import Path
from typing import Any

import harness
import marey
import pytest


def recorded(
    tmp_path: Path, program: str, *options: str
) -> tuple[list[tuple[str, Any]], list[str]]:
    """What was logged, in order, and the notes. The program is none the wiser."""
    path = tmp_path / "program.py"
    path.write_bytes(program.encode())
    bare = harness.run([sys.executable, path])
    trace = tmp_path / "run.marey"
    done = harness.record(trace, path, options=options or ["--comments"])
    assert (done.stdout, done.stderr) == (bare.stdout, bare.stderr)
    with marey.open(trace) as opened:
        assert opened.check() == ([], 0)
        events = [(e.text, what(e)) for e in opened.events() if e.kind in KINDS]
        return events, list(opened.notes)


KINDS = ("log", "counter", "instant")


def what(event: Any) -> Any:
    if event.kind == "counter":
        return event.value
    value = event.values.get("") if event.values else None
    return value.text or value.kind if isinstance(value, marey.Unrecorded) else value


BESIDE_AND_BEFORE = """
class Box:
    def __init__(self):
        self.n = 0
        self.password = "hunter2"
    @property
    def bad(self):
        raise SystemExit("a property ran")
    def add(self, k):
        self.n += k  # marey: log self.n, self.password, self.bad
        return self.n
def work(items):
    total = 0
    for i in items:
        total += i  # marey: counter total
        # marey: log i
    # marey: instant half way
    return total  # marey: log items, missing
box = Box()
box.add(5)
work([1, 2])
answer = 42  # marey: log answer
"""


def test_comments_beside_a_statement_and_before_one(tmp_path: Path) -> None:
    events, notes = recorded(tmp_path, BESIDE_AND_BEFORE)
    assert events == [
        ("self.n", 5),
        ("self.password", "redacted"),
        ("self.bad", "unbound"),
        ("total", 1.0),
        ("i", 1),
        ("total", 3.0),
        ("i", 2),
        ("half way", None),
        ("items", [1, 2]),
        ("missing", "unbound"),
        ("answer", 42),
    ]
    assert notes == []


def test_without_the_option_they_are_comments(tmp_path: Path) -> None:
    assert recorded(tmp_path, BESIDE_AND_BEFORE, "--log", "warnings") == ([], [])
    some = recorded(tmp_path, BESIDE_AND_BEFORE, "--log", "comments@*:work")[0]
    assert [name for name, _ in some][:2] == ["total", "i"]
    assert "answer" not in dict(some)


STATEMENTS = """
def one(n):
    made = dict(
        a=n,  # marey: log made
        b="# marey: log nothing",
    )
    long = ("x" +
            'y')  # marey: log long
    far = n \\
        + 1
    # marey: log far
    text = '''
    # marey: log nothing
    '''  # marey: log text
    if n: near = n; near += 1  # marey: log near
    squares = [k * k for k in range(n)]  # marey: log squares
def early(n):
    try:
        bad = 1 // n  # marey: log bad
    except ZeroDivisionError:
        bad = None
    return bad
def grow():
    got = yield 1  # marey: log got
    got = yield 2  # marey: log got
def fall(n):
    if n:
        fall(n - 1)  # marey: log n
one(2)
early(1)
first, second = grow(), grow()
next(first), next(second)
first.send("a"), second.send("b")
second.close()
fall(2)
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_statements_are_what_python_takes_them_for(tmp_path: Path, end: str) -> None:
    events, notes = recorded(tmp_path, STATEMENTS.replace("\n", end))
    text = "\n    # marey: log nothing\n    "
    assert events == [
        ("made", {"a": 2, "b": "# marey: log nothing"}),
        ("long", "xy"),
        ("far", 3),
        ("text", text),
        ("near", 3),
        ("squares", [0, 1]),
        ("bad", 1),
        ("got", "a"),
        ("got", "b"),
        ("n", 1),
        ("n", 2),
    ]
    assert notes == []


def test_what_they_cannot_mean_is_said(tmp_path: Path) -> None:
    program = """
def f(a, b):
    a = 1  # marey: lgo a
    b = 2  # marey: log a b, a.1
    c = 3  # marey: log
    if a:
        if b:
            c = 4
        # marey: log c
    return c  # marey:log c
print(f(1, 2))
"""
    events, notes = recorded(tmp_path, program)
    assert events == [("c", 4)]
    path = tmp_path / "program.py"
    said = "is none of log NAME, counter NAME, instant TEXT"
    assert notes == [
        f"{path}:3: '# marey: lgo a' {said}",
        f"{path}:4: '# marey: log a b, a.1' {said}",
        f"{path}:5: '# marey: log' {said}",
        f"{path}:9: '# marey: log c' stands behind a block: put it beside a statement",
    ]


def test_an_exception_is_no_end_of_a_statement(tmp_path: Path) -> None:
    program = """
def f(n):
    return 1 // n  # marey: log n
for n in (1, 0):
    try:
        f(n)
    except ZeroDivisionError:
        pass
"""
    assert recorded(tmp_path, program)[0] == [("n", 1)]
