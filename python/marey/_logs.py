"""What --log, --args and --returns say, as rules for the core.

    var:REGEX       assignments to variables
    attr:REGEX      assignments to attributes
    number:REGEX    variables, as counters
    entry:REGEX     functions, as they begin
    lines:FUNCTIONS each line of these, with the variables that changed
    exc  exc:all    exceptions (all: also those that only control the flow)
    print  logging  warnings  gc  audit:REGEX
    comments        what `# marey: …` comments in the code ask for

An `@PATTERN` behind it says in which functions: `var:total@app.*`. The regular
expression has to match the whole name; `.` alone matches every name. `re` is imported
only where a plain name does not do.
"""

from marey._errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from marey._options import Options

    Names = str | Callable[[str], object] | None
    Rule = tuple[str, Names, str | None]

_WITH_REGEX = ("var", "attr", "number", "audit", "entry")
_PLAIN = ("exc", "exc:all", "print", "logging", "warnings", "gc", "comments")
_EVERY_NAME = (".", ".*", ".+")


def rules(options: "Options") -> "list[Rule]":
    """Rules for the core; raises UsageError."""
    found: list[Rule] = [("args", None, _scope(text)) for text in options.args]
    found += [("returns", None, _scope(text)) for text in options.returns]
    return found + [parse(text) for text in options.log]


def check(texts: "Iterable[str]") -> None:
    """Raises UsageError for what is no rule."""
    for text in texts:
        parse(text)


def parse(text: str) -> "Rule":
    """One --log; raises UsageError."""
    what, at, scope = text.partition("@")
    kind, colon, names = what.partition(":")
    if at and not scope:
        raise UsageError(f"log: {text!r}: no function behind the @")
    if what in _PLAIN:
        if what == "gc" and at:
            raise UsageError("log: gc happens in no function of its own")
        return what, None, _scope(scope)
    if kind == "lines":
        if at or not names:
            raise UsageError(f"log: {text!r} is to name functions: lines:app.geo:area")
        return kind, None, _scope(names)
    if kind == "audit" and not colon:
        names = ".*"
    elif kind not in _WITH_REGEX or not names:
        raise UsageError(
            f"log: {text!r} is none of var:REGEX, attr:REGEX, number:REGEX, exc, "
            "exc:all, print, logging, warnings, gc, comments, audit:REGEX, entry:REGEX "
            "(each may have @FUNCTIONS behind it), lines:FUNCTIONS"
        )
    return kind, _names(text, names), _scope(scope)


def _scope(pattern: str) -> str | None:
    return pattern if pattern not in ("", "*") else None


def _names(text: str, regex: str) -> "Names":
    if regex in _EVERY_NAME:
        return None
    if regex.isidentifier():
        return regex
    import re

    try:
        return re.compile(regex).fullmatch
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"log: {text!r}: {error}") from None
