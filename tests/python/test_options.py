"""Options: one text carries them to a child; what a person types is read exactly."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marey._errors import MareyError, UsageError
from marey._options import Options, parse_count, parse_duration, parse_size

patterns = st.lists(
    st.text(
        st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"),
        min_size=1,
    ),
    max_size=4,
)
counts = st.integers(0, 2**63 - 1)


@given(
    path=st.text(st.characters(blacklist_characters="\0"), min_size=1),
    include=patterns,
    exclude=patterns,
    max_depth=counts,
    min_duration_ns=counts,
    ring=counts,
    flags=st.tuples(*[st.booleans()] * 5),
)
def test_a_child_gets_what_the_parent_had(
    path: str,
    include: list[str],
    exclude: list[str],
    max_depth: int,
    min_duration_ns: int,
    ring: int,
    flags: tuple[bool, bool, bool, bool, bool],
) -> None:
    options = Options(
        path,
        include=include,
        exclude=exclude,
        max_depth=max_depth,
        min_duration_ns=min_duration_ns,
        ring=ring,
        **dict(
            zip(["c_calls", "exact", "children", "quiet", "main"], flags, strict=True)
        ),
    )
    text = options.encode()
    assert "\n" not in text
    assert Options.decode(text) == options
    assert hash(Options.decode(text)) == hash(options)


def test_what_is_not_said_is_not_sent() -> None:
    assert Options("/tmp/a.marey").encode() == "v=1;path=/tmp/a.marey"


@pytest.mark.parametrize("part", [1e-07, 0.07, 0.1, 10.0])
def test_a_child_has_the_parent_s_budget(part: float) -> None:
    options = Options("a.marey", max_overhead=part)
    assert Options.decode(options.encode()) == options


def test_separators_in_values_do_not_separate() -> None:
    options = Options("/a;b=c%3B\n", include=["x;exact=1"])
    assert options.encode() == "v=1;path=/a%3Bb=c%253B%0A;include=x%3Bexact=1"


def test_keys_of_a_later_marey_are_passed_over() -> None:
    assert Options.decode("v=1;path=/a;colour=red") == Options("/a")


@pytest.mark.parametrize(
    "text",
    ["", "path=/a", "v=2;path=/a", "v=1", "v=1;path=", "v=1;path=/a;ring=many", "yes"],
)
def test_a_value_from_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="MAREY_TRACE"):
        Options.decode(text)


def test_options_never_change() -> None:
    options = Options("/a")
    with pytest.raises(AttributeError):
        options.path = "/b"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del options.path
    assert options.replace(path="/b", exact=True) == Options("/b", exact=True)
    assert options == Options("/a")
    assert repr(options.replace(exact=True)) == "Options(exact=True, path='/a')"


def test_wrong_values_are_usage_errors() -> None:
    for wrong in (
        {"include": [""]},
        {"exclude": [3]},
        {"include": ["a\0b"]},
        {"max_depth": -1},
        {"ring": 2**63},
        {"min_duration_ns": 1.5},
        {"max_depth": True},
    ):
        with pytest.raises(UsageError):
            Options("/a", **wrong)  # type: ignore[arg-type]
    assert issubclass(UsageError, MareyError)
    assert issubclass(UsageError, ValueError)


def test_one_pattern_may_stand_alone() -> None:
    assert Options("/a", include="app.*").include == ("app.*",)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("0.0", 0),
        ("500ns", 500),
        ("10us", 10_000),
        ("10 us", 10_000),
        ("10µs", 10_000),
        ("1.5ms", 1_500_000),
        (".5ms", 500_000),
        ("2s", 2_000_000_000),
        ("0.1us", 100),
        ("1.000000001s", 1_000_000_001),
        ("2m", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        ("9007199254740993ns", 9007199254740993),
        ("0.9ns", 0),
    ],
)
def test_durations_are_exact(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize(
    "text", ["", "10", "us", "x", "1.2.3s", ".", "-1s", "1e3s", "1d", "99999999999s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="500ns, 10us"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("4096b", 4096),
        ("64K", 65536),
        ("64k", 65536),
        ("200M", 200 << 20),
        ("200MB", 200 << 20),
        ("200MiB", 200 << 20),
        ("1.5G", 3 << 29),
        ("1T", 1 << 40),
    ],
)
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "K", "200X", "-1", "1e9", "2 megabytes", "9e9T"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="200M"):
        parse_size(text)


def test_counts_are_plain_digits() -> None:
    assert parse_count("12") == 12
    for text in ("", "-1", "1.5", "x", "٣", "9" * 30):
        with pytest.raises(UsageError):
            parse_count(text)


def test_importing_the_options_loads_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import marey._options; "
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(loaded) <= {"marey", "marey._errors", "marey._options"}
