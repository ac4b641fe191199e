"""Clients that do not behave, on plain sockets, and a reranker that computes nothing."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from refimpl.tokens import Tokens

BODY = {"query": "q", "texts": ["a"]}
PATIENCE_S = 60  # a server that does not answer in this time fails the test


class Instant:
    """Scores every document by its length; `free`, cleared, makes it wait, and `computed` are the documents so far."""

    gives_logits = False

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.begun = threading.Event()
        self.computed: list[str] = []
        self.steps: list[list[str]] = []

    def tokens(self, query: str, documents: list[str]) -> Tokens:
        self.steps.append(documents)
        ids = np.array([len(document) for document in documents])
        count = len(documents)
        return Tokens(ids, np.zeros_like(ids), np.ones(count, np.int64), np.zeros(count, bool))

    def raw_scores(self, tokens: Tokens) -> Any:
        self.begun.set()
        assert self.free.wait(PATIENCE_S)
        self.computed += self.steps[-1]
        return tokens.input_ids / 1e9


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
        yield client


def request(body: Any, path: str = "/rerank", **headers: str) -> bytes:
    """A whole POST request; a header of None is left out."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(data))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + data


def answer(client: socket.socket) -> tuple[int, bytes]:
    """Status and body of the next response; status 0 when the server closed the connection without one."""
    received = bytearray()
    while b"\r\n\r\n" not in received:
        if not (data := _received(client)):
            return 0, bytes(received)
        received += data
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
    while len(body) < length and (data := _received(client)):
        body += data
    return int(head[9:12]), body


def get(port: int, path: str, host: str = "localhost", **headers: str) -> tuple[int, bytes]:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with connected(port) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode("latin-1"))
        return answer(client)


def post(port: int, body: Any, path: str = "/rerank", **headers: str) -> tuple[int, bytes]:
    with connected(port) as client:
        client.sendall(request(body, path, **headers))
        return answer(client)


def _received(client: socket.socket) -> bytes:
    try:
        return client.recv(1 << 16)
    except ConnectionResetError:
        return b""


def until(holds: Callable[[], Any], what: str) -> None:
    """Wait for a condition; AssertionError with `what` where it takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.01)


def samples(port: int, **headers: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """The server's metrics by name and label values."""
    status, text = get(port, "/metrics", **headers)
    assert status == 200
    families = text_string_to_metric_families(text.decode())
    return {(one.name, tuple(one.labels.values())): one.value for family in families for one in family.samples}
