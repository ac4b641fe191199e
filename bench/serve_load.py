"""Load on `refimpl serve`: requests per second and latency of /embed, one short text per request, by connections.

`python -m bench.serve_load` starts a server in a process of its own and prints a table; `--url` loads a running one.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bench.servers import started

TEXT = "Mars, number {}, is often called the Red Planet, and has two small moons."


@dataclass
class Load:
    """What one round measured: latencies of answers with status 200, and the number of answers by status."""

    seconds: float
    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def row(self, connections: int) -> str:
        """The round as a row of the table."""
        latencies_ms = sorted(1000 * one for one in self.latencies_s)
        median, worst = statistics.median(latencies_ms), latencies_ms[int(0.99 * len(latencies_ms))]
        others = sum(count for status, count in self.statuses.items() if status != 200)
        rate = len(latencies_ms) / self.seconds
        return f"| {connections} | {rate:.0f} | {median:.1f} | {worst:.1f} | {others} |"


class Connection(asyncio.Protocol):
    """One keep-alive connection: a request, its whole response, the next request, until `stop_at`."""

    def __init__(self, load: Load, start_at: float, stop_at: float, first: int) -> None:
        self._load, self._start_at, self._stop_at, self._number = load, start_at, stop_at, first
        self._received = bytearray()
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            return
        now = time.perf_counter()
        if now > self._start_at:
            status = int(head[9:12])
            self._load.statuses[status] += 1
            if status == 200:
                self._load.latencies_s.append(now - self._sent_at)
        self._received.clear()
        if now > self._stop_at:
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)

    def _send(self) -> None:
        self._number += 1
        body = json.dumps({"inputs": TEXT.format(self._number)}).encode()
        head = (
            f"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        self._sent_at = time.perf_counter()
        self._transport.write(head.encode() + b"\r\n\r\n" + body)


async def load(url: str, connections: int, seconds: float) -> Load:
    """Load the server at `url` for `seconds`, after a second that is not counted."""
    address = urlsplit(url)
    start_at = time.perf_counter() + 1
    measured = Load(seconds)

    def connection(number: int) -> Connection:
        return Connection(measured, start_at, start_at + seconds, number * 1_000_000)

    create = asyncio.get_running_loop().create_connection
    opened = [
        await create(lambda number=number: connection(number), address.hostname, address.port)
        for number in range(connections)
    ]
    await asyncio.gather(*(protocol.closed for _, protocol in opened))
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a running server; by default one is started")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 128])
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    process = None
    url = options.url
    if url is None:
        process, url = started("-m", "refimpl", "serve", "--port", "0", "--max-waiting", "1000")
    try:
        print("| connections | requests/s | median ms | p99 ms | not 200 |\n|---|---|---|---|---|")
        for connections in options.connections:
            print(asyncio.run(load(url, connections, options.seconds)).row(connections), flush=True)
    finally:
        if process is not None:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
