"""What a trace says of its transactions: by name, and one as a tree of calls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marey._errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from marey._core import Trace as _Trace
    from marey._core import _Selection, _Tick


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionCall:
    """One transaction."""

    id: str
    """What Trace.transaction() finds it by."""
    name: str
    begin_ns: int
    duration_ns: int
    """From its begin to its end, waiting included."""
    ended: str
    """returned, raised, cancelled, cut (its end was not seen) or open."""
    exception: str | None
    own_ns: int
    """Running, in code that was not recorded below it."""
    calls_ns: int
    """In recorded Python calls."""
    c_ns: int
    """In recorded C functions."""
    children_ns: int
    """In transactions inside it."""
    waiting_ns: int
    """Suspended."""
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionTotal:
    """What the transactions of one name (and value) come to."""

    name: str
    group: str | None
    """The value grouped by; None: they have none, or nothing was asked."""
    count: int
    errors: int
    """Ended by an exception, but for those that were cancelled."""
    cancelled: int
    cut: int
    """Over, but when and how was not seen."""
    open: int
    total_ns: int
    """Inside one of them; of one inside another of its name once."""
    min_ns: int
    mean_ns: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    max_ns: int
    own_ns: int
    calls_ns: int
    c_ns: int
    children_ns: int
    waiting_ns: int
    histogram: tuple[tuple[int, int], ...]
    """Durations: from how many ns (a power of two) up to twice that, and how many."""
    slowest: tuple[TransactionCall, ...]


class Transactions:
    """Sums by name; made by Trace.transactions()."""

    rows: tuple[TransactionTotal, ...]
    """In the order in which the first of each ended."""
    from_ns: int
    to_ns: int
    lost_count: int
    """Events missing in the window: the sums know nothing of them."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.rows = tuple(_row(raw) for raw in answer["transactions"])
        self.from_ns = answer["from_ns"]
        self.to_ns = answer["to_ns"]
        self.lost_count = answer["lost"]

    def __iter__(self) -> Iterator[TransactionTotal]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def rate(self, row: TransactionTotal) -> float:
        """How many there were in a second of the window."""
        return row.count * 1e9 / max(self.to_ns - self.from_ns, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionNode:
    """A call inside a transaction, or itself."""

    depth: int
    """0 is the transaction."""
    name: str
    module: str
    file: str
    line: int
    kind: str
    """transaction, python or c."""
    begin_ns: int
    duration_ns: int
    running_ns: int
    ended: str
    exception: str | None
    attributes: Mapping[str, str]


def sums(
    core: _Trace, selection: _Selection, group_by: str, slowest: int, tick: _Tick
) -> Transactions:
    if not 0 <= slowest < 1 << 32:
        raise UsageError(f"slowest: {slowest} is out of range")
    return Transactions(
        json.loads(core.transactions(selection, group_by, slowest, tick))
    )


def tree(core: _Trace, identity: str, limit: int) -> tuple[list[TransactionNode], int]:
    """Its calls, each before those inside it, and how many were left out."""
    serial, _, begin = identity.partition(".")
    if not (serial.isdecimal() and begin.removeprefix("-").isdecimal()):
        raise UsageError(
            f"{identity!r} is no id of a transaction: marey report --transactions "
            "prints them"
        )
    if int(serial) >= 1 << 32 or abs(int(begin)) >= 1 << 63:
        raise NotFoundError(f"no transaction {identity} in this trace")
    try:
        text = core.transaction(int(serial), int(begin), limit, None)
    except UsageError:
        raise NotFoundError(f"no transaction {identity} in this trace") from None
    answer = json.loads(text)
    return [_node(raw) for raw in answer["calls"]], answer["left_out"]


def _attributes(raw: list[list[Any]]) -> dict[str, str]:
    return {name: text for name, text, _ in raw}


def _call(raw: dict[str, Any]) -> TransactionCall:
    del raw["lane"]
    raw["attributes"] = _attributes(raw["attributes"])
    return TransactionCall(**{"exception": None, **raw})


def _row(raw: dict[str, Any]) -> TransactionTotal:
    raw["slowest"] = tuple(_call(one) for one in raw["slowest"])
    raw["histogram"] = tuple((start, count) for start, count in raw["histogram"])
    return TransactionTotal(**{"group": None, **raw})


def _node(raw: dict[str, Any]) -> TransactionNode:
    kind = "c" if raw["is_c"] else "python"
    return TransactionNode(
        depth=raw["depth"],
        name=raw.get("renamed", raw["name"]),
        module="" if "renamed" in raw else raw["module"],
        file=raw["file"],
        line=raw["line"],
        kind="transaction" if raw["is_transaction"] else kind,
        begin_ns=raw["begin_ns"],
        duration_ns=raw["duration_ns"],
        running_ns=raw["running_ns"],
        ended=raw["ended"],
        exception=raw.get("exception"),
        attributes=_attributes(raw["attributes"]),
    )
