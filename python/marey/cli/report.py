"""`marey report`: totals per function."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from marey._errors import UsageError
from marey.cli import _common, _transactions
from marey.cli._common import full_name, place, show_duration

if TYPE_CHECKING:
    from marey._core import Function, Total
    from marey.trace import Totals, Trace

DESCRIPTION = """\
Prints totals per function. Self time is without the calls a function made; "net" is
self time less what recording cost, as measured on the machine that recorded. Recursion
counts once in totals, and time in which a generator or coroutine is suspended does not
count."""

SORTS = (
    *("self", "net", "total", "calls", "raised", "min", "mean", "max"),
    *("p50", "p90", "p99", "name"),
)


def main(arguments: list[str]) -> int:
    parser = _common.Parser("report", "[options] [TRACE]", DESCRIPTION)
    _common.add_trace(parser)
    parser.add_argument(
        "--sort", choices=SORTS, default="self", metavar="KEY", help=", ".join(SORTS)
    )
    parser.add_argument(
        "--limit",
        type=_common.count,
        metavar="N",
        help="rows (default 40; 0: all; with --json: all)",
    )
    parser.add_argument("--callers", action="store_true", help="and who called each")
    parser.add_argument("--callees", action="store_true", help="and whom each called")
    parser.add_argument(
        "--transactions",
        action="store_true",
        help="by transaction instead: counts, errors, times, where these went",
    )
    parser.add_argument(
        "--group-by",
        default="",
        metavar="NAME",
        help="with --transactions: one row for each value of this attribute",
    )
    parser.add_argument(
        "--slowest",
        type=_common.count,
        metavar="N",
        help="with --transactions: the slowest of each, with their ids (default 3)",
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    _common.add_selectors(parser)
    given = parser.parse_args(arguments)
    if not given.transactions and (given.group_by or given.slowest is not None):
        name = "--group-by" if given.group_by else "--slowest"
        raise UsageError(f"{name} goes with --transactions")
    if given.transactions and (given.callers or given.callees):
        name = "--callers" if given.callers else "--callees"
        raise UsageError(f"{name} is for functions, not for --transactions")
    if given.slowest is None:
        given.slowest = 3
    if given.transactions:
        if "--sort" not in " ".join(arguments):
            given.sort = "total"
        if given.sort not in _transactions.SORTS:
            orders = ", ".join(_transactions.SORTS)
            raise UsageError(f"--sort {given.sort}: transactions go by {orders}")
        with _common.open_trace(given.trace) as trace:
            _transactions.report(trace, given)
        return 0
    with _common.open_trace(given.trace) as trace:
        chosen = _common.selectors(given, trace)
        with _common.Progress("reading") as progress:
            _common.use_index(trace, given)
            totals = trace.totals(**chosen, tick=progress.tick)
        if given.json:
            _write_json(trace, totals, given)
        else:
            _write_table(trace, totals, given)
    return 0


# ---- order ----


def _sorted(rows: tuple[Total, ...], key: str) -> list[Total]:
    if key == "name":
        return sorted(rows, key=lambda row: full_name(row.function))
    keys = {
        "self": lambda row: row.self_ns,
        "net": lambda row: row.corrected_self_ns,
        "total": lambda row: row.total_ns,
        "calls": lambda row: row.call_count,
        "raised": lambda row: row.raised_count,
        "min": lambda row: row.min_ns,
        "mean": lambda row: row.mean_ns,
        "max": lambda row: row.max_ns,
        "p50": lambda row: row.p50_ns,
        "p90": lambda row: row.p90_ns,
        "p99": lambda row: row.p99_ns,
    }
    if key not in keys:
        raise UsageError(f"no such order: {key}")
    return sorted(rows, key=keys[key], reverse=True)


class _Edges:
    """Callers and callees, by function."""

    def __init__(self, totals: Totals) -> None:
        self.callers: dict[int, list[Total]] = {}
        self.callees: dict[int, list[Total]] = {}
        for edge in totals.edges:
            self.callers.setdefault(edge.function.index, []).append(edge)
            if edge.other is not None:
                self.callees.setdefault(edge.other.index, []).append(edge)
        for edges in (*self.callers.values(), *self.callees.values()):
            edges.sort(key=lambda edge: -edge.total_ns)


# ---- table ----


def _write_table(trace: Trace, totals: Totals, given: argparse.Namespace) -> None:
    rows = _sorted(totals.rows, given.sort)
    limit = 40 if given.limit is None else given.limit
    shown = rows[:limit] if limit else rows
    head = ["calls", "total", "self", "net", "min", "mean", "max", "p99", "function"]
    left_out, unrecorded = trace.left_out, trace.left_out_calls
    cells = [_cells(row) for row in shown]
    for row, cell in zip(shown, cells, strict=True):
        if row.function.index in left_out:
            missed = unrecorded[row.function.index]
            sign = "" if missed.is_exact else "≈ " if missed.call_count else "≥ "
            cell[0] = f"{sign}{row.call_count + missed.call_count:,}"
            cell[1] = f"≥ {cell[1]}"
            cell[2] = f"≥ {cell[2]}"
    text = _common.table(head, cells, left=(8,))
    if not (given.callers or given.callees):
        _common.write(text)
    else:
        edges = _Edges(totals)
        lines = text.splitlines()
        _common.write(lines[0] + "\n")
        for row, line in zip(shown, lines[1:], strict=True):
            _common.write(line + "\n")
            if given.callers:
                _write_edges("from", edges.callers.get(row.function.index, []))
            if given.callees:
                _write_edges("to", edges.callees.get(row.function.index, []))
    if len(shown) < len(rows):
        more = _common.show_count(len(rows) - len(shown), "function")
        _common.write(f"… {more} more (--limit 0 shows all)\n")
    if left_out:
        since = show_duration(min(left_out.values()))
        what = _common.show_count(len(left_out), "function")
        _common.write(
            f"≥ {what} left out from {since} on, to keep recording cheap: "
            "times are lower bounds, counts with ≈ are estimates\n"
        )
    sys.stdout.flush()
    _say_losses(trace, totals)


def _cells(row: Total) -> list[str]:
    where = place(row.function)
    return [
        f"{row.call_count:,}",
        show_duration(row.total_ns),
        show_duration(row.self_ns),
        show_duration(row.corrected_self_ns),
        show_duration(row.min_ns),
        show_duration(row.mean_ns),
        show_duration(row.max_ns),
        show_duration(row.p99_ns),
        full_name(row.function) + (f"  ({where})" if where else ""),
    ]


def _write_edges(word: str, edges: list[Total]) -> None:
    for edge in edges:
        end: Function | None = edge.other if word == "from" else edge.function
        name = full_name(end) if end is not None else "(nobody recorded)"
        _common.write(
            f"{edge.call_count:>13,}  {show_duration(edge.total_ns):>12}  "
            f"{word} {_common.safe(name)}\n"
        )


def _say_losses(trace: Trace, totals: Totals) -> None:
    damaged_count = trace.info(count=False).damaged_count
    if totals.lost_count:
        lost = _common.show_count(totals.lost_count, "event")
        _common.write(f"marey: {lost} lost, not in these sums\n", sys.stderr)
    if damaged_count:
        chunks = _common.show_count(damaged_count, "damaged chunk")
        _common.write(f"marey: {chunks} left out (marey check)\n", sys.stderr)


# ---- JSON ----


def _write_json(trace: Trace, totals: Totals, given: argparse.Namespace) -> None:
    rows = _sorted(totals.rows, given.sort)
    edges = _Edges(totals) if given.callers or given.callees else None
    left_out, unrecorded = trace.left_out, trace.left_out_calls
    functions = []
    for row in rows[: given.limit or None]:
        item = {**_identity(row.function), **_numbers(row)}
        missed = unrecorded.get(row.function.index)
        item["left_out_since_ns"] = left_out.get(row.function.index)
        item["calls_not_recorded"] = missed.call_count if missed else 0
        item["calls_not_recorded_exact"] = missed.is_exact if missed else True
        if edges is not None and given.callers:
            item["callers"] = [
                {**_identity(edge.other), **_numbers(edge)}
                for edge in edges.callers.get(row.function.index, [])
            ]
        if edges is not None and given.callees:
            item["callees"] = [
                {**_identity(edge.function), **_numbers(edge)}
                for edge in edges.callees.get(row.function.index, [])
            ]
        functions.append(item)
    _common.write_json(
        {
            "trace": trace.path,
            "from_ns": given.start_ns,
            "to_ns": given.end_ns,
            "lost": totals.lost_count,
            "functions": functions,
        }
    )


def _identity(function: Function | None) -> dict[str, object]:
    if function is None:
        return {"name": None, "module": None, "file": None, "line": None, "kind": None}
    kind = "python"
    if function.is_c:
        kind = "c"
    elif function.is_span:
        kind = "span"
    elif function.is_generator:
        kind = "generator"
    return {
        "name": function.name,
        "module": function.module,
        "file": function.file,
        "line": function.line,
        "kind": kind,
    }


def _numbers(row: Total) -> dict[str, object]:
    return {
        "calls": row.call_count,
        "raised": row.raised_count,
        "open": row.open_count,
        "total_ns": row.total_ns,
        "self_ns": row.self_ns,
        "corrected_total_ns": row.corrected_total_ns,
        "corrected_self_ns": row.corrected_self_ns,
        "min_ns": row.min_ns,
        "mean_ns": row.mean_ns,
        "max_ns": row.max_ns,
        "p50_ns": row.p50_ns,
        "p90_ns": row.p90_ns,
        "p99_ns": row.p99_ns,
    }
