"""`marey info`: what a trace holds."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from marey.cli import _common
from marey.cli._common import (
    full_name,
    lane_title,
    show_count,
    show_duration,
    show_size,
)

if TYPE_CHECKING:
    from marey._core import Lane, Process
    from marey.trace import Info, KeepDue, Trace

THREADS_SHOWN = 20

DESCRIPTION = """\
Prints what a trace holds: program, host, Python, processes, threads, events, losses,
what recording cost, and size."""


def main(arguments: list[str]) -> int:
    parser = _common.Parser("info", "[options] [TRACE]", DESCRIPTION)
    _common.add_trace(parser)
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    given = parser.parse_args(arguments)
    with _common.open_trace(given.trace) as trace:
        with _common.Progress("counting") as progress:
            info = trace.info(tick=progress.tick)
        if given.json:
            _common.write_json(_as_json(trace, info))
        else:
            _write_text(trace, info)
    return 0


# ---- text ----


def _write_text(trace: Trace, info: Info) -> None:
    processes = trace.processes
    first = processes[0] if processes else None
    per_event = info.size_bytes / info.event_count if info.event_count else 0.0
    rows = [("trace", f"{trace.path}, {show_size(info.size_bytes)}")]
    if first is not None:
        rows.append(("program", _program(first)))
        rows.append(("python", f"{first.python}, {first.executable}"))
    rows += [
        ("recorded", _when(info)),
        (
            "events",
            f"{info.event_count:,} in {show_count(info.call_count, 'call')}, "
            f"{per_event:.1f} bytes an event",
        ),
        ("functions", f"{len(trace.functions):,}"),
        ("lost", _losses(info)),
        ("cost", _cost(info)),
    ]
    if info.is_window:
        rows.append(("window", _window(info)))
    if info.is_unmapped:
        rows.append(
            (
                "safety",
                "this file system cannot map files: a kill loses the last events",
            )
        )
    rows += [("note", note) for note in trace.notes]
    rows += _left_out(trace)
    rows += [("not kept", _due(due, trace.path)) for due in trace.keeps_due]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        _common.write(f"{name:{width}}  {_common.safe(value)}\n")
    _write_processes(processes, trace.path)
    _write_threads(trace)
    sys.stdout.flush()


def _program(process: Process) -> str:
    arguments = " ".join(process.arguments)
    return f"{process.program}  ({arguments})" if arguments else process.program


def _when(info: Info) -> str:
    seconds = info.start_realtime_ns // 1_000_000_000
    start = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(seconds))
    hosts = f" and {info.host_count - 1} more" if info.host_count > 1 else ""
    return f"{start} on {info.host}{hosts}, {show_duration(info.duration_ns)}"


def _window(info: Info) -> str:
    kept = f"{_moment(info.window_from_ns)} to {_moment(info.window_to_ns)}"
    return f"{kept} of a longer recording; calls open then have their true start"


def _left_out(trace: Trace) -> list[tuple[str, str]]:
    rows = []
    unrecorded = trace.left_out_calls
    for index, since_ns in sorted(trace.left_out.items(), key=lambda item: item[1]):
        missed = unrecorded[index]
        about = "" if missed.is_exact else "about "
        rows.append(
            (
                "left out",
                f"{full_name(trace.functions[index])} from {_moment(since_ns)} on: "
                f"{about}{show_count(missed.call_count, 'call')}",
            )
        )
    return rows


def _due(due: KeepDue, path: str) -> str:
    what = f"{due.rule}, matched at {_moment(due.until_ns)}"
    if is_running(due.process.pid, path):
        return f"{what}: about to be written"
    return f"{what}: the process ended before; marey keep writes it"


def _losses(info: Info) -> str:
    parts = []
    if info.lost_count:
        parts.append(show_count(info.lost_count, "event"))
    if info.damaged_count:
        parts.append(show_count(info.damaged_count, "damaged chunk"))
    if info.skipped_bytes:
        parts.append(f"{show_size(info.skipped_bytes)} that are no chunk")
    kept = " (a ring: the newest events are kept)" if info.is_ring else ""
    return (", ".join(parts) or "nothing") + kept


def _cost(info: Info) -> str:
    costs = [
        f"{cost:.1f} ns an event of a {what} function"
        for cost, what in ((info.cost_python_ns, "Python"), (info.cost_c_ns, "C"))
        if cost
    ]
    return ", ".join(costs) + " (measured)" if costs else "not measured"


def _write_processes(processes: tuple[Process, ...], path: str) -> None:
    _common.write(f"\n{show_count(len(processes), 'process')}\n")
    rows = [
        [
            str(process.pid),
            _moment(process.start_ns),
            _span(process.start_ns, process.end_ns),
            "" if process.parent is None else str(processes[process.parent].pid),
            state_of(process, path),
            process.program,
        ]
        for process in processes
    ]
    head = ["pid", "start", "duration", "parent", "status", "program"]
    _common.write(_common.table(head, rows, left=(4, 5)))


def _write_threads(trace: Trace) -> None:
    lanes = trace.lanes
    several = len(trace.processes) > 1
    _common.write(f"\n{show_count(len(lanes), 'thread')}\n")
    shown = sorted(lanes, key=lambda lane: -lane.event_count)[:THREADS_SHOWN]
    rows = [
        [
            str(lane.process.pid) if several else str(lane.native_id or lane.serial),
            _moment(lane.start_ns),
            _span(lane.start_ns, lane.end_ns),
            f"{lane.event_count:,}",
            f"{lane.lost_count:,}",
            lane_title(lane),
        ]
        for lane in sorted(shown, key=lambda lane: lane.index)
    ]
    head = ["pid" if several else "id", "start", "duration", "events", "lost", "name"]
    _common.write(_common.table(head, rows, left=(5,)))
    if len(shown) < len(lanes):
        more = show_count(len(lanes) - len(shown), "thread")
        _common.write(f"… {more} more with fewer events (--json lists all)\n")


def _moment(ns: int | None) -> str:
    return "?" if ns is None else f"{ns / 1e9:.6f} s"


def _span(start_ns: int | None, end_ns: int | None) -> str:
    if start_ns is None or end_ns is None:
        return "?"
    return show_duration(end_ns - start_ns)


def state_of(process: Process, path: str) -> str:
    status = process.exit_status
    if process.is_replaced:
        return "became another program"
    if status is not None:
        return status_text(status)
    if process.has_ended:
        return "ended"
    return "running" if is_running(process.pid, path) else "killed, or unknown"


def status_text(status: int) -> str:
    """An exit status; a negative one is that of a signal."""
    if status < 0:
        return f"killed by {_signal_name(-status)}"
    return f"exit {status}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def is_running(pid: int, path: str) -> bool:
    """Whether a process of this host has the trace mapped, as its writers have."""
    try:
        inode = str(Path(path).stat().st_ino)
        maps = Path(f"/proc/{pid}/maps").read_bytes().decode("utf-8", "replace")
    except OSError:
        return False
    return any(line.split(None, 5)[4] == inode for line in maps.splitlines())


# ---- JSON ----


def _as_json(trace: Trace, info: Info) -> dict[str, object]:
    processes = trace.processes
    return {
        "trace": trace.path,
        "program": info.program,
        "python": processes[0].python if processes else None,
        "host": info.host,
        "hosts": info.host_count,
        "start_unix_ns": info.start_realtime_ns,
        "duration_ns": info.duration_ns,
        "size_bytes": info.size_bytes,
        "events": info.event_count,
        "calls": info.call_count,
        "functions": len(trace.functions),
        "losses": info.lost_count,
        "damaged_chunks": info.damaged_count,
        "skipped_bytes": info.skipped_bytes,
        "chunks": info.chunk_count,
        "ring": info.is_ring,
        "window": {"from_ns": info.window_from_ns, "to_ns": info.window_to_ns}
        if info.is_window
        else None,
        "unmapped": info.is_unmapped,
        "cost_ns_per_event": info.cost_python_ns or None,
        "cost_ns_per_c_event": info.cost_c_ns or None,
        "notes": list(trace.notes),
        "left_out": [
            {
                "name": trace.functions[index].name,
                "module": trace.functions[index].module,
                "since_ns": since_ns,
                "calls_not_recorded": trace.left_out_calls[index].call_count,
                "calls_not_recorded_exact": trace.left_out_calls[index].is_exact,
            }
            for index, since_ns in trace.left_out.items()
        ],
        "keeps_due": [
            {
                "rule": due.rule,
                "pid": due.process.pid,
                "from_ns": due.from_ns,
                "until_ns": due.until_ns,
            }
            for due in trace.keeps_due
        ],
        "processes": [_process_json(process, trace.path) for process in processes],
        "threads": [_lane_json(lane) for lane in trace.lanes],
    }


def _process_json(process: Process, path: str) -> dict[str, object]:
    return {
        "pid": process.pid,
        "parent_pid": process.parent_pid,
        "parent": process.parent,
        "program": process.program,
        "arguments": list(process.arguments),
        "executable": process.executable,
        "python": process.python,
        "directory": process.directory,
        "start_ns": process.start_ns,
        "end_ns": process.end_ns,
        "ended": process.has_ended,
        "replaced": process.is_replaced,
        "running": not process.has_ended and is_running(process.pid, path),
        "exit_status": process.exit_status,
        "options": process.options,
    }


def _lane_json(lane: Lane) -> dict[str, object]:
    return {
        "pid": lane.process.pid,
        "kind": lane.kind,
        "name": lane.name,
        "main": lane.is_main,
        "earlier": lane.is_earlier,
        "native_id": lane.native_id,
        "python_id": lane.python_id,
        "start_ns": lane.start_ns,
        "end_ns": lane.end_ns,
        "ended": lane.has_ended,
        "events": lane.event_count,
        "lost": lane.lost_count,
    }
