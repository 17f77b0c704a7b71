"""`import marey`: what is public, and that it costs next to nothing."""

import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import marey
import pytest


def test_the_public_names_are_these() -> None:
    assert marey.__all__ == [
        "Call",
        "DamagedError",
        "Event",
        "Function",
        "Handler",
        "Info",
        "Lane",
        "Log",
        "MareyError",
        "NotATraceError",
        "NotFoundError",
        "Process",
        "Recording",
        "RecordingError",
        "StorageError",
        "Total",
        "Totals",
        "Trace",
        "TraceError",
        "Unrecorded",
        "UsageError",
        "VersionError",
        "annotate",
        "counter",
        "fmt",
        "formatter",
        "ignore",
        "install",
        "instant",
        "log",
        "merge",
        "open",
        "pack",
        "readable",
        "record",
        "show",
        "snapshot",
        "span",
        "to_json",
        "transaction",
        "uninstall",
        "watch",
    ]
    assert set(marey.__all__) <= set(dir(marey))
    for name in marey.__all__:
        assert getattr(marey, name) is not None
        assert name in vars(marey)  # fetched once


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        marey.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_no_module_hides_a_name() -> None:
    """An import of marey.x, by whoever, sets the attribute x of the package."""
    modules = {module.name for module in pkgutil.iter_modules(marey.__path__)}
    assert not modules & set(marey.__all__)


def test_importing_marey_loads_no_c_and_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import marey; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    # On 3.15 marey.start has imported the package at start-up already.
    assert set(done.stdout.split()) <= {"marey", "marey._errors"}


def test_everything_public_has_a_doc_and_a_home() -> None:
    for name in marey.__all__:
        thing = getattr(marey, name)
        assert inspect.getdoc(thing), name
        if isinstance(thing, type):
            assert thing.__module__.startswith("marey"), name


def test_the_errors_are_one_tree() -> None:
    tree = {
        marey.UsageError: (marey.MareyError, ValueError),
        marey.RecordingError: (marey.MareyError, RuntimeError),
        marey.TraceError: (marey.MareyError,),
        marey.NotATraceError: (marey.TraceError,),
        marey.DamagedError: (marey.TraceError,),
        marey.VersionError: (marey.TraceError,),
        marey.StorageError: (marey.MareyError, OSError),
        marey.NotFoundError: (marey.StorageError, FileNotFoundError),
    }
    for error, parents in tree.items():
        assert issubclass(error, parents[0])
        assert all(issubclass(error, parent) for parent in parents)
        assert error.__module__ == "marey"
        assert str(error("one line")) == "one line"


def test_the_package_is_typed() -> None:
    folder = Path(marey.__file__).parent
    assert (folder / "py.typed").exists()
    assert (folder / "_core.pyi").exists()


def test_marks_cost_nothing_to_speak_of_when_nothing_records() -> None:
    marey.instant("point", key=1)
    marey.counter("queue", 3)
    marey.counter("queue", size=3)
    with marey.span("load", path="x"):
        pass

    @marey.span("decorated")
    def double(value: int) -> int:
        return value * 2

    assert double(2) == 4
