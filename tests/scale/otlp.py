"""What `marey export` writes for OpenTelemetry, taken by the collector's own receiver.

    python tests/scale/otlp.py [RECEIVER]

Run by hand: it needs Go, and the modules of the OpenTelemetry collector from its proxy
(or RECEIVER, a build of tests/scale/otlp). The program is recorded, its transactions
exported and posted to the receiver's HTTP endpoint as any exporter would; what the
receiver then says that it was sent must be what the program did.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ADDRESS = "127.0.0.1:43180"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PROGRAM = f"""
import marey

@marey.transaction("query")
def query(number):
    if number == 3:
        raise KeyError(number)

def app(environ, start_response):
    query(1)
    start_response("200 OK", [])
    return [b"body"]

environ = {{"REQUEST_METHOD": "GET", "PATH_INFO": "/items", "QUERY_STRING": "a=1",
           "HTTP_TRACEPARENT": "{TRACEPARENT}"}}
served = marey.wsgi.Middleware(app, route=lambda environ: "/{{name}}")
for part in (answer := served(environ, lambda *_: None)):
    pass
getattr(answer, "close", lambda: None)()
try:
    query(3)
except KeyError:
    pass
with marey.transaction("batch \\u00e4", size=2 ** 60, share=0.5, ok=True, none=None):
    query(2)
"""


def build(folder: Path) -> Path | None:
    if shutil.which("go") is None:
        return None
    made = folder / "receiver"
    done = subprocess.run(["go", "build", "-o", made, "."], cwd=HERE / "otlp")
    return made if done.returncode == 0 else None


def receive(receiver: Path, body: bytes) -> tuple[int, list[dict[str, object]]]:
    """The status of the answer, and the spans as the receiver tells them."""
    running = subprocess.Popen(
        [receiver, ADDRESS],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    assert running.stdout is not None
    assert json.loads(running.stdout.readline()) == "ready"
    request = urllib.request.Request(
        f"http://{ADDRESS}/v1/traces", body, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            status = answer.status
            assert not json.loads(answer.read()).get("partialSuccess")
    finally:
        out, _ = running.communicate(timeout=20)
    return status, [json.loads(line) for line in out.splitlines()]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="marey-otlp-") as name:
        folder = Path(name)
        receiver = Path(sys.argv[1]) if len(sys.argv) > 1 else build(folder)
        if receiver is None:
            print("skipped: the receiver cannot be built here")
            return 77
        trace, spans = folder / "run.marey", folder / "spans.otlp.json"
        marey = [sys.executable, "-m", "marey"]
        run = [*marey, "run", "-q", "--transactions-only", "-o", trace, "-c", PROGRAM]
        subprocess.run(run, check=True)
        subprocess.run([*marey, "export", trace, "-o", spans], check=True)
        status, got = receive(receiver, spans.read_bytes())
    by_name = {str(span["name"]): span for span in got}
    request, batch = by_name["GET /{name}"], by_name["batch \u00e4"]
    first, failed, last = (span for span in got if span["name"] == "query")
    wrong = [
        text
        for text, is_right in {
            "status": status == 200,
            "count": len(got) == 5,
            "trace id": request["trace"] == first["trace"] == TRACEPARENT[3:35],
            "parent": request["parent"] == TRACEPARENT[36:52],
            "inner": first["parent"] == request["span"]
            and last["parent"] == batch["span"],
            "kind": request["kind"] == "Server" and batch["kind"] == "Internal",
            "error": failed["status"] == "Error" and failed["events"] == 1,
            "no error": request["status"] != "Error",
            "attributes": batch["attributes"].items()  # type: ignore[attr-defined]
            >= {"size": 2**60, "share": 0.5, "ok": True, "none": ""}.items(),
            "times": all(0 < s["end_ns"] - s["start_ns"] < 10e9 for s in got),  # type: ignore[operator]
        }.items()
        if not is_right
    ]
    for span in got if wrong else []:
        print(span)
    print(f"{len(got)} spans received, wrong: {', '.join(wrong) or 'nothing'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
