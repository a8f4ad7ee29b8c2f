"""What `bit-tfx serve` costs over the model alone, and what it bears, on a pushed model.

    .venv-serve/bin/python -m benchmarks.serve --serving runs/digits/serving

It runs in the server's environment (`make serve-setup`): the model is asked directly in this
process, and over REST in a server's, in turns.
"""

from __future__ import annotations

import base64
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.encoded import images as photographs
from benchmarks.encoded import in_turns
from benchmarks.measure import ROOT, arguments, conditions, table, tell
from components.pusher.versions import served

CONCURRENCY = (1, 8, 64)
BATCHES = (1, 16)
KIND = "PNG 64 x 64"
PORT = 18_480


def body_of(images: list[bytes]) -> str:
    """A V1 request."""
    return json.dumps({"instances": [{"b64": base64.b64encode(each).decode()} for each in images]})


class Server:
    """A server's process, and requests to it."""

    def __init__(self, folder: Path, name: str = "digits"):
        command = [sys.executable, "-m", "serving.cli", str(folder), "--port", str(PORT)]
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [*command, "--grpc-port", "0", "--name", name, "--poll-seconds", "0.2"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("serving"):
                break
        self.start_s = time.perf_counter() - started
        self.path = f"/v1/models/{name}:predict"
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def asking(self, body: str) -> Callable[[], Any]:
        """A function that sends a request over a connection of its own, and reads the answer."""
        connection = http.client.HTTPConnection("localhost", PORT, timeout=60)

        def ask() -> Any:
            connection.request("POST", self.path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
            assert response.status == 200, answer
            return answer

        return ask

    def memory_mb(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def end(self) -> None:
        """As an orchestrator ends it."""
        self.process.terminate()
        self.process.wait(60)


def throughput(
    server: Server, body: str, clients: int, seconds: float
) -> tuple[float, list[float]]:
    """Requests a second, and the latency of each in seconds."""
    times: list[list[float]] = [[] for _ in range(clients)]
    end = time.perf_counter() + seconds

    def work(own: list[float]) -> None:
        ask = server.asking(body)
        while time.perf_counter() < end:
            started = time.perf_counter()
            ask()
            own.append(time.perf_counter() - started)

    threads = [threading.Thread(target=work, args=(own,)) for own in times]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = sorted(each for own in times for each in own)
    return len(found) / (time.perf_counter() - started), found


def first_requests(server: Server) -> dict[int, float]:
    """Seconds of the first request of each size that a server ever gets."""
    images = photographs(KIND, max(BATCHES))
    firsts = {}
    for size in BATCHES:
        ask = server.asking(body_of(images[:size]))
        started = time.perf_counter()
        ask()
        firsts[size] = time.perf_counter() - started
    return firsts


def latency(
    server: Server, version: Path, repeats: int, firsts: dict[int, float]
) -> list[list[Any]]:
    """Images, first request, REST p50, direct p50 in milliseconds, and their ratios."""
    from serving.version import load

    images = photographs(KIND, max(BATCHES))
    asks = {size: server.asking(body_of(images[:size])) for size in BATCHES}
    model = load(version)
    model.warm_up(version)
    rows = []
    for size, ask in asks.items():
        rest, direct = in_turns([ask, lambda size=size: model.answer(images[:size])], repeats)
        figures = [1_000 * each for each in (firsts[size], rest, direct)]
        rows.append([size, *figures, firsts[size] / rest, rest / direct])
    return rows


def load_of(server: Server, seconds: float) -> list[list[Any]]:
    """Clients, images a second, p50 and p99 in milliseconds, memory in megabytes after it."""
    body = body_of(photographs(KIND, 1))
    rows = []
    for clients in CONCURRENCY:
        rate, times = throughput(server, body, clients, seconds)
        p50, p99 = statistics.median(times), times[int(0.99 * len(times))]
        rows.append([clients, rate, 1_000 * p50, 1_000 * p99, server.memory_mb()])
    return rows


def main() -> None:
    """Measures, and prints tables."""
    parser = arguments(__doc__, repeats=200)
    parser.add_argument("--serving", required=True, type=Path, help="folder of versions")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each concurrency")
    parser.add_argument("--starts", type=int, default=5, help="of a server, for the first request")
    options = parser.parse_args()
    before = conditions("tensorflow-cpu")
    version = served(options.serving)
    assert isinstance(version, Path)
    tried, firsts = [], []
    for _ in range(options.starts):
        server = Server(options.serving)
        tried.append(server.start_s)
        firsts.append(first_requests(server))
        if len(firsts) < options.starts:
            server.end()
    try:
        start = [statistics.median(tried), server.memory_mb()]
        median = {size: statistics.median(each[size] for each in firsts) for size in BATCHES}
        alone = latency(server, version, options.repeats, median)
        crowd = load_of(server, options.seconds)
    finally:
        server.end()
    header = ["images", "first request", "REST p50", "direct", "first / p50", "REST / direct"]
    shown = [
        [n, *(f"{each:.1f} ms" for each in row[:3]), *(f"{each:.2f}" for each in row[3:])]
        for n, *row in alone
    ]
    text = f"ready after {start[0]:.1f} s with {start[1]:.0f} MB\n\n{table(header, shown)}"
    header = ["clients", "images/s", "p50", "p99", "memory"]
    shown = [
        [n, f"{rate:.0f}", f"{p50:.1f} ms", f"{p99:.1f} ms", f"{memory:.0f} MB"]
        for n, rate, p50, p99, memory in crowd
    ]
    tell(options, before, f"{text}\n\n{table(header, shown)}", [start, alone, crowd])


if __name__ == "__main__":
    main()
