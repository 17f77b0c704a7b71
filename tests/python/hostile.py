"""Objects that do harm wherever their code runs: recordings must never run it."""

import sys
import time
from collections.abc import Iterator

ran: list[str] = []


def _harm(what: str) -> None:
    ran.append(what)
    print("HARM", what)
    sys.stderr.write(f"HARM {what}\n")
    time.sleep(1)
    raise RuntimeError(f"{what} ran")


class Meta(type):
    """Even the class of the class."""

    armed = False

    def __repr__(cls) -> str:
        _harm("type repr")
        return ""

    def __getattribute__(cls, name: str) -> object:
        if type.__getattribute__(Meta, "armed"):
            _harm(f"type getattribute {name}")
        return type.__getattribute__(cls, name)

    def __eq__(cls, other: object) -> bool:
        _harm("type eq")
        return False

    def __hash__(cls) -> int:
        return 7


class Hostile(metaclass=Meta):
    """Every method that a formatter might call does harm."""

    __slots__ = ("__dict__", "slot")

    def __init__(self) -> None:
        object.__setattr__(self, "inside", 41)
        object.__setattr__(self, "slot", "kept")

    def __getattribute__(self, name: str) -> object:
        _harm(f"getattribute {name}")
        return None

    def __getattr__(self, name: str) -> object:
        _harm(f"getattr {name}")
        return None

    def __setattr__(self, name: str, value: object) -> None:
        _harm("setattr")

    def __eq__(self, other: object) -> bool:
        _harm("eq")
        return False

    def __hash__(self) -> int:
        return 7

    def __len__(self) -> int:
        _harm("len")
        return 1

    def __bool__(self) -> bool:
        _harm("bool")
        return True

    def __iter__(self) -> Iterator[int]:
        _harm("iter")
        return iter(())

    def __getitem__(self, key: object) -> object:
        _harm("getitem")
        return None

    def __repr__(self) -> str:
        _harm("repr")
        return ""

    def __str__(self) -> str:
        _harm("str")
        return ""

    def __format__(self, form: str) -> str:
        _harm("format")
        return ""

    def __index__(self) -> int:
        _harm("index")
        return 1

    def __float__(self) -> float:
        _harm("float")
        return 1.0

    def __del__(self) -> None:
        pass

    @property
    def __class__(self) -> type:  # type: ignore[override]
        _harm("class")
        return int

    @property
    def shape(self) -> tuple[int, ...]:
        _harm("shape")
        return ()

    @property
    def dtype(self) -> str:
        _harm("dtype")
        return ""

    @property
    def _fields(self) -> tuple[str, ...]:
        _harm("fields")
        return ()


def _everything(base: type) -> type:
    names = [
        "__repr__",
        "__str__",
        "__len__",
        "__iter__",
        "__eq__",
        "__getitem__",
        "__contains__",
        "__bool__",
        "__format__",
        "__index__",
        "__int__",
        "__float__",
        "__getattr__",
        "items",
        "keys",
        "values",
        "encode",
        "__add__",
        "__lt__",
        "__reduce__",
        "__sizeof__",
        "__dir__",
    ]

    def method(name: str) -> object:
        def harm(*_: object, **__: object) -> None:
            _harm(f"{base.__name__}.{name}")

        return harm

    members: dict[str, object] = {name: method(name) for name in names}
    members["__hash__"] = object.__hash__
    return type(f"My{base.__name__}", (base,), members)


LIST, DICT, STR, INT, FLOAT, BYTES, TUPLE, SET = map(
    _everything, (list, dict, str, int, float, bytes, tuple, set)
)
ERROR = _everything(ValueError)


class Key:
    """A key that collides with the text "password" and compares with harm."""

    def __hash__(self) -> int:
        return hash("password")

    def __eq__(self, other: object) -> bool:
        if armed:
            _harm("key eq")
        return self is other


armed = False


def objects() -> dict[str, object]:
    """One of each; their classes are armed from now on."""
    global armed
    one = Hostile()
    instance = LIST((1, one))
    listed: dict[str, object] = {
        "plain": one,
        "list": instance,
        "dict": DICT({"a": one}),
        "str": STR("text"),
        "int": INT(5),
        "float": FLOAT(1.5),
        "bytes": BYTES(b"raw"),
        "tuple": TUPLE((1, 2)),
        "set": SET((1, 2)),
        "error": ERROR("message"),
        "nested": [{"k": (one, {3: one})}],
        "keys": {Key(): 1, "password": "hunter2", "other": 2},
        "cls": Hostile,
    }
    Meta.armed = armed = True
    return listed


def disarm() -> None:
    global armed
    type.__setattr__(Meta, "armed", False)
    armed = False
