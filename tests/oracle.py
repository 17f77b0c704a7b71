"""What a program really does, seen through the interpreter's own Python-level hooks.

    python tests/oracle.py OUT.json program.py args…

runs the program and writes each thread's tree of calls. It is slow and plain: it
believes frames, not the pairing of events. Each call is known by its frame; before an
event is applied, calls whose frame is no longer in the chain of callers are over, and
it says so. That repairs what CPython is known not to tell:

* generator.throw() into one that delegates can take the frame's caller away: 3.12 shows
  a generator that runs and has none. There the pairing of events is believed.
* generator.close() and the finalisation of a generator fire no PY_UNWIND on 3.13 and
  3.14 (gh-140373): the part that began with a throw of GeneratorExit ended by it.

From 3.12 on the hooks are those of sys.monitoring. On 3.11 they are sys.setprofile, and
sys.settrace beside it: only the latter tells `yield None` from an exception.
"""

from __future__ import annotations

import _thread
import atexit
import dis
import itertools
import json
import os
import sys
import threading
import types
from collections.abc import Callable
from types import FrameType
from typing import Any

FUNCTION = types.BuiltinFunctionType
METHOD = types.MethodDescriptorType
RESUME = dis.opmap["RESUME"]
GENERATOR_LIKE = 0x20 | 0x80 | 0x200  # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR


class Row:
    """One running part of a call. Fields as in trees.Row, which tests turn it into."""

    __slots__ = (
        "activation",
        "depth",
        "exception",
        "file",
        "how",
        "is_c",
        "is_resumed",
        "module",
        "name",
        "thrown",
    )

    def __init__(self, depth: int, name: str, module: str, file: str) -> None:
        self.depth, self.name, self.module, self.file = depth, name, module, file
        self.is_c = self.is_resumed = False
        self.thrown = self.exception = ""
        self.how = "open"
        self.activation: int | None = None


class State:
    """A thread's rows, and its open calls as (identity of the frame, row)."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.stack: list[tuple[int, Row]] = []
        self.name = ""
        self.ident = _thread.get_ident()


states: list[State] = []
local = _thread._local()
alive: dict[int, int] = {}  # frames of generators that are suspended or running
activations = itertools.count(1)
repairs: list[str] = []
output = ""


HERE = (lambda: 0).__code__.co_filename


def state() -> State:
    try:
        found: State = local.state
    except AttributeError:
        found = local.state = State()
        states.append(found)
    if len(found.stack) < 6:
        thread = threading._active.get(found.ident)  # type: ignore[attr-defined]
        if thread is not None:
            found.name = thread._name
    return found


def push(st: State, frame_id: int, name: str, module: str, file: str) -> Row:
    row = Row(len(st.stack), name, module, file)
    st.rows.append(row)
    st.stack.append((frame_id, row))
    return row


def over(row: Row, how: str, exception: str = "") -> None:
    row.how, row.exception = how, exception


def sync(st: State, frame: FrameType | None, *, keep_c: bool) -> bool:
    """Ends the calls above the nearest open caller. Is `frame` itself that caller?

    `keep_c`: a C function called by it is still running.
    """
    stack = st.stack
    open_ids = {
        frame_id: at for at, (frame_id, row) in enumerate(stack) if not row.is_c
    }
    caller, last, keep = frame, frame, 0
    while caller is not None:
        if id(caller) in open_ids:
            keep = open_ids[id(caller)] + 1
            break
        caller, last = caller.f_back, caller
    if not keep and stack and last and last.f_code.co_flags & GENERATOR_LIKE:
        return stack[-1][0] == id(frame)  # a generator that nobody resumed
    if keep and keep_c and keep < len(stack) and stack[keep][1].is_c:
        keep += 1
    while len(stack) > keep:
        frame_id, row = stack.pop()
        repairs.append(f"{row.thrown or 'no'} exit of {row.name}")
        if row.thrown == "GeneratorExit":
            over(row, "raised", "GeneratorExit")
            alive.pop(frame_id, None)
        else:
            over(row, "cut")
    return caller is frame


def type_name(kind: type) -> str:
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def name_of(exception: BaseException) -> str:
    return type_name(type(exception))


def is_top(st: State, frame: FrameType, *, c: bool) -> bool:
    """Is the innermost call that of the frame, or one of a C function made by it?"""
    return bool(st.stack and st.stack[-1][0] == id(frame) and st.stack[-1][1].is_c == c)


def is_started(frame: FrameType) -> bool:
    """Has the body of a generator run? One that has not may be thrown into."""
    first = frame.f_code.co_code[::2].index(RESUME)  # at the head of the body
    return frame.f_lasti >= 2 * first


def enter(frame: FrameType, *, resumed: bool, thrown: str = "") -> None:
    if frame.f_code.co_filename == HERE:
        return
    st, code = state(), frame.f_code
    if not st.stack or st.stack[-1][0] != id(frame.f_back):
        sync(st, frame.f_back, keep_c=True)
    module = frame.f_globals.get("__name__", "")
    row = push(st, id(frame), code.co_qualname, module, code.co_filename)
    row.is_resumed, row.thrown = resumed, thrown
    if code.co_flags & GENERATOR_LIKE:
        if not resumed or id(frame) not in alive or not is_started(frame):
            alive[id(frame)] = next(activations)
        row.activation = alive[id(frame)]


def leave(frame: FrameType, how: str, exception: str = "") -> None:
    if frame.f_code.co_filename == HERE:
        return
    st = state()
    if not is_top(st, frame, c=False) and not sync(st, frame, keep_c=False):
        return  # was open before the oracle started
    over(st.stack.pop()[1], how, exception)
    if how != "yielded":
        alive.pop(id(frame), None)


def is_c(function: object) -> bool:
    return isinstance(function, FUNCTION) or type(function) is METHOD


def c_name(function: Any) -> tuple[str, str]:
    """Name and module: `Type.method` with the type that defines it, or the function."""
    if type(function) is METHOD:
        return f"{function.__objclass__.__name__}.{function.__name__}", ""
    owner, name = function.__self__, function.__name__
    if owner is None or isinstance(owner, types.ModuleType):
        return function.__qualname__, function.__module__ or ""
    for kind in (owner, type(owner)) if isinstance(owner, type) else (type(owner),):
        for base in type.__dict__["__mro__"].__get__(kind):
            found = type.__dict__["__dict__"].__get__(base).get(name)
            if isinstance(getattr_static(found), C_DEFINED):
                return f"{base.__name__}.{name}", ""
    return function.__qualname__, function.__module__ or ""


C_DEFINED = (FUNCTION, METHOD, types.ClassMethodDescriptorType)


def getattr_static(found: object) -> object:
    return found.__func__ if type(found) is staticmethod else found


def c_enter(frame: FrameType, function: object) -> None:
    if frame.f_code.co_filename == HERE or not is_c(function):
        return
    st = state()
    if not is_top(st, frame, c=False):
        sync(st, frame, keep_c=False)
    name, module = c_name(function)
    push(st, id(frame), name, module, "").is_c = True
    if function is os._exit:
        write()


def c_leave(frame: FrameType, function: object, how: str, exception: str = "") -> None:
    if frame.f_code.co_filename == HERE or not is_c(function):
        return
    st = state()
    if not is_top(st, frame, c=True) and not sync(st, frame, keep_c=True):
        return
    if st.stack[-1][1].is_c:
        over(st.stack.pop()[1], how, exception)


# --- 3.12 and later ------------------------------------------------------------------


def use_monitoring() -> Callable[[], None]:
    monitoring = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    events, tool = monitoring.events, 4
    monitoring.use_tool_id(tool, "oracle")
    callbacks: dict[str, Callable[..., None]] = {
        "PY_START": lambda *_: enter(sys._getframe(1), resumed=False),
        "PY_RESUME": lambda *_: enter(sys._getframe(1), resumed=True),
        "PY_THROW": lambda *a: enter(
            sys._getframe(1), resumed=True, thrown=name_of(a[2])
        ),
        "PY_RETURN": lambda *_: leave(sys._getframe(1), "returned"),
        "PY_YIELD": lambda *_: leave(sys._getframe(1), "yielded"),
        "PY_UNWIND": lambda *a: leave(sys._getframe(1), "raised", name_of(a[2])),
        "CALL": lambda *a: c_enter(sys._getframe(1), a[2]),
        "C_RETURN": lambda *a: c_leave(sys._getframe(1), a[2], "returned"),
        "C_RAISE": lambda *a: c_leave(sys._getframe(1), a[2], "raised", "?"),
    }
    wanted = 0
    for name, callback in callbacks.items():
        event = getattr(events, name)
        monitoring.register_callback(tool, event, callback)
        if name not in ("C_RETURN", "C_RAISE"):
            wanted |= event
    monitoring.set_events(tool, wanted)
    return lambda: monitoring.set_events(tool, 0)


# --- 3.11 ----------------------------------------------------------------------------

RETURN_VALUE, YIELD_VALUE, RERAISE = (
    dis.opmap.get(name) for name in ("RETURN_VALUE", "YIELD_VALUE", "RERAISE")
)
RAISE, PUSH, POP = (
    dis.opmap.get(name) for name in ("RAISE_VARARGS", "PUSH_EXC_INFO", "POP_EXCEPT")
)
LOOPS = [dis.opmap.get(name) for name in ("FOR_ITER", "SEND")]


class Exceptions:
    """Which exception a frame of 3.11 is about to end by: raised, or raised again.

    Raising again makes no "exception" event, so the handlers under way are followed.
    """

    def __init__(self) -> None:
        self.leaving = ""  # ends the frame, unless another opcode is run
        self.arrived = ""  # the last one, not yet taken by a handler
        self.handled: list[str] = []

    def arrive(self, name: str) -> None:
        self.leaving = self.arrived = name

    def opcode(self, code: int, argument: int) -> None:
        self.leaving = ""
        if code == PUSH:
            self.handled.append(self.arrived)
            self.arrived = ""
        elif code == POP and self.handled:
            self.handled.pop()
        elif code == RERAISE:
            self.arrive(self.arrived or (self.handled[-1] if self.handled else "?"))
        elif code == RAISE and argument == 0:
            kind = sys.exc_info()[0]
            self.arrive(type_name(kind) if kind else "?")
        elif code == dis.opmap["END_ASYNC_FOR"]:
            self.leaving = self.arrived
            if self.arrived == "StopAsyncIteration":
                self.leaving = self.arrived = ""


exceptions: dict[int, Exceptions] = {}  # by frame


def opcode(frame: FrameType) -> int:
    return frame.f_code.co_code[frame.f_lasti]


def profile(frame: FrameType, event: str, arg: object) -> None:
    if event == "call":
        if opcode(frame) == RESUME:
            argument = frame.f_code.co_code[frame.f_lasti + 1]
            enter(frame, resumed=argument != 0)
        else:
            enter(frame, resumed=True, thrown="?")
    elif event == "return":
        exception = of(frame).leaving
        if exception:
            leave(frame, "raised", exception)
        elif opcode(frame) == YIELD_VALUE:
            leave(frame, "yielded")
            return
        elif opcode(frame) == RETURN_VALUE:
            leave(frame, "returned")
        else:
            leave(frame, "raised", "?")
        exceptions.pop(id(frame), None)
    elif event == "c_call":
        c_enter(frame, arg)
    elif event == "c_return":
        c_leave(frame, arg, "returned")
    elif event == "c_exception":
        c_leave(frame, arg, "raised", "?")


def of(frame: FrameType) -> Exceptions:
    return exceptions.setdefault(id(frame), Exceptions())


def trace(frame: FrameType, event: str, arg: Any) -> Any:
    if frame.f_code.co_filename == HERE:
        return None
    if event == "call":
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
    elif event == "exception":
        name = type_name(arg[0])
        if not (name == "StopIteration" and opcode(frame) in LOOPS):
            of(frame).arrive(name)
        stack = state().stack
        if stack and stack[-1][0] == id(frame) and stack[-1][1].thrown == "?":
            stack[-1][1].thrown = name
    elif event == "opcode":
        code = frame.f_code.co_code
        of(frame).opcode(code[frame.f_lasti], code[frame.f_lasti + 1])
    return trace


def use_profile() -> Callable[[], None]:
    threading.setprofile(profile)
    threading.settrace(trace)
    sys.settrace(trace)
    sys.setprofile(profile)

    def stop() -> None:
        sys.setprofile(None)
        sys.settrace(None)

    return stop


# --- running a program ---------------------------------------------------------------


stop: Callable[[], None]


def as_dict(row: Row) -> dict[str, object]:
    return {name: getattr(row, name) for name in Row.__slots__}


def write() -> None:
    stop()
    with open(output, "w", encoding="utf-8", errors="surrogatepass") as file:  # noqa: PTH123
        threads = [
            {
                "name": st.name,
                "rows": [
                    {n: getattr(row, n) for n in Row.__slots__} for row in st.rows
                ],
            }
            for st in states
        ]
        json.dump({"threads": threads, "repairs": repairs}, file)


def main() -> None:
    global output, stop
    output, sys.argv = sys.argv[1], sys.argv[2:]
    path = sys.argv[0]
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        code = compile(file.read(), path, "exec", dont_inherit=True)
    sys.path[0] = os.path.dirname(os.path.abspath(path))  # noqa: PTH120,PTH100
    this = types.ModuleType("__main__")
    this.__dict__.update(__file__=path, __builtins__=__builtins__)
    sys.modules["__main__"] = this
    atexit.register(write)
    start = use_monitoring if sys.version_info >= (3, 12) else use_profile
    stop = start()
    exec(code, this.__dict__)


if __name__ == "__main__":
    main()
