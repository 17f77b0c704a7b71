"""Makes programs at random: whatever Python can do to a stack of calls, in odd order.

The programs end (each function spends from a common supply of fuel), do the same each
time they are run (no garbage collector, no addresses, no clock), and catch what they
raise at the top.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

PRELUDE = """\
import functools
import gc
import sys
import threading
import warnings

gc.disable()
warnings.simplefilter("ignore")
sys.unraisablehook = lambda unraisable: None
threading.excepthook = lambda arguments: None
fuel = 0
kept = []
things = []


class Pause:
    def __await__(self):
        yield


class Block:
    def __init__(self, swallow):
        self.swallow = swallow

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        return self.swallow

    async def __aenter__(self):
        await Pause()

    async def __aexit__(self, kind, value, traceback):
        return self.swallow


class Thing:
    def __del__(self):
        len("x")

    @property
    def size(self):
        return abs(1)

    def __getattr__(self, name):
        raise AttributeError(name)

    def __call__(self, function, n):
        return function(n)


class Loud(Thing):
    def __del__(self):
        raise KeyError


def wrap(function):
    @functools.wraps(function)
    def wrapper(n):
        return function(n)

    return wrapper


def drive(coroutine, limit, ending):
    try:
        for _ in range(limit):
            coroutine.send(None)
        if ending == "throw":
            coroutine.throw(KeyError)
        elif ending == "close":
            coroutine.close()
        elif ending == "keep":
            kept.append(coroutine)
    except StopIteration:
        pass


def on_thread(function, n):
    thread = threading.Thread(target=function, args=(n,), name=f"t{len(things)}")
    things.append(thread)
    thread.start()
    thread.join()


"""

PLAIN, GENERATOR, COROUTINE, ASYNC_GENERATOR = range(4)
ERRORS = ("ValueError", "KeyError", "RuntimeError", "StopIteration", "SystemExit")
CAUGHT = (
    "ValueError",
    "KeyError",
    "Exception",
    "BaseException",
    "GeneratorExit",
    "(LookupError, RuntimeError)",
)


class Place(NamedTuple):
    """Where a statement is written: in what kind of function, how far indented."""

    kind: int
    indent: int

    def inside(self) -> Place:
        return Place(self.kind, self.indent + 1)


class Maker:
    """Writes one program; names start with a prefix of its own."""

    def __init__(self, choose: random.Random, prefix: str) -> None:
        self.choose, self.prefix = choose, prefix
        self.kinds = [
            choose.choice((PLAIN, PLAIN, GENERATOR, COROUTINE, ASYNC_GENERATOR))
            for _ in range(choose.randint(2, 7))
        ]
        self.kinds[0] = PLAIN
        self.lines: list[str] = []
        self.names = 0

    def program(self) -> str:
        for number, kind in enumerate(self.kinds):
            self.function(number, kind)
        self.put(0, "fuel = 60", "kept.clear()", "try:")
        self.put(1, f"{self.prefix}0(4)")
        self.put(0, "except BaseException:", "    pass", "del kept[:]", "")
        return "\n".join(self.lines) + "\n"

    def put(self, indent: int, *lines: str) -> None:
        self.lines += ["    " * indent + line for line in lines]

    def fresh(self) -> str:
        self.names += 1
        return f"v{self.names}"

    def function(self, number: int, kind: int) -> None:
        if self.choose.random() < 0.15 and kind == PLAIN:
            self.put(0, "@wrap")
        word = "async def" if kind in (COROUTINE, ASYNC_GENERATOR) else "def"
        self.put(0, f"{word} {self.prefix}{number}(n):", "    global fuel")
        self.put(1, "fuel -= 1", "if n < 0 or fuel < 0:", "    return")
        self.body(Place(kind, 1), self.choose.randint(1, 4))
        if kind in (GENERATOR, ASYNC_GENERATOR):
            self.put(1, "yield n")
        self.put(0, "", "")

    def body(self, at: Place, count: int) -> None:
        for _ in range(count):
            makers: list[Callable[[Place], None]] = [
                self.call, self.call, self.c_call, self.callback, self.object_use,
                self.generator_use, self.kept_use,
            ]  # fmt: skip
            if at.kind != PLAIN:
                makers += [self.suspend] * 3
            if at.indent < 4:
                makers += [self.try_block, self.try_block, self.with_block, self.loop]
            self.choose.choice(makers)(at)
        end = self.choose.random()
        if end < 0.12:
            self.put(at.indent, f"raise {self.choose.choice(ERRORS)}")
        elif end < 0.2:
            self.put(at.indent, "return" if at.kind == ASYNC_GENERATOR else "return n")

    def inner(self, at: Place) -> None:
        self.body(at.inside(), self.choose.randint(1, 2))

    def target(self, *kinds: int) -> str:
        """A function of one of these kinds: any that is there, itself, too."""
        fitting = [i for i, kind in enumerate(self.kinds) if kind in kinds]
        return f"{self.prefix}{self.choose.choice(fitting)}" if fitting else ""

    # Each writes one statement.

    def call(self, at: Place) -> None:
        name = self.target(PLAIN)
        form = self.choose.choice(
            ("{}(n - 1)", "{}(*[n - 1])", "(lambda: {}(n - 1))()",
             "[{}(n - 2) for _ in (1, 2)]", "Thing()({}, n - 1)",
             "functools.partial({}, n - 1)()", "on_thread({}, n - 2)")
        )  # fmt: skip
        self.put(at.indent, form.format(name))

    def c_call(self, at: Place) -> None:
        self.put(
            at.indent,
            self.choose.choice(
                ("len('x')", "abs(n)", "[].append(n)", "'a'.join(['b'])",
                 "max(*[1, n])", "[].index(n)", "ord('xx')", "{}.pop(n)", "hash(n)",
                 "print(end='')", "iter([n]).__next__()", "isinstance(n, int)")
            ),
        )  # fmt: skip

    def callback(self, at: Place) -> None:
        name = self.target(PLAIN)
        form = self.choose.choice(
            ("sorted([n - 1, n - 2], key=lambda x: {}(x) and 1 or 0)",
             "list(map({}, [n - 1, n - 2]))", "max([n - 1], key={}, default=0)",
             "functools.reduce(lambda a, b: {}(b), [0, n - 1])",
             "any(map({}, [n - 1]))", "sum(1 for x in [n - 1] if {}(x))",
             "list(filter({}, [n - 2]))")
        )  # fmt: skip
        self.put(at.indent, form.format(name))

    def object_use(self, at: Place) -> None:
        self.put(
            at.indent,
            self.choose.choice(
                ("Thing()", "Loud()", "Thing().size", "hasattr(Thing(), 'x')",
                 "getattr(Thing(), 'x', None)", "things.append(Thing())",
                 "things and things.pop()", "things.clear()", "Thing().missing")
            ),
        )  # fmt: skip

    def generator_use(self, at: Place) -> None:
        name = self.target(GENERATOR)
        coroutine = self.target(COROUTINE)
        if coroutine and (not name or self.choose.random() < 0.4):
            ending = self.choose.choice(("throw", "close", "keep", "drop"))
            limit = self.choose.randint(0, 4)
            self.put(at.indent, f"drive({coroutine}(n - 1), {limit}, {ending!r})")
            return
        if not name:
            self.c_call(at)
            return
        form = self.choose.randint(0, 4)
        if form == 0:
            self.put(at.indent, f"for _ in {name}(n - 1):")
            self.inner(at)
            if self.choose.random() < 0.4:
                self.put(at.indent + 1, "break")
        elif form == 1:
            self.put(at.indent, f"list({name}(n - 1))")
        elif form == 2:
            self.put(at.indent, f"sum(1 for _ in {name}(n - 1))")
        else:
            variable = self.fresh()
            self.put(at.indent, f"{variable} = {name}(n - 1)")
            for _ in range(self.choose.randint(1, 3)):
                self.put(at.indent, self.resumption(variable))

    def resumption(self, what: str) -> str:
        return self.choose.choice(
            (f"next({what}, None)", f"next({what}, None)", f"{what}.send(None)",
             f"{what}.close()", f"{what}.throw(KeyError)", f"kept.append({what})",
             f"{what}.throw(ValueError())", f"on_thread(next, {what})")
        )  # fmt: skip

    def kept_use(self, at: Place) -> None:
        self.put(at.indent, "if kept:")
        what = self.choose.choice(("kept[-1]", "kept[0]", "kept.pop()"))
        form = self.resumption(what)
        if "kept.append" in form or form.startswith(("next", "on_thread")):
            form = f"{what}.send(None)"
        self.put(at.indent + 1, form)

    def suspend(self, at: Place) -> None:
        if at.kind == GENERATOR:
            name = self.target(GENERATOR)
            form = self.choose.choice(("yield", "yield n", f"yield from {name}(n - 1)"))
            if "from" in form and self.choose.random() < 0.3:
                form = "yield from [n, n]"
            self.put(at.indent, form)
            return
        forms = ["await Pause()"]
        coroutine, stream = self.target(COROUTINE), self.target(ASYNC_GENERATOR)
        if coroutine:
            forms.append(f"await {coroutine}(n - 1)")
        if stream:
            forms += [
                f"async for _ in {stream}(n - 1): pass",
                f"[x async for x in {stream}(n - 1)]",
                f"await anext({stream}(n - 1), None)",
                f"await {stream}(n - 1).aclose()",
            ]
        if at.kind == ASYNC_GENERATOR:
            forms += ["yield n", "yield"]
        self.put(at.indent, self.choose.choice(forms))

    def try_block(self, at: Place) -> None:
        self.put(at.indent, "try:")
        self.inner(at)
        form = self.choose.randint(0, 3)
        if form != 3:
            self.put(at.indent, f"except {self.choose.choice(CAUGHT)}:")
            self.inner(at)
            if self.choose.random() < 0.25:
                self.put(at.indent + 1, "raise")
        if form >= 2:
            self.put(at.indent, "finally:")
            self.put(at.indent + 1, "abs(0)")
            self.body_of_finally(at)

    def body_of_finally(self, at: Place) -> None:
        self.call(at.inside())
        if at.kind != PLAIN and self.choose.random() < 0.3:
            self.suspend(at.inside())

    def with_block(self, at: Place) -> None:
        word = "async with" if at.kind in (COROUTINE, ASYNC_GENERATOR) else "with"
        self.put(at.indent, f"{word} Block({self.choose.random() < 0.4}):")
        self.inner(at)

    def loop(self, at: Place) -> None:
        self.put(at.indent, f"for _ in range({self.choose.randint(1, 2)}):")
        self.inner(at)


def make_file(choose: random.Random, count: int) -> str:
    """A file of several programs, one after the other."""
    programs = [Maker(choose, f"p{i}_f").program() for i in range(count)]
    return PRELUDE + "\n".join(programs)


if __name__ == "__main__":
    import sys

    print(make_file(random.Random(int(sys.argv[1])), int(sys.argv[2])))
