"""Committed traces read as they always did, by both readers. No damage crashes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import golden_traces
import harness
import pytest
import reference_reader
import trace_builder
import trees

GOLDEN = sorted((harness.TESTS / "golden").glob("*.marey"))
CORRUPT = sorted((harness.TESTS / "corrupt").glob("*.marey"))
NO_TRACES = [path for path in CORRUPT if path.stem.startswith("not_")]
DAMAGED = [path for path in CORRUPT if path not in NO_TRACES]


def named(path: Path) -> str:
    return path.stem


def command(*words: str | Path) -> tuple[int, str]:
    """A verb in this process: its exit status, and what it wrote to stdout."""
    from marey.cli import main

    raw = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(raw, "utf-8", "surrogatepass")) as out:
        status = main([str(word) for word in words])
        out.flush()
    return status, raw.getvalue().decode("utf-8", "surrogatepass")


def agree(path: Path) -> None:
    """Both readers see the same calls, lanes, losses and activations."""
    reference = reference_reader.read(path)
    want, got = harness.by_reference(reference), harness.by_api(path)
    assert [thread.name for thread in want] == [thread.name for thread in got]
    for one, other in zip(want, got, strict=True):
        trees.require_equal(one.rows, other.rows)
    assert trees.resumptions(want) == trees.resumptions(got)


def test_golden_traces_are_all_there() -> None:
    assert {path.stem for path in GOLDEN} == set(golden_traces.GOLDEN)
    assert {path.stem for path in CORRUPT} == set(golden_traces.CORRUPT)


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_the_reference_reader_reads_a_golden_trace(path: Path) -> None:
    lines = "\n".join(reference_reader.dump(reference_reader.read(path)))
    assert lines + "\n" == path.with_suffix(".txt").read_text()
    assert "problem" not in lines


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_the_builder_still_builds_a_golden_trace(path: Path) -> None:
    assert golden_traces.GOLDEN[path.stem]() == path.read_bytes()


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_marey_agrees_on_a_golden_trace(path: Path) -> None:
    agree(path)


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_times_agree_on_a_golden_trace(path: Path) -> None:
    import marey

    reference = reference_reader.read(path)
    wanted = {
        lane.serial: [
            reference.ns(event.ticks)
            for event in lane.events
            if event.kind in ("enter", "resume", "returned", "raised", "yielded")
        ]
        for lane in reference.lanes.values()
    }
    with marey.open(path) as trace:
        found: dict[int, list[int]] = {lane.serial: [] for lane in trace.lanes}
        for event in trace.events(by_lane=True):
            is_event = (
                not event.was_open
                if event.kind == "begin"
                else event.ended in (None, "returned", "raised")
            )
            if is_event and event.kind in ("begin", "end", "suspend", "resume"):
                found[event.lane.serial].append(event.time_ns)
    for serial, times in wanted.items():
        assert len(times) == len(found[serial])
        for one, other in zip(times, found[serial], strict=True):
            assert abs(one - other) <= max(1, abs(one) // 10**9)


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_info_counts_what_a_golden_trace_holds(path: Path) -> None:
    reference = reference_reader.read(path)
    lanes = sorted(reference.lanes.values(), key=lambda lane: lane.serial)
    status, text = command("info", "--json", path)
    info = json.loads(text)
    assert status == 0
    assert info["events"] == sum(lane.event_count for lane in lanes)
    assert info["losses"] == sum(lane.lost_count for lane in lanes)
    assert info["damaged_chunks"] == 0
    assert info["skipped_bytes"] == reference.skipped
    assert info["host"] == reference.host
    assert [thread["name"] for thread in info["threads"]] == [
        lane.name for lane in lanes
    ]
    for process, other in zip(
        info["processes"], reference.processes.values(), strict=True
    ):
        assert process["pid"] == other.pid
        assert process["program"] == other.program
        assert process["exit_status"] == other.exit_status
        assert process["ended"] == (other.end is not None)


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_check_finds_nothing_in_a_golden_trace(path: Path) -> None:
    status, text = command("check", path)
    assert status == 0, text


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_show_and_report_print_a_golden_trace(path: Path) -> None:
    for verb in ("show", "report"):
        status, _ = command(verb, path)
        assert status == 0


@pytest.mark.parametrize("path", NO_TRACES, ids=named)
def test_what_is_no_trace_is_refused_in_one_line(path: Path) -> None:
    with pytest.raises(reference_reader.NotATraceError):
        reference_reader.read(path)
    for verb in ("info", "show", "check", "report"):
        done = harness.marey(verb, path)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert path.name in done.stderr


@pytest.mark.parametrize("path", DAMAGED, ids=named)
def test_damage_is_found_and_the_rest_is_read(path: Path) -> None:
    assert reference_reader.read(path).problems
    status, text = command("check", path)
    assert status == 1, text
    assert text.strip()
    assert command("show", path)[0] == 0
    assert command("info", path)[0] == 0


# Whether a chunk that says another count than it holds is read at all is open.
AGREED = [path for path in DAMAGED if path.stem != "wrong_count"]


@pytest.mark.parametrize("path", AGREED, ids=named)
def test_marey_agrees_on_what_damage_leaves(path: Path) -> None:
    agree(path)


# Runs in a process of its own, as it looks for crashes. For each variant of a trace it
# opens, walks and checks, which may only end well or by an exception of Marey's; the
# number of the last variant is what a crash leaves on stdout.
TORTURE = """
import sys
import marey

path, scratch, what, step = sys.argv[1:]
data = open(path, "rb").read()
if what == "truncations":
    variants = (data[:size] for size in range(0, len(data), int(step)))
else:
    places = [8 * at + bit for at in eval(what) for bit in range(8)]
    variants = (
        data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]
        for at in places[:: int(step)]
    )
refused = opened = 0
for number, variant in enumerate(variants):
    with open(scratch, "wb") as file:
        file.write(variant)
    sys.stdout.write(f"{number}\\n")
    try:
        trace = marey.open(scratch)
    except marey.TraceError as error:
        assert "\\n" not in str(error)
        refused += 1
        continue
    with trace:
        for event in trace.events():
            pass
        for row in trace.totals():
            pass
        trace.check()
    opened += 1
print("refused", refused, "opened", opened)
"""


def torture(path: Path, scratch: Path, what: str, step: int) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", TORTURE, path, scratch, what, str(step)],
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0, f"variant {last}: {done.stderr}"
    _, refused, _, opened = last.split()
    return int(refused), int(opened)


# Every variant of the first, every so many of the others: it is one process each, and
# some milliseconds a variant.
STEPS = [("calls", 1), ("generators", 7), ("open_calls", 31), ("losses", 7)]


@pytest.mark.parametrize(("name", "step"), [*STEPS, ("processes", 5)])
def test_no_truncation_crashes(name: str, step: int, tmp_path: Path) -> None:
    path = harness.TESTS / "golden" / f"{name}.marey"
    refused, opened = torture(path, tmp_path / "t.marey", "truncations", step)
    assert refused == -(-4096 // step)  # what has no whole header is no trace
    assert opened == -(-path.stat().st_size // step) - refused


@pytest.mark.parametrize(("name", "step"), STEPS)
def test_no_flipped_bit_of_a_header_crashes(
    name: str, step: int, tmp_path: Path
) -> None:
    path = harness.TESTS / "golden" / f"{name}.marey"
    places = [*range(160), *range(244, 340), *range(508, 516)]
    trace = reference_reader.read(path)
    for extent in trace.extents:
        places += range(extent.offset, extent.offset + 128)
    torture(path, tmp_path / "t.marey", repr(places), step)


def test_readers_agree_on_truncations(tmp_path: Path) -> None:
    path, cut = harness.TESTS / "golden" / "generators.marey", tmp_path / "t.marey"
    data = path.read_bytes()
    for size in range(4096, len(data), 61):
        cut.write_bytes(data[:size])
        agree(cut)


def test_readers_agree_on_cuts_of_an_open_chunk(tmp_path: Path) -> None:
    """A kill may stop a writer between any two bytes: the rest of the slot is zero."""
    path, cut = harness.TESTS / "golden" / "open_calls.marey", tmp_path / "t.marey"
    data = path.read_bytes()
    reference = reference_reader.read(path)
    for extent in reference.extents:
        if extent.kind != trace_builder.EVENTS:
            continue
        size = len(extent.payload.rstrip(b"\0"))
        for length in range(extent.snapshot_size, size):
            at = extent.offset + 128 + length
            end = extent.offset + extent.size
            cut.write_bytes(data[:at] + bytes(end - at) + data[end:])
            agree(cut)
