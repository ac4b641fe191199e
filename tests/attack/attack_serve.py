"""`refimpl serve` among hostile clients, and under load: it keeps answering with the published vectors.

After every hostile client a well-behaved one sends a golden text: its vector must be the one that transformers computed
in float64. At the end nothing may be held, nothing be logged, and memory be what it was.
"""

import contextlib
import json
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from attacks import Attack, attack
from prometheus_client.parser import text_string_to_metric_families

from refimpl import golden

sys.path.append(str(Path(__file__).parents[1] / "helpers"))
from strangers import answer, connected, get, post, request

TOLERANCE = 1e-6  # of a float32 unit vector; observed 1e-7
GROWTH_BYTES = 96 << 20  # of resident memory; observed 20 MB
GOLDEN = ("published-1", "published-query")
SERVER = """
from refimpl import MaxSimRerankFunction, MiniLMEmbeddingFunction
from refimpl.serve.engine import Engine
from refimpl.serve.limits import Limits
from refimpl.serve.run import run

limits = Limits(
    max_bytes=1 << 20, max_connections=64, header_timeout_s=2, body_timeout_s=2, response_timeout_s=2, grace_s=5
)
run(Engine(MiniLMEmbeddingFunction(), MaxSimRerankFunction(), "minilm", "maxsim"), "127.0.0.1", 0, None, limits)
"""


@dataclass
class Target:
    """A server in a process of its own, and connections that hostile clients keep open."""

    port: int
    process: psutil.Process
    log: Path
    open: list[socket.socket] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    vectors: np.ndarray = field(default_factory=lambda: np.empty(0))

    def leave_open(self, data: bytes) -> socket.socket:
        """Send `data` and keep the connection, closing the oldest of many."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        self.open.append(client)
        with contextlib.suppress(ConnectionError):
            client.sendall(data)
        while len(self.open) > 100:
            self.open.pop(0).close()
        return client

    def metrics(self) -> dict[str, float]:
        """The sums of its metrics by name."""
        families = text_string_to_metric_families(get(self.port, "/metrics")[1].decode())
        return {one.name: one.value for family in families for one in family.samples}

    def wrong(self) -> str | None:
        """What is wrong with the vectors of a well-behaved client; None for nothing."""
        status, body = post(self.port, {"inputs": self.texts, "truncate": True}, "/embed")
        if status != 200:
            return f"expected 200, got {status} {body[:100]!r}"
        difference = float(np.abs(np.array(json.loads(body)) - self.vectors).max())
        return None if difference <= TOLERANCE else f"vectors differ by {difference:g}"


@contextlib.contextmanager
def target() -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as errors:
            process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().split()[0].rpartition(":")[2])
            texts = [golden.texts()[name] for name in GOLDEN]
            yield Target(port, psutil.Process(process.pid), log, [], texts, expected())
            process.terminate()
            process.wait(60)
        finally:
            process.kill()
            process.communicate()


def expected() -> np.ndarray:
    """transformers' float64 vectors of the texts in GOLDEN."""
    (vector,) = [one for one in golden.vectors() if one.stage == "normalized"]
    return golden.array(vector)[[list(golden.texts()).index(name) for name in GOLDEN]]


BEHAVIOURS: list[Callable[[Target, random.Random], str | None]] = []
"""Each returns what the server did wrong; None for nothing."""


def behaviour(run: Callable[[Target, random.Random], str | None]) -> Callable[[Target, random.Random], str | None]:
    BEHAVIOURS.append(run)
    return run


def refused(found: tuple[int, bytes], *statuses: int) -> str | None:
    status, body = found
    if status in statuses and len(body) < 1000:
        return None
    return f"expected a short answer of {statuses}, got {status} with {len(body)} bytes: {body[:80]!r}"


def sent(server: Target, data: bytes) -> tuple[int, bytes]:
    """The answer to `data`, of which the server need not read the end."""
    with connected(server.port) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(data)
        return answer(client)


VALID = request({"inputs": ["Mars is red."] * 3}, "/embed")
HEAD = VALID.index(b"\r\n\r\n") + 4


@behaviour
def half_heads(server: Target, random: random.Random) -> None:
    for _ in range(random.randint(1, 8)):
        server.leave_open(VALID[: random.randrange(HEAD)])


@behaviour
def half_bodies(server: Target, random: random.Random) -> None:
    for _ in range(random.randint(1, 3)):
        server.leave_open(VALID[: random.randrange(HEAD, len(VALID))])


@behaviour
def leaves_in_the_middle(server: Target, random: random.Random) -> None:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    client.sendall(VALID[: random.randrange(len(VALID) + 1)])
    if random.random() < 0.5:  # a reset in place of an orderly end
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@behaviour
def leaves_before_the_answer(server: Target, random: random.Random) -> None:
    texts = [f"{random.random()} is a number of many words. " * 20 for _ in range(random.randint(10, 400))]
    with connected(server.port) as client:
        client.sendall(request({"inputs": texts, "truncate": True}, "/embed"))


@behaviour
def bodies_that_are_too_large(server: Target, random: random.Random) -> str | None:
    size = random.choice([(1 << 20) + 1, 1 << 40])
    return refused(sent(server, request(b"", Content_Length=str(size))), 413)


@behaviour
def chunks_without_end(server: Target, random: random.Random) -> str | None:
    head = request(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    size = random.choice([1, 1000, 100_000])
    chunk = b"%x\r\n%s\r\n" % (size, b" " * size)
    number = 2000 if size == 1 else (1 << 20) // size + 2
    return refused(sent(server, head + chunk * number), *((408,) if size == 1 else (413,)))


@behaviour
def chunks_that_are_none(server: Target, random: random.Random) -> str | None:
    head = request(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunk = random.choice(
        [b"-1\r\n", b"zz\r\n", b"f" * 30 + b"\r\n", b"5 \x00\r\n", b"\r\n\r\n", b"5;" + b"x" * 70_000]
    )
    return refused(sent(server, head + chunk), 400, 0)


@behaviour
def other_content_types(server: Target, random: random.Random) -> str | None:
    declared = random.choice(
        ["text/plain", "", None, "application/x-www-form-urlencoded", "x" * 9000, "text/json;a=json"]
    )
    return refused(sent(server, request({"inputs": "a"}, "/embed", Content_Type=declared)), 415)


@behaviour
def other_hosts(server: Target, random: random.Random) -> str | None:
    host = random.choice(
        ["evil.example", "", "127.0.0.1.evil.example", "[::1", "a@b", "x" * 9000, "localhost.", "1.2.3"]
    )
    return refused(sent(server, request({"inputs": "a"}, "/embed", Host=host)), 421)


@behaviour
def no_http(server: Target, random: random.Random) -> str | None:
    data = random.choice([random.randbytes(random.randint(1, 300)), b"\x16\x03\x01\x02\x00" + random.randbytes(200)])
    return refused(sent(server, data + b"\r\n\r\n"), 400)


@behaviour
def changed_requests(server: Target, random: random.Random) -> str | None:
    data = bytearray(VALID)
    for _ in range(random.randint(1, 6)):
        data[random.randrange(len(data))] = random.randrange(256)
    with connected(server.port) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        status, _ = answer(client)
    return (
        None if status in {0, 200, 400, 404, 405, 408, 413, 415, 421, 422, 505} else f"got {status} for {bytes(data)!r}"
    )


@behaviour
def two_lengths(server: Target, random: random.Random) -> str | None:
    extra = random.choice(
        [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked, identity\r\n", b"Content-Length: -1\r\n"]
    )
    return refused(sent(server, VALID.replace(b"\r\n", b"\r\n" + extra, 1)), 400, 501)


@behaviour
def heads_without_end(server: Target, random: random.Random) -> str | None:
    line = random.choice([b"X: y\r\n" * 20_000, b"X: " + b"y" * 200_000, b"X" * 200_000])
    return refused(sent(server, b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + line), 400, 0)


@behaviour
def json_bombs(server: Target, random: random.Random) -> str | None:
    many = random.randint(1000, 100_000)
    bomb = random.choice(
        [
            b"[" * many,
            b'{"a":' * many,
            b'{"inputs": ' + b"[" * many + b"]" * many + b"}",
            b'{"inputs": ' + b"9" * many + b"}",
            b'{"inputs": 1e' + b"9" * many + b"}",
            b"[" + b"[]," * many + b"[]]",
            b'{"inputs": [' + b"{}," * many + b"{}]}",
            b'{"inputs": [' + b'"",' * many + b'""]}',
            b'{"normalize": "' + b"\\u0001" * many + b'", "inputs": "a"}',
            b'{"inputs": "a' + b"\\ud800" * 9 + b'"}',
            b'{"inputs": NaN}',
            b"\xff\xfe" * many,
            b'{"inputs": "a"' + b', "inputs": []' * many + b"}",
        ]
    )
    return refused(sent(server, request(bomb[: 1 << 20], "/embed")), 400, 422)


@behaviour
def many_requests_at_once(server: Target, random: random.Random) -> str | None:
    numbers = [random.randint(1, 4) for _ in range(random.randint(2, 10))]
    data = b"".join(request({"inputs": ["a"] * number}, "/embed") for number in numbers)
    received = []
    with connected(server.port) as client:
        client.sendall(data)
        buffer = b""
        for _ in numbers:
            while b"\r\n\r\n" not in buffer:
                buffer += client.recv(1 << 16)
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            while len(buffer) < length:
                buffer += client.recv(1 << 16)
            received.append(len(json.loads(buffer[:length])))
            buffer = buffer[length:]
    return None if received == numbers else f"expected answers of {numbers} vectors in this order, got {received}"


@behaviour
def many_connections(server: Target, random: random.Random) -> None:
    for _ in range(random.randint(20, 100)):
        server.leave_open(b"")


@behaviour
def answers_that_are_not_read(server: Target, random: random.Random) -> None:
    body = {"query": "q", "texts": ["x" * 200_000 + str(number) for number in range(4)], "return_text": True}
    server.leave_open(request(body | {"truncate": True}) * random.randint(1, 3))


@behaviour
def upgrades(server: Target, random: random.Random) -> str | None:
    wanted = random.choice(["websocket", "h2c", "x"])
    data = f"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: {wanted}\r\n\r\n".encode()
    status, _ = sent(server, random.choice([data, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]))
    return None if status in {200, 400, 421} else f"got {status}"


@behaviour
def waits_for_permission(server: Target, random: random.Random) -> None:
    server.leave_open(VALID[:HEAD].replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))


@attack
def serve_strangers(run: Attack) -> None:
    """Hostile clients of every kind, some of which stay connected; after each, a well-behaved one."""
    with target() as server:
        before = 0
        for number, random in enumerate(run.rounds(40), run.seed):
            chosen = BEHAVIOURS[number % len(BEHAVIOURS)]
            if wrong := chosen(server, random):
                run.failed(f"{chosen.__name__}: {wrong}")
            run.count("behaviours")
            if wrong := server.wrong():
                run.failed(f"a well-behaved client after {chosen.__name__}: {wrong}")
            run.count("requests")
            if number == run.seed + len(BEHAVIOURS):
                before = server.process.memory_info().rss
        for client in server.open:
            client.close()
        _check_rest(run, server, before)


@attack
def serve_load(run: Attack) -> None:
    """16 connections at once, of texts alone and in lists, queries and clients that leave: 6 seconds per scale."""
    with target() as server:
        stop_at = time.monotonic() + max(1.0, 6 * run.scale)
        warm_at = time.monotonic() + max(0.5, 2 * min(run.scale, 15))
        clients = [threading.Thread(target=_load, args=(run, server, seed, stop_at)) for seed in range(16)]
        for client in clients:
            client.start()
        time.sleep(max(0.0, warm_at - time.monotonic()))
        before = server.process.memory_info().rss
        for client in clients:
            client.join()
        _check_rest(run, server, before)


def _load(run: Attack, server: Target, seed: int, stop_at: float) -> None:
    choose = random.Random(seed)
    while time.monotonic() < stop_at:
        kind = choose.random()
        if kind < 0.05:
            leaves_before_the_answer(server, choose)
        elif kind < 0.1:
            status, _ = post(server.port, {"query": server.texts[0], "texts": server.texts * 8}, "/rerank")
            if status != 200:
                run.failed(f"rerank under load: got {status}")
        elif wrong := server.wrong():
            run.failed(f"embed under load: {wrong}")
        run.count("requests")


def _check_rest(run: Attack, server: Target, before: int) -> None:
    """Once all clients have left: nothing waits or is held, one connection is open, memory is what it was."""
    deadline = time.monotonic() + 60
    wanted = {"refimpl_waiting_requests": 0.0, "refimpl_held_bytes": 0.0, "refimpl_connections": 1.0}
    while (found := {name: server.metrics()[name] for name in wanted}) != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    if found != wanted:
        run.failed(f"expected {wanted}, got {found}")
    growth = server.process.memory_info().rss - before
    if before and growth > GROWTH_BYTES:
        run.failed(f"resident memory grew by {growth:,} bytes")
    text = server.log.read_text(encoding="utf-8", errors="replace")
    lines = [line for line in text.splitlines() if "TruncationWarning" not in line and line.strip() != "warnings.warn("]
    if len(text) > 2000 or any("Traceback" in line or "failed" in line for line in lines):
        run.failed(f"{len(text)} characters were logged: {text[:500]!r}")
