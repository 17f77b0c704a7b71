"""`marey ctl`: gives orders to a process that listens, over a socket of this user's."""

import json
import os
import socket
import stat
import struct
import sys
import time
from pathlib import Path
from typing import Any

from marey._ctl import folder
from marey._errors import RecordingError, UsageError
from marey._options import Options, parse_duration
from marey.cli import _common, run
from marey.recording import snapshot_path

HELP = """\
usage: marey ctl list [--json]
       marey ctl PID status [--json]
       marey ctl PID snapshot [-o FILE] [--before TIME] [WHY]
       marey ctl PID stop
       marey ctl PID start [-o FILE] [options of marey run]
       marey ctl PID filter [--include PATTERN] [--exclude PATTERN]

Gives orders to a running process of this user that listens: one that was started by
marey run --listen, or with MAREY_LISTEN=1 in its environment (it then runs at full
speed until the first start).

  list      the processes that listen
  status    whether it records, where, and how much
  snapshot  writes what it holds now (or only TIME before now) as a trace of its own
  stop      ends the recording; the program goes on, at full speed
  start     begins a recording, into FILE or a new file here
  filter    records from now on what these patterns leave; without any: everything
"""

ORDERS = ("status", "snapshot", "stop", "start", "filter")
PATIENCE_S = 120  # a snapshot of a large ring takes its time


def main(arguments: list[str]) -> int:
    if not arguments:
        raise UsageError("ctl takes list, or a process and an order (marey ctl --help)")
    if arguments[0] in ("-h", "--help") or "--help" in arguments[1:]:
        print(HELP, end="")
        return 0
    if arguments[0] == "list":
        return _list(arguments[1:])
    if not (arguments[0].isascii() and arguments[0].isdigit()):
        raise UsageError(f"{arguments[0]!r} is no process number (marey ctl --help)")
    pid, order, rest = int(arguments[0]), arguments[1:2], arguments[2:]
    if not order or order[0] not in ORDERS:
        raise UsageError(f"an order is one of {', '.join(ORDERS)} (marey ctl --help)")
    handler: Any = globals()[f"_{order[0]}"]
    status: int = handler(pid, rest)
    return status


def ask(pid: int, line: str) -> dict[str, Any]:
    """Sends one order and returns the answer; raises RecordingError."""
    where = Path(folder())
    _check_folder(where, pid)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(str(where / f"{pid}.sock"))
            _check_peer(connection, pid)
            connection.sendall(line.encode("utf-8", "surrogateescape") + b"\n")
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
    except (FileNotFoundError, ConnectionRefusedError):
        raise RecordingError(_silence(pid)) from None
    except OSError as error:
        raise RecordingError(f"process {pid}: {error.strerror or error}") from None
    try:
        answer: dict[str, Any] = json.loads(b"".join(parts))
    except ValueError:
        raise RecordingError(
            f"process {pid} gave no answer; it may be ending"
        ) from None
    if "error" in answer:
        raise RecordingError(f"process {pid}: {answer['error']}")
    return answer


def _silence(pid: int) -> str:
    if not Path(f"/proc/{pid}").exists():
        return f"there is no process {pid}"
    return (
        f"process {pid} does not listen; start it by marey run --listen, or with "
        "MAREY_LISTEN=1"
    )


def _check_folder(where: Path, pid: int) -> None:
    """Anybody may make a folder in /tmp: what is not ours is not trusted."""
    try:
        status = where.lstat()
    except OSError:
        raise RecordingError(_silence(pid)) from None
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    if not is_own or status.st_mode & 0o077:
        raise RecordingError(f"{where} is not this user's alone; remove it")


def _check_peer(connection: socket.socket, pid: int) -> None:
    raw = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    _, uid, _ = struct.unpack("3i", raw)
    if uid != os.geteuid():
        raise RecordingError(f"another user answers for process {pid}")


# ---- orders ----


def _list(rest: list[str]) -> int:
    if rest not in ([], ["--json"]):
        raise UsageError("list takes nothing but --json (marey ctl --help)")
    where, answers = Path(folder()), []
    for path in sorted(where.glob("*.sock")) if where.is_dir() else ():
        if not path.stem.isdigit():
            continue
        try:
            answers.append(ask(int(path.stem), "status"))
        except RecordingError:
            continue
    if rest:
        _common.write(f"{json.dumps(answers)}\n")
    for answer in answers if not rest else ():
        _common.write(f"{answer['pid']:>8}  {_state(answer)}\n")
    sys.stdout.flush()
    return 0


def _state(answer: dict[str, Any]) -> str:
    if not answer["recording"]:
        return "does not record"
    lost = f", {answer['lost']:,} lost" if answer["lost"] else ""
    return (
        f"records into {_common.safe(answer['trace'])}: {answer['events']:,} events"
        f"{lost}, {answer['size_bytes'] / 1e6:.1f} MB, {answer['seconds']:.1f} s"
    )


def _status(pid: int, rest: list[str]) -> int:
    if rest not in ([], ["--json"]):
        raise UsageError("status takes nothing but --json")
    answer = ask(pid, "status")
    _common.write(f"{json.dumps(answer) if rest else _state(answer)}\n")
    sys.stdout.flush()
    return 0


def _snapshot(pid: int, rest: list[str]) -> int:
    output, before, why = None, 0, []
    arguments = iter(rest)
    for argument in arguments:
        if argument in ("-o", "--output", "--before"):
            value = next(arguments, None)
            if value is None:
                raise UsageError(f"{argument} needs a value (marey ctl --help)")
            if argument == "--before":
                before = parse_duration(value)
            else:
                output = str(Path(value).absolute())
        elif argument.startswith("-"):
            raise UsageError(f"snapshot has no option {argument} (marey ctl --help)")
        else:
            why.append(argument)
    if output is None:
        answer = ask(pid, "status")
        if not answer["recording"]:
            raise RecordingError(f"process {pid}: nothing is recorded here now")
        output = snapshot_path(answer["trace"])
    text = " ".join(" ".join(why).split()) or "marey ctl"
    if "\t" in output or "\n" in output:
        raise UsageError("the path of a snapshot has no tabs and no line ends")
    answer = ask(pid, f"snapshot\t{output}\t{before}\t{text}")
    _common.write(f"{_common.safe(answer['snapshot'])}\n")
    sys.stdout.flush()
    return 0


def _stop(pid: int, rest: list[str]) -> int:
    if rest:
        raise UsageError("stop takes nothing (marey ctl --help)")
    _common.write(f"{_common.safe(ask(pid, 'stop')['stopped'])}\n")
    sys.stdout.flush()
    return 0


def _start(pid: int, rest: list[str]) -> int:
    settings, more = run.parse(rest)
    if more:
        raise UsageError(f"start takes options only, not {more[0]!r}")
    for name in ("open", "config", "help"):
        settings.pop(name, None)
    path = settings.pop("output", None)
    if path is None or Path(path).is_dir():
        name = f"pid{pid}-{time.strftime('%Y%m%d-%H%M%S')}.marey"
        path = str(Path(path or ".") / name)
    options = run.make_options(str(Path(path).absolute()), settings)
    answer = ask(pid, f"start\t{options.replace(main=False).encode()}")
    _common.write(f"{_common.safe(answer['started'])}\n")
    sys.stdout.flush()
    return 0


def _filter(pid: int, rest: list[str]) -> int:
    settings, more = run.parse(rest)
    if more or set(settings) - {"include", "exclude"}:
        raise UsageError("filter takes --include and --exclude only")
    options = Options("-", **settings)
    ask(pid, f"filter\t{options.encode()}")
    return 0
