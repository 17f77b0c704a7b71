"""`marey explain`: how a program ended, and what led to it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import marey
from marey import _explain
from marey._explain import (
    exception_parts,
    last_values,
    logged,
    message,
    names_in,
    said,
    shown,
)
from marey.cli import _common
from marey.cli._common import show_count, show_duration

if TYPE_CHECKING:
    from marey.trace import Trace

SWALLOWED_SHOWN = 8
THREADS_SHOWN = 12
CALLS_SHOWN = 6  # of what a call of the stack had called before
CALL_MAX = 120  # characters of such a call
OUTER_CALLS_SHOWN = 2  # the same for calls far from the failure
INNER = 3  # calls of the stack that are near it
REPEATS_SHOWN = 3  # of calls that stand in the stack again and again
PERIOD_MAX = 8  # of calls that call each other in turn
SAID_MAX = 300  # of an exception's message
INNER_SHOWN = 10  # exceptions of a group
SAME_SHOWN = 3  # places that an exception had left before
LIBRARY = re.compile(r"^<|/lib/python3|/(site|dist)-packages/")
WAITING = (".result", ".__get_result", "ApplyResult.get")  # raise what others raised
TASKS = ("Context.run", "Handle._run")  # what runs the steps of tasks
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


def tell(path: str, stream: TextIO, pid: int, status: int) -> None:
    """The explanation of a trace as text; for `run --explain`, which knows how its
    child ended (negative: by that signal) even if that could not say so."""
    with marey.open(path) as trace:
        answer = explain(trace, None, None)
        known = status if answer.get("pid") == pid else None
        _common.write(text_of(trace, answer, known), stream)
    stream.flush()


def explain(
    trace: Trace, process: list[str] | None, thread: list[str] | None
) -> dict[str, Any]:
    lanes = _common.selected_lanes(trace, process, thread)
    with _common.Progress("explaining") as progress:
        return _explain.explain(
            trace, (None, None, 0, None, lanes, None), progress.tick
        )


def text_of(trace: Trace, answer: dict[str, Any], status: int | None = None) -> str:
    if answer["outcome"] == "empty":
        return "nothing was recorded\n"
    lines = [_headline(trace, answer, status), ""]
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
    return f"{name}  {_file(function)}:{line or function['line']}"


def _file(function: dict[str, Any]) -> str:
    """Its path, from here where it is below."""
    return str(function["file"]).removeprefix(f"{Path.cwd()}/")


def _name(function: dict[str, Any] | None) -> str:
    if function is None:
        return "calls that were not recorded"
    if function["module"] in ("", "__main__", "builtins"):
        return str(function["name"])
    return f"{function['module']}.{function['name']}"


def _is_own(function: dict[str, Any] | None) -> bool:
    """Neither of a library nor of C: what the reader has written."""
    if function is None or function["c"] or not function["file"]:
        return False
    return not LIBRARY.search(function["file"])


def _is_import(function: dict[str, Any] | None) -> bool:
    return function is not None and function["module"].startswith(MACHINERY)


# ---- how it ended ----


def _headline(trace: Trace, answer: dict[str, Any], status: int | None) -> str:
    from marey.cli.info import state_of, status_text

    process = next(p for p in trace.processes if p.pid == answer["pid"])
    state = state_of(process, trace.path)
    if status is not None and process.exit_status is None:
        state = status_text(status)
    who = f"{answer['program']} (process {answer['pid']})"
    when = f"at {_moment(answer['time_ns'])}"
    last = answer["exceptions"][-1]["type"] if answer["exceptions"] else ""
    if answer["outcome"] == "raised":
        return f"{who} ended by {last}, which nobody caught, {when}: {state}"
    if answer["outcome"] == "exit":
        how = "sys.exit()" if answer["exceptions"] else "os._exit()"
        return f"{who} ended by {how} {when}: {state}"
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
        if before is not None:
            lines.append(f"  {_relation(before, link)}")
        lines += _said(answer, link)
        lines.append(f"  raised in {_source(link)}, at {_moment(link['time_ns'])}")
        if link is links[-1]:
            lines += _raised_before(answer)
        if link is links[0] and answer["exceptions_left_out"]:
            count = show_count(answer["exceptions_left_out"], "exception")
            lines.append(f"  … {count} more")
        before = link
    return [*lines, ""] if lines else []


def _source(link: dict[str, Any]) -> str:
    """Where an exception was raised, or the call it left first."""
    function, line = link["function"], logged(link, "line")
    if function is None or function["c"] or line is None:
        return _name(function)
    return f"{_name(function)} ({_file(function)}:{line})"


def _said(answer: dict[str, Any], link: dict[str, Any]) -> list[str]:
    """Type and message, and those of the exceptions in a group."""
    if not link.get("values"):
        link = next((one for one in _same(answer) if one.get("values")), link)
    text = next((str(v["text"]) for v in link.get("values", []) if not v["name"]), "")
    _, inner = exception_parts(text) or ("", [])
    lines = [_cut(said(link), SAID_MAX)]
    lines += [
        _cut("  with " + ": ".join(filter(None, one)), SAID_MAX)
        for one in inner[:INNER_SHOWN]
    ]
    if len(inner) > INNER_SHOWN:
        lines.append(f"  … {len(inner) - INNER_SHOWN} more")
    return lines


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _same(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The last exception before it was raised again where the program ended: whoever
    waits for a task, a future or a worker process gets what that ended by."""
    last = answer["exceptions"][-1]
    function = last["function"]
    if _is_own(function) or not function or not function["name"].endswith(WAITING):
        return []
    known = [] if logged(last, "id") else answer["swallowed"]  # each is logged once
    elsewhere = [one for one in answer["elsewhere"] if message(one) == message(last)]
    return [
        one
        for one in known + elsewhere
        if one["type"] == last["type"] and one["caught_ns"] <= last["time_ns"]
    ]


def _raised_before(answer: dict[str, Any]) -> list[str]:
    lines = []
    same = _same(answer)
    for one in [s for s in same if _is_own(s["function"])][:SAME_SHOWN] or same[:1]:
        by = f" in process {one['pid']}" if "pid" in one else ""
        lines.append(
            f"  which had left {_source(one)}{by}, at {_moment(one['time_ns'])}"
        )
    return lines


def _relation(before: dict[str, Any], link: dict[str, Any]) -> str:
    number = logged(before, "id")
    is_chained = number is not None and logged(link, "chain") == number
    if is_chained and logged(link, "cause") is not None:
        return "which was the cause of"
    if is_chained or link["handling"]:
        return "while that was handled"
    return "after that, perhaps while it was handled"


# ---- the calls ----


def _stack(answer: dict[str, Any]) -> list[str]:
    stack = _without_imports(answer.get("stack", []))
    if not stack:
        return []
    is_open = stack[-1]["ending"] == "open"
    what = "that were open" if is_open else "that the exception left"
    lines = [f"Calls {what}, the innermost last ({answer['thread']}):", ""]
    told = {logged(link, "id") for link in answer["exceptions"]} - {None}
    own = [at for at, frame in enumerate(stack) if _is_own(frame["function"])]
    inner = {len(stack) - 1, *own[-1:], *(at for at in own if at >= len(stack) - INNER)}
    at = 0
    while at < len(stack):
        left_out = show_count(answer["stack_left_out"], "call")
        if at and stack[at]["depth"] != stack[at - 1]["depth"] + 1:
            lines.append(f"  … {left_out} between")
        period, repeats = _repeats(stack, at)
        shown_first = max(period, REPEATS_SHOWN) if repeats else 1
        for which in range(at, at + shown_first):
            lines += _frame(stack[which], told, is_inner=which in inner)
        if repeats:
            times = show_count(repeats - shown_first // period, "time")
            these = "" if period == 1 else f"these {period}, "
            last = stack[at + period * repeats - 1]
            if last["depth"] != stack[at]["depth"] + period * repeats - 1:
                times += f", and {left_out} among these"
            lines.append(f"  … and again, {these}{times}")
        at += period * repeats or 1
    return [*lines, ""]


def _without_imports(stack: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls, but those between an import and the module that it runs. What is left
    counts its depths anew."""
    told: list[dict[str, Any]] = []
    hidden = 0
    for at, frame in enumerate(stack):
        function, below = frame["function"], stack[at + 1 : at + 2]
        is_run = function is not None and function["name"] == "exec" and function["c"]
        if below and (_is_import(function) or (is_run and hidden)):
            hidden += 1
        else:
            told.append({**frame, "depth": frame["depth"] - hidden})
    return told


def _repeats(stack: list[dict[str, Any]], at: int) -> tuple[int, int]:
    """Calls that come again and again from here on: how many take turns, and how often
    they do. The innermost call is never one of them. (1, 0): none do."""
    for period in range(1, PERIOD_MAX + 1):
        end = at + period
        while (
            end < len(stack) - 1
            and stack[end]["function"] == stack[end - period]["function"]
        ):
            end += 1
        repeats = (end - at) // period
        if repeats > REPEATS_SHOWN:
            return period, repeats
    return 1, 0


def _frame(
    frame: dict[str, Any], told: set[str | None], *, is_inner: bool
) -> list[str]:
    """A call with its line. What else is known of it, where it is the program's own."""
    function = frame["function"]
    found = frame.get("lines", [])
    line = found[0]["line"] if len(found) == 1 else 0
    lines = [f"  {_place(function, line)}"]
    if not found and function and function["line"]:
        lines.append(f"      {_last_seen(frame)}")
    if len(found) > 1:
        numbers = ", ".join(str(one["line"]) for one in found)
        lines.append(f"      one of the lines {numbers}")
    elif found and found[0]["text"]:
        lines.append(f"      {found[0]['text']}")
    if not is_inner and not _is_own(function):
        return lines
    lines += [f"        {text}" for text in _values(frame, found)]
    if not is_inner and frame["ending"] == "open":
        return lines
    known = [call for call in frame["calls"] if not _is_told(call, told)]
    calls = known[-(CALLS_SHOWN if is_inner else OUTER_CALLS_SHOWN) :]
    earlier = frame["earlier"] + sum(
        call["count"] for call in known[: len(known) - len(calls)]
    )
    if earlier and calls:
        lines.append(f"    | … {show_count(earlier, 'earlier call')}")
    for call in calls:
        lines += _call(call, 0, is_inner=is_inner)
    return lines


def _is_told(call: dict[str, Any], told: set[str | None]) -> bool:
    """The raise of an exception that stands above."""
    return call["kind"] == "raised" and logged(call, "id") in told


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
    if call["kind"] in ("raised", "handled", "swallowed"):
        what = _cut(said({"type": call["name"], **call}), CALL_MAX)
        return [f"{start}* {call['kind']} {what}{times}"]
    if call["kind"] != "call":
        held = f" = {call['value']}" if "value" in call else ": " + _held(call)
        return [f"{start}* {call['kind']} {call['name']}{held.rstrip(': ')}{times}"]
    duration = show_duration(call["total_ns"])
    if _is_import(call["function"]):
        name = next((v["text"] for v in call.get("values", [])), "")
        what = f"import {name}" if name and call["count"] == 1 else "imports"
        return [f"{start}{what}{times}  {duration}"]
    text = f"{_name(call['function'])}({_held(call)})"
    if call.get("result"):
        text += f" = {shown(call['result'][0])}"
    text = f"{start}{_cut(text, CALL_MAX)}{times}  {duration}"
    if call["ending"] == "raised":
        known = call["exception"].replace("<unknown>", "an exception")
        text += f"  // raised {known}, which was caught"
    elif call["ending"] not in ("returned", "open"):
        text += f"  // {call['ending']}"
    lines = [text]
    if is_inner and level == 0 and _is_own(call["function"]):
        if call["earlier"] and call["calls"]:
            lines.append(f"{start}  … {show_count(call['earlier'], 'earlier call')}")
        for one in call["calls"]:
            lines += _call(one, level + 1, is_inner=False)
    return lines


def _held(call: dict[str, Any]) -> str:
    return ", ".join(
        f"{one['name']}={shown(one, 60)}" if one["name"] else shown(one, 60)
        for one in call.get("values", [])
    )


# ---- the rest ----


def _swallowed(answer: dict[str, Any]) -> list[str]:
    """Folded where they are alike; libraries' own affairs are only counted."""
    same = _same(answer) if answer["exceptions"] else []
    rows: dict[str, int] = {}
    moments: dict[str, int] = {}
    inside = 0
    for one in answer["swallowed"]:
        if one in same or one["type"] == "<unknown>":
            continue  # told above; or of a C function: most are how iterators end
        if not _is_own(one["by"]) and not _is_own(one["function"]):
            inside += not (_is_import(one["by"]) or _is_import(one["function"]))
            continue
        text = _swallowed_text(one)
        rows[text] = rows.get(text, 0) + 1
        moments.setdefault(text, one["caught_ns"])
    lines = [
        f"  {_moment(moments[text])}  {text}" + (f"  ×{count:,}" if count > 1 else "")
        for text, count in rows.items()
    ]
    left_out = len(lines) - SWALLOWED_SHOWN
    lines = lines[:SWALLOWED_SHOWN] + [f"  … {left_out} more"] * (left_out > 0)
    if not lines:
        return []
    if inside:
        lines.append(f"  {show_count(inside, 'exception')} within libraries (--json)")
    return ["Exceptions that were caught before, the last one first:", "", *lines, ""]


def _swallowed_text(one: dict[str, Any]) -> str:
    what = _cut(said(one), CALL_MAX)
    by = one["by"]
    if one["function"] is not None and one["function"]["name"].endswith(".__del__"):
        how = "ignored, as all that __del__ raises"
    elif by is not None and by["name"] in TASKS:
        how = "kept by its task"
    elif by == one["function"]:
        how = "caught there"
    else:
        how = f"caught by {_name(by)}"
    return f"{what}  from {_source(one)}, {how}"


def _threads(answer: dict[str, Any]) -> list[str]:
    threads = answer["threads"]
    if not threads:
        return []
    lines = ["The other threads then:", ""]
    for one in threads[:THREADS_SHOWN]:
        names = _stack_names(one["stack"])
        if len(names) > 8:
            names = [*names[:2], "…", *names[-5:]]
        lines.append(f"  {one['thread']}: {' > '.join(names) or 'in no recorded call'}")
    if len(threads) > THREADS_SHOWN:
        lines.append(f"  … {show_count(len(threads) - THREADS_SHOWN, 'thread')} more")
    return [*lines, ""]


def _stack_names(stack: list[dict[str, Any]]) -> list[str]:
    """Calls as names, the program's own with the line they are in; of a row of
    libraries' calls, the first and the last."""
    names = []
    for at, call in enumerate(stack):
        near = [stack[i] for i in (at - 1, at + 1) if 0 <= i < len(stack)]
        function = call["function"]
        if _is_own(function):
            lines = [f" ({_file(function)}:{one['line']})" for one in call["lines"]]
            names.append(_name(function) + "".join(lines))
        elif len(near) == 2 and not any(_is_own(one["function"]) for one in near):
            names += ["…"] * (names[-1] != "…")
        else:
            names.append(_name(function))
    return names


def _others(answer: dict[str, Any]) -> list[str]:
    lines = []
    for other in answer["others"]:
        if other["outcome"] == "exit" and not other["exit_status"]:
            continue
        last = ""
        if other["exceptions"]:
            last = _cut(said(other["exceptions"][-1]), CALL_MAX)
        status = f", exit {other['exit_status']}" if other["exit_status"] else ""
        what = {
            "raised": f"ended by {last}",
            "exit": f"ended by itself{status}",
            "thread": f"the thread {other['thread']} ended by {last}",
            "killed": "killed, or running",
        }.get(other["outcome"])
        if what is not None:
            lines.append(f"  process {other['pid']} ({other['program']}): {what}")
    if not lines:
        return []
    return ["Also (--process, --thread tell more):", "", *lines, ""]
