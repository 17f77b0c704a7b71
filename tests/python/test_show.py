"""show, fmt, to_json: any object in readable form."""

import array
import builtins
import collections
import contextlib
import ctypes
import dataclasses
import enum
import io
import ipaddress
import json
import os
import re
import sqlite3
import subprocess
import sys
import types
import uuid
import weakref
import xml.etree.ElementTree
from pathlib import Path
from typing import Any, NamedTuple

import hostile
import marey
import pytest


class Position:
    def __init__(self, x: int, y: int) -> None:
        self.x = x
        self.y = y


class Player:
    def __init__(self) -> None:
        self.name = "Alice"
        self.age = 18
        self.items = ["axe", "armor"]
        self.position = Position(3, 5)

    def attack(self, other: object) -> None: ...

    def _hidden(self) -> None: ...

    @property
    def trap(self) -> object:
        raise AssertionError("a property ran")


@dataclasses.dataclass
class Point:
    x: int
    y: Any = None


class Colour(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    left: int
    right: int


M = __name__


def test_an_object_with_its_attributes() -> None:
    assert marey.fmt(Position(3, 5)) == f"<{M}.Position x=3 y=5>"
    head, *attributes, tail = marey.fmt(Player()).splitlines()
    assert (head, tail) == (f"<{M}.Player", ">")
    # In the order of the class's keys, which other instances may have begun.
    assert sorted(attributes) == [
        "  age=18",
        "  items=['axe', 'armor']",
        "  name='Alice'",
        f"  position=<{M}.Position x=3 y=5>",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("it's\n", '"it\'s\\n"'),
        ("\udc80", "'\\udc80'"),
        (b"\0'", 'b"\\x00\'"'),
        (1.0, "1.0"),
        (float("inf"), "inf"),
        (-0.0, "-0.0"),
        (1 + 2j, "(1+2j)"),
        (..., "Ellipsis"),
        ((1,), "(1,)"),
        (set(), "set()"),
        (frozenset(), "frozenset()"),
        (frozenset({1}), "frozenset({1})"),
        ({(1,): [None, True]}, "{(1,): [None, True]}"),
        (Point(1, [2]), f"{M}.Point(x=1, y=[2])"),
        (Pair(1, 2), f"{M}.Pair(left=1, right=2)"),
        (Colour.RED, f"<{M}.Colour.RED: 1>"),
        (KeyError("a"), "KeyError('a')"),
        (collections.Counter("aab"), "collections.Counter({'a': 2, 'b': 1})"),
        (collections.deque([1]), "collections.deque([1])"),
        (collections.deque(), "collections.deque([])"),
        (bytearray(b"x"), "bytearray(b'x')"),
        (range(3), "range(0, 3)"),
        (types.SimpleNamespace(a=1), "<types.SimpleNamespace a=1>"),
        (object(), "<object>"),
        (10**5000, "<int of about 16620 bits>"),
    ],
    ids=lambda value: None if isinstance(value, str | bytes) else type(value).__name__,
)
def test_values_are_written_as(value: object, text: str) -> None:
    assert marey.fmt(value) == text
    json.loads(marey.to_json(value))


def test_what_is_too_wide_takes_lines() -> None:
    value = {"numbers": list(range(40)), "point": Point(1, "x" * 70)}
    assert marey.fmt(value, width=60, indent=4) == (
        "{\n"
        "    'numbers': [\n"
        "        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,\n"
        "        15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,\n"
        "        28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39\n"
        "    ],\n"
        f"    'point': {M}.Point(\n"
        "        x=1,\n"
        f"        y='{'x' * 70}'\n"
        "    )\n"
        "}"
    )
    for width in range(1, 120, 7):  # whatever the width, the same things are said
        assert marey.fmt(value, width=width).split() or True
        wide = "".join(marey.fmt(value, width=width).split())
        assert wide == "".join(marey.fmt(value, width=10_000).split())


def test_depth_elements_and_characters_bound_it() -> None:
    nested: list[Any] = [[[[1, 2], 3], 4], 5]
    assert marey.fmt(nested, depth=1) == "[[… 2 more], 5]"
    assert marey.fmt(Point(Point(1)), depth=1) == f"{M}.Point(x={M}.Point(…), y=None)"
    assert marey.fmt(list(range(9)), elements=2) == "[0, 1, … 7 more]"
    assert marey.fmt([1, 2], elements=2) == "[1, 2]"
    assert marey.fmt([1], elements=0) == "[… 1 more]"
    assert marey.fmt("x" * 9, characters=3) == "'xxx'… (9 characters)"
    assert marey.fmt(b"x" * 9, characters=3) == "b'xxx'… (9 bytes)"
    assert json.loads(marey.to_json(list(range(9)), elements=2)) == [0, 1, "… 7 more"]


def test_huge_and_deep_objects_end() -> None:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    assert len(marey.fmt(deep, depth=None, width=10**6)) < 3000
    huge = marey.fmt([["x" * 1000] * 1000] * 1000, elements=None)
    assert len(huge) < 10_000_000
    assert huge.endswith("(cut)")
    with pytest.raises(ValueError, match="lower depth or elements"):
        marey.to_json([["x" * 1000] * 1000] * 1000, elements=None)


def test_cycles_are_marked() -> None:
    one: list[Any] = [1]
    one.append(one)
    position = Position(1, 2)
    position.x = position  # type: ignore[assignment]
    assert marey.fmt(one) == "[1, <cycle>]"
    assert marey.fmt(position) == f"<{M}.Position x=<cycle> y=2>"
    assert json.loads(marey.to_json(one)) == [1, "<cycle>"]
    assert marey.fmt([[1]] * 2) == "[[1], [1]]"


def test_include_exclude_methods_address() -> None:
    player = Player()
    assert marey.fmt(player, include="na.*") == f"<{M}.Player name='Alice'>"
    assert "items" not in marey.fmt(player, exclude=["it", "items"])
    assert "items" in marey.fmt(player, exclude=["it"])
    assert marey.fmt(player, include=["a.*", "items"], exclude=["items"]) == (
        f"<{M}.Player age=18>"
    )
    text = marey.fmt(player, methods=True)
    assert "  def attack(self, other)\n" in text
    assert "_hidden(self)" in text
    assert "__init__" not in text
    assert f" at {hex(id(player))}" in marey.fmt(player, address=True)


def test_wrong_options_are_said() -> None:
    with pytest.raises(ValueError, match="include"):
        marey.fmt(1, include=["("])
    with pytest.raises(ValueError, match="depth"):
        marey.fmt(1, depth=-1)
    with pytest.raises(TypeError, match="width"):
        marey.fmt(1, width="80")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        marey.fmt(1, nonsense=1)  # type: ignore[call-arg]


def test_json_is_json() -> None:
    value = {
        "a": [1, 2.5, None, True, float("nan")], 3: Position(1, 2), "t": (1,),
        "s": 'q"\\\n\x00\ud800é', "e": Colour.RED, "p": Pair(1, 2), (4,): {"x": {1}},
        "big": 2**100, "l": [KeyError("k")],
    }  # fmt: skip
    for indent in (None, 0, 2):
        found = json.loads(marey.to_json(value, indent=indent))
        assert found == {
            "a": [1, 2.5, None, True, "nan"],
            "3": {"$type": f"{M}.Position", "x": 1, "y": 2},
            "t": [1],
            "s": 'q"\\\n\x00\ud800é',
            "e": "RED",
            "p": {"$type": f"{M}.Pair", "left": 1, "right": 2},
            "<tuple>": {"x": [1]},
            "big": 2**100,
            "l": [{"$type": "KeyError", "$value": ["k"]}],
        }
    assert marey.to_json({"a": [1]}, indent=2) == '{\n  "a": [\n    1\n  ]\n}'


# ---- show ----


def test_show_prints_and_returns(capsys: pytest.CaptureFixture[str]) -> None:
    player = Player()
    assert marey.show(player) is player
    assert marey.show(1, "two") == (1, "two")
    assert marey.show() is None  # type: ignore[func-returns-value]
    assert capsys.readouterr().out == marey.fmt(player) + "\n1\n'two'\n"
    assert marey.show(player, enable=False) is player
    out = io.StringIO()
    marey.show([1], file=out)
    assert out.getvalue() == "[1]\n"
    assert capsys.readouterr() == ("", "")


def test_show_says_where_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    values = [1, 2]
    marey.show(values, values[0] + 1, line_number=True, arg_name=True)
    line = sys._getframe().f_lineno - 1
    place, *rest = capsys.readouterr().out.splitlines()
    name = test_show_says_where_and_what.__name__
    assert place == f"{__file__}:{line} in {name}"
    assert rest == ["values:", "[1, 2]", "values[0] + 1:", "2"]


def test_colour_only_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def shown(**options: Any) -> str:
        out = Terminal()
        marey.show({"a": 1}, file=out, **options)
        return out.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\033[" in shown()
    assert "\033[" not in shown(color=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033[" not in shown()
    assert "\033[" in shown(color=True)
    # Colours take no columns.
    plain = marey.fmt(Player(), width=40)
    coloured = marey.fmt(Player(), width=40, color=True)
    assert plain.count("\n") == coloured.count("\n")


def test_an_output_that_cannot_say_it_escapes() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    marey.show("é", file=out)
    out.flush()
    assert out.buffer.getvalue() == b"'\\xe9'\n"  # type: ignore[attr-defined]


# ---- formatters, decorators, builtins ----


def test_formatters_of_the_user() -> None:
    @marey.formatter(Position)
    def position(value: Position) -> str:
        return f"({value.x}; {value.y})"

    class Near(Position):
        pass

    try:
        assert marey.fmt([Position(1, 2), Near(3, 4)]) == "[(1; 2), (3; 4)]"
        assert json.loads(marey.to_json(Position(1, 2))) == "(1; 2)"
        marey.formatter(Position, inherit=False)(position)
        assert "Near x=3 y=4" in marey.fmt(Near(3, 4))
        marey.formatter(Position)(lambda value: value / 0)  # type: ignore[arg-type,return-value]
        with pytest.raises(TypeError, match="unsupported"):
            marey.fmt([Position(1, 2)])
        marey.formatter(Position)(lambda value: value.x)  # type: ignore[arg-type,return-value]
        with pytest.raises(TypeError, match="returns a str"):
            marey.fmt(Position(1, 2))
    finally:
        marey.formatter(Position, remove=True)
    assert marey.fmt(Position(1, 2)) == f"<{M}.Position x=1 y=2>"
    with pytest.raises(TypeError, match="takes a class"):
        marey.formatter(3)  # type: ignore[arg-type]


def test_own_repr_is_used_when_asked() -> None:
    class Own:
        def __repr__(self) -> str:
            return "own"

    assert marey.fmt([Own(), 1], own_repr=True) == "[own, 1]"
    assert marey.fmt([Own()]) != "[own]"


def test_readable_gives_str() -> None:
    @marey.readable
    class Plain(Position):
        pass

    @marey.readable(exclude="y")
    class Less(Position):
        pass

    name = f"{M}.{test_readable_gives_str.__name__}.<locals>"
    assert str(Plain(1, 2)) == f"<{name}.Plain x=1 y=2>"
    assert str(Less(1, 2)) == f"<{name}.Less x=1>"
    assert repr(Plain(1, 2)).startswith("<")
    with pytest.raises(TypeError):
        marey.readable(nonsense=1)
    with pytest.raises(TypeError, match="class"):
        marey.readable(3)  # type: ignore[call-overload]


def test_install_and_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert not hasattr(builtins, "show")
    marey.install()
    try:
        assert builtins.show is marey.show  # type: ignore[attr-defined]
    finally:
        marey.uninstall()
    assert not hasattr(builtins, "show")
    marey.uninstall()
    before = builtins.repr
    marey.install("repr", depth=0)
    try:
        repr([1])
        assert capsys.readouterr().out == "[… 1 more]\n"
    finally:
        marey.uninstall("repr")
    assert builtins.repr is before
    with pytest.raises(TypeError):
        marey.install(nonsense=1)


def test_no_code_of_the_objects_runs(capsys: pytest.CaptureFixture[str]) -> None:
    values = hostile.objects()
    try:
        for value in values.values():
            marey.show(value, file=io.StringIO())
            marey.fmt(value, include=".*", depth=2, methods=True, address=True)
    finally:
        hostile.disarm()
    assert hostile.ran == []
    assert capsys.readouterr() == ("", "")


def test_show_imports_nothing_heavy_and_no_array_package() -> None:
    code = "import marey, sys; marey.fmt([1]); print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(marey.__file__).parent.parent)},
    )  # fmt: skip
    assert done.stdout == "False\n"


class Record(ctypes.Structure):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char * 4),
        ("pointer", ctypes.c_char_p),
        ("api_key", ctypes.c_long),
    ]


def a_row() -> sqlite3.Row:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute("select 1 as id, 'x' as password").fetchone()
    assert isinstance(found, sqlite3.Row)
    return found


def an_element() -> xml.etree.ElementTree.Element:
    return xml.etree.ElementTree.fromstring("<a k='v'>text<b/></a>")


WRITTEN = [
    (Path("/tmp/a b"), "PosixPath('/tmp/a b')"),
    (Path("a", "b") / "c", "PosixPath('a/b/c')"),
    (Path("/a") / "b" / "/c" / "d", "PosixPath('/c/d')"),
    (uuid.UUID(int=2**127 + 5), "UUID('80000000-0000-0000-0000-000000000005')"),
    (ipaddress.ip_address("10.0.0.1"), "IPv4Address('10.0.0.1')"),
    (ipaddress.ip_address("2001:db8::1"), "IPv6Address('2001:db8::1')"),
    (ipaddress.ip_network("10.0.0.0/8"), "IPv4Network('10.0.0.0/8')"),
    (
        re.compile(r"a\d", re.I | re.M),
        "re.compile('a\\\\d', re.IGNORECASE|re.MULTILINE)",
    ),
    (re.compile(b"a"), "re.compile(b'a')"),
    (re.match("a(.)", "abc"), "<re.Match object; span=(0, 2), match='ab'>"),
    (array.array("i", [1, -2]), "array([1, -2])"),
    (array.array("b", range(110)), "more])"),
    (memoryview(b"abc"), "<memoryview of 3 bytes, read-only>"),
    (types.MappingProxyType({"a": 1}), "{'a': 1}"),
    ({"a": 1}.keys(), "dict_keys(['a'])"),
    ({"a": 1, "token": 2}.items(), "dict_items([('a', 1), ('token', <redacted>)])"),
    ({"a": 1, "token": 2}.values(), "dict_values([1, <redacted>])"),
    (a_row(), "sqlite3.Row(id=1, password=<redacted>)"),
    (an_element(), "<Element 'a' text='text' children=1>"),
    (ctypes.c_double(1.5), "c_double(1.5)"),
    (
        Record(1, b"ab", b"cd", 3),
        "Record(number=1, name=b'ab', pointer=<not shown>, api_key=<redacted>)",
    ),
    (weakref.ref(Record), "<weakref to _ctypes.PyCStructType>"),
    (NotImplemented, "NotImplemented"),
]


@pytest.mark.parametrize(("value", "said"), WRITTEN, ids=lambda one: str(one)[:20])
def test_what_hides_behind_methods_is_written(value: object, said: str) -> None:
    text = marey.fmt(value)
    assert text.endswith(said)
    assert "".join(marey.fmt([value]).split()) == "".join(f"[{text}]".split())
    assert json.loads(marey.to_json([value])) == [value] or text in json.loads(
        marey.to_json([value])
    )


def test_a_pointer_that_leads_nowhere_is_not_followed() -> None:
    text = ctypes.c_char_p()
    ctypes.memmove(ctypes.addressof(text), ctypes.byref(ctypes.c_long(1)), 8)
    pair = Record()
    ctypes.memmove(ctypes.addressof(pair) + 8, ctypes.byref(ctypes.c_long(1)), 8)
    assert "c_char_p" in marey.fmt(text)
    assert "pointer=<not shown>" in marey.fmt(pair)
    marey.to_json(pair)


def test_a_class_of_the_program_is_not_taken_for_a_known_one() -> None:
    class Pattern(str):
        __slots__ = ()

        def __repr__(self) -> str:
            raise AssertionError("it ran")

    class PosixPath:
        __module__ = "pathlib"

        @property
        def _str(self) -> str:
            raise AssertionError("it ran")

    PosixPath.__qualname__ = "PosixPath"
    assert "Pattern" in marey.fmt(re.compile(Pattern("x")))
    assert "pathlib.PosixPath" in marey.fmt(PosixPath())
