"""Keeping parts of a recording: snapshots, keeps."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import marey
import pytest
from harness import marey as run_marey
from harness import record as run_recorded
from harness import run
from marey._keep import parse_rule


def leaf(number: int) -> int:
    return number + 1


def work(count: int) -> int:
    return sum(leaf(number) for number in range(count))


def whole(path: str | Path) -> marey.Trace:
    trace = marey.open(path)
    assert trace.check() == ([], 0)
    return trace


def test_a_snapshot_is_a_trace_that_goes_no_further(tmp_path: Path) -> None:
    def outer(recording: marey.Recording) -> str:
        work(10)
        with marey.span("unit", number=7):
            kept = recording.snapshot("half way")
        work(1000)
        return kept

    with marey.record(tmp_path / "run.marey") as recording:
        first = outer(recording)
        second = recording.snapshot("again", tmp_path / "second.marey")
        with pytest.raises(marey.StorageError, match=r"second\.marey"):
            recording.snapshot("there already", tmp_path / "second.marey")
    assert first == str(tmp_path / "run-snapshot-1.marey")
    with whole(first) as trace, whole(second) as later, whole(recording.path) as all_:
        info = trace.info()
        assert info.is_window
        assert info.lost_count == 0
        assert trace.notes[-1] == "half way"
        assert later.notes[-1] == "again"
        calls = {call.name.rpartition(".")[2]: call for call in trace.calls()}
        assert calls["outer"].ended == calls["unit"].ended == "open"
        assert calls["unit"].values == {"number": 7}
        begun = next(all_.calls(function="*outer")).begin_ns
        assert abs(calls["outer"].begin_ns - begun) < 100_000
        assert info.event_count < later.info().event_count < all_.info().event_count
        assert not all_.info().is_window
        assert "leaf" in {function.name for function in trace.functions}
        assert trace.source(__file__) == Path(__file__).read_bytes()
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_a_window_is_short_and_its_open_calls_are_whole(tmp_path: Path) -> None:
    """Of a ring that wrapped many times while other threads run and wait."""
    stop = threading.Event()

    def waiting() -> None:
        stop.wait()

    def busy() -> None:
        while not stop.is_set():
            work(100)

    def main(recording: marey.Recording) -> list[str]:
        threads = [threading.Thread(target=waiting, name="waits")]
        threads += [threading.Thread(target=busy, name=f"busy {i}") for i in range(2)]
        for thread in threads:
            thread.start()
        kept = []
        for number in range(6):
            end = time.monotonic() + 0.15
            while time.monotonic() < end:
                work(100)
            kept.append(recording.snapshot(f"{number}", before="50ms"))
        stop.set()
        for thread in threads:
            thread.join()
        return kept

    with marey.record(tmp_path / "run.marey", ring="4M") as recording:
        kept = main(recording)
    begun = []
    for path in kept:
        with whole(path) as trace:
            info = trace.info()
            assert info.lost_count == 0, path
            assert info.window_to_ns - info.window_from_ns == pytest.approx(
                50e6, rel=0.01
            )
            calls = {call.name: call for call in trace.calls(function="*waiting")}
            (name,) = calls
            assert calls[name].ended == "open"
            begun.append(calls[name].begin_ns)
            lanes = {lane.name: lane for lane in trace.lanes}
            assert {"waits", "busy 0", "busy 1"} <= set(lanes)
            assert info.duration_ns >= info.window_to_ns - 50e6
    assert max(begun) - min(begun) < 1e6
    assert begun[0] < 100e6  # long before the last window


def test_values_in_a_ring_do_not_grow_the_file(tmp_path: Path) -> None:
    with marey.record(tmp_path / "run.marey", ring="1M") as recording:
        for number in range(40_000):
            with marey.span("unit", text="x" * 100, number=number):
                pass
        kept = recording.snapshot("values")
    assert os.path.getsize(recording.path) < 3_000_000
    with whole(kept) as trace:
        numbers = [call.values for call in trace.calls(function="*unit")]
        assert numbers
        known = [
            values["number"] for values in numbers if values and "number" in values
        ]
        assert known[-1] == 39_999
        assert len(known) > 1000
        assert known == list(range(known[0], known[-1] + 1))


def test_a_snapshot_under_run(tmp_path: Path) -> None:
    program = tmp_path / "app.py"
    program.write_text(
        "import marey, os\n"
        "def child():\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        sorted([3, 1, 2])\n"
        "        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "child()\n"
        "print(marey.snapshot('by hand', before='1h'))\n"
    )
    done = run_recorded(tmp_path / "run.marey", program)
    assert done.stderr == ""
    with whole(done.stdout.strip()) as trace:
        assert len(trace.processes) == 2
        assert "by hand" in trace.notes
    text = run_marey("info", done.stdout.strip()).stdout
    assert "of a longer recording" in text
    done = run_marey("run", "-q", "-o", tmp_path / "x.marey", "-c", "print(1)")
    with pytest.raises(marey.RecordingError, match="not recorded"):
        marey.snapshot()


@pytest.mark.skipif(sys.platform != "linux", reason="the variable is for Linux")
def test_a_snapshot_where_files_cannot_be_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAREY_UNMAPPED", "1")
    with marey.record(tmp_path / "run.marey") as recording:
        with marey.span("unit", number=7):
            work(10)
            kept = recording.snapshot("memory")
        work(10)
    with whole(kept) as trace:
        assert next(trace.calls(function="*unit")).values == {"number": 7}
        assert sum(1 for _ in trace.calls(function="*leaf")) == 10
    whole(recording.path).close()


# ---- keeps ----

RULES = {
    "call:app.db:* > 500ms": (1, "app.db:*", 500_000_000, False, 0),
    "call:app.db:*": (1, "app.db:*", 0, False, 0),
    "call:f>1.5s raises": (1, "f", 1_500_000_000, True, 0),
    "transaction:* raises": (2, "*", 0, True, 0),
    "exc:app.Error*": (3, "app.Error*", 0, False, 0),
    "log:error": (4, "error", 0, False, 40),
    "log:25": (4, "25", 0, False, 25),
    "signal:usr2": (5, "usr2", 0, False, int(signal.SIGUSR2)),
}


@pytest.mark.parametrize("text", RULES)
def test_rules_are_read(text: str) -> None:
    if text.startswith("exc") and sys.version_info < (3, 12):
        pytest.skip("3.11 does not tell")
    kind, pattern, *rest, _ = parse_rule(text)
    assert (kind, pattern.decode(), *rest) == RULES[text]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("call", "is no rule"),
        ("slow:f > 1s", "is no rule"),
        ("call:", "but not which"),
        ("call:> 1s", "names no function"),
        ("call:f > 5", "has no unit"),
        ("call:f > soon", "is no time"),
        ("call:f > ", "after the pattern"),
        ("call:f > 1s twice", "is no time"),
        ("call:f g", "after the pattern"),
        ("log:LOUD", "levels are"),
        ("signal:KILL", "USR1 and USR2"),
        ("exc:A B", "3.12" if sys.version_info < (3, 12) else "no more"),
    ],
)
def test_rules_that_are_none(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(marey.UsageError, match=message) as failed:
        marey.record(tmp_path / "x.marey", keep_if=text)
    assert "\n" not in str(failed.value)
    done = run_marey("run", "--keep", text, "-c", "1")
    assert done.returncode == 2
    assert done.stderr == f"marey: --keep: {failed.value}\n"


PROGRAM = """
import asyncio, logging, os, signal, sys, time

def leaf(number):
    return number + 1

def request(slow):
    sum(leaf(number) for number in range(50))
    if slow:
        time.sleep(0.08)

async def waiting(seconds):
    await asyncio.sleep(seconds)

def fails():
    raise LookupError("not here")

def pause():
    time.sleep(0.03)

seen = []
signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
for number in range(400):
    request(number == 200)
pause()
for _ in range(2):
    try:
        {}[1]
    except KeyError:
        pass
try:
    fails()
except LookupError:
    pass
pause()
logging.getLogger("app").warning("not this")
logging.getLogger("app").error("this")
pause()
os.kill(os.getpid(), signal.SIGUSR1)
pause()
signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(-number))
asyncio.run(waiting(0.001))
asyncio.run(waiting(0.09))
pause()
pid = os.fork()
if pid == 0:
    request(True)
    pause()
    sys.exit(0)
os.waitpid(pid, 0)
print(seen == [signal.SIGUSR1])
"""


def notes(folder: Path) -> list[str]:
    found = []
    for path in sorted(folder.iterdir()):
        with whole(path) as trace:
            info = trace.info()
            assert info.is_window
            assert info.lost_count == 0
            found.append(trace.notes[-1])
    return found


@pytest.mark.skipif(sys.version_info < (3, 12), reason="exc: needs 3.12")
def test_what_matches_is_kept_and_nothing_else(tmp_path: Path) -> None:
    program = tmp_path / "app.py"
    program.write_text(PROGRAM)
    rules = [
        "call:__main__:request > 60ms",
        "call:*waiting > 60ms",
        "exc:LookupError",
        "log:ERROR",
        "signal:USR1",
        "call:*fails > 1h",
    ]
    options = [word for rule in rules for word in ("--keep", rule)]
    options += ["--keep-before", "30ms", "--keep-after", "5ms", "--ring", "20M"]
    folder = tmp_path / "run-kept"
    done = run_recorded(
        tmp_path / "run.marey", program, options=[*options, "--exclude", "importlib*"]
    )
    assert done.stdout == "True\n"
    found = [note for note in notes(folder) if "exc:" not in note]
    assert [note.partition(": ")[0] for note in found] == [
        "call:__main__:request > 60ms", "log:ERROR", "signal:USR1",
        "call:*waiting > 60ms", "call:__main__:request > 60ms",
    ]  # fmt: skip
    assert "took 8" in found[0] or "took 9" in found[0]
    assert found[1] == "log:ERROR: level 40 by app"
    assert any("LookupError" in note for note in notes(folder) if "exc:" in note)
    first = sorted(
        path for path in folder.iterdir() if "request" in marey.open(path).notes[-1]
    )[0]
    with whole(first) as trace:
        slow = max(trace.calls(function="*request"), key=lambda call: call.duration_ns)
        assert slow.duration_ns > 60e6
        assert slow.child_count >= 2
        assert trace.info().window_from_ns < slow.begin_ns - 29e6
        outer = next(trace.calls(function="*<module>"))
        assert outer.begin_ns < slow.begin_ns - 5e6
        assert sum(1 for _ in trace.calls(function="*leaf")) >= 50


def test_without_a_match_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "run.marey"
    with marey.record(path, keep_if="call:*leaf > 1h", ring="1M") as recording:
        work(1000)
    assert os.listdir(tmp_path) == ["run.marey"]
    with marey.open(recording.path) as trace:
        assert trace.info().is_ring


def test_spans_that_raise_and_recordings_that_follow(tmp_path: Path) -> None:
    def one(fails: bool) -> None:
        try:
            with marey.span("unit"):
                work(10)
                if fails:
                    raise OSError
            with marey.transaction("unit of work"):
                pass
        except OSError:
            pass

    for number in range(3):
        rules = ["transaction:uni? raises"] if number != 1 else []
        path = tmp_path / f"{number}.marey"
        with marey.record(path, keep_if=rules, keep_after="1ms"):
            for turn in range(50):
                one(turn == 20)
        assert (tmp_path / f"{number}-kept").exists() == (number != 1)
    assert len(notes(tmp_path / "0-kept")) == len(notes(tmp_path / "2-kept")) == 1


def test_keeps_are_bounded_and_the_oldest_go(tmp_path: Path) -> None:
    folder = tmp_path / "kept"

    def hit() -> None:
        work(100)

    def main() -> None:
        for _ in range(12):
            hit()
            time.sleep(0.03)

    most = 1 << 20
    with marey.record(
        tmp_path / "run.marey",
        keep_if=["call:*hit"],
        keep_dir=folder,
        keep_before="5ms",
        keep_after="1ms",
        keep_max=most,
        keep_rate=8,
    ):
        main()
    names = sorted(os.listdir(folder))
    numbers = [int(name.rpartition("-")[2].removesuffix(".marey")) for name in names]
    assert numbers == list(range(numbers[0], 9))
    if most < 8 * os.path.getsize(folder / names[-1]):
        assert numbers[0] > 1
    assert sum(os.path.getsize(folder / name) for name in names) <= most
    assert len(notes(folder)) == len(names)


def test_transactions_are_kept_by_name(tmp_path: Path) -> None:
    @marey.transaction
    def slow(seconds: float) -> None:
        with marey.transaction("block"):
            time.sleep(seconds)

    with marey.record(
        tmp_path / "run.marey",
        keep_if=["transaction:bloc* > 30ms", "transaction:*slow > 30ms"],
        keep_after="1ms",
    ):
        for number in range(20):
            slow(0.04 if number == 10 else 0)
    (note,) = notes(tmp_path / "run-kept")
    assert note.startswith("transaction:bloc* > 30ms: took ")
    assert "transaction:*slow > 30ms: took " in note


def test_an_asgi_application_under_load(tmp_path: Path) -> None:
    """A small run of tests/scale/asgi.py: exactly the slow requests are kept."""
    script = Path(__file__).parent.parent / "scale" / "asgi.py"
    done = run([sys.executable, script, "1200", "400"], cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 slow, 3 kept, 3 right" in done.stdout


# ---- on a timer ----


def test_a_recording_on_a_timer_is_many_short_ones(tmp_path: Path) -> None:
    path, alive = tmp_path / "run.marey", threading.active_count()
    with marey.record(path, every=0.2, for_="50ms") as recording:
        begun = time.monotonic()
        while len(list(tmp_path.iterdir())) < 4:
            assert time.monotonic() < begun + 60
            work(20)
            time.sleep(0.001)
        spent_s = time.monotonic() - begun
        assert threading.active_count() == alive
    recording.stop()
    made = sorted(tmp_path.iterdir())
    assert 4 <= len(made) <= spent_s / 0.2 + 2
    assert made[0].name == "run-1.marey"
    worked = 0
    for one in made[:-1]:
        with whole(one) as trace:
            assert trace.info().duration_ns < 1e9
            assert trace.info().lost_count == 0
            worked += any(call.name == "work" for call in trace.calls())
    assert worked > 0  # a busy machine may give no turn in some 50 ms


def test_a_timer_keeps_what_fits(tmp_path: Path) -> None:
    with marey.record(tmp_path / "run.marey", every=0.1, for_=0.05, keep_max=1):
        time.sleep(0.6)
    assert len(list(tmp_path.iterdir())) == 1
    for every, for_ in ((1, 1), (1, 2), (0, 1), (-1, 1), ("1", 0.1)):
        with pytest.raises(marey.UsageError):
            marey.record(tmp_path / "x.marey", every=every, for_=for_)


ENDINGS = {
    "kill": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "exit": ("os._exit(7)", 7),
    "exec": ("os.execv(sys.executable, [sys.executable, '-c', 'pass'])", 0),
}
ABRUPT = """
import os, signal, sys, time

def inner():
    return 1

def slow():
    inner()
    time.sleep(0.02)

for _ in range(100):
    inner()
slow()
{end}
"""


@pytest.mark.parametrize("how", ENDINGS)
def test_a_match_just_before_an_abrupt_end_is_kept(how: str, tmp_path: Path) -> None:
    """At once where Marey sees the end; after a kill by who asks for it later."""
    end, status = ENDINGS[how]
    program, trace = tmp_path / "app.py", tmp_path / "run.marey"
    program.write_text(ABRUPT.format(end=end))
    kept = tmp_path / "kept"
    done = run_recorded(
        trace, program,
        options=["--ring", "1M", "--keep", "call:__main__:slow > 10ms",
                 "--keep-after", "20s", "--keep-dir", str(kept)],
    )  # fmt: skip
    assert done.returncode == status
    if how == "kill":
        assert not kept.exists()
        assert "not kept" in run_marey("info", trace).stdout
        with whole(trace) as one:
            [due] = one.keeps_due
            assert due.rule == "call:__main__:slow > 10ms"
            assert due.until_ns - due.from_ns > 10e6
        told = run_marey("keep", trace)
        assert (told.returncode, told.stderr) == (0, "")
        assert told.stdout.strip() == str(next(kept.iterdir()))
    again = run_marey("keep", trace)
    assert again.stdout == ""
    assert "nothing is left to keep" in again.stderr
    [path] = kept.iterdir()
    with whole(path) as one:
        assert one.notes[-1].startswith("call:__main__:slow > 10ms")
        assert one.keeps_due == ()
        calls = {call.name: call for call in one.calls()}
        assert calls["slow"].ended == "returned"
        assert calls["slow"].duration_ns > 10e6
        assert calls["inner"].ended == "returned"
