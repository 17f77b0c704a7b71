"""An ASGI application under load: exactly the slow requests are kept.

    python tests/scale/asgi.py [REQUESTS] [EVERY]

Run by hand with 20000 1000; a small run of it is part of the tests. A server of a few
lines speaks ASGI with a real application over loopback; a bounded client in four
threads sends REQUESTS requests, and makes one in EVERY slow. Then: as many keeps as
slow requests, each whole, without a loss, with its slow request and every call in it;
the folder within its limit; the ring no larger than it was told to be.

    python tests/scale/asgi.py p99 [REQUESTS]

What transaction-only mode does to the slowest one in a hundred of the other requests:
the same server switches such a recording on and off every 4,000 requests, and times
each request itself. Blocks with and without it are neighbours, so that the machine's
moods hit both; told is the mean ratio of their 99th percentiles, and its 95 % interval;
the same for the processor's time that passed meanwhile. It needs a quiet machine.
"""

from __future__ import annotations

import http.client
import json
import math
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

LIMIT = 64 << 20
RING = 8 << 20
SERVER = """
import asyncio, sys

def parse(text):
    return dict(part.partition("=")[::2] for part in text.split("&") if part)

def render(number):
    return "".join(str(digit) for digit in range(number % 50)).encode()

async def look_up(number):
    await asyncio.sleep(0)
    return number * 2

async def slow_query():
    await asyncio.sleep(0.4)

async def app(scope, receive, send):
    query = parse(scope["query_string"].decode())
    await receive()
    number = await look_up(int(query["n"]))
    if query.get("slow"):
        await slow_query()
    body = render(number)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})

async def serve(reader, writer):
    while True:
        try:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
        except asyncio.IncompleteReadError:
            break
        target = head.split(b" ", 2)[1]
        if target == b"/end":
            ended.set()
            break
        path, _, query = target.partition(b"?")
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}
        async def send(message):
            if message["type"] == "http.response.body":
                body = message["body"]
                size = str(len(body)).encode()
                writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: " + size
                             + b"\\r\\n\\r\\n" + body)
                await writer.drain()
        scope = {"type": "http", "path": path.decode(), "query_string": query}
        await app(scope, receive, send)
    writer.close()

async def main():
    global ended
    ended = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    server.close()
    await asyncio.sleep(0.2)

asyncio.run(main())
"""

BLOCK = 4000
TIMED = """
import json, os, random, time
import marey

blocks, now, recording = [], [], None

def percentile(values, part):
    return sorted(values)[int(len(values) * part)]

def now_ns():
    return time.perf_counter_ns(), time.thread_time_ns()

def note(took_ns, busy_ns):
    global recording
    now.append((took_ns, busy_ns))
    if len(now) < BLOCK:
        return
    steady = now[BLOCK // 2:]  # what a start stirs up has settled, slots have grown
    took, busy = zip(*steady)
    blocks.append((recording is not None, percentile(took, 0.99),
                   percentile(took, 0.5), percentile(busy, 0.99),
                   sum(busy)))
    now.clear()
    if recording is not None:
        recording.stop()
        os.unlink(recording.path)
        recording = None
    # Of each two blocks one, at random the first or the second, is recorded.
    if len(blocks) % 2 == 0:
        note.is_first = random.random() < 0.5
    if note.is_first == (len(blocks) % 2 == 0):
        recording = marey.record(f"{len(blocks)}.marey", transactions_only=True,
                                 children=False)
        recording.start()

note.is_first = False
"""


def timed_server() -> str:
    """The server, with its application marked, and each request timed."""
    text = SERVER.replace("async def app(", "@marey.transaction\nasync def app(")
    call = "        await app(scope, receive, send)\n"
    assert call in text
    text = text.replace(
        call,
        "        begin, busy = now_ns()\n"
        + call
        + "        end, all_busy = now_ns()\n"
        + "        note(end - begin, all_busy - busy)\n",
    )
    text += "json.dump(blocks, open('blocks.json', 'w'))\n"
    return f"BLOCK = {BLOCK}\n{TIMED}{text}"


def compare(requests: int) -> int:
    with tempfile.TemporaryDirectory(prefix="marey-asgi-") as name:
        folder = Path(name)
        (folder / "server.py").write_text(timed_server())
        server = subprocess.Popen(
            [sys.executable, "server.py"], cwd=name, stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        port = int(server.stdout.readline())
        send(port, requests, requests * 2)
        server.wait(timeout=60)
        blocks = json.loads((folder / "blocks.json").read_text())
    pairs = list(zip(blocks[::2], blocks[1::2], strict=False))[1:]
    for at, what in (
        (1, "p99"),
        (2, "p50"),
        (3, "p99 of the processor's time"),
        (4, "all of the processor's time"),
    ):
        logs = [
            math.log(a[at] / b[at]) * (1 if a[0] else -1)
            for a, b in pairs
            if a[0] != b[0]
        ]
        mean = statistics.fmean(logs)
        reach = 2 * statistics.stdev(logs) / math.sqrt(len(logs))
        median = statistics.median(b[at] for b in blocks if not b[0])
        low, high = math.exp(mean - reach) - 1, math.exp(mean + reach) - 1
        print(f"{what} {median / 1e3:.1f} us, recorded {math.exp(mean) - 1:+.1%} "
              f"({low:+.1%} to {high:+.1%}), {len(logs)} pairs")  # fmt: skip
    return 0


def load(port: int, numbers: range, every: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for number in numbers:
        slow = "&slow=1" if number % every == every - 1 else ""
        connection.request("GET", f"/item?n={number}{slow}")
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
    connection.close()


def send(port: int, requests: int, every: int) -> None:
    """All requests from four threads, then the one that ends the server."""
    share = requests // 4
    # One thread alone sends slow ones: two at a time would be kept as one.
    shares = [range(at * share, (at + 1) * share) for at in range(4)]
    threads = [
        threading.Thread(
            target=load, args=(port, one, every if not at else requests * 2)
        )
        for at, one in enumerate(shares)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    end.request("GET", "/end")


def record(folder: Path, requests: int, every: int) -> Path:
    """Runs server and client; returns the folder of keeps."""
    program, kept = folder / "server.py", folder / "kept"
    program.write_text(SERVER)
    command = [sys.executable, "-m", "marey", "run", "-q", "-o", folder / "run.marey"]
    command += ["--ring", str(RING), "--keep", "call:__main__:app > 300ms"]
    command += ["--keep-dir", kept, "--keep-before", "100ms", "--keep-after", "1ms"]
    command += ["--keep-max", str(LIMIT), "--keep-rate", "100000", program]
    server = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    port = int(server.stdout.readline())
    send(port, requests, every)
    server.wait(timeout=60)
    assert server.returncode == 0
    return kept


def is_before(from_ns: int, begin_ns: int) -> bool:
    """Whether a window begins as long before a call as --keep-before says."""
    return abs(from_ns - max(0, begin_ns - 100e6)) < 1e6


def main() -> int:
    if sys.argv[1:2] == ["p99"]:
        return compare(int(sys.argv[2]) if len(sys.argv) > 2 else 400_000)
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    every = (int(sys.argv[2]) if len(sys.argv) > 2 else 1000) // 4
    import marey

    with tempfile.TemporaryDirectory(prefix="marey-asgi-") as name:
        folder = Path(name)
        kept = record(folder, requests, every)
        expected = len([n for n in range(requests // 4) if n % every == every - 1])
        paths = sorted(kept.iterdir())
        right = 0
        for path in paths:
            with marey.open(path) as trace:
                calls = list(trace.calls())
                from_ns = trace.info().window_from_ns  # 0: nothing is older
                slow = [
                    call
                    for call in calls
                    if call.name == "app"
                    and call.duration_ns > 300e6
                    and is_before(from_ns, call.begin_ns)
                ]
                names = {call.name for call in calls}
                facts = (
                    len(slow),
                    {"slow_query", "look_up", "render", "parse"} - names,
                    trace.check(limit=3),
                    trace.info().lost_count,
                )
                if facts == (1, set(), ([], 0), 0):
                    right += 1
                else:
                    print(f"wrong: {path.name}: {facts}")
        size = sum(path.stat().st_size for path in paths)
        ring = (folder / "run.marey").stat().st_size
        print(f"{requests} requests, {expected} slow, {len(paths)} kept, {right} right")
        print(f"keeps {size / 1e6:.1f} MB, ring {ring / 1e6:.1f} MB")
        good = len(paths) == right == expected and size <= LIMIT and ring < 2 * RING
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
