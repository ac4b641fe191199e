"""Servers that misbehave as told, on this machine's loopback."""

import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from refimpl.http import session, wire

Script = Callable[[socket.socket, int], None]


class WireServer:
    """Reads each request whole, then lets `script(connection, number of the request)` do what it likes."""

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
        except OSError:  # the client hung up, as many of these tests want it to
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


@pytest.fixture
def wire_server() -> Iterator[Callable[[Script], WireServer]]:
    servers: list[WireServer] = []

    def start(script: Script) -> WireServer:
        servers.append(WireServer(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backoff of milliseconds, so that the tests are quick; what a server asks to wait is waited in full."""
    monkeypatch.setattr(session, "Schedule", partial(wire.Schedule, backoff_factor=0.005))


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JINAAI_API_KEY", "CO_API_KEY", "COHERE_API_KEY", "VOYAGE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
