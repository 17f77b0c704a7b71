"""The reading verbs: show, report, info, export, check, merge."""

import contextlib
import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from trace_builder import GENERATOR, MAIN, Builder, C, Open


def marey(
    *arguments: str | Path, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "marey", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """One trace, by hand: two processes, three threads, calls that end in every way."""
    b = Builder()
    p = b.process(program="shop.py", arguments=("shop.py", "-v"), pid=77)
    main = p.function("main", module="__main__", file="/src/shop.py", line=3)
    query = p.function("Session.query", module="app.db", file="/src/app/db.py", line=9)
    length = p.function("len", module="builtins", flags=C)
    numbers = p.function("numbers", module="app", flags=GENERATOR, line=7)
    t = p.lane("MainThread", flags=MAIN)
    u = p.lane("worker-1")
    p.cost(1, 1_000)
    t.enter(main)  # 10
    for _ in range(3):
        t.enter(query)
        t.call(length, dt=40)
        t.leave(dt=10)
    t.instant("row", t.blob({"key": 1}))
    t.enter(query)
    t.unwind("KeyError")
    t.enter(numbers)
    t.suspend(7)
    t.resume(numbers, 7)
    t.leave(dt=20)
    u.enter(query)
    u.leave(dt=100)
    q = b.process(program="worker.py", pid=78, parent=p)
    work = q.function("work", module="__main__", file="/src/worker.py", line=1)
    w = q.lane("MainThread", flags=MAIN, native_id=78)
    w.call(work, dt=500)
    q.end(2_500, 3)
    return b.write(tmp_path / "shop.marey")


@pytest.fixture
def lossy(tmp_path: Path) -> Path:
    b = Builder()
    p = b.process()
    f = p.function("f", module="app")
    t = p.lane()
    t.enter(f)
    t.gap(5, [Open(f, t.now)])
    t.leave()
    return b.write(tmp_path / "lossy.marey")


# ---- which trace ----


def test_the_newest_trace_here_is_meant(shop: Path) -> None:
    older = shop.with_name("older.marey")
    older.write_bytes(b"not even a trace")
    os.utime(older, (1, 1))
    done = marey("info", "--json", cwd=shop.parent)
    assert json.loads(done.stdout)["trace"] == "shop.marey"


# ---- show ----


def test_show_prints_calls_as_they_went(shop: Path) -> None:
    done = marey(
        "show", "--thread", "MainThread", "--process", "77", shop, cwd=shop.parent
    )
    assert done.stderr == ""
    name = "app.db.Session.query"
    lines = [line.partition("  | ")[2] for line in done.stdout.splitlines()[1:]]
    assert lines == [
        "main() {",
        *[f"  {name}() {{", "    len();", f"  }}  // {name}"] * 3,
        "  * row: key=1",
        "  app.db.Session.query();  // raised KeyError",
        "  app.numbers();  // suspended",
        "  app.numbers();  // resumed, ran 0.030 us in all its parts",
        "}  // main, still open",
    ]


def test_show_names_processes_and_threads(shop: Path) -> None:
    out = marey("show", shop, cwd=shop.parent).stdout
    assert "77 MainThread  | main() {" in out
    assert "77 worker-1    | app.db.Session.query() {" in out
    assert "78 MainThread  | work();" in out
    assert out.startswith("#      time (s)    duration  thread ")


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--function", "app.db:*"], 5),
        (["--function", "app.db", "--function", "builtins:len"], 11),
        (["--depth", "1", "--process", "77"], 4),
        (["--max-depth", "1", "--thread", "worker-*"], 1),
        (["--thread", "78"], 1),
        (["--process", "worker*"], 1),
        (["--from", "20ns", "--to", "40ns", "--process", "77"], 4),
    ],
)
def test_show_takes_selections(options: list[str], count: int, shop: Path) -> None:
    done = marey("show", *options, shop, cwd=shop.parent)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) - 1 >= count, done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--thread", "nobody"], ["no thread", "nobody", "worker-1"]),
        (["--process", "5"], ["no process", "5", "77 shop.py"]),
        (["--function", "no.*"], ["no function", "no.*"]),
    ],
)
def test_what_nothing_fits_is_said(
    options: list[str], words: list[str], shop: Path
) -> None:
    for verb in ("show", "report"):
        done = marey(verb, *options, shop, cwd=shop.parent)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert all(word in done.stderr for word in words), done.stderr


def test_losses_are_said(lossy: Path) -> None:
    done = marey("show", lossy, cwd=lossy.parent)
    assert "5 events were lost here" in done.stdout
    assert done.stderr == "marey: 5 events of this trace are lost\n"
    assert "5 events" in marey("report", lossy, cwd=lossy.parent).stderr
    assert "lost       5 events" in marey("info", lossy, cwd=lossy.parent).stdout
    out = lossy.with_suffix(".json")
    assert "5 events" in marey("export", lossy, "-o", out, cwd=lossy.parent).stderr


# ---- report ----


def test_report_prints_totals(shop: Path) -> None:
    done = marey("report", "--sort", "calls", shop, cwd=shop.parent)
    assert done.stderr == ""
    head, *rows = done.stdout.splitlines()
    assert head.split()[:4] == ["calls", "total", "self", "net"]
    assert head.split()[4:] == ["min", "mean", "max", "p99", "function"]
    assert rows[0].split()[0] == "5"
    assert rows[0].endswith("app.db.Session.query  (/src/app/db.py:9)")
    assert len(rows) == 5


def test_report_may_be_limited(shop: Path) -> None:
    out = marey("report", "--limit", "2", shop, cwd=shop.parent).stdout
    assert out.splitlines()[-1] == "… 3 functions more (--limit 0 shows all)"
    assert len(out.splitlines()) == 4


def test_report_tells_callers_and_callees(shop: Path) -> None:
    done = marey(
        *("report", "--callers", "--callees", "--sort", "calls", "--limit", "1", shop),
        cwd=shop.parent,
    )
    words = [line.split(maxsplit=3)[3:] for line in done.stdout.splitlines()[2:-1]]
    assert words == [["from main"], ["from (nobody recorded)"], ["to len"]]


def test_report_sorts_by_any_column(shop: Path) -> None:
    for key in ("self", "net", "total", "calls", "raised", "min", "mean", "max"):
        assert marey("report", "--sort", key, shop, cwd=shop.parent).returncode == 0
    for key in ("p50", "p90", "p99", "name"):
        assert marey("report", "--sort", key, shop, cwd=shop.parent).returncode == 0


def test_json_of_report_has_stable_names(shop: Path) -> None:
    done = marey("report", "--json", "--callers", "--callees", shop, cwd=shop.parent)
    report = json.loads(done.stdout)
    assert list(report) == ["trace", "from_ns", "to_ns", "lost", "functions"]
    row = next(f for f in report["functions"] if f["name"] == "Session.query")
    callers, callees = row.pop("callers"), row.pop("callees")
    assert row == {
        "name": "Session.query",
        "module": "app.db",
        "file": "/src/app/db.py",
        "line": 9,
        "kind": "python",
        "calls": 5,
        "raised": 1,
        "open": 0,
        "total_ns": 380,
        "self_ns": 260,
        "corrected_total_ns": row["corrected_total_ns"],
        "corrected_self_ns": row["corrected_self_ns"],
        "min_ns": 10,
        "mean_ns": 76,
        "max_ns": 100,
        "p50_ns": 90,
        "p90_ns": 100,
        "p99_ns": 100,
        "left_out_since_ns": None,
        "calls_not_recorded": 0,
        "calls_not_recorded_exact": True,
    }
    assert 0 < row["corrected_self_ns"] <= 260
    assert [c["name"] for c in callers] == ["main", None]
    assert [c["name"] for c in callees] == ["len"]
    kinds = {f["name"]: f["kind"] for f in report["functions"]}
    assert kinds["len"] == "c"
    assert kinds["numbers"] == "generator"


# ---- info ----


def test_info_tells_what_is_there(shop: Path) -> None:
    out = marey("info", shop, cwd=shop.parent).stdout
    for words in (
        "program    shop.py  (shop.py -v)",
        "lost       nothing",
        "1.0 ns an event of a Python function",
        "2 processes",
        "exit 3",
        "killed, or unknown",
        "3 threads",
        "worker-1",
    ):
        assert words in out, out


def test_json_of_info_has_stable_names(shop: Path) -> None:
    value = json.loads(marey("info", "--json", shop, cwd=shop.parent).stdout)
    assert value["program"] == "shop.py"
    assert value["calls"] == 11
    assert value["losses"] == 0
    assert value["cost_ns_per_event"] == 1.0
    assert value["cost_ns_per_c_event"] is None
    assert [process["pid"] for process in value["processes"]] == [77, 78]
    assert value["processes"][1]["parent"] == 0
    assert value["processes"][1]["exit_status"] == 3
    assert [thread["pid"] for thread in value["threads"]] == [77, 77, 78]
    assert {"events", "size_bytes", "host", "duration_ns", "notes"} <= set(value)


# ---- export ----


def test_the_suffix_tells_the_format(shop: Path) -> None:
    folder = shop.parent
    for name in ("t.json", "t.json.gz", "t.pftrace", "t.pftrace.gz", "t.txt"):
        done = marey("export", shop, "-o", name, cwd=folder)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), name
    events = json.loads((folder / "t.json").read_text())
    assert {event["ph"] for event in events} >= {"B", "E", "M"}
    assert (
        gzip.decompress((folder / "t.json.gz").read_bytes())
        == (folder / "t.json").read_bytes()
    )
    assert (
        gzip.decompress((folder / "t.pftrace.gz").read_bytes())
        == (folder / "t.pftrace").read_bytes()
    )
    assert (folder / "t.txt").read_text() == marey("show", shop, cwd=folder).stdout
    assert not list(folder.glob("*.part*"))


def test_format_and_stdout_go_together(shop: Path) -> None:
    done = marey("export", shop, "-o", "-", "--format", "chrome", cwd=shop.parent)
    assert isinstance(json.loads(done.stdout), list)
    marey("export", shop, "-o", "odd.name", "--format", "chrome", cwd=shop.parent)
    assert (shop.parent / "odd.name").read_text() == done.stdout


def test_an_export_takes_a_selection(shop: Path) -> None:
    marey("export", shop, "-o", "t.json", "--function", "app.db:*", cwd=shop.parent)
    events = json.loads((shop.parent / "t.json").read_text())
    assert {e["name"] for e in events if e["ph"] == "B"} == {"Session.query"}


def test_a_failed_export_leaves_nothing(shop: Path) -> None:
    folder = shop.parent
    done = marey("export", shop, "-o", "no/t.json", cwd=folder)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no/t.json" in done.stderr
    done = marey("export", shop, "-o", "/dev/full", "--format", "chrome", cwd=folder)
    assert done.returncode == 1
    assert "No space" in done.stderr
    assert done.stderr.count("\n") == 1
    old = folder / "old.json"
    old.write_text("old")
    folder.joinpath("bad.marey").write_text("no trace")
    assert marey("export", "bad.marey", "-o", old, cwd=folder).returncode == 1
    assert old.read_text() == "old"


def test_an_export_goes_through_a_link_and_into_a_pipe(shop: Path) -> None:
    folder = shop.parent
    (folder / "link.json").symlink_to(folder / "real.json")
    marey("export", shop, "-o", "link.json", cwd=folder)
    assert (folder / "link.json").is_symlink()
    assert (folder / "real.json").read_bytes().startswith(b"[")
    os.mkfifo(folder / "pipe.json")
    reader = subprocess.Popen(["cat", folder / "pipe.json"], stdout=subprocess.PIPE)
    marey("export", shop, "-o", "pipe.json", cwd=folder)
    assert reader.communicate()[0] == (folder / "real.json").read_bytes()


# ---- check ----


def test_a_whole_trace_passes(shop: Path) -> None:
    done = marey("check", shop, cwd=shop.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert "whole" in done.stdout


def test_a_flipped_bit_is_found(shop: Path) -> None:
    data = bytearray(shop.read_bytes())
    data[-100] ^= 1
    shop.write_bytes(data)
    done = marey("check", shop, cwd=shop.parent)
    assert done.returncode == 1
    assert "finding" in done.stdout
    assert done.stderr == ""


# ---- names that fight back ----


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    b = Builder()
    p = b.process(program="\x1b]0;title\x07")
    f = p.function("größe\x1b[31m\ud800\n", module="m\0", file="/\x07.py", line=1)
    t = p.lane("th\x1bread")
    t.call(f)
    return b.write(tmp_path / "odd.marey")


@pytest.mark.parametrize("verb", ["show", "report", "info"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_names_cannot_harm_a_terminal(verb: str, encoding: str, odd: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "marey", verb, odd],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert not set(done.stdout) & (set(range(32)) - {10})
    json_form = [verb, "--json"] if verb != "show" else [verb]
    done = subprocess.run(
        [sys.executable, "-m", "marey", *json_form, odd],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert done.returncode == 0


# ---- a long trace ----


@pytest.fixture(scope="module")
def long_trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Five million calls."""
    b = Builder()
    p = b.process()
    f = p.function("f", module="app", file="/src/app.py", line=1)
    t = p.lane()
    chunk = bytes([10 << 2 | 1, f, 10 << 2 | 2]) * 50_000
    for _ in range(100):
        t.raw(chunk, 100_000)
        t.now += 20 * 50_000
        t.seal()
    path = b.write(tmp_path_factory.mktemp("long") / "t.marey")
    yield path
    path.unlink()


def test_a_reader_that_stops_early_is_no_error(long_trace: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = f"{sys.executable} -m marey show {long_trace} | head -n 3"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 3
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert spent < 3


def wait_until_read(child: "subprocess.Popen[bytes]", trace: Path) -> None:
    """Until the child has the trace open; what interrupts its start is Python's."""
    folder = Path(f"/proc/{child.pid}/fd")
    while child.poll() is None:
        with contextlib.suppress(OSError):
            if any(fd.resolve() == trace for fd in folder.iterdir()):
                return
        time.sleep(0.005)


@pytest.mark.parametrize("verb", [["show"], ["report"], ["export", "-o", "x.json"]])
def test_ctrl_c_ends_with_130_and_says_nothing(
    verb: list[str], long_trace: Path, tmp_path: Path
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "marey", verb[0], long_trace, *verb[1:]],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    if verb == ["show"]:
        child.stdout.read(10)  # and then the pipe is full: it waits for us
    else:
        wait_until_read(child, long_trace)
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    try:
        stderr = child.communicate(timeout=300)[1]
    finally:
        child.kill()
    if verb == ["show"]:
        assert child.returncode == 130
    else:
        assert child.returncode in (130, 0, -signal.SIGINT)
    assert stderr == b"" or child.returncode == -signal.SIGINT
    assert not list(tmp_path.glob("*.part*"))


def test_a_full_disk_is_said(shop: Path) -> None:
    with open("/dev/full", "wb") as full:
        for verb in ("show", "report", "info"):
            done = subprocess.run(
                [sys.executable, "-m", "marey", verb, shop],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
            )
            assert done.returncode == 1, verb
            assert done.stderr == "marey: No space left on device\n", verb


# ---- merge ----


def test_merge_puts_traces_together(shop: Path, lossy: Path) -> None:
    folder = shop.parent
    done = marey("merge", shop, lossy, "-o", "both.marey", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    value = json.loads(marey("info", "--json", "both.marey", cwd=folder).stdout)
    assert sorted(p["program"] for p in value["processes"]) == [
        "app.py",
        "shop.py",
        "worker.py",
    ]
    assert value["calls"] == 11 + 1
    assert value["losses"] == 5
    assert marey("check", "both.marey", cwd=folder).returncode == 0


def test_merge_overwrites_nothing_and_leaves_nothing(shop: Path) -> None:
    folder = shop.parent
    before = shop.read_bytes()
    done = marey("merge", shop, shop, "-o", shop, cwd=folder)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert shop.read_bytes() == before
    (folder / "text").write_text("text")
    for wrong in ("missing.marey", "text"):
        done = marey("merge", shop, wrong, "-o", "out.marey", cwd=folder)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert wrong in done.stderr
        assert not (folder / "out.marey").exists()
