"""Call trees as flat lists, from whatever source, and how they are compared.

A tree is a list of `Row` in the order of the starts, each with its depth, so that a
recursion of any depth is no problem. `project` keeps what a test program itself does;
`render` writes rows in the language in which programs say what is expected of them:

    # expect:
    # <module> {
    #   work x3 { builtins.len }
    #   numbers ~            started and suspended (a generator's yield)
    #   ^numbers ~           resumed and suspended again
    #   ^numbers             resumed and returned
    #   ^!KeyError numbers ~     resumed by a throw of KeyError
    #   broken !ValueError { … } ended by an exception; !? one whose type is not seen
    #   main ...             still open at the end; `cut`: its end was not seen
    #   @<3.12 name { … }    only on these versions
    #   %<3.12 name { … }    likewise, but elsewhere what is in it takes its place
    #   deep >900 { … }      900 of it, each inside the one before
    # }
    # thread worker: …       a further thread, by name, in the order of their starts

Functions of the program and what it calls directly are shown; what library code calls
is not, except where it calls back into the program: that hangs on the library function
the program called. Library code above the program (a thread's bootstrap) is left out.
"""

from __future__ import annotations

import itertools
import operator
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass
class Row:
    depth: int
    name: str
    module: str = ""
    file: str = ""
    is_c: bool = False
    is_resumed: bool = False
    thrown: str = ""
    how: str = "open"  # or returned, raised, yielded, cut
    exception: str = ""
    activation: object = None  # equal for the parts of one call; None: has one part

    @property
    def label(self) -> str:
        if self.is_c:
            return self.name if "." in self.name else f"{self.module}.{self.name}"
        if self.module in ("__main__", ""):
            return self.name
        return f"{self.module}:{self.name}"

    @property
    def shape(self) -> tuple[object, ...]:
        """What two sources must agree on, but the types of exceptions."""
        return self.depth, self.label, self.is_resumed, bool(self.thrown), self.how

    def agrees(self, other: Row) -> bool:
        """Is the other, which was got, what this one wants?

        Of a C function's exception the type is not seen, nor any on 3.11.
        """
        return self.shape == other.shape and all(
            a == b or a == "?" or other.is_c or (b == "?" and VERSION < (3, 12))
            for a, b in (
                (self.thrown, other.thrown),
                (self.exception, other.exception),
            )
        )


@dataclass
class Thread:
    name: str
    rows: list[Row] = field(default_factory=list)


# --- what of a tree belongs to the program -------------------------------------------


def is_own(row: Row, folder: str, by_own: bool) -> bool:
    if row.is_c:
        return False
    if row.file.startswith("<"):  # made by exec() and the like
        return by_own and row.module in ("__main__", "builtins", "")
    return row.file.startswith(folder)


def project(rows: Iterable[Row], folder: str) -> list[Row]:
    """Rows of the program itself; `folder` is where its files are."""
    out: list[Row] = []
    # For each open row: depth shown at, is it own, is it that but for C between.
    path: list[tuple[int, bool, bool]] = []
    for row in rows:
        del path[row.depth :]
        shown, parent_own, by_own = path[-1] if path else (-1, False, False)
        own = is_own(row, folder, by_own)
        if own or (parent_own and not row.module.startswith(IMPORT_SYSTEM)):
            out.append(replace(row, depth=shown + 1))
            path.append((shown + 1, own, own or (by_own and row.is_c)))
        else:
            path.append((shown, False, by_own and row.is_c))
    return out


IMPORT_SYSTEM = (
    "importlib._bootstrap",
    "_frozen_importlib",
)


# --- the language of expectations ----------------------------------------------------

VERSION = sys.version_info[:2]
COMPARE = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


ENDINGS = {"~": "yielded", "...": "open", "cut": "cut"}


def holds(condition: str) -> bool:
    match = re.fullmatch(r"([<>=!]+)(\d+)\.(\d+)", condition)
    if not match:
        raise ValueError(f"no condition: {condition!r}")
    sign, major, minor = match.groups()
    return bool(COMPARE[sign](VERSION, (int(major), int(minor))))


def expectation(path: Path) -> list[Thread]:
    """What the last comment of a program says, for the running interpreter."""
    lines = path.read_text(encoding="utf-8").splitlines()
    start = max(i for i, line in enumerate(lines) if line.strip() == "# expect:")
    block = [line.removeprefix("#").strip() for line in lines[start + 1 :]]
    return list(parse("\n".join(block)))


def parse(text: str) -> Iterator[Thread]:
    pieces = re.split(r"^thread (.*):$", "thread MainThread:\n" + text, flags=re.M)
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        lexer = shlex.shlex(body, posix=True, punctuation_chars="")
        lexer.whitespace_split, lexer.commenters, lexer.quotes = True, "", '"'
        tokens = list(lexer)
        rows: list[Row] = []
        end = parse_rows(tokens, 0, 0, rows)
        if end != len(tokens):
            raise ValueError(f"thread {name}: a brace too many")
        yield Thread(name, rows)


def parse_rows(tokens: list[str], at: int, depth: int, out: list[Row]) -> int:
    """Reads rows up to a closing brace; returns where it stands."""
    while at < len(tokens) and tokens[at] != "}":
        keep = splice = True
        while tokens[at][0] in "@%":
            if tokens[at][0] == "@":
                keep = keep and holds(tokens[at][1:])
            else:
                splice = splice and holds(tokens[at][1:])
            at += 1
        row, times, nested = Row(depth, ""), 1, 1
        if tokens[at].startswith("^"):
            row.is_resumed, thrown = True, tokens[at][1:]
            if thrown.startswith("!"):
                row.thrown = thrown[1:]
                at += 1
            else:
                tokens[at] = thrown
        row.name, row.how = tokens[at], "returned"
        at += 1
        while at < len(tokens) and (
            tokens[at] in ENDINGS or re.match(r"!|[x>]\d+$", tokens[at])
        ):
            word = tokens[at]
            if word.startswith("x"):
                times = int(word[1:])
            elif word.startswith(">"):
                nested = int(word[1:])
            elif word.startswith("!"):
                row.how, row.exception = "raised", word[1:]
            else:
                row.how = ENDINGS[word]
            at += 1
        inside: list[Row] = []
        if at < len(tokens) and tokens[at] == "{":
            at = parse_rows(tokens, at + 1, depth + nested * splice, inside)
            if at == len(tokens):
                raise ValueError(f"the brace of {row.name} is not closed")
            at += 1
        if keep:
            for _ in range(times):
                if splice:
                    out += [replace(row, depth=depth + n) for n in range(nested)]
                out += inside
    return at


def render_row(row: Row, indent: str = "  ") -> str:
    name = f'"{row.label}"' if re.search(r"\s", row.label) else row.label
    if row.is_resumed:
        name = f"^!{row.thrown} {name}" if row.thrown else f"^{name}"
    ending = {"returned": "", "yielded": " ~", "open": " ...", "cut": " cut"}
    return indent * row.depth + name + ending.get(row.how, f" !{row.exception or '?'}")


def render(rows: list[Row]) -> str:
    """Rows as an expectation. Reads back as the same rows."""
    bodies: list[list[str]] = [[]]  # finished lines at each depth that is open
    heads: list[str] = []
    for row in [*rows, None]:
        while len(heads) > (row.depth if row else 0):
            inside, head = bodies.pop(), heads.pop()
            bodies[-1].append(block(head, fold(inside)))
        if row:
            heads.append(render_row(replace(row, depth=0)))
            bodies.append([])
    return "\n".join(fold(bodies[0]))


def block(head: str, inside: list[str]) -> str:
    if not inside:
        return head
    line = f"{head} {{ {' '.join(inside)} }}"
    if len(line) <= 56 and "\n" not in line:
        return line
    body = "\n".join(inside).replace("\n", "\n  ")
    return f"{head} {{\n  {body}\n}}"


def fold(items: list[str]) -> list[str]:
    """Joins equal neighbours: `f { g }` `f { g }` is `f x2 { g }`."""
    out = []
    for item, group in itertools.groupby(items):
        count = len(list(group))
        head, brace, rest = item.partition(" {")
        out.append(f"{head} x{count}{brace}{rest}" if count > 1 else item)
    return out


def resumptions(threads: Iterable[Thread]) -> list[tuple[object, int]]:
    """For each part of a suspended call, the number of the call it belongs to.

    Numbers are given in the order of first appearance, so they are equal in two
    recordings of one program though the activations have other keys.
    """
    numbers: dict[object, int] = {}
    return [
        (row.label, numbers.setdefault(row.activation, len(numbers)))
        for thread in threads
        for row in thread.rows
        if row.activation is not None
    ]


def difference(want: list[Row], got: list[Row]) -> str:
    """Empty where equal; otherwise where they part, with some lines around."""
    pairs = zip(want, got, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if not a.agrees(b)), -1)
    if at < 0:
        if len(want) == len(got):
            return ""
        at = min(len(want), len(got))
    return "\n".join(
        [f"parts at row {at} ({len(want)} wanted, {len(got)} got)"]
        + [f"       {render_row(row)}" for row in want[max(0, at - 4) : at]]
        + [f"  want {render_row(row)}" for row in want[at : at + 4]]
        + [f"  got  {render_row(row)}" for row in got[at : at + 4]]
    )


def require_equal(want: list[Row], got: list[Row], about: str = "") -> None:
    parting = difference(want, got)
    if parting:
        raise AssertionError(f"{parting}\n{about}".rstrip())
