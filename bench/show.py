"""`marey.fmt` beside objprint, on the same twenty objects.

    python bench/show.py [--peer PYTHON] [--texts]

PYTHON is an interpreter that has objprint (a venv of its own); without one only Marey
is measured. Each object is formatted by both in the same process layout: a fresh
interpreter, the minimum of several rounds of CPU time. What each wrote is compared by
what it *says*: every name and plain value of the object that the peer's text holds has
to be in ours. Prints one line an object: characters and µs of both, and what of the
peer's is missing in ours.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import enum
import json
import re
import subprocess
import sys
import time
import types
from typing import Any, NamedTuple


class Position:
    def __init__(self, x: float, y: float) -> None:
        self.x = x
        self.y = y


class Player:
    def __init__(self, depth: int = 0) -> None:
        self.name = "Alice"
        self.age = 18
        self.items = ["axe", "armor"]
        self.coins = {"gold": 1, "silver": 33, "bronze": 57}
        self.position = Position(3, 5)
        self.friend = Player(depth - 1) if depth else None


class Slots:
    __slots__ = ("left", "right")

    def __init__(self) -> None:
        self.left = 1
        self.right = [2, 3]


@dataclasses.dataclass
class Point:
    x: int
    y: Any


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Pair(NamedTuple):
    first: int
    second: str


class Stack(list):  # type: ignore[type-arg]
    pass


class Node:
    def __init__(self, name: str) -> None:
        self.name = name
        self.children: list[Node] = []
        self.parent: Node | None = None


def tree() -> Node:
    root = Node("root")
    for name in ("a", "b"):
        child = Node(name)
        child.parent = root
        root.children.append(child)
    return root


class Quiet:
    """No attributes at all."""


def objects() -> dict[str, Any]:
    loop: list[Any] = [1]
    loop.append(loop)
    return {
        "object": Player(),
        "nested objects": Player(3),
        "list of objects": [Position(n, n + 0.5) for n in range(50)],
        "dict": {f"key{n}": n for n in range(30)},
        "nested dict": {"a": {"b": {"c": [1, 2, {"d": (3, 4)}]}}},
        "list": list(range(200)),
        "tuple": (1, "two", 3.0, None, True),
        "set": {1, 2, 3},
        "texts": ["it's", 'say "hi"', "back\\slash", "line\nbreak", "é \U0001f600"],
        "bytes": b"raw \x00 bytes",
        "dataclass": Point(1, Point(2, [3])),
        "named tuple": Pair(1, "two"),
        "enum": {"colour": Colour.RED, "all": list(Colour)},
        "slots": Slots(),
        "subclass of list": Stack([1, 2, 3]),
        "exception": ValueError("bad value", 42),
        "namespace": types.SimpleNamespace(a=1, b=[2]),
        "counter": collections.Counter("abracadabra"),
        "cycle": loop,
        "tree with parents": tree(),
    }


def measure(function: Any, value: Any) -> float:
    """CPU seconds of one call, the least of several rounds."""
    best = 1e9
    for _ in range(5):
        began, count = time.process_time(), 0
        while time.process_time() - began < 0.02:
            function(value)
            count += 1
        best = min(best, (time.process_time() - began) / count)
    return best


def all_of(name: str) -> dict[str, tuple[str, float]]:
    """Text and seconds of each object."""
    if name == "objprint":
        import objprint  # type: ignore[import-not-found]

        def function(value: Any) -> str:
            return str(objprint.objstr(value, color=False, honor_existing=False))
    else:
        import marey

        def function(value: Any) -> str:
            return marey.fmt(value, elements=None)

    return {
        key: (function(value), measure(function, value))
        for key, value in objects().items()
    }


# Words of the peer's own for what we write another way: Colour.RED, ValueError(…).
LABELS = ("name", "value", "args")


def words(text: str) -> set[str]:
    """Names and numbers that a text says, without addresses and module names."""
    text = re.sub(r"0x[0-9a-f]+|\\[nt]", " ", text)
    return {
        word
        for word in re.findall(r"[A-Za-z_]\w*|\d+(?:\.\d+)?", text)
        if word not in ("object", "at", "__main__", *LABELS)
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", metavar="PYTHON")
    parser.add_argument("--texts", action="store_true", help="print the texts, too")
    parser.add_argument("--as", dest="name", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.name:
        print(json.dumps(all_of(given.name)))
        return 0
    ours = all_of("marey")
    theirs: dict[str, tuple[str, float]] = {}
    if given.peer:
        done = subprocess.run(
            [given.peer, __file__, "--as", "objprint"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        theirs = json.loads(done.stdout)
    print(f"{'object':20} {'marey':>16} {'objprint':>16}  missing")
    missing_count = 0
    for key, (text, seconds) in ours.items():
        peer_text, peer_seconds = theirs.get(key, ("", 0.0))
        missing = sorted(words(peer_text) - words(text))
        missing_count += bool(missing)
        print(
            f"{key:20} {len(text):6} {seconds * 1e6:6.1f} µs"
            f" {len(peer_text):6} {peer_seconds * 1e6:6.1f} µs  {' '.join(missing)}"
        )
        if given.texts:
            print(text, "", peer_text, "", sep="\n")
    return 1 if missing_count else 0


if __name__ == "__main__":
    sys.exit(main())
