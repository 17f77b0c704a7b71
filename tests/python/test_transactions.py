"""Transactions: which calls are, how they end, and that nothing else is recorded."""

import asyncio
import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import harness
import marey
import pytest
from trees import VERSION


def recorded(trace: Path, work: Callable[[], object], **options: Any) -> list[Any]:
    """What a recording of transactions alone holds of a piece of work."""
    options.setdefault("transactions_only", True)
    with marey.record(trace, **options):
        work()
    with marey.open(trace) as opened:
        assert opened.check() == ([], 0)
        return list(opened.calls())


def ends(calls: list[Any]) -> Counter[tuple[str, str]]:
    return Counter((call.name, call.ended) for call in calls)


def helper(n: int) -> int:
    return sum(range(n))


@marey.transaction
def plain(n: int) -> int:
    return helper(n)


@marey.transaction("named", parameters="n", kind="x")
def other(n: int, m: int = 0) -> int:
    return helper(n) + m


@marey.transaction
def fails() -> None:
    raise ValueError


@marey.transaction
def recursive(n: int) -> int:
    return 0 if n == 0 else recursive(n - 1)


@marey.transaction
def generator() -> Iterator[int]:
    yield 1
    yield 2


@marey.transaction
async def task(n: int) -> int:
    await asyncio.sleep(0.001)
    return n


@marey.transaction(depth=2)
def deep() -> int:
    return helper(3)


class Thing:
    @marey.transaction
    def method(self) -> int:
        return 1

    @marey.transaction
    @staticmethod
    def static() -> int:
        return 2

    @classmethod
    @marey.transaction
    def klass(cls) -> int:
        return 3


def test_a_marked_function_is_the_same_object() -> None:
    def function() -> None:
        pass

    assert marey.transaction(function) is function
    assert marey.transaction("again")(function) is function
    assert Thing().method() + Thing.static() + Thing.klass() == 6


def test_only_transactions_are_recorded(tmp_path: Path) -> None:
    def work() -> None:
        for n in range(5):
            plain(n)
            helper(n)
            other(n, m=1)
        Thing().method()
        Thing.static()
        Thing.klass()

    calls = recorded(tmp_path / "t.marey", work)
    assert ends(calls) == {
        ("plain", "returned"): 5,
        ("named", "returned"): 5,
        ("Thing.method", "returned"): 1,
        ("Thing.static", "returned"): 1,
        ("Thing.klass", "returned"): 1,
    }
    named = [call.values for call in calls if call.name == "named"]
    assert named == [{"kind": "x", "n": n} for n in range(5)]


def test_each_ends_as_it_ended(tmp_path: Path) -> None:
    async def cancelled() -> None:
        running = asyncio.create_task(task(1))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    def work() -> None:
        with pytest.raises(ValueError):
            fails()
        recursive(3)
        assert list(generator()) == [1, 2]
        asyncio.run(cancelled())
        with pytest.raises(KeyError), marey.transaction("block"):
            raise KeyError

    calls = recorded(tmp_path / "t.marey", work)
    assert ends(calls) == {
        ("fails", "raised"): 1,
        ("recursive", "returned"): 4,
        ("generator", "returned"): 1,
        ("task", "raised"): 1,
        ("block", "raised"): 1,
    }
    exceptions = {call.name: call.exception for call in calls if call.exception}
    assert exceptions["block"] == "KeyError"
    if VERSION >= (3, 12):  # a profile function is not told
        assert exceptions["fails"] == "ValueError"
        assert exceptions["task"] == "asyncio.exceptions.CancelledError"


def test_tasks_side_by_side_do_not_nest(tmp_path: Path) -> None:
    async def block(n: int) -> None:
        async with marey.transaction("block", n=n):
            await asyncio.sleep(0.001)
            with marey.transaction("inner"):
                await asyncio.sleep(0.001)

    async def all_of_them() -> None:
        await asyncio.gather(*(task(n) for n in range(100)))
        await asyncio.gather(*(block(n) for n in range(100)))

    calls = recorded(tmp_path / "t.marey", lambda: asyncio.run(all_of_them()))
    assert ends(calls) == {
        ("task", "returned"): 100,
        ("block", "returned"): 100,
        ("inner", "returned"): 100,
    }
    for call in calls:
        assert call.duration_ns > call.running_ns > 0
        parent = None if call.parent is None else call.parent.name
        assert parent == ("block" if call.name == "inner" else None)


def test_one_may_begin_on_a_thread_and_end_on_another(tmp_path: Path) -> None:
    def work() -> None:
        iterator = generator()
        next(iterator)
        thread = threading.Thread(target=lambda: list(iterator))
        thread.start()
        thread.join()
        job = marey.transaction("job", n=1).start()
        thread = threading.Thread(target=job.finish, args=(OSError(),))
        thread.start()
        thread.join()

    calls = recorded(tmp_path / "t.marey", work)
    assert ends(calls) == {("generator", "returned"): 1, ("job", "raised"): 1}


def test_patterns_choose_without_a_change_of_code(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "class View:\n"
        "    def get(self, n): return helper(n)\n"
        "    def post(self, n):\n"
        "        for i in range(n): helper(i)\n"
        "def helper(n): return n\n"
        "for i in range(7): View().get(i)\n"
        "for i in range(3): View().post(i)\n"
    )
    pattern = ("--transactions", "__main__:View.*")
    for options, names in (
        (pattern, {"View.get": 7, "View.post": 3}),
        (("--transactions", "__main__:*.post"), {"View.post": 3}),
        (
            (*pattern, "--transaction-depth", "1"),
            {"View.get": 7, "View.post": 3, "helper": 10},
        ),
    ):
        trace = tmp_path / f"{len(list(tmp_path.iterdir()))}.marey"
        done = harness.record(trace, program, options=[*options, "--no-c-calls"])
        assert done.returncode == 0, done.stderr
        with marey.open(trace) as opened:
            found = Counter(call.name for call in opened.calls())
        assert found == names


def test_what_is_below_is_recorded_as_deep_as_asked(tmp_path: Path) -> None:
    def work() -> None:
        for _ in range(3):
            helper(1)
            deep()

    calls = recorded(tmp_path / "t.marey", work)
    found = Counter((call.name, call.depth) for call in calls)
    assert found == {("deep", 0): 3, ("helper", 1): 3, ("sum", 2): 3}


def test_with_all_calls_they_are_calls_among_others(tmp_path: Path) -> None:
    def work() -> None:
        plain(1)
        helper(1)
        with marey.transaction("block"):
            helper(1)

    calls = recorded(tmp_path / "t.marey", work, transactions_only=False)
    found = Counter(call.name for call in calls)
    assert found["plain"] == 1
    assert found["helper"] == 3
    assert found["block"] == 1


def test_one_of_several_functions_with_the_same_code_is_marked(tmp_path: Path) -> None:
    def wrapped(function: Callable[[], int]) -> Callable[[], int]:
        @functools.wraps(function)
        def wrapper() -> int:
            return function()

        return wrapper

    @marey.transaction
    @wrapped
    def first() -> int:
        return 1

    @wrapped
    def second() -> int:
        return 2

    for _ in range(3):  # marking again gives the same

        @marey.transaction
        @wrapped
        def third() -> int:
            return 3

    def work() -> None:
        assert first() + second() + third() == 6

    calls = recorded(tmp_path / "t.marey", work)
    assert sorted(call.name.rpartition(".")[2] for call in calls) == ["first", "third"]


def test_the_mark_may_come_while_recording(tmp_path: Path) -> None:
    def work() -> None:
        def late() -> None:
            pass

        late()
        marey.transaction("late")(late)
        late()
        late()

    assert ends(recorded(tmp_path / "t.marey", work)) == {("late", "returned"): 2}


def test_another_recording_chooses_anew(tmp_path: Path) -> None:
    def work() -> None:
        plain(1)
        helper(1)

    me = f"{__name__}:"
    one = recorded(tmp_path / "1.marey", work, transactions=me + "helper")
    two = recorded(tmp_path / "2.marey", work, transactions_only=False)
    three = recorded(tmp_path / "3.marey", work)
    assert [call.name for call in one] == ["helper", "plain", "helper"]
    assert Counter(call.name for call in two)["helper"] == 2
    assert [call.name for call in three] == ["plain"]


def test_misuse_is_told() -> None:
    with pytest.raises(TypeError, match="marks Python functions"):
        marey.transaction(len)
    with pytest.raises(TypeError, match="needs a name"):
        marey.transaction(depth=1).__enter__()
    with pytest.raises(ValueError, match="depth"):
        marey.transaction("x", depth=-1)
    with pytest.raises(TypeError, match="parameters"):
        marey.transaction("x", parameters=[1])  # type: ignore[list-item]
