"""How a program ended, from its trace: what the core found, and the lines it was in.

The core (src/query/explain/) walks the trace. Here its indices become names, and the
source that is stored in the trace tells which lines can have made a call or a raise:
where there is only one, that is the line.
"""

from __future__ import annotations

import ast
import builtins
import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from marey._core import Function, _Selection
    from marey.trace import Tick, Trace

LINES_MAX = 4  # that may be meant; with more, none is said
LINKS_MAX = 8  # exceptions of a chain
LINK = ("type", "function", "depth", "time_ns", "logged", "values", "handling")

_Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def explain(trace: Trace, selection: _Selection, tick: Tick | None) -> dict[str, Any]:
    """The answer of the core, with names for indices, and lines."""
    answer: dict[str, Any] | None = json.loads(trace._core.explain(selection, tick))
    if answer is None:
        return {"outcome": "empty"}
    sources = Sources(trace)
    _add_lines(answer, trace, sources)
    _name(answer, trace)
    _add_chained(answer)
    return answer


# ---- exceptions ----


def logged(link: dict[str, Any], name: str) -> str | None:
    """One of the values that were logged of an exception."""
    for value in link.get("values", []):
        if value["name"] == name:
            return str(value["text"])
    return None


def _add_chained(answer: dict[str, Any]) -> None:
    """The exceptions that were being handled when the first one was raised, or that it
    was raised from: the program caught them, and the log knows which they were."""
    links = answer["exceptions"]
    caught = {logged(one, "id"): one for one in reversed(answer["swallowed"])}
    while links and len(links) < LINKS_MAX:
        before = caught.pop(logged(links[0], "chain") or "", None)
        if before is None or before["time_ns"] > links[0]["time_ns"]:
            break
        answer["swallowed"].remove(before)
        links[0]["handling"] = True
        links.insert(0, {key: before[key] for key in LINK if key in before})


def said(link: dict[str, Any]) -> str:
    """Type and message, as the last line of a traceback."""
    return ": ".join(filter(None, (link["type"], message(link))))


def message(link: dict[str, Any]) -> str:
    """What Python would print behind the type, as far as it was recorded."""
    text = next((str(v["text"]) for v in link.get("values", []) if not v["name"]), "")
    parts = exception_parts(text)
    return text.removeprefix(link["type"]) if parts is None else parts[0]


def exception_parts(text: str) -> tuple[str, list[tuple[str, str]]] | None:
    """From `Type(arguments)`: the message, and of a group (type, message) of each
    exception in it. None: they cannot be told."""
    try:
        tree = ast.parse(text, mode="eval").body
        return _parts(tree) if isinstance(tree, ast.Call) else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_os_error(name: str) -> bool:
    found = getattr(builtins, name, None)
    return isinstance(found, type) and issubclass(found, OSError)


def _is_text(node: ast.expr | None) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _parts(call: ast.Call) -> tuple[str, list[tuple[str, str]]] | None:
    values = [ast.literal_eval(one) for one in call.args[:1]]
    if not values:
        return "", []
    second = call.args[1] if len(call.args) == 2 else None
    if isinstance(second, ast.List) and isinstance(values[0], str):
        inner = [one for one in second.elts if isinstance(one, ast.Call)]
        found = [(ast.unparse(one.func), _parts(one)) for one in inner]
        return values[0], [(name, parts[0]) for name, parts in found if parts]
    if isinstance(second, ast.Tuple) and ast.unparse(call.func).endswith("Error"):
        file, line, *_ = ast.literal_eval(second)  # of a SyntaxError
        return f"{values[0]} ({PurePath(file).name}, line {line})", []
    if _is_os_error(ast.unparse(call.func)) and _is_text(second):
        names = [
            repr(ast.literal_eval(keyword.value))
            for keyword in call.keywords
            if keyword.arg in ("filename", "filename2")
        ]
        behind = ": " + " -> ".join(names) if names else ""
        return f"[Errno {values[0]}] {ast.literal_eval(second)}{behind}", []
    if len(call.args) > 1:
        return f"({', '.join(ast.unparse(one) for one in call.args)})", []
    is_key = ast.unparse(call.func) == "KeyError"
    return repr(values[0]) if is_key else str(values[0]), []


# ---- lines ----


class Sources:
    """Source texts of the trace, as trees, by file."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._texts: dict[str, list[str]] = {}
        self._trees: dict[str, ast.Module | None] = {}

    def line(self, file: str, number: int) -> str:
        """One line, or nothing."""
        lines = self._lines(file)
        return lines[number - 1].strip() if 0 < number <= len(lines) else ""

    def _lines(self, file: str) -> list[str]:
        if file not in self._texts:
            source = self._trace.source(file) if file else None
            text = (source or b"").decode("utf-8", "replace")
            self._texts[file] = text.splitlines()
        return self._texts[file]

    def _tree(self, file: str) -> ast.Module | None:
        if file not in self._trees:
            lines = self._lines(file)
            try:
                self._trees[file] = ast.parse("\n".join(lines)) if lines else None
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._trees[file] = None  # of another version of Python
        return self._trees[file]

    def scope(self, function: Function) -> _Scope | None:
        """The part of the tree that is the function's body."""
        tree = self._tree(function.file)
        name = function.name.rpartition(".")[2]
        if tree is None or name == "<module>":
            return tree
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                if node.name == name and function.line in (first, node.lineno):
                    return node
            elif (
                isinstance(node, ast.Lambda)
                and name == "<lambda>"
                and node.lineno == function.line
            ):
                return node
        return None


def _own_nodes(scope: _Scope) -> Iterator[ast.AST]:
    """What runs in this scope itself: not in the functions and classes within."""
    pending = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(
            node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
        ):
            pending.extend(ast.iter_child_nodes(node))


def _last_name(node: ast.AST | None) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def call_lines(scope: _Scope, callee: Function) -> list[int]:
    """Lines that can have called this function by its name."""
    parts = callee.name.split(".")
    names = {parts[-1]}
    if parts[-1] in ("__init__", "__new__", "__call__") and len(parts) > 1:
        names.add(parts[-2])
    return sorted(
        {
            node.func.end_lineno or node.lineno
            for node in _own_nodes(scope)
            if isinstance(node, ast.Call) and _last_name(node.func) in names
        }
    )


def raise_lines(scope: _Scope, exception: str) -> list[int]:
    """Lines that raise this type by its name."""
    name = exception.rpartition(".")[2]
    return sorted(
        {
            node.lineno
            for node in _own_nodes(scope)
            if isinstance(node, ast.Raise) and _last_name(node.exc) == name
        }
    )


def _logged_line(values: list[dict[str, Any]]) -> int:
    """The line that was recorded with an exception."""
    for value in values:
        if value["name"] == "line" and value["text"].isdecimal():
            return int(value["text"])
    return 0


def _add_lines(answer: dict[str, Any], trace: Trace, sources: Sources) -> None:
    """Each call of the stack gets the line it was in, or those it may have been in."""
    stack = answer.get("stack", [])
    functions = trace.functions
    raised = {link["depth"]: link for link in answer["exceptions"]}
    for frame, below in zip(stack, [*stack[1:], None], strict=False):
        if frame["function"] < 0:
            continue
        function = functions[frame["function"]]
        lines: list[int] = []
        link = raised.get(frame["depth"])
        logged = _logged_line(link.get("values", [])) if link is not None else 0
        scope = sources.scope(function)
        if logged:
            lines = [logged]
        elif link is not None and scope is not None:
            lines = raise_lines(scope, link["type"])
        if not lines and below is not None:
            if below["called_from_line"]:
                lines = [below["called_from_line"]]
            elif scope is not None and below["function"] >= 0:
                lines = call_lines(scope, functions[below["function"]])
        if len(lines) <= LINES_MAX:
            frame["lines"] = [
                {"line": line, "text": sources.line(function.file, line)}
                for line in lines
            ]
        else:
            frame["lines"] = []
    for thread in answer.get("threads", []):
        calls = thread["stack"]
        for call, below in zip(calls, [*calls[1:], None], strict=True):
            call["lines"] = []
            if (
                below is not None
                and below["line"]
                and below["caller"] == call["function"]
            ):
                text = sources.line(functions[call["function"]].file, below["line"])
                call["lines"].append({"line": below["line"], "text": text})


# ---- the names in a line ----


def names_in(text: str) -> list[str]:
    """Variables and attributes that a line of source names, in order."""
    text = text.strip()
    for candidate in (text, f"{text}\n pass", f"if 1:\n pass\n{text}\n pass"):
        try:
            tree = ast.parse(candidate)
            break
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    else:
        return _words(text)
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found[node.id] = None
        elif isinstance(node, ast.Attribute):
            found[ast.unparse(node)] = None
    return list(found)


def _words(text: str) -> list[str]:
    """The same of a line that is no whole statement."""
    import io
    import keyword
    import tokenize

    found: dict[str, None] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                found[token.string] = None
    except (tokenize.TokenError, SyntaxError):
        pass  # what was read until there will do
    return list(found)


def last_values(frame: dict[str, Any]) -> dict[str, str]:
    """What the names of a call held last, as far as it was recorded; oldest first."""
    values = {one["name"]: shown(one) for one in frame.get("values", [])}
    for entry in reversed(frame.get("names", [])):
        for one in entry.get("values", []):
            if entry["kind"] == "line":
                if one["name"] != "line":
                    values.pop(one["name"], None)
                    values[one["name"]] = shown(one)
            elif not one["name"]:
                values.pop(entry["name"], None)
                values[entry["name"]] = shown(one)
    return values


def shown(value: dict[str, Any], limit: int = 100) -> str:
    """A value as Python writes it, on one line."""
    text: str = value["text"]
    if value["tag"] == 6:
        text = repr(text)
    elif value["tag"] == 7:
        text = f"b{text!r}"
    return text if len(text) <= limit else text[: limit - 1] + "…"


# ---- names for indices ----


def _name(answer: dict[str, Any], trace: Trace) -> None:
    functions, lanes = trace.functions, trace.lanes

    def named(index: int) -> dict[str, Any] | None:
        if index < 0:
            return None
        function = functions[index]
        return {
            "name": function.name,
            "module": function.module,
            "file": function.file,
            "line": function.line,
            "c": function.is_c,
        }

    def walk(one: Any) -> None:
        if isinstance(one, list):
            for item in one:
                walk(item)
        elif isinstance(one, dict):
            for key, value in list(one.items()):
                if key in ("function", "by") and isinstance(value, int):
                    one[key] = named(value)
                elif key == "lane" and isinstance(value, int):
                    lane = lanes[value] if value >= 0 else None
                    one["thread"] = lane.name if lane is not None else None
                elif key == "process" and isinstance(value, int):
                    process = trace.processes[value]
                    one["pid"], one["program"] = process.pid, process.program
                    one["exit_status"] = process.exit_status
                else:
                    walk(value)

    walk(answer)
