"""`marey explain` on programs that end in every way there is."""

from __future__ import annotations

import json
import signal
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import harness
import marey
import pytest
from marey import _explain

# 3.11 tells that a call ended by an exception, and not by which.
needs_types = pytest.mark.skipif(harness.VERSION < (3, 12), reason="no types")


def recorded(
    folder: Path, source: str, *options: str, status: int | None = None
) -> Path:
    program, trace = folder / "app.py", folder / "t.marey"
    program.write_text(textwrap.dedent(source))
    done = harness.record(trace, program, options=options)
    if status is not None:
        assert done.returncode == status, done.stderr
    return trace


def explained(trace: Path) -> dict[str, Any]:
    """What `marey explain --json` prints, without a process of its own."""
    with marey.open(trace) as opened:
        answer = _explain.explain(opened, (None, None, 0, None, None, None), None)
    assert json.loads(json.dumps(answer)) == answer
    return answer


def text(trace: Path, *options: str) -> str:
    done = harness.marey("explain", *options, trace)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def names(stack: list[dict[str, Any]]) -> list[str]:
    return [frame["function"]["name"] for frame in stack]


CHAINED = """
import marey


class Bad(Exception):
    pass


def quiet(n):
    try:
        fail(n)
    except LookupError:
        pass


def fail(n):
    raise LookupError(n)


def parse(text):
    marey.log("text", text)
    for _ in range(40):
        len(text)
    return Bad.missing(text)


def load(rows):
    for row in rows:
        parse(row)


def main():
    for n in range(3):
        quiet(n)
    try:
        load(["one"])
    except AttributeError as error:
        print("no")
        raise Bad("file") from error


main()
"""


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("chained"), CHAINED, status=1)


@needs_types
def test_a_chain_of_exceptions_in_its_order(chained: Path) -> None:
    answer = explained(chained)
    assert answer["outcome"] == "raised"
    assert answer["exit_status"] == 1
    chain = [(one["type"], one["function"]["name"]) for one in answer["exceptions"]]
    assert [name for _, name in chain] == ["parse", "main"]
    assert chain[0][0] == "AttributeError"
    assert chain[1][0].endswith("Bad")
    assert names(answer["stack"]) == ["<module>", "main", "load", "parse"]


@needs_types
def test_the_lines_of_the_stack_are_found(chained: Path) -> None:
    lines = {
        frame["function"]["name"]: [one["text"] for one in frame["lines"]]
        for frame in explained(chained)["stack"]
    }
    assert lines["<module>"] == ["main()"]
    assert lines["main"] == ['raise Bad("file") from error']
    assert lines["load"] == ["parse(row)"]
    assert lines["parse"] == []  # no raise there, and nothing else was recorded


def test_repeated_calls_before_the_raise_are_folded(chained: Path) -> None:
    frame = explained(chained)["stack"][-1]
    calls = [call for call in frame["calls"] if call["kind"] == "call"]
    assert [(call["function"]["name"], call["count"]) for call in calls] == [
        ("len", 40)
    ]


def test_the_last_values_of_a_call(chained: Path) -> None:
    frame = explained(chained)["stack"][-1]
    assert [one["name"] for one in frame["names"]] == ["text"]
    assert frame["names"][0]["values"][0]["text"] == "one"
    assert "text = 'one'" in text(chained)


@needs_types
def test_what_was_swallowed_is_told_the_last_first(chained: Path) -> None:
    swallowed = [
        (one["type"], one["function"]["name"], one["by"]["name"])
        for one in explained(chained)["swallowed"]
        if one["function"]["module"] == "__main__"
    ]
    assert swallowed == [("LookupError", "fail", "quiet")] * 3
    assert "LookupError  from fail, caught by quiet  ×3" in text(chained)


def test_json_is_the_same(chained: Path) -> None:
    done = harness.marey("explain", "--json", "--thread", "MainThread", chained)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == explained(chained)


@needs_types
def test_the_text_says_it_all(chained: Path) -> None:
    lines = text(chained).splitlines()
    assert "Bad, which nobody caught" in lines[0]
    assert lines[0].endswith("exit 1")
    assert any("LookupError  from fail, caught by quiet" in line for line in lines)


@needs_types
def test_a_thread_that_ended_by_an_exception(tmp_path: Path) -> None:
    trace = recorded(
        tmp_path,
        """
        import threading, time

        def work():
            {}["key"]
            raise SystemError

        def idle():
            stop.wait()

        stop = threading.Event()
        threads = [threading.Thread(target=idle, name="idle")]
        threads += [threading.Thread(target=work, name="worker")]
        for thread in threads:
            thread.start()
        threads[1].join()
        stop.set()
        threads[0].join()
        """,
        status=0,
    )
    answer = explained(trace)
    assert (answer["outcome"], answer["thread"]) == ("thread", "worker")
    assert answer["exceptions"][0]["type"] == "KeyError"
    assert names(answer["stack"])[-2:] == ["Thread.run", "work"]
    others = {one["thread"]: names(one["stack"]) for one in answer["threads"]}
    assert "idle" in others["idle"]
    assert others["MainThread"][0] == "<module>"


def test_a_killed_program_tells_its_open_calls(tmp_path: Path) -> None:
    program, trace = tmp_path / "app.py", tmp_path / "t.marey"
    program.write_text(
        "import sys, time\n"
        "def wait(n):\n    print('here', flush=True)\n    time.sleep(60)\n"
        "def main():\n    wait(1)\n"
        "main()\n"
    )
    import subprocess

    process = harness.start(trace, program, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    deadline = time.monotonic() + 30
    while "sleep" not in text(trace) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "is running" in text(trace)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    answer = explained(trace)
    assert answer["outcome"] == "killed"
    assert names(answer["stack"]) == ["<module>", "main", "wait", "sleep"]
    assert "did not say that it ended" in text(trace)


def test_a_crash_tells_the_call_it_was_in(tmp_path: Path) -> None:
    trace = recorded(
        tmp_path,
        """
        import os, signal

        def crash():
            os.kill(os.getpid(), signal.SIGSEGV)

        crash()
        """,
        status=-signal.SIGSEGV,
    )
    answer = explained(trace)
    assert answer["outcome"] == "killed"
    assert names(answer["stack"]) == ["<module>", "crash", "kill"]


@needs_types
@pytest.mark.parametrize(
    ("source", "status", "outcome"),
    [
        ("import sys\ndef leave():\n    sys.exit(3)\nleave()", 3, "exit"),
        ("import os\nos._exit(4)", 4, "exit"),
        ("import os\nos._exit(0)", 0, "returned"),
        ("print('fine')", 0, "returned"),
    ],
)
def test_programs_that_end_by_themselves(
    source: str, status: int, outcome: str, tmp_path: Path
) -> None:
    trace = recorded(tmp_path, source, status=status)
    assert explained(trace)["outcome"] == outcome
    assert len(text(trace).splitlines()) > 0


@needs_types
def test_deep_recursion_is_told_in_short(tmp_path: Path) -> None:
    trace = recorded(
        tmp_path,
        """
        def down(n):
            return down(n + 1)

        down(0)
        """,
        status=1,
    )
    answer = explained(trace)
    assert answer["exceptions"][0]["type"] == "RecursionError"
    assert answer["stack_left_out"] > 500
    told = text(trace)
    assert "and again" in told
    assert len(told.splitlines()) < 60


@needs_types
def test_an_exception_that_cleanup_code_watched(tmp_path: Path) -> None:
    """Calls made while the exception passes do not hide where it came from."""
    trace = recorded(
        tmp_path,
        """
        def clean():
            return len("x")

        def fail():
            raise KeyError("k")

        def middle():
            try:
                fail()
            finally:
                clean()

        def outer():
            try:
                middle()
            except KeyError:
                clean()
                raise

        outer()
        """,
        "--no-c-calls",
        status=1,
    )
    answer = explained(trace)
    assert [one["type"] for one in answer["exceptions"]] == ["KeyError"]
    assert names(answer["stack"]) == ["<module>", "outer", "middle", "fail"]


def test_only_a_part_was_recorded(tmp_path: Path) -> None:
    trace = recorded(tmp_path, CHAINED, "--include", "__main__:[lp]*", status=1)
    answer = explained(trace)
    assert answer["outcome"] == "raised"
    assert names(answer["stack"]) == ["load", "parse"]


@needs_types
def test_run_explains_when_the_program_has_ended(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def f():\n    raise OSError(1)\nf()\n")
    done = harness.marey(
        "run", "-q", "--explain", "-o", tmp_path / "t.marey", tmp_path / "app.py"
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "ended by OSError, which nobody caught" in done.stderr
    assert "raise OSError(1)" in done.stderr


def test_wrong_use_and_wrong_files(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no trace")
    for words, status in (
        (["--function", "x", "text"], 2),
        (["text"], 1),
        (["missing"], 1),
    ):
        done = harness.marey("explain", *words, cwd=tmp_path)
        assert done.returncode == status
        assert done.stderr.count("\n") == 1, sys.version


def test_an_exception_of_a_task_is_traced_to_the_task(tmp_path: Path) -> None:
    trace = recorded(
        tmp_path,
        """
        import asyncio

        async def fetch():
            await asyncio.sleep(0)
            raise LookupError("three")

        async def main():
            await asyncio.gather(fetch())

        asyncio.run(main())
        """,
        status=1,
    )
    assert explained(trace)["outcome"] == "raised"
    if harness.VERSION >= (3, 12):
        assert "which had left fetch, at" in text(trace)


# ---- with what --explain asks to be recorded ----


def told(folder: Path, source: str, *options: str) -> list[str]:
    """What `marey run --explain` says of a program, line by line."""
    (folder / "app.py").write_text(textwrap.dedent(source))
    done = harness.marey(
        "run", "-q", "--explain", "-o", "t.marey", *options, "app.py", cwd=folder
    )
    return done.stderr[done.stderr.index("app.py (process") :].splitlines()


def test_the_message_and_the_line_are_told(tmp_path: Path) -> None:
    lines = told(
        tmp_path,
        """
        def price(item, rate=2):
            prices = {"axe": 1}
            return prices[item] * rate

        def total(items):
            return sum(price(item) for item in items)

        total(["axe", "helm"])
        """,
        "--args",
    )
    assert lines[2:4] == ["KeyError: 'helm'", lines[3]]
    assert lines[3].startswith("  raised in price (app.py:4), at ")
    at = lines.index("  total.<locals>.<genexpr>  app.py:7")
    assert lines[at + 1] == "      return sum(price(item) for item in items)"
    at = lines.index("  price  app.py:4")
    assert lines[at + 1] == "      return prices[item] * rate"
    assert set(lines[at + 2 :]) == {"        rate = 2", "        item = 'helm'"}


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("int('x\\'')", 'ValueError: invalid literal for int() with base 10: "x\'"'),
        ("open('/none')", "OSError: [Errno 2] No such file or directory: '/none'"),
        ("{}[1, 2]", "KeyError: (1, 2)"),
        ("assert not 1, 'no'", "AssertionError: no"),
        ("raise ValueError(1, 'b')", "ValueError: (1, 'b')"),
        ("raise EOFError", "EOFError"),
        ("raise LookupError(object)", "LookupError(<class object>)"),
        ("compile('(', 'f', 'exec')", "SyntaxError: '(' was never closed (f, line 1)"),
        ("raise SystemExit('bye')", "SystemExit: bye"),
        ("import none_such", "ModuleNotFoundError: No module named 'none_such'"),
    ],
)
def test_messages_are_as_python_prints_them(
    statement: str, said: str, tmp_path: Path
) -> None:
    lines = told(tmp_path, f"def main():\n    {statement}\n\nmain()\n")
    wanted = said.replace("OSError", "FileNotFoundError").replace("(<", ": (<")
    assert lines[2] == wanted
    assert lines[-1].startswith(("      ", "  ")), lines


def test_what_one_exception_came_of(tmp_path: Path) -> None:
    lines = told(
        tmp_path,
        """
        def read():
            return open("/none")

        def config():
            try:
                read()
            except OSError as error:
                raise LookupError("config") from error

        def main():
            try:
                config()
            except LookupError:
                clean({})

        def clean(state):
            state["handle"].close()

        main()
        """,
    )
    chain = [line.partition(", at")[0] for line in lines[2:10]]
    assert chain[0] == "FileNotFoundError: [Errno 2] No such file or directory: '/none'"
    assert chain[1:] == [
        "  raised in io.open" if harness.VERSION < (3, 12) else "  raised in _io.open",
        "  which was the cause of",
        "LookupError: config",
        "  raised in config (app.py:9)",
        "  while that was handled",
        "KeyError: 'handle'",
        "  raised in clean (app.py:18)",
    ]
    assert not any("caught before" in line for line in lines)


def test_what_a_call_raised_and_caught_itself(tmp_path: Path) -> None:
    lines = told(
        tmp_path,
        """
        def load():
            try:
                return open("/none")
            except OSError:
                pass

        def parse(text):
            try:
                return int(text)
            except ValueError:
                return None

        print(load().read(), parse("x"))
        """,
    )
    assert any(
        "FileNotFoundError: " in line and "open, caught by load" in line
        for line in lines
    )
    answer = explained(tmp_path / "t.marey")
    assert [(one["type"], one["by"]["name"]) for one in answer["swallowed"]] == [
        ("FileNotFoundError", "load")
    ]


def test_exceptions_of_a_group_are_told(tmp_path: Path) -> None:
    lines = told(
        tmp_path,
        """
        import asyncio

        async def fetch(n):
            raise ValueError(f"page {n}")

        async def main():
            async with asyncio.TaskGroup() as group:
                group.create_task(fetch(1))
                group.create_task(fetch(2))

        asyncio.run(main())
        """,
    )
    assert lines[2:5] == [
        "ExceptionGroup: unhandled errors in a TaskGroup",
        "  with ValueError: page 1",
        "  with ValueError: page 2",
    ]
    assert any(
        line.endswith("ValueError: page 2  from fetch (app.py:5), kept by its task")
        for line in lines
    )


def test_an_exception_of_a_worker_process_is_traced_to_it(tmp_path: Path) -> None:
    lines = told(
        tmp_path,
        """
        import multiprocessing

        def work(n):
            return 1 / n

        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                pool.map(work, [1, 0])
        """,
    )
    assert lines[2] == "ZeroDivisionError: division by zero"
    assert lines[4].startswith(
        "  which had left __mp_main__.work (app.py:5) in process"
    )


def test_imports_are_no_calls_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text("import os\nPORT = int(os.environ['NONE'])\n")
    lines = told(tmp_path, "import settings\n")
    assert lines[lines.index("  while that was handled") + 1] == "KeyError: 'NONE'"
    at = next(at for at, line in enumerate(lines) if line.startswith("Calls that"))
    assert [line.strip() for line in lines[at + 2 : at + 6]] == [
        "<module>  app.py:1",
        "import settings",
        "settings.<module>  settings.py:2",
        "PORT = int(os.environ['NONE'])",
    ]
    assert not any("importlib" in line for line in lines)


def test_calls_that_take_turns_are_folded(tmp_path: Path) -> None:
    lines = told(
        tmp_path,
        """
        def even(n):
            return odd(n - 1)

        def odd(n):
            return even(n - 1)

        even(1)
        """,
    )
    assert any("… and again, these 2, " in line for line in lines)
    assert len(lines) < 30


def test_a_signal_that_killed_it_is_told(tmp_path: Path) -> None:
    lines = told(
        tmp_path,
        "import os, signal\ndef f():\n    os.kill(os.getpid(), signal.SIGKILL)\nf()\n",
    )
    assert "was killed by SIGKILL at " in lines[0]
    assert lines[-1].strip() == "posix.kill"


def test_where_the_program_left_by_itself(tmp_path: Path) -> None:
    lines = told(tmp_path, "import os\n\ndef f():\n    os._exit(3)\n\nf()\n")
    assert "ended by os._exit() at " in lines[0]
    assert [line.strip() for line in lines[-3:]] == [
        "f  app.py:4",
        "os._exit(3)",
        "posix._exit",
    ]


def test_threads_are_told_with_their_lines(tmp_path: Path) -> None:
    lines = told(
        tmp_path,
        """
        import threading

        def idle():
            running.set()
            stop.wait()

        running, stop = threading.Event(), threading.Event()
        threading.Thread(target=idle, name="idle", daemon=True).start()
        running.wait()
        raise SystemError
        """,
    )
    (thread,) = [line for line in lines if line.startswith("  idle: ")]
    assert " > idle (app.py:6) > threading.Event.wait" in thread
