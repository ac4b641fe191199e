"""Servers that write bytes as a test tells them to, and calls of a session that must end in time."""

import functools
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from remote_faults import http, read_request

from refimpl.http import (
    RemoteError,
    Session,
)

BODY = b'{"right": true}'
RIGHT = {"right": True}
PATIENT = {"connect_timeout_s": 60.0, "read_timeout_s": 60.0}  # the deadline alone ends the exchange


def post(url: str, key: str | None = None, timeout_s: float = 20.0, **options: Any) -> Any:
    session = Session(url, key, timeout_s=timeout_s, **{"max_retries": 0, **options})
    try:
        return session.post("", {})
    finally:
        session.close()


def answering(wire_server: Any, data: bytes) -> str:
    return str(wire_server(lambda connection, _: connection.sendall(data)).url)


def chunked(*lines: bytes) -> bytes:
    return http(200, b"", "Transfer-Encoding: chunked") + b"".join(lines)


@functools.cache
def nested_gzip(depth: int, size: int) -> bytes:
    data = b" " * size
    for _ in range(depth):
        data = gzip.compress(data, 1)
    return data


class RawServer:
    """Runs `script(connection)` for each connection, without reading a request first."""

    def __init__(self, script: Callable[[socket.socket], None]) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        try:
            with connection:
                self._script(connection)
        except OSError:  # the client hung up
            return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def raw_server() -> Iterator[Callable[[Callable[[socket.socket], None]], RawServer]]:
    servers: list[RawServer] = []

    def start(script: Callable[[socket.socket], None]) -> RawServer:
        servers.append(RawServer(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def drip(data: bytes) -> Callable[[socket.socket], None]:
    """Send `data` again and again, a piece every 20 ms, for longer than any test lasts."""

    def script(connection: socket.socket) -> None:
        while True:
            connection.sendall(data)
            time.sleep(0.02)

    return script


def in_time(call: Callable[[], Any], limit_s: float = 15.0) -> RemoteError:
    """The RemoteError of `call`, which must come long before `limit_s`, a bound far beyond the deadline."""
    outcome: list[BaseException | None] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            outcome.append(error)
        else:
            outcome.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    assert outcome, f"no error within {limit_s:g} s"
    assert isinstance(outcome[0], RemoteError), outcome[0]
    return outcome[0]


def reply_of(status: int, body: bytes) -> Any:
    from refimpl.http.responses import Reply

    return Reply(status, {}, body)


def echo(connection: socket.socket) -> None:
    while True:
        body = read_request(connection).partition(b"\r\n\r\n")[2]
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
