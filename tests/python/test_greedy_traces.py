"""A small trace cannot make a reader use much memory, or be busy without end."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import greedy_traces
import harness
import pytest
from trees import VERSION

# Of address space, which is more than is used. Without the limits of the format most of
# these traces would ask for several times as much.
MEMORY_MAX = 800 << 20
SECONDS_MAX = 200  # of the processor

# All verbs in one process: what one of them leaves behind is counted, too.
READ = """
import os, sys
from marey import _view
from marey.cli import main

trace, folder = sys.argv[1:]
out = os.path.join(folder, "out")
VERBS = (
    ["info"], ["info", "--json"], ["check"], ["explain"],
    ["report", "--json"], ["report", "--transactions"], ["show", "--max-depth", "50"],
    ["export", "--format", "chrome", "-o", os.devnull],
    ["export", "-o", out + ".html"],
    ["pack", "-o", out + ".marey"], ["merge", trace, "-o", out + "2.marey"],
)
for verb, *options in VERBS:
    try:
        status = main([verb, trace, *options])
    except SystemExit as end:
        status = end.code
    print(verb, status, file=sys.stderr)
    assert status in (0, None, 1), (verb, options)
try:
    _view.open(trace)
except Exception as error:
    print("view", error, file=sys.stderr)
"""


@pytest.mark.skipif(VERSION != (3, 12), reason="readers are the same everywhere")
@pytest.mark.parametrize("name", greedy_traces.TRACES)
def test_reading_a_greedy_trace_stays_small(name: str, tmp_path: Path) -> None:
    trace = greedy_traces.write(name, tmp_path / "greedy.marey")
    assert trace.stat().st_size < 2 << 20

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_MAX, SECONDS_MAX))

    done = harness.run(
        ["sh", "-c", 'exec "$0" -c "$1" "$2" "$3" > /dev/null', sys.executable, READ,
         trace, tmp_path], preexec_fn=limit,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "memory" not in done.stderr.lower(), done.stderr
    assert "Traceback" not in done.stderr
