"""A mix of library code: a tokenizer, json in pure Python, difflib.

Functions here are larger than in the other workloads, and generators run inside them:
on Python 3.12 and 3.13 an event far into a function's bytecode costs more.
"""

from __future__ import annotations

import difflib
import json
import json.decoder
import json.encoder
import json.scanner
import re
from collections.abc import Iterator
from typing import Any

from harness import run

TOKENS = re.compile(
    r"(?P<space>\s+)|(?P<name>[A-Za-z_]\w*)|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<string>'[^'\n]*')|(?P<mark>[-+*/=<>()\[\]{},.:])"
)

SOURCE = """\
def settle(account, orders, rate=0.07):
    total = 0
    for order in orders:
        if order.kind == 'refund':
            total = total - order.amount * (1 + rate)
        else:
            total = total + order.amount
    account.balance = account.balance - total
    return {'balance': account.balance, 'orders': [order.number for order in orders]}
"""


def tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """The tokens of `text` with their kind and line; spaces are left out."""
    line = 1
    position = 0
    while position < len(text):
        match = TOKENS.match(text, position)
        if match is None:
            raise ValueError(f"line {line}: no token begins with {text[position]!r}")
        kind, value = str(match.lastgroup), match.group()
        position = match.end()
        if kind != "space":
            yield kind, value, line
        line += value.count("\n")


class PureDecoder(json.JSONDecoder):
    """The decoder json falls back to where its C half is missing."""

    def __init__(self) -> None:
        super().__init__()
        decoder: Any = json.decoder
        scanner: Any = json.scanner
        self.parse_string = decoder.py_scanstring
        self.scan_once = scanner.py_make_scanner(self)


def encode(value: Any) -> str:
    """Writes JSON by json's own Python code, C half put aside."""
    encoder: Any = json.encoder
    kept, encoder.c_make_encoder = encoder.c_make_encoder, None
    try:
        return "".join(json.JSONEncoder(indent=1).iterencode(value))
    finally:
        encoder.c_make_encoder = kept


def main(rounds: int) -> int:
    decoder = PureDecoder()
    total = 0
    for number in range(rounds):
        listing = [
            {"kind": kind, "text": text, "line": line}
            for kind, text, line in tokens(SOURCE)
        ]
        before = encode({"round": number, "tokens": listing})
        again = decoder.decode(before)
        for token in again["tokens"][:: 3 + number % 5]:
            token["text"] = token["text"].upper()
        after = encode(again)
        diff = difflib.unified_diff(before.splitlines(), after.splitlines(), n=1)
        total += sum(len(line) for line in diff)
    return total


if __name__ == "__main__":
    run(main, rounds=400)
