"""Marey records what a Python program did, every call in order, and plays it back.

    import marey

    with marey.record("run.marey"):
        main()

    for call in marey.open("run.marey").calls(min_duration_ns=1_000_000):
        print(call.name, call.duration_ns)

Importing this module starts nothing, patches nothing and loads no C: each name is
fetched when it is first used.
"""

from marey._errors import (
    DamagedError,
    MareyError,
    NotATraceError,
    NotFoundError,
    RecordingError,
    StorageError,
    TraceError,
    UsageError,
    VersionError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from marey._core import (
        Call,
        Event,
        Function,
        Lane,
        Log,
        Process,
        Total,
        Unrecorded,
        annotate,
        counter,
        ignore,
        instant,
        log,
        span,
        transaction,
        watch,
    )
    from marey.handler import Handler
    from marey.recording import Recording, record, snapshot
    from marey.showing import (
        fmt,
        formatter,
        install,
        readable,
        show,
        to_json,
        uninstall,
    )
    from marey.trace import Info, Totals, Trace, merge, open, pack  # noqa: A004

__version__ = "0.1.0"

__all__ = [
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

_HOMES = {
    "Call": "marey._core",
    "Event": "marey._core",
    "Function": "marey._core",
    "Handler": "marey.handler",
    "Info": "marey.trace",
    "Lane": "marey._core",
    "Log": "marey._core",
    "Process": "marey._core",
    "Recording": "marey.recording",
    "Total": "marey._core",
    "Totals": "marey.trace",
    "Trace": "marey.trace",
    "Unrecorded": "marey._core",
    "annotate": "marey._core",
    "counter": "marey._core",
    "fmt": "marey.showing",
    "formatter": "marey.showing",
    "ignore": "marey._core",
    "install": "marey.showing",
    "instant": "marey._core",
    "log": "marey._core",
    "merge": "marey.trace",
    "pack": "marey.trace",
    "open": "marey.trace",
    "readable": "marey.showing",
    "record": "marey.recording",
    "show": "marey.showing",
    "snapshot": "marey.recording",
    "span": "marey._core",
    "to_json": "marey.showing",
    "transaction": "marey._core",
    "uninstall": "marey.showing",
    "watch": "marey._core",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if name in ("asgi", "wsgi"):  # so that `import marey` is enough for these, too
        return __import__(f"marey.{name}", fromlist=("Middleware",))
    if home is None:
        raise AttributeError(f"module 'marey' has no attribute {name!r}")
    value: object = getattr(__import__(home, fromlist=(name,)), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
