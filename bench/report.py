"""The tables that overhead.py writes: runs in, Markdown out."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Iterable, Sequence

from stand import TOOLS, Run, Tool

NONE = "–"
COMPARISONS = (
    ("VizTracer", "Marey"),
    ("cProfile", "Marey"),
    ("VizTracer, no C", "Marey, no C"),
    ("trace0 (no C)", "Marey, no C"),
    ("Marey", "floor, disabling"),
    ("Marey", "floor"),
    ("VizTracer", "floor, disabling"),
    ("cProfile", "floor, disabling"),
    ("VizTracer", "floor"),
    ("cProfile", "floor"),
)


@dataclasses.dataclass
class Measurement:
    """One workload on one interpreter: what it does, and every run of every tool."""

    workload: str
    rounds: int
    python_events: int
    c_events: int
    python_events_all: int
    c_events_all: int
    take: str = "median"
    clock: str = "wall"
    runs: dict[str, list[Run]] = dataclasses.field(default_factory=dict)
    traces: dict[str, dict[str, object]] = dataclasses.field(default_factory=dict)
    problems: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def inner(self) -> str:
        """The field that tells the time of recording alone."""
        return "inner_cpu_ns" if self.clock == "cpu" else "inner_ns"

    @property
    def outer(self) -> str:
        """The field that tells the time of the whole command."""
        return "cpu_s" if self.clock == "cpu" else "wall_ns"

    def value(self, tool: str, field: str) -> float | None:
        """A figure of the tool over all its runs: their median, or their minimum."""
        if tool in self.problems or not self.runs.get(tool):
            return None
        values = [float(getattr(run, field)) for run in self.runs[tool]]
        return min(values) if self.take == "minimum" else statistics.median(values)

    def extra(self, tool: str, field: str) -> float | None:
        """The figure above the bare interpreter's."""
        value, bare = self.value(tool, field), self.value("bare", field)
        return None if value is None or bare is None else value - bare

    def events(self, tool: Tool) -> int:
        """Events of the timed part that the tool is asked to record."""
        return self.python_events + (self.c_events if tool.has_c_calls else 0)

    def all_events(self, *, has_c_calls: bool = True) -> int:
        """Events of the whole process, start-up included, as the counter saw them."""
        return self.python_events_all + (self.c_events_all if has_c_calls else 0)

    def recorded(self, tool: Tool) -> int:
        """Events in the tool's recording: by Marey's own count, else the counter's."""
        told = self.traces.get(tool.name, {}).get("events")
        if isinstance(told, int):
            return told
        return self.all_events(has_c_calls=tool.has_c_calls)


@dataclasses.dataclass
class Section:
    """All workloads on one interpreter."""

    version: str
    build: str
    problems: dict[str, str]
    measurements: list[Measurement] = dataclasses.field(default_factory=list)

    def tools(self) -> list[Tool]:
        """The tools worth a column: those with at least one run."""
        return [t for t in TOOLS if any(t.name in m.runs for m in self.measurements)]


@dataclasses.dataclass(frozen=True)
class Head:
    """Where and how the tables came about."""

    machine: str
    date: str
    commit: str
    repeat: int
    take: str
    clock: str
    scale: float
    noise: float
    load_before: float
    load_after: float


Cell = Callable[[Measurement, Tool], str]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table; all columns but the first are right-aligned."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return ["| " + " | ".join(row) + " |" for row in (header, rule, *rows)]


def geometric_mean(values: Sequence[float]) -> float:
    return statistics.geometric_mean(values)


def tool_table(section: Section, tools: Sequence[Tool], cell: Cell) -> list[str]:
    """Workloads down, tools across."""
    rows = [[m.workload, *(cell(m, t) for t in tools)] for m in section.measurements]
    return table(["", *(tool.name for tool in tools)], rows)


def slow_down(measurement: Measurement, tool: Tool) -> str:
    inner = measurement.value(tool.name, measurement.inner)
    bare = measurement.value("bare", measurement.inner)
    if inner is None or bare is None:
        return NONE
    if tool.name == "bare":
        return f"{bare / 1e6:.1f} ms"
    events = measurement.events(tool)
    # Next to nothing to record: the quotient would be noise over a handful.
    if events < 0.01 * measurement.all_events():
        return f"{inner / bare:.2f}x"
    return f"{inner / bare:.2f}x, {(inner - bare) / events:.1f}"


def slow_down_means(section: Section, tools: Sequence[Tool]) -> str:
    """The last row of the slow-downs: geometric means over the workloads."""
    cells = ["**geometric mean**"]
    for tool in tools:
        pairs = [
            (m.value(tool.name, m.inner), m.value("bare", m.inner))
            for m in section.measurements
        ]
        ratios = [inner / bare for inner, bare in pairs if inner and bare]
        whole = len(ratios) == len(section.measurements) and tool.name != "bare"
        cells.append(f"**{geometric_mean(ratios):.2f}x**" if whole else NONE)
    return "| " + " | ".join(cells) + " |"


def ratios(section: Section, field: str) -> list[str]:
    """How much more one tool adds than another, for every pair worth comparing."""
    names = {tool.name for tool in section.tools()}
    pairs = [pair for pair in COMPARISONS if set(pair) <= names]
    if not pairs:
        return ["Nothing to compare."]
    rows = []
    for upper, lower in pairs:
        # The worst is what speaks most against Marey, or leaves it the least room.
        worst = max if upper == "Marey" else min
        values: list[float | None] = []
        for measurement in section.measurements:
            what = measurement.inner if field == "inner" else measurement.outer
            above = measurement.extra(upper, what)
            below = measurement.extra(lower, what)
            if above is None or below is None or above <= 0 or below <= 0:
                values.append(None)
            else:
                values.append(above / below)
        known = [value for value in values if value is not None]
        rows.append(
            [
                f"{upper} / {lower}",
                *(NONE if value is None else f"{value:.2f}" for value in values),
                f"**{geometric_mean(known):.2f}**" if known else NONE,
                f"{worst(known):.2f}" if known else NONE,
            ]
        )
    workloads = [m.workload for m in section.measurements]
    return table(["", *workloads, "geometric mean", "worst"], rows)


def size(measurement: Measurement, tool: Tool) -> str:
    written = measurement.value(tool.name, "output_size_bytes")
    if not written:
        return NONE
    per_event = written / measurement.recorded(tool)
    return f"{written / 1e6:.2f} MB, {per_event:.2f}"


def memory(measurement: Measurement, tool: Tool) -> str:
    peak_kib = measurement.value(tool.name, "memory_kib")
    return NONE if peak_kib is None else f"{peak_kib / 1024:.0f} MiB"


def exit_time(measurement: Measurement, tool: Tool) -> str:
    exit_ns = measurement.value(tool.name, "exit_ns")
    return NONE if exit_ns is None else f"{exit_ns / 1e6:.0f} ms"


def rate(measurement: Measurement, tool: Tool) -> str:
    inner = measurement.value(tool.name, measurement.inner)
    if inner is None or tool.name == "bare":
        return NONE
    return f"{measurement.events(tool) / inner * 1e3:.1f} M/s"


def whole_command(measurement: Measurement, tool: Tool) -> str:
    wall = measurement.value(tool.name, "wall_ns")
    cpu_s = measurement.value(tool.name, "cpu_s")
    if wall is None or cpu_s is None:
        return NONE
    return f"{wall / 1e9:.2f} s, {cpu_s:.2f}"


def events_table(section: Section) -> list[str]:
    """What the workloads do, and whether Marey's trace holds it all."""
    rows = []
    for m in section.measurements:
        row = [m.workload, str(m.rounds), f"{m.python_events:,}", f"{m.c_events:,}"]
        for tool in ("Marey", "Marey, no C"):
            trace = m.traces.get(tool, {})
            told = trace.get("events")
            row.append(f"{told:,}" if isinstance(told, int) else NONE)
            if tool == "Marey":
                row.insert(4, f"{m.all_events():,}")
                row.append(str(trace.get("losses", NONE)))
        rows.append(row)
    header = ["", "rounds", "Python", "C", "with start-up", "in Marey's trace", "lost"]
    return table([*header, "no C"], rows)


def render_section(section: Section) -> list[str]:
    tools = section.tools()
    recorders = [t for t in tools if t.keeps_events]
    writers = [t for t in tools if t.keeps_events or t.name == "cProfile"]
    lines = [f"## Python {section.version}", "", f"Built with {section.build}.", ""]
    lines += [f"- {name}: {why}" for name, why in section.problems.items()]
    for m in section.measurements:
        lines += [f"- {m.workload}, {name}: {why}" for name, why in m.problems.items()]

    def part(title: str, body: list[str]) -> None:
        lines.extend(["", f"### {title}", "", *body])

    slow = tool_table(section, tools, slow_down)
    part("Recording alone: slow-down, ns an event", slow)
    lines.append(slow_down_means(section, tools))
    part(
        "Recording alone: added time, one tool's over another's",
        ratios(section, "inner"),
    )
    part(
        "Whole command: wall time, processor seconds",
        tool_table(section, tools, whole_command),
    )
    part(
        "Whole command: added time, one tool's over another's",
        ratios(section, "outer"),
    )
    part(
        "Exit: from the program's last act to the end of the process",
        tool_table(section, tools, exit_time),
    )
    part("Recording: size, bytes an event", tool_table(section, recorders, size))
    part("Peak memory", tool_table(section, tools, memory))
    part("Events a second while recording", tool_table(section, writers, rate))
    part("Events", events_table(section))
    return lines


def render(head: Head, sections: Sequence[Section]) -> str:
    """The whole of results.md."""
    lines = [
        "# What recording costs",
        "",
        f"Measured on {head.date} on {head.machine}; Marey at {head.commit}.",
        f"The {head.take} of {head.repeat} runs, the tools in turn, workloads at "
        f"{head.scale:g} of full size; added times are {head.clock} times. "
        f"The bare runs spread by ±{head.noise:.1%} "
        "(half the distance of the quartiles, the median workload); load average "
        f"{head.load_before:.1f} before and {head.load_after:.1f} after, "
        "this benchmark's own included. Written by `bench/overhead.py`; "
        "`bench/README.md` says what is measured and how.",
        "",
    ]
    for section in sections:
        lines += [*render_section(section), ""]
    return "\n".join(lines).rstrip() + "\n"
