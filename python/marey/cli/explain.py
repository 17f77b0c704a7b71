"""`marey explain`: how a program ended, and what led to it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

import marey
from marey import _explain
from marey._explain import last_values, names_in, shown
from marey.cli import _common
from marey.cli._common import show_count, show_duration

if TYPE_CHECKING:
    from marey.trace import Trace

SWALLOWED_SHOWN = 8
THREADS_SHOWN = 12
CALLS_SHOWN = 6  # of what a call of the stack had called before
OUTER_CALLS_SHOWN = 2  # the same for calls far from the failure
INNER = 3  # calls of the stack that are near it
REPEATS_SHOWN = 3  # of calls that stand in the stack again and again
MACHINERY = ("importlib", "_frozen_importlib", "zipimport")  # of imports

CODE = ("<function ", "<class ", "<module ", "<built-in ")  # what lines are made of

DESCRIPTION = """\
Tells how the program ended, from its trace alone, also when it was killed: the
exceptions that led to one another; the calls they left, or that were open, with the
last values recorded of the names in each line and what was called before; exceptions
that were caught before; and where the other threads were."""


def main(arguments: list[str]) -> int:
    parser = _common.Parser("explain", "[options] [TRACE]", DESCRIPTION)
    _common.add_trace(parser)
    for name, letter in (("process", "P"), ("thread", "T")):
        parser.add_argument(
            f"--{name}",
            action="append",
            metavar=letter,
            help=f"only this {name}: its id, or a pattern of its name",
        )
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    given = parser.parse_args(arguments)
    with _common.open_trace(given.trace) as trace:
        answer = explain(trace, given.process, given.thread)
        if given.json:
            _common.write_json(answer)
        else:
            _common.write(text_of(trace, answer))
    sys.stdout.flush()
    return 0


def tell(path: str, stream: TextIO) -> None:
    """The explanation of a trace as text; for `run --explain`."""
    with marey.open(path) as trace:
        _common.write(text_of(trace, explain(trace, None, None)), stream)
    stream.flush()


def explain(
    trace: Trace, process: list[str] | None, thread: list[str] | None
) -> dict[str, Any]:
    lanes = _common.selected_lanes(trace, process, thread)
    with _common.Progress("explaining") as progress:
        return _explain.explain(
            trace, (None, None, 0, None, lanes, None), progress.tick
        )


def text_of(trace: Trace, answer: dict[str, Any]) -> str:
    if answer["outcome"] == "empty":
        return "nothing was recorded\n"
    lines = [_headline(trace, answer), ""]
    lines += _exceptions(answer)
    lines += _stack(answer)
    lines += _swallowed(answer)
    lines += _threads(answer)
    lines += _others(answer)
    while lines[-1] == "":
        lines.pop()
    return "".join(_common.safe(line) + "\n" for line in lines)


def _moment(ns: int) -> str:
    return f"{ns / 1e9:.6f} s"


def _place(function: dict[str, Any] | None, line: int = 0) -> str:
    """`name  file:line`, as editors take it."""
    if function is None:
        return "calls that were not recorded"
    name = _name(function)
    if not function["file"]:
        return name
    return f"{name}  {function['file']}:{line or function['line']}"


def _name(function: dict[str, Any] | None) -> str:
    if function is None:
        return "calls that were not recorded"
    if function["module"] in ("", "__main__", "builtins"):
        return str(function["name"])
    return f"{function['module']}.{function['name']}"


# ---- how it ended ----


def _headline(trace: Trace, answer: dict[str, Any]) -> str:
    from marey.cli.info import _state

    process = next(p for p in trace.processes if p.pid == answer["pid"])
    state = _state(process, trace.path)
    who = f"{answer['program']} (process {answer['pid']})"
    when = f"at {_moment(answer['time_ns'])}"
    last = answer["exceptions"][-1]["type"] if answer["exceptions"] else ""
    if answer["outcome"] == "raised":
        return f"{who} ended by {last}, which nobody caught, {when}: {state}"
    if answer["outcome"] == "exit":
        return f"{who} ended by sys.exit() {when}: {state}"
    if answer["outcome"] == "thread":
        thread = answer["thread"]
        return f"{who}: {last} ended the thread {thread} {when}; the process: {state}"
    if answer["outcome"] == "killed":
        if state == "running":
            return f"{who} is running; its calls {when}"
        if state.startswith("killed by"):
            return f"{who} was {state} {when}"
        return f"{who} did not say that it ended: it was killed, or it crashed, {when}"
    return f"{who} ended {when}: {state}; no exception ended it"


def _exceptions(answer: dict[str, Any]) -> list[str]:
    links = answer["exceptions"]
    lines = []
    before: dict[str, Any] | None = None
    for link in links:
        message = _message(link)
        if before is not None:
            lines.append(f"  {_relation(before, link)}")
        lines.append(f"{link['type']}{': ' + message if message else ''}")
        where = _name(link["function"])
        lines.append(f"  raised in {where} at {_moment(link['time_ns'])}")
        if link is links[0]:
            lines += _raised_again(answer)
        if link is links[0] and answer["exceptions_left_out"]:
            count = show_count(answer["exceptions_left_out"], "exception")
            lines.append(f"  … {count} more")
        before = link
    return [*lines, ""] if lines else []


def _raised_again(answer: dict[str, Any]) -> list[str]:
    """Waiting for a task or a future raises again what that ended by."""
    first = answer["exceptions"][0]
    function = first["function"]
    if (
        function is None
        or not function["c"]
        or not function["name"].endswith(".result")
    ):
        return []
    left = [
        f"  which had left {_name(one['function'])} at {_moment(one['time_ns'])}"
        for one in answer["swallowed"]
        if one["type"] == first["type"]
        and one["by"] is not None
        and one["by"]["name"] in ("Context.run", "Handle._run")
    ]
    return left[:3]


def _value(link: dict[str, Any], name: str) -> str | None:
    for value in link.get("values", []):
        if value["name"] == name:
            return str(value["text"])
    return None


def _message(link: dict[str, Any]) -> str:
    """What was logged of the exception itself."""
    for value in link.get("values", []):
        if not value["name"]:
            return shown(value, 300)
    return ""


def _relation(before: dict[str, Any], link: dict[str, Any]) -> str:
    number = _value(before, "id")
    if number is not None and _value(link, "cause") == number:
        return "which was the cause of"
    if link["handling"] or (number is not None and _value(link, "context") == number):
        return "while that was handled"
    return "after that, perhaps while it was handled"


# ---- the calls ----


def _stack(answer: dict[str, Any]) -> list[str]:
    stack = answer.get("stack", [])
    if not stack:
        return []
    is_open = stack[-1]["ending"] == "open"
    what = "that were open" if is_open else "that the exception left"
    lines = [f"Calls {what}, the innermost last ({answer['thread']}):", ""]
    repeats = 0
    for at, frame in enumerate(stack):
        is_again = 0 < at < len(stack) - 1 and all(
            stack[at - n]["function"] == frame["function"] for n in (1,)
        )
        repeats = repeats + 1 if is_again else 0
        if repeats >= REPEATS_SHOWN:
            following = stack[at + 1]["function"] == frame["function"]
            if not following or at == len(stack) - 2:
                count = show_count(repeats - REPEATS_SHOWN + 1, "time")
                lines.append(f"  … and again, {count}")
            continue
        if at and frame["depth"] != stack[at - 1]["depth"] + 1:
            count = show_count(answer["stack_left_out"], "call")
            lines.append(f"  … {count} between")
        lines += _frame(frame, is_inner=at >= len(stack) - INNER)
    return [*lines, ""]


def _frame(frame: dict[str, Any], *, is_inner: bool) -> list[str]:
    found = frame.get("lines", [])
    line = found[0]["line"] if len(found) == 1 else 0
    lines = [f"  {_place(frame['function'], line)}"]
    if not found and frame["function"] and frame["function"]["line"]:
        lines.append(f"      {_last_seen(frame)}")
    if len(found) > 1:
        numbers = ", ".join(str(one["line"]) for one in found)
        lines.append(f"      one of the lines {numbers}")
    elif found:
        lines.append(f"      {found[0]['text']}")
    lines += [f"        {text}" for text in _values(frame, found)]
    limit = CALLS_SHOWN if is_inner else OUTER_CALLS_SHOWN
    calls = frame["calls"][-limit:]
    earlier = frame["earlier"] + sum(
        one["count"] for one in frame["calls"][: len(frame["calls"]) - len(calls)]
    )
    if is_inner or frame["ending"] != "open":
        if earlier and calls:
            lines.append(f"    | … {show_count(earlier, 'earlier call')}")
        for call in calls:
            lines += _call(call, 0, is_inner=is_inner)
    return lines


def _last_seen(frame: dict[str, Any]) -> str:
    """Where the line is not known: the line of what was logged last."""
    for entry in frame["names"]:
        for value in entry.get("values", []):
            if value["name"] == "line":
                return f"its first line; it was seen last in line {value['text']}"
    return "its first line; which one it was in was not recorded"


def _values(frame: dict[str, Any], found: list[dict[str, Any]]) -> list[str]:
    """Those of the names in its line; where it is not known, all of them."""
    values = last_values(frame)
    if not values:
        return []
    names = [name for one in found for name in names_in(one["text"])]
    chosen = {}
    for name in names:
        for known in (name, name.rpartition(".")[2]):
            if known in values and not values[known].startswith(CODE):
                chosen[name] = values[known]
                break
    if not names:
        chosen = dict(list(values.items())[-CALLS_SHOWN:])
    return [f"{name} = {value}" for name, value in chosen.items()]


def _call(call: dict[str, Any], level: int, *, is_inner: bool) -> list[str]:
    start = "    | " + "  " * level
    times = f" ×{call['count']:,}" if call["count"] > 1 else ""
    if call["kind"] == "gap":
        return [f"{start}~~~ {call['lost']:,} events were lost here ~~~"]
    if call["kind"] != "call":
        held = f" = {call['value']}" if "value" in call else _held(call)
        return [f"{start}* {call['kind']} {call['name']}{held}{times}"]
    arguments = _held(call).removeprefix(": ")
    text = f"{start}{_name(call['function'])}({arguments})"
    if call.get("result"):
        text += f" = {shown(call['result'][0])}"
    text += f"{times}  {show_duration(call['total_ns'])}"
    if call["ending"] == "raised":
        text += f"  // raised {call['exception']}, which was caught"
    elif call["ending"] not in ("returned", "open"):
        text += f"  // {call['ending']}"
    lines = [text]
    if is_inner and level == 0:
        if call["earlier"] and call["calls"]:
            lines.append(f"{start}  … {show_count(call['earlier'], 'earlier call')}")
        for one in call["calls"]:
            lines += _call(one, level + 1, is_inner=False)
    return lines


def _held(call: dict[str, Any]) -> str:
    parts = [
        f"{one['name']}={shown(one, 60)}" if one["name"] else shown(one, 60)
        for one in call.get("values", [])
    ]
    return ": " + ", ".join(parts) if parts else ""


# ---- the rest ----


def _swallowed(answer: dict[str, Any]) -> list[str]:
    lines = []
    for one in answer["swallowed"]:
        by = one["by"]
        modules = [f["module"] for f in (one["function"], by) if f is not None]
        if any(module.startswith(MACHINERY) for module in modules):
            continue
        if one["type"] == "<unknown>":
            continue  # of a C function; most are how iterators end
        message = _message(one)
        lines.append(
            f"  {_moment(one['caught_ns'])}  {one['type']}"
            f"{': ' + message if message else ''}"
            f"  from {_name(one['function'])}, caught by {_name(by)}"
        )
    if not lines:
        return []
    return [
        "Exceptions that were caught before, the last one first:",
        "",
        *lines[:SWALLOWED_SHOWN],
        *(
            [f"  … {len(lines) - SWALLOWED_SHOWN} more"]
            * (len(lines) > SWALLOWED_SHOWN)
        ),
        "",
    ]


def _threads(answer: dict[str, Any]) -> list[str]:
    threads = answer["threads"]
    if not threads:
        return []
    lines = ["The other threads then:", ""]
    for one in threads[:THREADS_SHOWN]:
        names = [_name(call["function"]) for call in one["stack"]]
        if len(names) > 8:
            names = [*names[:2], "…", *names[-5:]]
        lines.append(f"  {one['thread']}: {' > '.join(names) or 'in no recorded call'}")
    if len(threads) > THREADS_SHOWN:
        lines.append(f"  … {show_count(len(threads) - THREADS_SHOWN, 'thread')} more")
    return [*lines, ""]


def _others(answer: dict[str, Any]) -> list[str]:
    lines = []
    for other in answer["others"]:
        last = other["exceptions"][-1]["type"] if other["exceptions"] else ""
        what = {
            "raised": f"ended by {last}",
            "exit": "ended by sys.exit()",
            "thread": f"{last} ended the thread {other['thread']}",
            "killed": "killed, or running",
        }.get(other["outcome"])
        if what is not None:
            lines.append(f"  process {other['pid']} ({other['program']}): {what}")
    if not lines:
        return []
    return ["Also (--process, --thread tell more):", "", *lines, ""]
