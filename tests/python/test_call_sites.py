"""The line each call was made from, as the program itself sees it."""

from __future__ import annotations

import json
from pathlib import Path

import harness
import marey
import pytest

# Each function that notes says where it is called from; C code in between counts not.
NOTE = """
import json, sys, threading
SEEN = []
def note():
    frame = sys._getframe(2)
    if frame.f_code.co_filename.endswith(("program.py", "<made>", "<string>")):
        name = sys._getframe(1).f_code.co_name
        SEEN.append((name, frame.f_lineno, frame.f_code.co_name))
"""

PROGRAMS = {
    "recursion from two lines": """
def fib(n):
    note()
    if n < 2:
        return n
    return (fib(n - 1)
            + fib(n - 2))
fib(6)
""",
    "through C": """
import functools
def key(x):
    note()
    return -x
class Thing:
    def __init__(self):
        note()
    def __lt__(self, other):
        note()
        return True
    @property
    def value(self):
        note()
        return 1
for _ in range(3):
    sorted([3, 1, 2], key=key)
    list(map(key, [1,
                   2]))
    functools.reduce(lambda a, b: key(b), [1, 2, 3])
things = [Thing(),
          Thing()]
min(things)
[thing.value
 for thing in things]
""",
    "one place, many callees": """
def a(): note()
def b(): note()
def c(): note()
for _ in range(5):
    for call in (a, b, c, lambda: note()):
        call()
""",
    "code that comes and goes": """
for i in range(300):
    text = chr(10) * (i % 7) + f"def f{i % 5}(): note()" + chr(10) * (i % 3 + 1)
    space = {"note": note}
    exec(compile(text + f"f{i % 5}()", "<made>", "exec"), space)
    eval("g()", {"g": space[f"f{i % 5}"]})
    del space
""",
    "generators": """
def numbers(n):
    note()
    yield from range(n)
def outer():
    note()
    yield from numbers(2)
    for x in numbers(2):
        yield x
for _ in range(3):
    list(outer())
    for x in outer():
        pass
async def inner():
    note()
async def main():
    note()
    await inner()
    await inner()
import asyncio
asyncio.run(main())
""",
    "threads": """
def work(n):
    note()
    if n:
        work(n - 1)
def run():
    note()
    for i in range(3):
        work(i)
for _ in range(3):
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
""",
    "decorated later": """
import marey
def unit(n):
    note()
    return n
for n in range(2):
    unit(n)
late = marey.transaction(unit)
for n in range(2):
    late(n)
    unit(n)
""",
}


def seen(folder: Path, code: str, *options: str) -> tuple[Path, list[list[object]]]:
    program, trace = folder / "program.py", folder / "t.marey"
    program.write_text(NOTE + code + "print(json.dumps(SEEN))\n")
    done = harness.record(trace, program, options=options)
    assert done.returncode == 0, done.stderr
    return trace, json.loads(done.stdout)


def told(trace: Path, names: set[str]) -> list[list[object]]:
    """Name, line and caller of the calls of these functions, in order."""
    with marey.open(trace) as opened:
        return [
            [event.function.name.rpartition(".")[2], event.call_line, event.caller.name]
            for event in opened.events()
            if event.kind == "begin"
            and event.function is not None
            and event.caller is not None
            and event.caller.file.endswith(("program.py", "<made>", "<string>"))
            and event.function.name.rpartition(".")[2] in names
        ]


@pytest.mark.parametrize("code", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_the_line_is_the_one_the_program_sees(code: str, tmp_path: Path) -> None:
    trace, expected = seen(tmp_path, code)
    found = [
        [name, line, caller.rpartition(".")[2]]
        for name, line, caller in told(trace, {str(name) for name, _, _ in expected})
        if isinstance(caller, str)
    ]
    assert found == expected
    check = harness.marey("check", trace)
    assert (check.returncode, check.stderr) == (0, "")


def test_c_functions_know_it_too(tmp_path: Path) -> None:
    trace, _ = seen(
        tmp_path,
        """
def f(items):
    items.append(
        len(items))
    append = items.append
    append(1)
    return max(items)
for _ in range(3):
    f([])
""",
    )
    names = {"append", "len", "max"}
    once = [
        ["len", 12, "f"], ["append", 11, "f"], ["append", 14, "f"], ["max", 15, "f"]
    ]  # fmt: skip
    assert told(trace, names) == once * 3


def test_a_caller_that_is_left_out_is_told_all_the_same(tmp_path: Path) -> None:
    trace, _ = seen(
        tmp_path,
        """
def middle():
    inner()
    len("")
def inner():
    pass
middle()
""",
        "--exclude",
        "*:middle",
    )
    assert told(trace, {"inner"}) == [["inner", 11, "middle"]]
    with marey.open(trace) as opened:
        (call,) = [call for call in opened.calls() if call.name == "inner"]
        assert call.parent is not None
        assert call.parent.name == "<module>"


def test_it_outlasts_the_border_of_a_chunk(tmp_path: Path) -> None:
    trace, _ = seen(
        tmp_path,
        """
def outer():
    for _ in range(60_000):
        abs(1)
outer()
""",
    )
    with marey.open(trace) as opened:
        (begin,) = opened.calls(function="*:outer")
        window = (begin.end_ns - 1000, begin.end_ns)
        (late,) = opened.calls(function="*:outer", start_ns=window[0], end_ns=window[1])
        assert late.call_line == begin.call_line == 13


@pytest.mark.parametrize(
    "options", [["--args"], ["--returns"], ["--log", "entry:inner"]]
)
def test_calls_with_values_know_it(options: list[str], tmp_path: Path) -> None:
    trace, expected = seen(
        tmp_path,
        """
def inner(n):
    note()
    return n
def outer():
    inner(1)
    return [inner(n)
            for n in (1, 2)]
outer()
inner(
    3)
""",
        *options,
    )
    lines = [line for name, line, _ in expected if name == "inner"]
    assert [line for _, line, _ in told(trace, {"inner"})] == lines
