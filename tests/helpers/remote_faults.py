"""Failures between a client and a server: cases for every remote function."""

import json
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from refimpl.http import (
    AuthenticationError,
    BadRequestError,
    QuotaError,
    RateLimitError,
    ServerError,
    session,
    wire,
)
from refimpl.providers import PROVIDERS

Script = Callable[[socket.socket, int], None]

KEY = "sk-very-secret-0123456789"

STATUSES = [
    (401, b'{"detail": "Invalid API key"}', AuthenticationError, "Invalid API key"),
    (401, b"", AuthenticationError, "without a message"),
    (401, b'{"error": {"message": "Invalid API Key", "code": 401}}', AuthenticationError, "Invalid API Key"),
    (403, b'{"message": "not yours"}', AuthenticationError, "not yours"),
    (498, b'{"message": "invalid token"}', AuthenticationError, "invalid token"),
    (402, b'{"detail": "Insufficient balance"}', QuotaError, "Insufficient balance"),
    (400, b'{"error": "`inputs` cannot be empty", "error_type": "Empty"}', BadRequestError, "cannot be empty"),
    (404, b'{"message": "model not found"}', BadRequestError, "model not found"),
    (413, b"Payload Too Large", BadRequestError, "Payload Too Large"),
    (422, b'{"detail": [{"loc": ["body"], "msg": "must be positive"}]}', BadRequestError, "must be positive"),
    (422, b'"top_n - should be greater than or equal to 1"', BadRequestError, "greater than or equal to 1"),
    (422, b'{"error": {"message": "too many documents"}}', BadRequestError, "too many documents"),
    (424, b'{"error": "backend", "error_type": "Backend"}', BadRequestError, "backend"),
    (429, b'{"detail": "slow down"}', RateLimitError, "slow down"),
    (500, b'{"error": {"code": 500, "message": "too large", "type": "x"}}', ServerError, "too large"),
    (501, b'{"error": {"code": 501, "message": "start it with --rerank"}}', ServerError, "--rerank"),
    (502, b"<html><head><title>502 Bad Gateway</title></head></html>", ServerError, "502 Bad Gateway"),
    (503, b"upstream\n  unavailable", ServerError, "upstream unavailable"),
]
"""Status, body, the error raised for it, the server's message in it."""

NO_JSON = [
    (b"", "an empty body"),
    (b"<!doctype html><title>Log in</title>", "an HTML page \\('Log in'\\)"),
    (b"OK", "no strict JSON"),
    (b"[" * 200_000, "nested too deeply"),
    (b'{"results": "\xff\xfe"}', "no strict JSON"),
    (b'{"results": []} {"results": []}', "no strict JSON"),
]
"""Bodies of a 200 that are no JSON, and the message about them."""

ERRORS_WITH_200 = [
    (b'{"error": "model is loading"}', "200 with an error: model is loading"),
    (b'{"error": {"message": "quota exceeded", "code": 402}}', "200 with an error: quota exceeded"),
    (b'{"detail": "no such model"}', "200 with an error: no such model"),
]
"""Bodies of a 200 that hold an error."""


class WireServer:
    """Reads each request completely, then runs `script(connection, number of the request)`."""

    def __init__(self, script: Script) -> None:
        self.requests: list[bytes] = []
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            self.requests.append(read_request(connection))
            self._script(connection, len(self.requests) - 1)
            connection.close()
        except OSError:  # the client hung up, as in many of these tests
            connection.close()


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (chunk := connection.recv(65536)):
            raise OSError("the client hung up")
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def http(status: int, body: bytes, *headers: str) -> bytes:
    """A complete HTTP response, byte by byte."""
    head = [f"HTTP/1.1 {status} Whatever", "Content-Type: application/json", "Connection: close", *headers]
    if not any(header.lower().startswith(("content-length", "transfer-encoding")) for header in headers):
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def everything(error: BaseException) -> str:
    """The traceback with the locals of every frame, as pytest and rich print it, and those of its causes."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.fixture
def wire_server() -> Iterator[Callable[[Script], WireServer]]:
    servers: list[WireServer] = []

    def start(script: Script) -> WireServer:
        servers.append(WireServer(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backoff of milliseconds, so that the tests are quick; a wait that a server requests is kept."""
    monkeypatch.setattr(session, "Schedule", partial(wire.Schedule, backoff_factor=0.005))


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in PROVIDERS.values():
        for name in filter(None, (*provider.key_variables, provider.url_variable)):
            monkeypatch.delenv(name, raising=False)
