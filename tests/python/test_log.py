"""What is logged without a change of the code: --args, --returns, --log."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import harness
import marey
import pytest
from trees import VERSION

HAS_EVENTS = VERSION >= (3, 12)


def logged(
    tmp_path: Path, program: str | Path, *options: str, words: Sequence[str] = ()
) -> list[Any]:
    """Events of a program, which runs as it does without Marey."""
    if isinstance(program, str):
        path = tmp_path / "program.py"
        path.write_text(program)
    else:
        path = program
    bare = harness.run([sys.executable, path, *words])
    trace = tmp_path / "run.marey"
    done = harness.record(trace, path, *words, options=options)
    assert (done.stdout, done.stderr) == (bare.stdout, bare.stderr)
    assert done.returncode == bare.returncode
    with marey.open(trace) as opened:
        assert opened.check() == ([], 0)
        return list(opened.events())


def values(events: list[Any], log: str = "value") -> list[tuple[str, str]]:
    """Names and values, as they are shown."""
    return [(e.text, shown(e.values.get(""))) for e in events if e.log == log]


def shown(value: Any) -> str:
    if isinstance(value, marey.Unrecorded):
        return value.text or value.kind
    return str(value)


# ---- arguments and what is returned ----

CALLS = """
def f(a, b=2, *rest, k=3, **kw):
    return (a, b)
def cell(n):
    return (lambda: n)() + 1
def gen(n):
    yield n
    return "end"
def boom(x):
    raise ValueError(x)
class C:
    def __init__(self, password):
        self.password = password
        self.api_key = password
f(1); f(1, 20, 30, k=4, z=5); cell(6); list(gen(7))
try:
    boom(8)
except ValueError:
    pass
C("hunter2")
f({"Authorization": "hunter2", "plain": 1})
"""


def test_arguments_and_returned_values_stand_with_their_calls(tmp_path: Path) -> None:
    path = tmp_path / "calls.py"
    path.write_text(CALLS)
    trace = tmp_path / "run.marey"
    harness.record(trace, path, options=["--args", "--returns"])
    with marey.open(trace) as opened:
        assert opened.check() == ([], 0)
        calls = list(opened.calls())
    by_name: dict[str, list[Any]] = {}
    for call in calls:
        by_name.setdefault(call.name, []).append(call)
    assert "run" not in by_name  # what measures the cost of events
    f = by_name["f"]
    told = [{k: shown(v) for k, v in call.values.items()} for call in f]
    assert told[0] == {"a": "1", "b": "2", "k": "3", "rest": "()", "kw": "{}"}
    assert told[1]["rest"] == "(30,)"
    assert told[1]["kw"] == "{'z': 5}"
    assert shown(f[1].result) == "(1, 20)"
    assert (by_name["cell"][0].values, by_name["cell"][0].result) == ({"n": 6}, 7)
    assert by_name["gen"][0].result == "end"
    assert (by_name["boom"][0].values, by_name["boom"][0].result) == ({"x": 8}, None)
    assert b"hunter2" not in trace.read_bytes()
    assert "'plain': 1" in told[2]["a"]


def test_arguments_of_functions_that_match_alone(tmp_path: Path) -> None:
    path = tmp_path / "calls.py"
    path.write_text(CALLS)
    trace = tmp_path / "run.marey"
    harness.record(trace, path, options=["--args=*:f", "--returns=*:cell"])
    with marey.open(trace) as opened:
        calls = list(opened.calls())
    assert {c.name for c in calls if c.values} == {"f"}
    assert {c.name for c in calls if c.result is not None} == {"cell"}


def test_short_calls_are_left_out_with_their_arguments(tmp_path: Path) -> None:
    path = tmp_path / "calls.py"
    path.write_text(
        "import time\n"
        "def short(a): return a\n"
        "def long(b): short(b); time.sleep(0.06); return b + 1\n"
        "for i in range(50): short(i)\n"
        "long(2)\n"
    )
    trace = tmp_path / "run.marey"
    options = ["--args", "--returns", "--min-duration", "40ms"]
    harness.record(trace, path, options=options)
    with marey.open(trace) as opened:
        assert opened.check() == ([], 0)
        calls = {c.name: c for c in opened.calls()}
    assert "short" not in calls
    assert (calls["long"].values, calls["long"].result) == ({"b": 2}, 3)


# ---- assignments ----

FORMS = harness.PROGRAMS / "logged" / "assignments.py"
IN_FORMS = """
<module os>|1|2|3|4|6|[7, 8]|9|10|11|12|ValueError(13)|14|None|15|16|(17,)|{'v': 18}|19
20|21|22|23|24|25|26|27|28|29|30|31|32|{'b': 33}|35|36|<contextlib.AsyncExitStack|37|38
39|<module math>|3.141592653589793|<function __main__.fdef.<locals>.x>
<class __main__.fdef.<locals>.x>|40|0|1|2|3|42|43|ExceptionGroup('g', [ValueError(44)])
ZeroDivisionError('division by zero')|45|46|47|None|49|48|50|51
"""


def test_each_assignment_is_logged_once_in_order_with_its_value(
    tmp_path: Path,
) -> None:
    events = logged(tmp_path, FORMS, "--include", "__main__", "--log", "var:x")
    shown = [text for name, text in values(events)]
    want = [text for line in IN_FORMS.split("\n") for text in line.split("|") if text]
    # What an object is shown with is a matter of the formatter.
    cut = [got[: len(one)] for got, one in zip(shown, want, strict=True)]
    assert cut == want
    assert {name for name, _ in values(events)} == {"x"}


@pytest.mark.skipif(not HAS_EVENTS, reason="asks sys.monitoring")
def test_where_nothing_matches_nothing_is_watched(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "def plain(n):\n    total_of = n\n    return total_of\n"
        "def wanted(n):\n    total = n\n    return total\n"
        "plain(1); wanted(2)\n"
        "for tool in range(6):\n"
        "    if sys.monitoring.get_tool(tool):\n"
        "        got = sys.monitoring.get_local_events(tool, plain.__code__)\n"
        "        assert got == 0, got\n"
        "        got = sys.monitoring.get_local_events(tool, wanted.__code__)\n"
        "        assert got != 0, got\n"
    )
    path = tmp_path / "program.py"
    path.write_text(program)
    trace = tmp_path / "run.marey"
    done = harness.record(trace, path, options=["--log", "var:total"])
    assert (done.returncode, done.stderr) == (0, "")
    with marey.open(trace) as opened:
        assert values(list(opened.events())) == [("total", "2")]


def test_names_scopes_attributes_and_counters(tmp_path: Path) -> None:
    program = """
class Box:
    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)
boxes = [Box()]
def first(password):
    state = 1
    boxes[0].state = state + 1
    boxes[0].api_key = password
    return state
def second():
    state = 3
    size = 4; size = 5.5; size = "six"; size = 10 ** 400; size = True
    return state
first("hunter2"); second()
"""
    chosen = ["attr:.*@__main__*", "var:sta.*@*:first", "var:password", "number:size"]
    options = [word for one in chosen for word in ("--log", one)]
    events = logged(tmp_path, program, *options)
    assert values(events) == [("password", "redacted"), ("state", "1")]
    assert values(events, "attribute") == [("state", "2"), ("api_key", "redacted")]
    attribute = next(e for e in events if e.log == "attribute")
    assert attribute.values["of"] == "Box"
    counters = [e.value for e in events if e.kind == "counter"]
    assert counters == [4.0, 5.5, 1.0]
    assert b"hunter2" not in (tmp_path / "run.marey").read_bytes()


def test_wide_functions_and_other_processes(tmp_path: Path) -> None:
    """Arguments of more than a byte; a child gets the same options."""
    names = "; ".join(f"v{i} = {i}" for i in range(400))
    program = (
        f"def wide():\n    {names}\n    x = 1\n    return v399\nwide()\n"
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'x = 2'])\n"
    )
    chosen = ["--log", "var:x@__main__*", "--log", "var:v3[09]9"]
    events = logged(tmp_path, program, *chosen)
    assert values(events) == [("v309", "309"), ("v399", "399"), ("x", "1"), ("x", "2")]


def test_a_second_recording_has_rules_of_its_own(tmp_path: Path) -> None:
    def work(n: int) -> int:
        first = n
        second = first + 1
        return first + second

    def record(number: int, *log: str) -> list[Any]:
        trace = tmp_path / f"{number}.marey"
        with marey.record(trace, log=log):
            work(1)
        with marey.open(trace) as opened:
            return values(list(opened.events()))

    assert record(1, "var:first@*work") == [("first", "1")]
    assert record(2) == []
    assert record(3, "var:second@*work") == [("second", "2")]
    assert record(4, "var:n@*work") == [("n", "1")]
    assert record(5) == []


WRONG = ["nothing", "var:", "var:(", "gc@app", "exc@", "lines", "lines:f@g"]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_rule_that_is_none_is_refused_in_one_line(wrong: str, tmp_path: Path) -> None:
    done = harness.marey("run", "--log", wrong, "-c", "pass", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    with pytest.raises(marey.UsageError):
        marey.record(tmp_path / "x.marey", log=wrong)


# ---- lines ----

LINES = harness.PROGRAMS / "logged" / "lines.py"


def changes(events: list[Any], name: str) -> list[str]:
    """Of one function: `total += line [items=[0]]`, what changed before each line."""
    source = ["", *LINES.read_text().splitlines()]
    told = []
    for event in events:
        if event.log != "line" or event.text != name:
            continue
        values = dict(event.values)
        line = values.pop("", None)
        text = "end" if line is None else source[line].strip()
        changed = ", ".join(f"{k}={shown(v)}" for k, v in values.items())
        told.append(f"{text} [{changed}]")
    return told


def test_lines_of_chosen_functions_show_the_variables_that_changed(
    tmp_path: Path,
) -> None:
    scopes = [f"__main__:{n}" for n in ("plain", "numbers", "boom", "outer*", "again")]
    options = [word for scope in scopes for word in ("--log", f"lines:{scope}")]
    events = logged(tmp_path, LINES, *options)
    plain = changes(events, "plain")
    assert plain[:10] == [
        "total = 0 [a=1, password=redacted]",
        "items = [] [total=0]",
        "for line in range(2): [items=[]]",
        "total += line [line=0]",
        "items.append(line) []",
        "for line in range(2): [items=[0]]",
        "total += line [line=1]",
        "items.append(line) [total=1]",
        "for line in range(2): [items=[0, 1]]",
        "del line []",
    ]
    assert plain[10] == "sly = Sly() [line=unbound]"
    assert plain[11].startswith("sly.n = 7 [sly=<__main__.Sly at ")
    assert plain[12].startswith("last = 9 [sly=<__main__.Sly at ")
    assert "n=7" in plain[12]
    assert plain[13:] == ["end [last=9]"]
    assert changes(events, "numbers") == [
        "k = 0 [n=2]",
        "while k < n: [k=0]",
        "got = yield k []",
        "k += 1 [got=None]",
        "while k < n: [k=1]",
        "got = yield k []",
        "k += 1 []",
        "while k < n: [k=2]",
        "k = 0 [n=3]",
        "while k < n: [k=0]",
        "got = yield k []",
    ]
    assert changes(events, "boom") == ["y = z [z=4]", "raise ValueError(y) [y=4]"]
    assert changes(events, "outer")[-1] == "return c [c=2]"
    assert changes(events, "again") == [
        "m = n * 2 [n=1]",
        "if n: [m=2]",
        "again(n - 1) []",
        "m = n * 2 [n=0]",
        "if n: [m=0]",
        "m += 1 []",
        "end [m=1]",
        "m += 1 []",
        "end [m=3]",
    ]
    assert changes(events, "others") == []
    trace = tmp_path / "run.marey"
    assert b"hunter2" not in trace.read_bytes()
    with marey.open(trace) as opened:
        lines = list(opened.logs(kind="line", name="boom"))
    source = LINES.read_text().splitlines()
    assert [source[log.line - 1].strip() for log in lines] == [
        "y = z",
        "raise ValueError(y)",
    ]
    said = harness.marey("show", "--log", trace).stdout
    (line,) = [one for one in said.splitlines() if "total=1" in one]
    assert line.split(maxsplit=1)[1] == "line      plain: total=1  // line 17"


def test_lines_of_modules_and_classes(tmp_path: Path) -> None:
    program = "a = 1\nclass K:\n    b = a + 1\n    c = 3\ndel a\n"
    events = logged(tmp_path, program, "--log", "lines:__main__")
    told = [
        (e.text, {k: shown(v) for k, v in e.values.items()})
        for e in events
        if e.log == "line"
    ]
    assert told == [
        ("<module>", {"": "1"}),
        ("<module>", {"": "2", "a": "1"}),
        ("K", {"": "2"}),
        ("K", {"": "3"}),
        ("K", {"": "4", "b": "2"}),
        ("K", {"c": "3"}),
        ("<module>", {"": "5", "K": "<class __main__.K>"}),
        ("<module>", {"a": "unbound"}),
    ]


# ---- marey.watch() ----

WATCHED = """
self.state=idle self.state=a self.state=b x=0 x=2 x=4 y=1 y=11 c=1 c=2 c=10
total=5 total=6 total=8 q=error box.n=1 password=redacted nothing.at.all=error
"""


def test_what_is_watched_is_logged_when_it_changes(tmp_path: Path) -> None:
    events = logged(tmp_path, harness.PROGRAMS / "logged" / "watched.py")
    told = [
        f"{e.text}={shown(e.values.get(''))}"
        for e in events
        if e.log in ("value", "attribute")
    ]
    assert told == WATCHED.split()
    (failed,) = [e for e in events if e.text == "q"]
    assert "AttributeError" in shown(failed.values["when"])
    assert b"hunter2" not in (tmp_path / "run.marey").read_bytes()


@pytest.mark.skipif(not HAS_EVENTS, reason="asks sys.monitoring")
def test_code_without_a_watched_name_is_not_looked_at(tmp_path: Path) -> None:
    def plain(n: int) -> int:
        total = n
        return n + total

    def other(n: int) -> int:
        amount = n
        return n + amount

    def events_of(function: Any) -> list[int]:
        tools = [tool for tool in range(6) if sys.monitoring.get_tool(tool) == "marey"]
        return [sys.monitoring.get_local_events(t, function.__code__) for t in tools]

    amount = 0
    with marey.record(tmp_path / "run.marey"):
        plain(1)
        other(1)
        with marey.watch("amount"):
            assert (events_of(plain), events_of(other)) == ([0], [0])
            amount += 1
    with marey.open(tmp_path / "run.marey") as trace:
        assert values(list(trace.events())) == [("amount", "0"), ("amount", "1")]


def test_a_watch_of_nonsense_is_refused_and_one_of_nothing_is_silent() -> None:
    for wrong in ("", "a.", "1a", "a b", "a..b"):
        with pytest.raises(ValueError, match="watch"):
            marey.watch(wrong)
    with pytest.raises(TypeError):
        marey.watch(1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        marey.watch("x", when=3)  # type: ignore[arg-type]
    with marey.watch("nobody.records") as watch:
        watch.stop()


# ---- exceptions ----

RAISES = """
import contextlib, sys
def boom(n):
    raise ValueError(n)
def pass_on(n):
    try:
        boom(n)
    except KeyError:
        print("never")
    finally:
        pass
def chain():
    try:
        {}["k"]
    except KeyError as error:
        raise RuntimeError("chained") from error
class Lazy:
    def __getattr__(self, name):
        raise AttributeError(name)
def generator():
    yield 1
    raise LookupError("from a generator")
try:
    pass_on(1)
except ValueError as error:
    kept = error
try:
    int("nope")
except:
    pass
with contextlib.suppress(OSError):
    open("/no/such/file")
try:
    chain()
except (TypeError, RuntimeError):
    pass
hasattr(Lazy(), "x")
try:
    for one in generator():
        pass
except LookupError:
    try:
        raise
    except LookupError:
        pass
try:
    raise kept
except ValueError:
    pass
list(iter([1])); next(iter([]), None); g = generator(); next(g); g.close()
try:
    next(iter([]))
except StopIteration:
    pass
try:
    raise ExceptionGroup("group", [OSError(1), TypeError(2)])
except* OSError:
    pass
except* TypeError:
    pass
sys.exit(3)
"""
IN_RAISES = """
raised ValueError ValueError(1)|handled ValueError|raised ValueError ValueError(
handled ValueError|raised FileNotFoundError FileNot|swallowed FileNotFoundError
raised KeyError KeyError('k')|handled KeyError|raised RuntimeError RuntimeError('
handled RuntimeError|raised AttributeError AttributeError('x')|swallowed AttributeError
raised LookupError LookupError(|handled LookupError|handled LookupError
handled ValueError
raised ExceptionGroup ExceptionGroup(|handled ExceptionGroup|handled ExceptionGroup
raised SystemExit SystemExit(3)
"""


def test_each_exception_is_told_once_where_raised_and_where_it_ends(
    tmp_path: Path,
) -> None:
    events = logged(tmp_path, RAISES, "--include", "__main__", "--log", "exc")
    told = [
        f"{e.log} {e.text} {shown(e.values[''])}"
        if "" in e.values
        else f"{e.log} {e.text}"
        for e in events
        if e.log in ("raised", "handled", "swallowed")
    ]
    want = [part for line in IN_RAISES.split("\n") for part in line.split("|") if part]
    cut = [got[: len(one)] for got, one in zip(told, want, strict=True)]
    assert cut == want
    raised = {e.text: e.values for e in events if e.log == "raised"}
    assert raised["FileNotFoundError"]["by"] == "open"
    assert raised["RuntimeError"]["chain"] == raised["KeyError"]["id"]
    assert shown(raised["RuntimeError"]["cause"]) == "KeyError('k')"
    assert raised["ValueError"]["line"] > 0
    swallowed = [e.values["by"] for e in events if e.log == "swallowed"]
    assert swallowed == ["with", "hasattr"]


def test_exceptions_that_control_the_flow_when_asked(tmp_path: Path) -> None:
    program = (
        "def stop():\n    raise StopIteration(1)\n"
        "try:\n    stop()\nexcept StopIteration:\n    pass\n"
    )
    assert [e for e in logged(tmp_path, program, "--log", "exc") if e.log] == []
    (tmp_path / "run.marey").unlink()
    events = logged(tmp_path, program, "--log", "exc:all@__main__*")
    assert [(e.log, e.text) for e in events if e.log] == [
        ("raised", "StopIteration"),
        ("handled", "StopIteration"),
    ]


def test_what_imports_ask_by_exceptions_is_told_when_asked(tmp_path: Path) -> None:
    program = "import this_is_here\n"
    (tmp_path / "this_is_here.py").write_text("try: 1 / 0\nexcept ArithmeticError: 0\n")
    told = [e.text for e in logged(tmp_path, program, "--log", "exc") if e.log]
    assert told == ["ZeroDivisionError", "ZeroDivisionError"]
    (tmp_path / "run.marey").unlink()
    every = [e.text for e in logged(tmp_path, program, "--log", "exc:all") if e.log]
    assert len(every) > len(told)


# ---- what the program says, and what happens around it ----

SAYS = """
import gc, logging, sys, warnings
logging.basicConfig(format="%(message)s")
stdout, had = sys.stdout, logging.getLogger("app").hasHandlers()
class Noisy:
    def __str__(self):
        print("str")
        return "noisy"
    __repr__ = __str__
print("one", 2, sep="-")
print(*["many", "words"])
print("password:", "hunter2", "token=hunter2")
logging.getLogger("app.db").warning("row %d password=%s", 4, "hunter2")
logging.info("not shown")
warnings.warn("old", DeprecationWarning, stacklevel=1)
warnings.warn("secret=hunter2")
gc.collect()
open(__file__).close()
sys.audit("my.event", 5)
print(Noisy())
assert sys.stdout is stdout and type(print).__name__ == "builtin_function_or_method"
"""


def test_what_a_program_says_is_told_and_said(tmp_path: Path) -> None:
    kinds = ["logging", "warnings", "gc", r"audit:my\..*|open"]
    kinds += ["print"]
    options = [word for kind in kinds for word in ("--log", kind)]
    events = logged(tmp_path, SAYS, *options, words=())
    told: dict[str, list[Any]] = {}
    for event in events:
        if event.log:
            told.setdefault(event.log, []).append(event)
    assert [(e.text, e.values["level"]) for e in told["log"]] == [("app.db", "WARNING")]
    assert "row %d password=" in told["log"][0].values[""]
    warned = [e.text for e in told["warning"]]
    assert warned == ["DeprecationWarning", "UserWarning"]
    assert {e.values["phase"] for e in told["gc"]} == {"start", "stop"}
    audits = [e for e in told["audit"] if e.text == "my.event"]
    assert [e.values[""] for e in audits] == [5]
    assert any(e.text == "open" for e in told["audit"])
    assert b"hunter2" not in (tmp_path / "run.marey").read_bytes()
    shown_log = harness.marey("show", "--log", tmp_path / "run.marey").stdout
    for name in ("app.db: ", "UserWarning: "):
        (line,) = [one for one in shown_log.splitlines() if name in one]
        where, _, number = line.rpartition(":")
        assert (where.endswith("  // program.py"), number.isdigit()) == (True, True)
    assert len(told["print"]) == 5  # Noisy's own one, too
    assert "one, 2" in shown_log
    spread = told["print"][1].values
    assert [v for k, v in spread.items() if k != "line"] == ["many", "words"]


def test_entries_of_functions_with_their_arguments(tmp_path: Path) -> None:
    program = "def f(a): return g(a)\ndef g(b): return b\nf(1)\n"
    events = logged(tmp_path, program, "--log", "entry:g|nope")
    entries = [(e.text, e.values["b"]) for e in events if e.log == "entry"]
    assert entries == [("g", 1)]


# ---- a trace function of the program's own ----

TRACES = """
import sys
seen = []
def tracer(frame, event, arg):
    seen.append((event, frame.f_code.co_name, frame.f_lineno))
    return tracer
def inner():
    x = 5
    return x
def work():
    x = 1
    assert sys.gettrace() is None
    sys.settrace(tracer)
    sys._getframe().f_trace = tracer
    x = 2
    x = inner()
    sys.settrace(None)
    x = 3
def numbers():
    x = 1
    yield sys._getframe()
work()
frame = next(numbers())
print(frame.f_trace_lines, frame.f_trace_opcodes, seen)
"""


def test_a_trace_function_of_the_program_gets_what_it_would(tmp_path: Path) -> None:
    rules = ["var:x", "exc", "lines:__main__:work"]
    options = [word for rule in rules for word in ("--log", rule)]
    events = logged(tmp_path, TRACES, *options)
    told = [text for _, text in values(events)]
    notes = [e.values[""] for e in events if e.log == "log"]
    if HAS_EVENTS:
        assert (told[-4:], notes) == (["5", "5", "3", "1"], [])
    else:
        assert told == ["1", "3", "1"]
        (note,) = notes
        assert "sys.settrace() was called" in note


# ---- nothing changes ----

HOSTILE = """
import sys, time
class Hostile:
    count = 0
    def _touched(self, *a, **k):
        Hostile.count += 1
        print("touched")
        raise SystemError
    __repr__ = __str__ = __len__ = __eq__ = __hash__ = __bool__ = __iter__ = _touched
    __getitem__ = __index__ = __format__ = _touched
    def __getattribute__(self, name):
        print("asked for", name)
        time.sleep(10)
    @property
    def value(self):
        raise SystemExit(9)
class Meta(type):
    def __getattr__(cls, name):
        print("meta", name)
        raise RuntimeError
class Odd(metaclass=Meta):
    pass
def take(x, y):
    z = x
    return y
evaluated = []
def once(v):
    evaluated.append(v)
    return v
deep = []
for n in range(10000):
    deep = [deep]
cycle = {}
cycle["me"] = cycle
box = type("Box", (), {})()
for v in (Hostile(), Odd, Odd(), deep, cycle, "\\ud800", [0] * 10**6, 10**5000, object):
    w = take(v, Hostile())
    box.attr = once(v)
print(Hostile.count, len(evaluated))
while deep:
    deep = deep.pop()
"""


def test_compiled_files_and_evaluations_are_what_they_were(tmp_path: Path) -> None:
    (tmp_path / "counted.py").write_text(
        "count = 0\n"
        "def one(n):\n"
        "    global count\n"
        "    count += 1\n"
        "    return n\n"
        "class Box: pass\n"
        "def use():\n"
        "    boxes = [Box()]\n"
        "    boxes[one(0)].x = one(7)\n"
        "    for boxes[one(0)].x in (one(1), one(2)): pass\n"
        "    (y := one(3)); z = [one(v) for v in range(one(2))]; y += one(y)\n"
        "    print('said', one(4))\n"
        "    return count\n"
    )
    program = "import counted\nprint(counted.use())\n"
    rules = ["entry:."]
    rules += ["var:.", "attr:.", "number:.", "exc:all", "print", "lines:*"]
    options = [word for rule in rules for word in ("--log", rule)]
    (tmp_path / "main.py").write_text(program)
    done: list[bytes] = []
    where: Any = {"cwd": tmp_path, "env": {"PYTHONDONTWRITEBYTECODE": ""}}
    for words in ([], options):
        if words:
            trace = tmp_path / "t.marey"
            run = harness.record(trace, Path("main.py"), options=words, **where)
        else:
            run = harness.run([sys.executable, "main.py"], **where)
        assert (run.stdout, run.stderr) == ("said 4\n12\n", "")
        (compiled,) = (tmp_path / "__pycache__").iterdir()
        assert compiled.name.startswith("counted.")
        done.append(compiled.read_bytes())
        compiled.unlink()
    assert done[0] == done[1]


def test_hostile_objects_are_not_asked(tmp_path: Path) -> None:
    rules = ["entry:."]
    rules += ["var:.", "attr:.", "number:.", "exc", "print", "lines:__main__:*"]
    options = [word for rule in rules for word in ("--log", rule)]
    events = logged(
        tmp_path, HOSTILE, "--args", "--returns", *options, "--include", "__main__"
    )
    assert any(e.values for e in events)
