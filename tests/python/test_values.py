"""Values in a recording: what they say, what they never do, how large they get."""

import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import functools
import os
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any, NamedTuple

import harness
import hostile
import marey
import pytest
import reference_reader
import trace_builder

PLAIN = (type(None), bool, int, float, str, bytes)


def recorded(path: Path, *values: object) -> list[Any]:
    """What a recording says of each: plain values as they are, else the text."""
    with marey.record(path, c_calls=False):
        for value in values:
            marey.log("value", value)
    with marey.open(path) as trace:
        found = [e.values[""] for e in trace.events() if e.kind == "log"]
        assert trace.check() == ([], 0)
    return [
        one if isinstance(one, PLAIN) and is_short(one) else written(one)
        for one in found
    ]


def is_short(value: Any) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def written(value: Any) -> Any:
    """A value that was read back, as Marey writes it."""
    if isinstance(value, marey.Unrecorded):
        return value.text or (f"<{value.kind}>" if value.kind != "object" else value)
    if isinstance(value, complex):
        return f"({value.real}{value.imag:+}j)"
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{written(k)}: {written(v)}" for k, v in value.items())
            + "}"
        )
    if not isinstance(value, list | tuple | set | frozenset):
        return "'" + repr('"' + value)[2:] if isinstance(value, str) else repr(value)
    items = ", ".join(written(one) for one in value)
    if isinstance(value, list):
        return f"[{items}]"
    if isinstance(value, tuple):
        return f"({items},)" if len(value) == 1 else f"({items})"
    if isinstance(value, frozenset):
        return f"frozenset({{{items}}})"
    return f"{{{items}}}" if items else "set()"


def said(path: Path, value: object) -> Any:
    return recorded(path, value)[0]


@dataclasses.dataclass
class Point:
    x: int
    y: object = None


@dataclasses.dataclass(slots=True)
class Slotted:
    x: int
    y: object = None


class Plain:
    def __init__(self, **attributes: object) -> None:
        for name, value in attributes.items():
            setattr(self, name, value)


class Slots:
    __slots__ = ("one", "two", "unset")

    def __init__(self) -> None:
        self.one = 1
        self.two = [2]


class More(Slots):
    def __init__(self) -> None:
        super().__init__()
        self.three = 3


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 3


class Pair(NamedTuple):
    left: int
    right: str


class MyList(list[int]):
    pass


class MyStr(str):
    pass


def generator() -> Any:
    yield 1


M = __name__


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (True, True),
        (-5, -5),
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (-(2**200), str(-(2**200))),
        (1.5, 1.5),
        ("héllo\n", "héllo\n"),
        ("\ud800", "\ud800"),
        ("😀" * 5, "😀" * 5),
        (b"\0\xff", b"\0\xff"),
        (1 - 2j, "(1.0-2.0j)"),
        ([], "[]"),
        ((), "()"),
        ((1,), "(1,)"),
        ([1, "a", None, b"b", 2.5], "[1, 'a', None, b'b', 2.5]"),
        ({}, "{}"),
        (set(), "set()"),
        ({1}, "{1}"),
        (frozenset({1}), "frozenset({1})"),
        (frozenset(), "frozenset({})"),
        ({"a": 1, 2: (3,)}, "{'a': 1, 2: (3,)}"),
        (["it's", "a\\b", "\x00\x7f\t", "\udcff"],
         r"['it\'s', 'a\\b', '\x00\x7f\t', '\udcff']"),
        (bytearray(b"ab"), "bytearray(b'ab')"),
        (range(0, 10, 2), "range(0, 10, 2)"),
        (slice(1, None), "slice(1, None, None)"),
        (Point(1, [2]), f"{M}.Point(x=1, y=[2])"),
        (Slotted(1, "b"), f"{M}.Slotted(x=1, y='b')"),
        (Colour.RED, f"{M}.Colour.RED"),
        (Level.HIGH, f"{M}.Level.HIGH"),
        (Pair(1, "b"), f"{M}.Pair(left=1, right='b')"),
        (MyList([1, 2]), f"{M}.MyList([1, 2])"),
        (MyStr("text"), f"{M}.MyStr('text')"),
        (ValueError("bad", 3), "ValueError('bad', 3)"),
        (collections.deque([1, 2]), "collections.deque([1, 2])"),
        (collections.Counter("aab"), "collections.Counter({'a': 2, 'b': 1})"),
        (datetime.date(2026, 1, 2), "datetime.date(2026, 1, 2)"),
        (datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
         "datetime.datetime(2026, 1, 2, 0, 0, tzinfo=datetime.timezone.utc)"),
        (datetime.timedelta(days=1), "datetime.timedelta(days=1)"),
        (decimal.Decimal("1.50"), "Decimal('1.50')"),
        (len, "<builtin len>"),
        ([].append, "<builtin list.append>"),
        (generator, f"<function {M}.generator>"),
        (Plain, f"<class {M}.Plain>"),
        (int, "<class int>"),
        (sys, "<module sys>"),
        (generator(), "<generator generator>"),
    ],
    ids=lambda value: None if isinstance(value, str | bytes) else type(value).__name__,
)  # fmt: skip
def test_a_value_is_recorded_as(tmp_path: Path, value: object, text: object) -> None:
    assert said(tmp_path / "t.marey", value) == text


def test_attributes_are_read_where_they_stand(tmp_path: Path) -> None:
    inline, made, grown = Plain(a=1, b="x"), Plain(a=1, b="x"), Plain()
    vars(made)["c"] = 3
    for n in range(40):  # more than instances share the names of
        setattr(grown, f"n{n}", n)
    del grown.n0  # type: ignore[attr-defined]
    texts = recorded(
        tmp_path / "t.marey", inline, made, grown, Slots(), More(), Plain()
    )
    assert texts[0].startswith(f"<{M}.Plain at 0x")
    assert texts[0].endswith(" a=1 b='x'>")
    assert texts[1].endswith(" a=1 b='x' c=3>")
    assert " n1=1 n2=2 " in texts[2]
    assert texts[3].endswith(" one=1 two=[2]>")
    assert texts[4].endswith(" three=3 one=1 two=[2]>")
    assert texts[5].startswith(f"<{M}.Plain at 0x")
    # Reading has made no dict: the names are still in the instance.
    if sys.version_info >= (3, 12):
        assert sys.getsizeof(inline) == sys.getsizeof(Plain(a=1, b="x"))


def test_other_objects_of_c_say_their_fields(tmp_path: Path) -> None:
    part = functools.partial(print, 1, end="")
    texts = recorded(tmp_path / "t.marey", part, object(), os.stat("."), int | None)
    assert "func=<builtin print> args=(1,) keywords={'end': ''}>" in texts[0]
    assert texts[1].startswith("<object at 0x")
    assert texts[2].startswith("os.stat_result(st_mode=")
    assert "class int" in texts[3] or "Union" in texts[3]


def test_none_of_the_words_is_taken_for_another(tmp_path: Path) -> None:
    path = tmp_path / "t.marey"
    texts = ["<not recorded>", "<unbound>", "<error>", "<redacted>", "None"]
    assert recorded(path, None, *texts) == [None, *texts]
    with marey.open(path) as trace:
        events = [e for e in trace.events() if e.kind == "log"]
    assert events[0].values == {"": None}
    assert all(isinstance(e.values[""], str) for e in events[1:])


# ---- bounds ----


def test_large_values_are_bounded_and_say_so(tmp_path: Path) -> None:
    path = tmp_path / "t.marey"
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    chain: dict[int, Any] = {}
    for _ in range(10_000):
        chain = {1: Plain(next=chain)}
    wide = {f"key {n}": "v" * 1000 for n in range(100_000)}
    values = (
        [None] * 5_000_000, "x" * 10_000_000, "é" * 10_000_000, b"y" * 10_000_000,
        10**100_000, deep, chain, wide, set(range(100_000)),
        collections.deque(range(100_000)), ValueError(*range(1000)),
        Plain(**{f"a{n}": n for n in range(5000)}), "\udfff" * 100_000,
        [Point(1, [Point(2, {"k" * 500: ValueError([[[["deep"]]]])})] * 100)] * 100,
    )  # fmt: skip
    recorded(path)
    size = path.stat().st_size  # sources of what pytest calls meanwhile
    path.unlink()
    began = time.process_time()
    texts = recorded(path, *values)
    assert time.process_time() - began < 1
    assert path.stat().st_size - size < 200_000
    assert "… 4999900 more]" in texts[0]
    assert texts[1].endswith("'… (10000000 characters)")
    assert texts[2].startswith("'éé")
    assert texts[3].endswith("'… (10000000 bytes)")
    assert texts[4].startswith("<int of about 332")
    assert texts[5].startswith("[[[[[[[… 1 more]")
    assert texts[6].startswith("{1: <")
    assert texts[7].endswith(" more}")
    assert texts[8].endswith(" more}")
    assert texts[9].endswith(" more])")
    assert texts[10].endswith(" more)")
    assert texts[11].endswith(" more>")
    assert len(texts[12]) < 10_000
    assert texts[13].startswith(f"[{M}.Point(x=1, y=[{M}.Point(x=2")
    assert texts[13].endswith(" more]")
    assert all(len(str(text)) < 20_000 for text in texts)


def test_any_number_of_values_fits_one_event(tmp_path: Path) -> None:
    path = tmp_path / "t.marey"
    big: Any = [["x" * 500] * 50] * 50
    with marey.record(path, c_calls=False):
        marey.instant("many", **{f"v{n}": big for n in range(64)})
        marey.instant("more", **{f"v{n}": n for n in range(100)})
    with marey.open(path) as trace:
        many, more = (e for e in trace.events() if e.kind == "instant")
        assert trace.check() == ([], 0)
    assert len(many.values) == 64
    kinds = [value.kind for value in many.values.values()]  # type: ignore[union-attr]
    assert kinds[:2] == ["object", "object"]
    assert "not recorded" in kinds
    assert len(more.values) == 64
    assert more.values["v63"] == 63


def test_cycles_are_marked(tmp_path: Path) -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    node = Plain(name="n")
    node.me = node  # type: ignore[attr-defined]
    node.list = [node]  # type: ignore[attr-defined]
    twice = [1]
    texts = recorded(tmp_path / "t.marey", loop, node, [twice, twice])
    assert texts[0] == "[1, <cycle>]"
    assert texts[1].endswith(" name='n' me=<cycle> list=[<cycle>]>")
    assert texts[2] == "[[1], [1]]"


# ---- no code of the program ----


def test_no_code_of_the_objects_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = hostile.objects()
    try:
        texts = recorded(tmp_path / "t.marey", *values.values())
        shown = [marey.fmt(value) for value in values.values()]
        json = [marey.to_json(value) for value in values.values()]
    finally:
        hostile.disarm()
    assert hostile.ran == []
    assert capsys.readouterr() == ("", "")
    got = dict(zip(values, texts, strict=True))
    assert got["plain"].startswith("<hostile.Hostile at 0x")
    assert got["plain"].endswith(" inside=41 slot='kept'>")
    assert got["list"].startswith("hostile.Mylist([1, <hostile.Hostile at")
    assert got["str"] == "hostile.Mystr('text')"
    assert got["int"] == "hostile.Myint(5)"
    assert got["error"] == "hostile.MyValueError('message')"
    assert "'password': <redacted>" in got["keys"]
    assert len(shown) == len(json) == len(values)
    assert shown[0] == "<hostile.Hostile inside=41 slot='kept'>"


def test_an_exception_that_is_set_stays(tmp_path: Path) -> None:
    with marey.record(tmp_path / "t.marey"):
        try:
            raise KeyError("kept")
        except KeyError as error:
            marey.log("error", error)
            marey.log("odd", "\ud800")
            same = sys.exc_info()[1] is error
    assert same


def test_values_are_those_of_the_moment(tmp_path: Path) -> None:
    path = tmp_path / "t.marey"
    items = [1]
    with marey.record(path, c_calls=False):
        marey.log("items", items)
        items.append(2)
        assert marey.log("items", items) is items
    with marey.open(path) as trace:
        texts = [written(e.values[""]) for e in trace.events() if e.kind == "log"]
    assert texts == ["[1]", "[1, 2]"]


def test_objects_that_others_change_meanwhile(tmp_path: Path) -> None:
    shared: dict[str, Any] = {"list": [], "dict": {}, "set": set(), "obj": Plain()}
    over = threading.Event()

    def change() -> None:
        n = 0
        while not over.is_set():
            n += 1
            shared["list"].append(n)
            shared["dict"][n] = [n]
            shared["set"].add(n)
            setattr(shared["obj"], f"a{n % 50}", [n])
            if n % 100 == 0:
                for container in ("list", "dict", "set"):
                    shared[container].clear()
                shared["obj"] = Plain()

    threads = [threading.Thread(target=change) for _ in range(2)]
    with marey.record(tmp_path / "t.marey", include=["nothing"]):
        for thread in threads:
            thread.start()
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            for value in shared.values():
                marey.log("v", value)
            marey.fmt(shared)
        over.set()
        for thread in threads:
            thread.join()
    with marey.open(tmp_path / "t.marey") as trace:
        assert trace.check() == ([], 0)


# ---- secrets ----


class Account:
    def __init__(self) -> None:
        self.user = "ann"
        self.api_key = "geheim-1"
        self.dbPassword = "geheim-2"


def test_secrets_never_reach_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.marey"
    values = {
        "password": "geheim-3",
        "user": {"Authorization": "geheim-4", b"cookie": "geheim-5", "n": 1},
        "account": Account(),
        "headers": [("X-Api-Key", "geheim-6"), ("accept", "*/*")],
        "MY_SECRET_THING": ["geheim-7"],
        "point": types.SimpleNamespace(access_token="geheim-8"),
        "passwd": 123454321,
    }
    with marey.record(path, include=["nothing"]):
        marey.instant("login", **values)
        with marey.span("s", **values):
            pass
        marey.log("token", "geheim-9")
        marey.log("nested", {"a": [{"client-secret": {"deep": "geheim-10"}}]})
    data = path.read_bytes()
    assert b"geheim" not in data
    assert b"ann" in data
    with marey.open(path) as trace:
        login = next(e for e in trace.events() if e.kind == "instant")
    assert login.values["password"] == marey.Unrecorded(("redacted", ""))
    assert "'Authorization': <redacted>, b'cookie': <redacted>" in written(
        login.values["user"]
    )
    assert written(login.values["headers"]) == (
        "[('X-Api-Key', <redacted>), ('accept', '*/*')]"
    )


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "PASSWD",
        "userPassword",
        "db_passphrase",
        "secret",
        "client-secret",
        "token",
        "access_token",
        "api_key",
        "apiKey",
        "API-KEY",
        "authorization",
        "Cookie",
        "set-cookie",
        "credentials",
        "private_key",
        "aws_access_key",
        "session_id",
        "csrf",
        "pwd",
        "auth",
    ],
)
def test_a_name_that_tells_of_a_secret(name: str) -> None:
    assert "<redacted>" in marey.fmt({name: "geheim"})
    assert "geheim" in marey.fmt({name: "geheim"}, secrets=True)


@pytest.mark.parametrize("name", ["path", "author", "passenger", "key", "pass_count"])
def test_a_name_that_does_not(name: str) -> None:
    assert "shown" in marey.fmt({name: "shown"})


# ---- arrays, and the second reader ----


def test_numpy_by_shape_and_type(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    record = numpy.zeros(3, dtype=[("a", "i4"), ("b", "f8")])
    texts = recorded(
        tmp_path / "t.marey", numpy.zeros((3, 4)), numpy.array(5, dtype="int8"),
        numpy.float64(1.5), numpy.int32(7), numpy.array(["a"], dtype=object), record,
    )  # fmt: skip
    assert texts[0] == "<numpy.ndarray shape=(3, 4) dtype=float64>"
    assert texts[1] == "<numpy.ndarray shape=() dtype=int8>"
    assert texts[2] == "numpy.float64(1.5)"
    assert texts[3] == "numpy.int32(7)"
    assert texts[4] == "<numpy.ndarray shape=(1,) dtype=object>"
    assert texts[5].startswith("<numpy.ndarray shape=(3,) dtype=")


def test_a_class_that_only_has_the_name_of_an_array_is_not_asked(
    tmp_path: Path,
) -> None:
    def shape(self: object) -> None:
        raise AssertionError("ran")

    made = [
        type(name, (), {"shape": property(shape), "dtype": property(shape),
                        "__module__": module})()
        for name, module in (("numpy.ndarray", ""), ("ndarray", "numpy"),
                             ("Tensor", "torch"), ("DataFrame", "pandas"),
                             ("collections.deque", "x"), ("datetime.date", "x"))
    ]  # fmt: skip
    texts = recorded(tmp_path / "t.marey", *made)
    assert all(text.startswith("<") and " at 0x" in text for text in texts)


def test_the_reference_reader_sees_the_same(tmp_path: Path) -> None:
    path = tmp_path / "t.marey"
    value = {"a": [1, (2,), {3}], "p": Point(1), "e": Colour.RED, "s": "x" * 5000}
    recorded(path, value, 2**70, 1j, [Plain(a=1)])
    trace = reference_reader.read(path)
    assert not trace.problems
    found = [values[0][1] for _, values in sorted(trace.blobs.items())]
    assert found[0] == (
        "dict", 4,
        ["a", ("list", 3, [1, ("tuple", 1, [2]), ("set", 1, [3])]),
         "p", ("made", f"{M}.Point", 2, [], [("x", 1), ("y", None)]),
         "e", ("enum", f"{M}.Colour", "RED"),
         "s", ("cut text", 5000, "x" * 200)],
    )  # fmt: skip
    assert found[1:3] == [("number", str(2**70)), ("complex", 0.0, 1.0)]
    assert found[3] == ("list", 1, [("instance", f"{M}.Plain", 1, [("a", 1)])])


# ---- options ----


class Loud:
    def __repr__(self) -> str:
        return f"Loud(password='geheim', n={len('four')})"


class Slow:
    asked = 0

    def __repr__(self) -> str:
        Slow.asked += 1
        while True:
            pass


class Broken:
    asked = 0

    def __repr__(self) -> str:
        Broken.asked += 1
        raise SystemExit("broken")


class Large:
    def __repr__(self) -> str:
        return "é" * 1_000_000


def test_repr_user_asks_within_limits(tmp_path: Path) -> None:
    path = tmp_path / "t.marey"
    began = time.process_time()
    with marey.record(path, repr="user", include=["nothing"]):
        for value in (Loud(), Slow(), Slow(), Broken(), Broken(), Large(), [Loud()], 5):
            marey.log("v", value)
        marey.log("point", Point(1))
    assert time.process_time() - began < 5
    assert (Slow.asked, Broken.asked) == (1, 1)
    with marey.open(path) as trace:
        assert trace.check() == ([], 0)
        assert not list(trace.calls())
        found = [e.values[""] for e in trace.events() if e.kind == "log"]
    texts = [one if isinstance(one, str) else written(one) for one in found]
    assert texts[0] == "Loud(password='<redacted>', n=4)"
    assert texts[1].startswith(f"<{M}.Slow at 0x")
    assert texts[2].startswith(f"<{M}.Slow at 0x")
    assert texts[3].startswith(f"<{M}.Broken at 0x")
    assert texts[5].startswith("éé")
    assert texts[5].endswith("…")
    assert len(texts[5]) < 1100
    assert texts[6:] == [
        "[Loud(password='<redacted>', n=4)]",
        "5",
        "Point(x=1, y=None)",
    ]
    # And not by default, nor in the recording after it.
    assert said(tmp_path / "u.marey", Loud()).startswith(f"<{M}.Loud at 0x")
    with pytest.raises(marey.UsageError, match="neither"):
        marey.record(path, repr="mine")


def test_redaction_is_an_option(tmp_path: Path) -> None:
    value = {"password": "shown", "Kunden-Nummer": "own"}
    for name, options, text in [
        ("a", {}, "{'password': <redacted>, 'Kunden-Nummer': 'own'}"),
        ("b", {"redact": False}, "{'password': 'shown', 'Kunden-Nummer': 'own'}"),
        ("c", {"redact_names": "kunden_nummer"},
         "{'password': <redacted>, 'Kunden-Nummer': <redacted>}"),
        ("d", {}, "{'password': <redacted>, 'Kunden-Nummer': 'own'}"),
    ]:  # fmt: skip
        path = tmp_path / f"{name}.marey"
        with marey.record(path, **options):  # type: ignore[arg-type]
            marey.log("v", value)
            marey.instant("i", password="shown")
        with marey.open(path) as trace:
            events = list(trace.events())
        assert [written(e.values[""]) for e in events if e.kind == "log"] == [text]
        shown = [e.values["password"] for e in events if e.kind == "instant"]
        assert shown == ["shown" if name == "b" else marey.Unrecorded(("redacted", ""))]


def test_options_reach_a_run(tmp_path: Path) -> None:
    program = tmp_path / "p.py"
    program.write_text(
        "import marey\n"
        "class A:\n"
        "    def __repr__(self): return 'mine'\n"
        "marey.log('a', A()); marey.instant('i', password='x', nick='y')\n"
    )
    path = tmp_path / "t.marey"
    done = harness.record(
        path, program, options=["--repr=user", "--no-redact", "--redact-name", "nick"]
    )
    assert done.returncode == 0, done.stderr
    with marey.open(path) as trace:
        log, point = (e for e in trace.events() if e.kind in ("log", "instant"))
    assert log.values[""] == marey.Unrecorded(("object", "mine"))
    assert point.values == {"password": "x", "nick": "y"}  # --no-redact: no name does
    done = harness.marey("run", "--repr=mine", program)
    assert done.returncode == 2
    assert done.stderr == "marey: --repr: 'mine' is neither safe nor user\n"


# ---- reading ----


def test_values_come_back_as_what_they_were(tmp_path: Path) -> None:
    path = tmp_path / "t.marey"
    given: list[Any] = [
        [1, [2, (3,)], {"a": {1, 2}, (4, None): frozenset({b"x"})}],
        [(), [], {}, set(), frozenset()],
        [10**40, -(2**70), 1.5 - 2j, "it's"],
    ]
    with marey.record(path, c_calls=False):
        for value in [*given, list(range(5000)), {"password": 1, "n": 2}]:
            marey.log("v", value)
    with marey.open(path) as trace:
        *same, long, secret = [log.value for log in trace.logs()]
    assert same == given
    assert [type(one) for one in same[1]] == [type(one) for one in given[1]]
    assert isinstance(long, marey.Unrecorded)
    assert long.text.endswith("more]")
    assert secret == {"password": marey.Unrecorded(("redacted", "")), "n": 2}


def test_nested_values_read_as_python_writes_them() -> None:
    path = harness.TESTS / "golden" / "nested_values.marey"
    with marey.open(path) as trace:
        (call,) = trace.calls()
        assert trace.check() == ([], 0)
    assert call.values is not None
    assert {name: written(value) for name, value in call.values.items()} == {
        "cut": "'abc'… (5000 characters)",
        "cut bytes": r"""b"\x00'"… (5000 bytes)""",
        "number": "12345",
        "complex": "(1.0-2.5j)",
        "list": "[1, 'it', [… 5 more]]",
        "tuple": "(1,)",
        "set": "set()",
        "frozenset": "frozenset({1})",
        "dict": "{'it': <redacted>, … 1 more}",
        "instance": "<app.Point at 0x7f00 x=1 … 1 more>",
        "array": "<app.Point shape=()>",
        "made": "app.Point(1, y='it', … 2 more)",
        "enum": "app.Point.RED",
        "seen": "[<cycle>]",
        "words": "[<redacted>, <not recorded>, <unbound>, <error>]",
        "deep": "[" * 32 + "None" + "]" * 32,
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"\x1a",  # a tag that is not known
        b"\x11\x01\x01" * 33 + b"\x01",  # too deep
        b"\x11\x01\x02\x01\x01",  # more are shown than there are
        b"\x11\x05\x05\x01",  # more than the bytes hold
        b"\x15\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" * 2,
        b"\x16\xff\x01\x00\x00\x00",  # a type that is not defined
        b"\x0d\x05\xff\x7fabc",  # a text that ends elsewhere
    ],
)
def test_damaged_values_are_found(tmp_path: Path, raw: bytes) -> None:
    builder = trace_builder.Builder()
    process = builder.process()
    lane = process.lane("MainThread", flags=trace_builder.MAIN)
    lane.instant("i", lane.blob({"v": tuple(raw)}))
    path = builder.write(tmp_path / "t.marey")
    with marey.open(path) as trace:
        assert trace.check()[1] > 0
        try:
            list(trace.events())  # whatever it says, it ends
        except marey.DamagedError:
            pass


def test_spans_and_ignore_are_context_managers_in_every_way(tmp_path: Path) -> None:
    def use() -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(marey.ignore)
            stack.enter_context(marey.span("unseen"))
        span = marey.span("by hand", a=1, b=2, c=3, d=4, e=5)
        assert span.__enter__() is span
        assert span.__exit__(None, None, None) is None
        span = marey.span("by type", n=1)
        type(span).__enter__(span)
        type(span).__exit__(span, None, None, None)
        with contextlib.suppress(KeyError), marey.span("raised"):
            raise KeyError
        with marey.span("twice"), marey.span("twice"):
            pass
        for wrong in ((1, 2), (1,), (1, 2, 3, 4)):
            with pytest.raises(TypeError):
                marey.span("x")(*wrong)  # type: ignore[arg-type, call-arg]

    use()
    kept = marey.span("from before")
    with marey.record(tmp_path / "run.marey", c_calls=False):
        use()
        with kept, kept:
            pass
    with marey.open(tmp_path / "run.marey") as trace:
        assert trace.check() == ([], 0)
        calls = {call.name: call for call in trace.calls()}
        names = [call.name for call in trace.calls()]
    assert "unseen" not in calls
    assert calls["by hand"].values == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    assert (calls["by type"].values, calls["by type"].ended) == ({"n": 1}, "returned")
    assert (calls["raised"].ended, calls["raised"].exception) == ("raised", "KeyError")
    assert names.count("twice") == names.count("from before") == 2
