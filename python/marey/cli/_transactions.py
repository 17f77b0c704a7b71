"""Transactions on the terminal: `report --transactions`, `show --transaction ID`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from marey.cli import _common
from marey.cli._common import show_duration

if TYPE_CHECKING:
    import argparse

    from marey.trace import Trace
    from marey.transactions import (
        TransactionCall,
        TransactionNode,
        Transactions,
        TransactionTotal,
    )

SORTS = ("total", "calls", "raised", "min", "mean", "max", "p50", "p90", "p99", "name")


def report(trace: Trace, given: argparse.Namespace) -> None:
    chosen: dict[str, Any] = dict(_common.selectors(given, trace))
    chosen.pop("max_depth", None)
    with _common.Progress("reading") as progress:
        found = trace.transactions(
            **chosen,
            group_by=given.group_by,
            slowest=given.slowest,
            tick=progress.tick,
        )
    if given.json:
        _write_json(trace, found, given)
        return
    rows = _sorted(found.rows, given.sort)
    limit = 40 if given.limit is None else given.limit
    shown = rows[:limit] if limit else rows
    head = ["count", "rate", "errors", "total", "mean", "p50", "p90", "p99", "max"]
    head += ["name"]
    cells = [_cells(found, row) for row in shown]
    if not shown:
        _common.write("no transactions in this trace (docs/transactions.md)\n")
    else:
        lines = _common.table(head, cells, left=(9,)).splitlines()
        _common.write(lines[0] + "\n")
        for row, line in zip(shown, lines[1:], strict=True):
            _common.write(line + "\n")
            _write_details(row)
    if len(shown) < len(rows):
        _common.write(f"… {len(rows) - len(shown):,} more (--limit 0 shows all)\n")
    sys.stdout.flush()
    if found.lost_count:
        lost = _common.show_count(found.lost_count, "event")
        _common.write(f"marey: {lost} lost, not in these sums\n", sys.stderr)


def _sorted(rows: tuple[TransactionTotal, ...], key: str) -> list[TransactionTotal]:
    if key == "name":
        return sorted(rows, key=lambda row: (row.name, row.group or ""))
    keys = {
        "calls": lambda row: row.count,
        "raised": lambda row: row.errors,
        "min": lambda row: row.min_ns,
        "mean": lambda row: row.mean_ns,
        "max": lambda row: row.max_ns,
        "p50": lambda row: row.p50_ns,
        "p90": lambda row: row.p90_ns,
        "p99": lambda row: row.p99_ns,
    }
    return sorted(rows, key=keys.get(key, lambda row: row.total_ns), reverse=True)


def _cells(found: Transactions, row: TransactionTotal) -> list[str]:
    rate = found.rate(row)
    errors = f"{row.errors:,}"
    if row.errors:
        errors += f" ({100 * row.errors / row.count:.3g} %)"
    return [
        f"{row.count:,}",
        f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s",
        errors,
        show_duration(row.total_ns),
        show_duration(row.mean_ns),
        show_duration(row.p50_ns),
        show_duration(row.p90_ns),
        show_duration(row.p99_ns),
        show_duration(row.max_ns),
        row.name + (f" [{row.group}]" if row.group is not None else ""),
    ]


def _write_details(row: TransactionTotal) -> None:
    """Where the time went, how the others ended, and the slowest."""
    places = (
        ("own code", row.own_ns),
        ("recorded calls", row.calls_ns),
        ("C functions", row.c_ns),
        ("transactions inside", row.children_ns),
        ("waiting", row.waiting_ns),
    )
    total_ns = sum(time_ns for _, time_ns in places) or 1
    shares = [
        f"{name} {100 * time_ns / total_ns:.3g} %"
        for name, time_ns in places
        if time_ns
    ]
    ends = (("cancelled", row.cancelled), ("cut", row.cut), ("still open", row.open))
    shares += [f"{count:,} {name}" for name, count in ends if count]
    if shares:
        _common.write(f"      {', '.join(shares)}\n")
    for one in row.slowest:
        _common.write(f"      {_slow_line(one)}\n")


def _slow_line(one: TransactionCall) -> str:
    text = f"{show_duration(one.duration_ns):>12}  id {one.id}"
    if one.ended != "returned":
        text += f"  {one.ended}" + (f" {one.exception}" if one.exception else "")
    return _common.safe(text + _values(one.attributes))


def _values(attributes: object) -> str:
    assert isinstance(attributes, dict)
    return "".join(f"  {name}={value}" for name, value in attributes.items())


def _write_json(trace: Trace, found: Transactions, given: argparse.Namespace) -> None:
    rows = []
    for row in _sorted(found.rows, given.sort)[: given.limit or None]:
        rows.append({**asdict(row), "rate_per_s": found.rate(row)})
    _common.write_json(
        {
            "trace": trace.path,
            "from_ns": found.from_ns,
            "to_ns": found.to_ns,
            "lost": found.lost_count,
            "group_by": given.group_by or None,
            "transactions": rows,
        }
    )


def show(trace: Trace, identity: str) -> None:
    nodes, left_out = trace.transaction(identity)
    root = nodes[0]
    _common.write(f"{'start':>14}  {'duration':>12}  {'waiting':>12}  call\n")
    for node in nodes:
        waiting_ns = node.duration_ns - node.running_ns
        cells = (
            f"+{show_duration(node.begin_ns - root.begin_ns)}",
            show_duration(node.duration_ns),
            show_duration(waiting_ns) if waiting_ns > 0 else "",
        )
        times = f"{cells[0]:>14}  {cells[1]:>12}  {cells[2]:>12}  "
        _common.write(times + _common.safe("  " * node.depth + _node(node)) + "\n")
    if left_out:
        _common.write(f"… {left_out:,} more calls\n")


def _node(node: TransactionNode) -> str:
    text = f"{node.module}:{node.name}" if node.module else node.name
    if node.ended != "returned":
        text += f"  {node.ended}" + (f" {node.exception}" if node.exception else "")
    return text + _values(node.attributes)
