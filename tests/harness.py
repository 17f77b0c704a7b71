"""Runs programs under Marey, and reads what it wrote in every way there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import reference_reader
from trees import VERSION, Row, Thread

SEES_THROWS = VERSION >= (3, 12)
TESTS = Path(__file__).resolve().parent
PROGRAMS = TESTS / "programs"


def environment() -> dict[str, str]:
    """The process's own. pytest changes it from test to test, and this may be called by
    another thread meanwhile."""
    values = ((name, os.environ.get(name)) for name in list(os.environ))
    return {name: value for name, value in values if value is not None}


def run(
    command: Sequence[str | Path], *, cwd: Path | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, with nothing on its standard input."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("timeout", 300)  # one that hangs; not a slow machine
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        env={**environment(), **options.pop("env", {})},
        check=False,
        **options,
    )


def marey(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command line, in a process of its own."""
    return run([sys.executable, "-m", "marey", *words], **options)


def start(trace: Path, *words: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    """Starts a recording, and lets it run."""
    options.setdefault("stdin", subprocess.DEVNULL)
    command = [sys.executable, "-m", "marey", "run", "-q", "-o", trace, *words]
    return subprocess.Popen(command, **options)


def record(
    trace: Path,
    program: Path,
    *arguments: str,
    options: Sequence[str] = (),
    **more: Any,
) -> subprocess.CompletedProcess[str]:
    return marey("run", "--quiet", "-o", trace, *options, program, *arguments, **more)


# --- three sources of the same trees -------------------------------------------------


def by_oracle(program: Path, out: Path, *arguments: str) -> list[Thread]:
    done = run([sys.executable, TESTS / "oracle.py", out, program, *arguments])
    if not out.exists():
        raise AssertionError(f"the oracle failed: {done.stderr}")
    found = json.loads(out.read_bytes().decode("utf-8", "surrogatepass"))
    return [
        Thread(one["name"], [Row(**row) for row in one["rows"]])
        for one in found["threads"]
    ]


def by_reference(trace: reference_reader.Trace) -> list[Thread]:
    numbers = {
        id(call): number
        for number, parts in enumerate(reference_reader.activations(trace))
        for call in parts
    }
    threads = []
    for lane in sorted(trace.lanes.values(), key=lambda one: one.serial):
        rows = []
        for event in lane.events:
            if event.kind not in ("enter", "resume", "earlier"):
                continue
            call = event.call
            assert call is not None
            function = call.function
            rows.append(
                Row(
                    event.depth, function.name, function.module, function.file,
                    bool(function.flags & 1), call.resumed and not call.earlier,
                    call.thrown, call.how, call.exception,
                    numbers.get(id(call)),
                )
            )  # fmt: skip
        threads.append(Thread(lane.name, rows))
    return threads


def by_api(path: Path) -> list[Thread]:
    """The same through `marey.open`."""
    import marey

    with marey.open(path) as trace:
        threads = {lane.index: Thread(lane.name) for lane in trace.lanes}
        stacks: dict[int, list[Row]] = {index: [] for index in threads}
        alive: dict[tuple[int, int], Row] = {}  # the last part of each activation
        for event in trace.events():
            index = event.lane.index
            rows, stack = threads[index].rows, stacks[index]
            if event.kind in ("begin", "resume"):
                function = event.function
                assert function is not None
                row = Row(
                    event.depth, function.name, function.module, function.file,
                    function.is_c
                )  # fmt: skip
                if event.kind == "resume":
                    row.is_resumed, row.thrown = True, event.text or ""
                    key = event.process.serial, event.activation
                    last = alive.get(key)
                    is_same = last is not None and last.how == "yielded"
                    row.activation = last.activation if last and is_same else object()
                    alive[key] = row
                assert row.depth == len(stack)
                rows.append(row)
                stack.append(row)
            elif event.kind == "suspend":
                row, row.how = stack.pop(), "yielded"
                key = event.process.serial, event.activation
                if not row.is_resumed:
                    row.activation = object()
                    alive[key] = row
            elif event.kind == "end":
                row = stack.pop()
                assert event.ended is not None
                row.how = event.ended
                if event.ended == "raised":
                    row.exception = event.text or "?"
        assert not any(stacks.values())
        return list(threads.values())


def without_throws(threads: Iterable[Thread]) -> list[Thread]:
    """For 3.11, where marey.open tells a throw only by its type, which is not seen."""
    return [
        Thread(thread.name, [replace(row, thrown="") for row in thread.rows])
        for thread in threads
    ]


def main_only(threads: Iterable[Thread]) -> list[Thread]:
    """Without what the interpreter does after the main module has ended.

    That is, on the main thread: what follows the tree of `<module>`.
    """
    out = []
    for thread in threads:
        rows = thread.rows
        if rows and rows[0].label == "<module>":
            ends = (i for i, row in enumerate(rows) if i and row.depth == 0)
            rows = rows[: next(ends, len(rows))]
        if rows:
            out.append(Thread(thread.name, rows))
    return out
