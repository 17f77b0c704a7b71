"""What to keep of a recording: the rules of `--keep` and of `record(keep_if=…)`.

    call:PATTERN [> TIME] [raises]          a call of a function
    transaction:PATTERN [> TIME] [raises]   a span, a transaction, a Python function
    exc:PATTERN                             an exception leaves a call
    log:LEVEL                               a log record of that level or a higher one
    signal:USR1                             or USR2

This module is imported in a recorded process only when there are rules.
"""

import sys

from marey._errors import UsageError
from marey._options import parse_duration

# The same numbers as in watch.c.
KINDS = {"call": 1, "transaction": 2, "exc": 3, "log": 4, "signal": 5}
LEVELS = {
    "DEBUG": 10,
    "INFO": 20,
    "WARN": 30,
    "WARNING": 30,
    "ERROR": 40,
    "CRITICAL": 50,
    "FATAL": 50,
}
RULES_MAX = 31
Rule = tuple[int, bytes, int, bool, int, bytes]


def parse_rule(text: str) -> Rule:
    """(kind, pattern, nanoseconds, raises, number, text); raises UsageError."""
    kind, colon, rest = text.strip().partition(":")
    if not colon or kind not in KINDS:
        raise UsageError(
            f"{text!r} is no rule: write call:PATTERN > 500ms, transaction:PATTERN, "
            "exc:ValueError, log:ERROR or signal:USR1"
        )
    if not rest.strip() or "\0" in text:
        raise UsageError(f"{text!r} says {kind}, but not which")
    pattern, duration_ns, raises, number = rest.strip(), 0, False, 0
    if kind in ("call", "transaction"):
        pattern, duration_ns, raises = _parse_call(text, rest)
    elif kind == "log":
        number = _parse_level(text, pattern)
    elif kind == "signal":
        number = _parse_signal(text, pattern)
    elif sys.version_info < (3, 12):
        raise UsageError(f"{text!r}: Python 3.11 does not tell; it needs 3.12 or newer")
    elif len(pattern.split()) > 1 or ">" in pattern:
        raise UsageError(f"{text!r}: after exc: comes the name of a type, no more")
    return (
        KINDS[kind],
        pattern.encode("utf-8", "surrogateescape"),
        duration_ns,
        raises,
        number,
        " ".join(text.split()).encode("utf-8", "surrogateescape"),
    )


def parse_rules(texts: "tuple[str, ...]") -> "tuple[Rule, ...]":
    """All of them; raises UsageError."""
    if len(texts) > RULES_MAX:
        raise UsageError(f"{len(texts)} rules of what to keep; at most {RULES_MAX}")
    return tuple(parse_rule(text) for text in texts)


def _parse_call(text: str, rest: str) -> tuple[str, int, bool]:
    """`PATTERN [> TIME] [raises]`; a pattern has neither spaces nor `>`."""
    pattern, *words = rest.replace(">", " > ").split() or [">"]
    duration_ns = 0
    if pattern == ">":
        raise UsageError(f"{text!r} names no function: write call:app.db:* > 500ms")
    raises = words[-1:] == ["raises"]
    if raises:
        words.pop()
    if words and (words[0] != ">" or len(words) == 1):
        raise UsageError(
            f"{text!r}: after the pattern comes > TIME, or raises, or both"
        )
    if words:
        try:
            duration_ns = parse_duration(" ".join(words[1:]))
        except UsageError as error:
            raise UsageError(f"{text!r}: {error}") from None
    return pattern, duration_ns, raises


def _parse_level(text: str, level: str) -> int:
    number = LEVELS.get(level.upper())
    if number is not None:
        return number
    if level.isascii() and level.isdigit() and len(level) < 9:
        return int(level)
    raise UsageError(f"{text!r}: levels are {', '.join(LEVELS)}, or a number")


def _parse_signal(text: str, name: str) -> int:
    name = name.upper().removeprefix("SIG")
    if name not in ("USR1", "USR2"):
        raise UsageError(f"{text!r}: the signals for this are USR1 and USR2")
    # The C module: `signal` would load enum into the program.
    return int(getattr(__import__("_signal"), f"SIG{name}"))
