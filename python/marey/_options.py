"""What to record: the options of `marey run`, of `marey.record()` and of a child.

A parent tells its children through one environment variable, MAREY_TRACE, whose value
is `key=value` fields with `;` between them. This module is imported at the start of
every recorded process, so it imports nothing that the interpreter has not loaded
already, and it is no dataclass for the same reason (6 ms).
"""

from marey._errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Final

VARIABLE: "Final" = "MAREY_TRACE"
VERSION: "Final" = "1"

_DURATION_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_SIZE_UNITS = {
    "": 1,
    "b": 1,
    "k": 1 << 10,
    "m": 1 << 20,
    "g": 1 << 30,
    "t": 1 << 40,
}
KEEP_RING = 200 << 20  # where there are rules, but no ring
KEEP_BEFORE_NS = 1_000_000_000
KEEP_AFTER_NS = 100_000_000
KEEP_MAX = 1 << 30
KEEP_RATE = 30
_INT64_MAX = (1 << 63) - 1
# Fields of MAREY_TRACE that are numbers, and that are 0 or 1.
_NUMBERS = (
    "max_depth",
    "min_duration_ns",
    "ring",
    "transaction_depth",
    "keep_before_ns",
    "keep_after_ns",
    "keep_max",
    "keep_rate",
)
_FLAGS = (
    "c_calls",
    "exact",
    "children",
    "quiet",
    "listen",
    "main",
    "transactions_only",
    "redact",
    "user_repr",
)
_LISTS = ("args", "returns", "log")


class Options:
    """What one recording is to hold. Values never change once made.

    path             the trace file; absolute where children are to find it
    include          record only functions that match one of these patterns
    exclude          leave out functions that match one of these
    max_depth        leave out calls with this many open calls around them; 0: no limit
    min_duration_ns  leave out calls that are shorter
    c_calls          record C functions
    exact            watch every call site, also those that never called C
    ring             keep only about the newest `ring` bytes; 0: keep all
    children         record child processes, too
    quiet            print no summary at the end
    listen           take orders from `marey ctl`
    max_overhead     leave out the functions that cost most to record, so that it takes
                     at most this part of the program's own time; 0: no limit
    keep             rules of what is kept as traces of their own (marey._keep)
    keep_dir         where; empty: beside the trace
    keep_before_ns   so much before a match, and
    keep_after_ns    so much after it
    keep_max         all of them together take at most so many bytes
    keep_rate        at most so many are made in a minute
    redact           leave out what stands under names such as `password`
    redact_names     further words that tell of a secret
    user_repr        ask objects for their own repr, within a limit of time each
    main             record from the start of the program's __main__ (set by `run`)
    transactions     each call of a function that matches is a transaction
    transactions_only  record these and those marked in the code, and nothing else
    transaction_depth  levels of calls to record below those that match
    args             record the arguments of functions that match
    returns          record what functions that match return
    log              what else to record of the program: see _logs.py
    """

    __slots__ = (
        "args",
        "c_calls",
        "children",
        "exact",
        "exclude",
        "include",
        "keep",
        "keep_after_ns",
        "keep_before_ns",
        "keep_dir",
        "keep_max",
        "keep_rate",
        "listen",
        "log",
        "main",
        "max_depth",
        "max_overhead",
        "min_duration_ns",
        "path",
        "quiet",
        "redact",
        "redact_names",
        "returns",
        "ring",
        "transaction_depth",
        "transactions",
        "transactions_only",
        "user_repr",
    )

    path: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    max_depth: int
    min_duration_ns: int
    c_calls: bool
    exact: bool
    ring: int
    children: bool
    quiet: bool
    keep: tuple[str, ...]
    keep_dir: str
    keep_before_ns: int
    keep_after_ns: int
    keep_max: int
    keep_rate: int
    listen: bool
    redact: bool
    redact_names: tuple[str, ...]
    user_repr: bool
    max_overhead: float
    main: bool
    transactions: tuple[str, ...]
    transactions_only: bool
    transaction_depth: int
    args: tuple[str, ...]
    returns: tuple[str, ...]
    log: tuple[str, ...]

    def __init__(
        self,
        path: str = "",
        *,
        include: "Iterable[str]" = (),
        exclude: "Iterable[str]" = (),
        max_depth: int = 0,
        min_duration_ns: int = 0,
        c_calls: bool = True,
        exact: bool = False,
        ring: int = 0,
        children: bool = True,
        quiet: bool = False,
        keep: "Iterable[str]" = (),
        keep_dir: str = "",
        keep_before_ns: int = KEEP_BEFORE_NS,
        keep_after_ns: int = KEEP_AFTER_NS,
        keep_max: int = KEEP_MAX,
        keep_rate: int = KEEP_RATE,
        listen: bool = False,
        redact: bool = True,
        redact_names: "Iterable[str]" = (),
        user_repr: bool = False,
        max_overhead: float = 0.0,
        main: bool = False,
        transactions: "Iterable[str]" = (),
        transactions_only: bool | None = None,
        transaction_depth: int = 0,
        args: "bool | Iterable[str]" = (),
        returns: "bool | Iterable[str]" = (),
        log: "Iterable[str]" = (),
    ) -> None:
        put = object.__setattr__
        put(self, "path", path)
        put(self, "include", _patterns("include", include))
        put(self, "exclude", _patterns("exclude", exclude))
        put(self, "max_depth", _count("max_depth", max_depth))
        put(self, "min_duration_ns", _count("min_duration_ns", min_duration_ns))
        put(self, "c_calls", bool(c_calls))
        put(self, "exact", bool(exact))
        put(self, "ring", _count("ring", ring))
        put(self, "children", bool(children))
        put(self, "quiet", bool(quiet))
        put(self, "keep", _patterns("keep", keep))
        put(self, "keep_dir", keep_dir)
        put(self, "keep_before_ns", _count("keep_before", keep_before_ns))
        put(self, "keep_after_ns", _count("keep_after", keep_after_ns))
        put(self, "keep_max", _count("keep_max", keep_max))
        put(self, "keep_rate", _count("keep_rate", keep_rate))
        put(self, "listen", bool(listen))
        put(self, "redact", bool(redact))
        put(self, "redact_names", _patterns("redact_names", redact_names))
        put(self, "user_repr", bool(user_repr))
        put(self, "max_overhead", _part(max_overhead))
        put(self, "main", bool(main))
        put(self, "transactions", _patterns("transactions", transactions))
        if transactions_only is None:
            # Whoever chooses what else to record wants more than transactions.
            transactions_only = bool(self.transactions) and not self.include
        put(self, "transactions_only", bool(transactions_only))
        put(self, "transaction_depth", _count("transaction_depth", transaction_depth))
        put(self, "args", _all_or_patterns("args", args))
        put(self, "returns", _all_or_patterns("returns", returns))
        put(self, "log", _patterns("log", log))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("options do not change; use replace()")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("options do not change; use replace()")

    def _values(self) -> "dict[str, Any]":
        return {name: getattr(self, name) for name in self.__slots__}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Options):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(tuple(self._values().values()))

    def __repr__(self) -> str:
        plain = Options()._values()
        given = (f"{k}={v!r}" for k, v in self._values().items() if v != plain[k])
        return f"Options({', '.join(given)})"

    def replace(self, **changes: "Any") -> "Options":
        """A copy with some values changed."""
        values = self._values()
        values.update(changes)
        return Options(**values)

    def encode(self) -> str:
        """The value for MAREY_TRACE. What is not said has its default."""
        fields = [f"v={VERSION}", "path=" + _quote(self.path)]
        fields += ["include=" + _quote(pattern) for pattern in self.include]
        fields += ["exclude=" + _quote(pattern) for pattern in self.exclude]
        if self.keep:
            fields += ["keep=" + _quote(rule) for rule in self.keep]
            fields += [
                f"{name}={getattr(self, name)}"
                for name in ("keep_before_ns", "keep_after_ns", "keep_max", "keep_rate")
            ]
            fields.append("keep_dir=" + _quote(self.keep_dir))
        if self.max_depth:
            fields.append(f"max_depth={self.max_depth}")
        if self.min_duration_ns:
            fields.append(f"min_duration_ns={self.min_duration_ns}")
        if not self.c_calls:
            fields.append("c_calls=0")
        if self.exact:
            fields.append("exact=1")
        if self.ring:
            fields.append(f"ring={self.ring}")
        if not self.children:
            fields.append("children=0")
        if self.quiet:
            fields.append("quiet=1")
        if self.max_overhead:
            fields.append(f"max_overhead={self.max_overhead}")
        if self.listen:
            fields.append("listen=1")
        if not self.redact:
            fields.append("redact=0")
        fields += ["redact_names=" + _quote(word) for word in self.redact_names]
        if self.user_repr:
            fields.append("user_repr=1")
        if self.main:
            fields.append("main=1")
        fields += ["transactions=" + _quote(pattern) for pattern in self.transactions]
        if self.transactions or self.transactions_only:
            fields.append(f"transactions_only={self.transactions_only:d}")
        if self.transaction_depth:
            fields.append(f"transaction_depth={self.transaction_depth}")
        for name in _LISTS:
            fields += [f"{name}=" + _quote(text) for text in getattr(self, name)]
        return ";".join(fields)

    @classmethod
    def decode(cls, text: str) -> "Options":
        """The opposite of encode(). Keys of a later Marey are passed over."""
        values: dict[str, Any] = {}
        include: list[str] = []
        exclude: list[str] = []
        transactions: list[str] = []
        keep: list[str] = []
        version = ""
        for field in text.split(";"):
            key, _, raw = field.partition("=")
            if key == "v":
                version = raw
            elif key == "keep":
                keep.append(_unquote(raw))
            elif key in ("path", "keep_dir"):
                values[key] = _unquote(raw)
            elif key == "include":
                include.append(_unquote(raw))
            elif key == "exclude":
                exclude.append(_unquote(raw))
            elif key == "redact_names":
                values.setdefault(key, []).append(_unquote(raw))
            elif key == "transactions":
                transactions.append(_unquote(raw))
            elif key in _LISTS:
                values.setdefault(key, []).append(_unquote(raw))
            elif key == "max_overhead":
                values[key] = _factor(raw)
            elif key in _NUMBERS:
                values[key] = _number(key, raw)
            elif key in _FLAGS:
                values[key] = raw == "1"
        if version != VERSION:
            raise UsageError(f"{VARIABLE} was set by another Marey: {text[:80]!r}")
        if not values.get("path"):
            raise UsageError(f"{VARIABLE} names no trace file: {text[:80]!r}")
        return cls(
            include=include,
            exclude=exclude,
            transactions=transactions,
            keep=keep,
            **values,
        )


def parse_duration(text: str) -> int:
    """Nanoseconds of `10us`, `1.5ms`, `2s`; raises UsageError."""
    number, unit = _split(text)
    scale = _DURATION_UNITS.get(unit)
    if scale is None and unit == "" and number and not number.strip("0."):
        scale = 1
    value = _scaled(number, scale) if scale is not None else None
    if value is None:
        wrong = "has no unit" if number and not unit else "is no time"
        raise UsageError(f"{text!r} {wrong}: write it like 500ns, 10us, 1.5ms or 2s")
    return value


def parse_size(text: str) -> int:
    """Bytes of `4096`, `64K`, `200M`, `1.5G` (powers of 1024); raises UsageError."""
    number, unit = _split(text)
    unit = unit.lower()
    scale = _SIZE_UNITS.get(unit)
    if scale is None and unit.endswith("b"):
        scale = _SIZE_UNITS.get(unit.removesuffix("b").removesuffix("i"))
    value = _scaled(number, scale) if scale is not None else None
    if value is None:
        raise UsageError(f"{text!r} is no size: write it like 64K, 200M or 2G")
    return value


def parse_part(text: str) -> float:
    """A part of `10%` or `0.1`; raises UsageError."""
    number, unit = _split(text)
    try:
        value = float(number) / (100 if unit == "%" else 1)
    except ValueError:
        value = 0.0
    if unit not in ("", "%") or not 0 < value < 100 or (not unit and value >= 1):
        raise UsageError(f"{text!r} is no part: write it like 10% or 0.1")
    return value


def parse_count(text: str) -> int:
    """A whole number, not negative; raises UsageError."""
    if not (text.isascii() and text.isdigit()) or int(text) > _INT64_MAX:
        raise UsageError(f"{text!r} is no whole number")
    return int(text)


def _split(text: str) -> tuple[str, str]:
    """`1.5 ms` as ("1.5", "ms")."""
    text = text.strip()
    end = 0
    while end < len(text) and text[end] in "0123456789.":
        end += 1
    return text[:end], text[end:].strip()


def _scaled(number: str, scale: int) -> int | None:
    """Exact, unlike a float: 0.1us is 100 and a day of ns keeps each of them."""
    whole, _, part = number.partition(".")
    if "." in part or not whole + part or len(number) > 40:
        return None
    value = int((whole + part) or "0") * scale // 10 ** len(part)
    return value if value <= _INT64_MAX else None


def _patterns(name: str, value: "Iterable[str]") -> tuple[str, ...]:
    if isinstance(value, str):
        value = (value,)
    patterns = tuple(value)
    for pattern in patterns:
        if not isinstance(pattern, str) or not pattern or "\0" in pattern:
            raise UsageError(f"{name}: {pattern!r} is no pattern like 'app.*'")
    return patterns


def _all_or_patterns(name: str, value: "bool | Iterable[str]") -> tuple[str, ...]:
    if isinstance(value, bool):
        return ("*",) if value else ()
    return _patterns(name, value)


def _count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{name}: {value!r} is no whole number")
    if not 0 <= value <= _INT64_MAX:
        raise UsageError(f"{name}: {value} is out of range")
    return value


def _part(value: object) -> float:
    if isinstance(value, str):
        return parse_part(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"max_overhead: {value!r} is no part like 0.1 or '10%'")
    if not 0 <= value < 100:
        raise UsageError(f"max_overhead: {value} is out of range")
    return float(value)


def _factor(raw: str) -> float:
    """What str() wrote of a part, which may be over 1."""
    try:
        return _part(float(raw))
    except ValueError:
        raise UsageError(f"{VARIABLE}: max_overhead: {raw!r} is no number") from None


def _number(name: str, raw: str) -> int:
    try:
        return parse_count(raw)
    except UsageError as error:
        raise UsageError(f"{VARIABLE}: {name}: {error}") from None


def _quote(text: str) -> str:
    return text.replace("%", "%25").replace(";", "%3B").replace("\n", "%0A")


def _unquote(text: str) -> str:
    if "%" not in text:
        return text
    return text.replace("%0A", "\n").replace("%3B", ";").replace("%25", "%")
