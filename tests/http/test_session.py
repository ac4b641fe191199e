"""A session against servers that lie about HTTP: the right JSON or a RemoteError, in time and within its memory.

No expected value is refimpl's: a body is what the server wrote, a bound is the one that the session was given.
"""

import copy
import functools
import gzip
import html
import json
import multiprocessing
import os
import pickle
import re
import socket
import threading
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from remote_faults import KEY, everything, http, read_request, wire_server

import refimpl
from refimpl.check.targets.endpoint import EndpointTarget
from refimpl.http import (
    DeadlineError,
    ProtocolError,
    RemoteError,
    Session,
    UnreachableError,
    deadline,
    wire,
)
from refimpl.http.bodies import MIB, MOST_PER_BYTE, json_memory, strict_json
from refimpl.http.safety import Secret, Secrets
from refimpl.providers.client import Connection

__all__ = ["wire_server"]

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


class TestFraming:
    @pytest.mark.parametrize(
        "data",
        [
            http(200, BODY),
            b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
            b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n" + BODY,
            b"HTTP/1.1 100 Continue\r\n\r\n" + http(200, BODY),
            chunked(b"f\r\n", BODY, b"\r\n0\r\n\r\n"),
            chunked(b"8\r\n", BODY[:8], b"\r\n007;name=value\r\n", BODY[8:], b"\r\n0\r\nX-Trailer: 1\r\n\r\n"),
            chunked(*(b"1\r\n%c\r\n" % byte for byte in BODY), b"0\r\n\r\n"),
            http(200, gzip.compress(BODY), "Content-Encoding: gzip"),
            http(200, gzip.compress(BODY[:4]) + gzip.compress(BODY[4:]), "Content-Encoding: x-gzip"),
            http(200, zlib.compress(BODY), "Content-Encoding: deflate"),
            http(200, zlib.compress(BODY, wbits=-15), "Content-Encoding: deflate"),
        ],
    )
    def test_what_the_rfc_allows_is_read(self, wire_server: Any, data: bytes) -> None:
        assert post(answering(wire_server, data)) == RIGHT

    @pytest.mark.parametrize(
        "data",
        [
            chunked(b"-1\r\n", BODY, b"\r\n0\r\n\r\n"),
            chunked(b"-f\r\n", BODY, b"\r\n0\r\n\r\n"),
            chunked(b"0_f\r\n", BODY, b"\r\n0\r\n\r\n"),
            chunked(b"0xf\r\n", BODY, b"\r\n0\r\n\r\n"),
            chunked("١\r\n".encode(), BODY, b"\r\n0\r\n\r\n"),
            chunked(b"9" * 5000 + b"\r\n", BODY, b"\r\n0\r\n\r\n"),
            chunked(b"f;" + b"x" * 70_000 + b"\r\n", BODY, b"\r\n0\r\n\r\n"),
            chunked(b"f\r\n", BODY, b"0\r\n\r\n"),
            chunked(b"f\r\n", BODY, b"\r\n"),
            chunked(b"f\r\n", BODY, b"\r\n0\r\n"),
            chunked(b"f\r\n", BODY, b"\r\n0\r\n", b"X: 1\r\n" * 200, b"\r\n"),
            chunked(b"\r\n", BODY, b"\r\n0\r\n\r\n"),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\nf\r\n" + BODY + b"\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 3\r\n\r\n" + BODY,
            b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\nContent-Length: 3\r\n\r\n" + BODY,
            b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n" + BODY,
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n" + BODY,
            b"HTTP/1.1 2000000000 OK\r\n\r\n" + BODY,
            b"HTTP/1.1 -200 OK\r\n\r\n" + BODY,
            b"HTTP/1.1 \xff\xff OK\r\n\r\n" + BODY,
            b"HTTP/9.9 200 OK\r\nContent-Length: 99\r\n\r\n" + BODY,
            http(200, gzip.compress(BODY)[:-9], "Content-Encoding: gzip"),
            http(200, b"no gzip", "Content-Encoding: gzip"),
            http(200, gzip.compress(gzip.compress(BODY)), "Content-Encoding: gzip, gzip"),
            http(200, BODY, "Content-Encoding: br"),
            http(200, BODY, "Content-Length: " + "9" * 5000),
            http(200, BODY, "Content-Length: ٣"),
        ],
    )
    def test_anything_else_is_one_error_family(self, wire_server: Any, data: bytes) -> None:
        with pytest.raises(RemoteError) as caught:
            post(answering(wire_server, data))
        assert len(str(caught.value)) < 500

    @pytest.mark.parametrize(
        "location",
        [
            "http://[::1",
            "http://127.0.0.1:99999999/",
            "http://127.0.0.1:port/",
            "http://127.0.0.1:-1/",
            "//[",
            "http://",
            "http://\u00ff\u00fe/",
            "https://" + "a" * 300 + ".invalid/",
            "http://user:hunter2@127.0.0.1/",
            "ftp://127.0.0.1/",
            "http://127.0.0.1:1/\x1b[31m",
            "x" * 60_000,
            "http://127.0.0.1:0/",
            "data:,x",
        ],
    )
    @pytest.mark.parametrize("status", [301, 307, 308])
    def test_a_malformed_location(self, wire_server: Any, location: str, status: int) -> None:
        data = http(status, b"", "Location: X").replace(b"Location: X", b"Location: " + location.encode("latin-1"))
        with pytest.raises(RemoteError) as caught:
            post(answering(wire_server, data))
        assert len(str(caught.value)) < 500
        assert "\x1b" not in str(caught.value)
        assert "hunter2" not in str(caught.value)

    def test_a_connection_is_kept_after_a_chunked_body(self, wire_server: Any) -> None:
        accepted = []

        def script(connection: socket.socket, number: int) -> None:
            accepted.append(number)
            for _ in range(2):
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n" + BODY + b"\r\n0\r\n\r\n"
                )
                read_request(connection)

        session = Session(wire_server(script).url)
        assert [session.post("", {}) for _ in range(2)] == [RIGHT] * 2
        assert accepted == [0]


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


class TestDeadline:
    def test_of_a_proxys_answer_to_connect(self, raw_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        server = raw_server(drip(b"HTTP/1.1 200 OK\r\nX-Slow: 1\r\n"))
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:hunter2@127.0.0.1:{server.port}")
        error = in_time(lambda: post("https://example.org", KEY, timeout_s=0.5))
        assert "hunter2" not in everything(error)
        assert isinstance(error, DeadlineError | UnreachableError)

    def test_of_a_tls_handshake(self, raw_server: Any) -> None:
        record = b"\x16\x03\x03\x40\x00"  # a handshake record of 16 kB, which arrives byte by byte

        def script(connection: socket.socket) -> None:
            connection.sendall(record)
            drip(b"\x00")(connection)

        url = f"https://127.0.0.1:{raw_server(script).port}"
        assert isinstance(in_time(lambda: post(url, timeout_s=0.5, **PATIENT)), DeadlineError)

    def test_of_sending_to_a_server_that_does_not_read(self, raw_server: Any) -> None:
        server = raw_server(lambda connection: time.sleep(30))
        session = Session(f"http://127.0.0.1:{server.port}", timeout_s=0.5, max_retries=0, **PATIENT)
        assert isinstance(in_time(lambda: session.post("", ["x" * 30_000_000])), DeadlineError)

    def test_of_looking_up_the_host(self, monkeypatch: pytest.MonkeyPatch) -> None:
        released = threading.Event()
        monkeypatch.setattr(wire.socket, "getaddrinfo", lambda *a, **k: released.wait(60) and [])
        assert isinstance(in_time(lambda: post("https://slow.invalid", timeout_s=0.5)), DeadlineError)
        released.set()

    def test_is_one_for_all_addresses_of_a_host(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each address of a host had the whole timeout."""
        waited = []

        def connect(address: Any, timeout: float, **options: Any) -> socket.socket:
            waited.append(timeout)
            time.sleep(0.2)
            raise TimeoutError("timed out")

        monkeypatch.setattr(wire, "create_connection", connect)
        monkeypatch.setattr(wire, "addresses_of", lambda *_: [f"192.0.2.{n}" for n in range(50)])
        in_time(lambda: post("https://many.invalid", timeout_s=0.6, **PATIENT))
        assert len(waited) < 10
        for number, timeout in enumerate(waited):
            assert timeout <= max(0.001, 0.6 - 0.2 * number)

    @pytest.mark.parametrize("status", [200, 307, 404, 500])
    @pytest.mark.parametrize("piece", [b"<title", b"<h1 <title ", b"<h1><b>", b"<title>" + b" " * 99, b"\\", b'["'])
    def test_of_an_error_page(self, wire_server: Any, status: int, piece: bytes) -> None:
        """A page of 400 kB took 28 s for 100 kB: a regular expression was quadratic."""
        page = b"<!doctype html>" + piece * (400_000 // len(piece))
        error = in_time(lambda: post(answering(wire_server, http(status, page, "Location: /")), KEY, timeout_s=5.0))
        assert len(str(error)) < 600

    @pytest.mark.parametrize("status", [200, 302, 308, 500])
    @pytest.mark.parametrize("depth", [1, 3])
    def test_of_nested_gzip(self, wire_server: Any, status: int, depth: int) -> None:
        """1.8 kB in a redirect took 2.1 GB and 15 s."""
        bomb = nested_gzip(depth, 200_000_000)
        headers = ("Location: /", "Content-Encoding: " + ", ".join(["gzip"] * depth))
        tracemalloc.start()
        in_time(lambda: post(answering(wire_server, http(status, bomb, *headers)), timeout_s=5.0))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 100 * MIB

    def test_of_gzip_that_never_yields_a_byte(self, raw_server: Any) -> None:
        empty = gzip.compress(b"") * 500
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"

        def script(connection: socket.socket) -> None:
            read_request(connection)
            connection.sendall(head)
            drip(empty)(connection)

        url = f"http://127.0.0.1:{raw_server(script).port}"
        assert isinstance(in_time(lambda: post(url, timeout_s=0.5)), DeadlineError)

    def test_of_continue_without_end(self, raw_server: Any) -> None:
        server = raw_server(drip(b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"))
        assert isinstance(in_time(lambda: post(f"http://127.0.0.1:{server.port}", timeout_s=0.5)), DeadlineError)


class TestMemory:
    @pytest.mark.parametrize("unit", [b"[],", b"[[]],", b'{"":0},', b"{},", b"0,", b'"ab",', b'{"a":[]},'])
    def test_of_parsed_values_is_bounded(self, wire_server: Any, unit: bytes) -> None:
        """63 MB of `[],` took 1.6 GB."""
        body = b"[" + unit * (20 * MIB // len(unit)) + b"0]"
        url = answering(wire_server, http(200, body))
        tracemalloc.start()
        error = in_time(lambda: post(url, max_response_bytes=64 * MIB, timeout_s=60.0), 120.0)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(error, ProtocolError)
        assert "more than 256 MiB of memory" in str(error)
        assert peak < 256 * MIB

    @pytest.mark.parametrize(
        "unit",
        [
            b"[],",
            b"[7],",
            b"[[]],",
            b"{},",
            b'{"":0},',
            b'{"a":[]},',
            b"0.123,",
            b"999,",
            b'"ab",',
            '"é€"'.encode() + b",",
        ],
    )
    def test_is_not_underestimated(self, unit: bytes) -> None:
        """Against tracemalloc, which counts what CPython allocates."""
        data = b"[" + unit * 50_000 + b"0]"
        tracemalloc.start()
        values = json.loads(data.decode())
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(values) == 50_001
        assert size <= json_memory(data) <= 4 * size
        assert size <= MOST_PER_BYTE * len(data)

    @pytest.mark.parametrize("last", ["a", "€", "😀"])
    def test_of_the_text_is_by_its_widest_character(self, last: str) -> None:
        """CPython takes as many bytes for each character, here with the values while they are read."""
        data = ("[" + '"aaaaaaaaaaaaaaaaaaaa",' * 50_000 + f'"{last}"]').encode()
        tracemalloc.start()
        values = json.loads(data.decode())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert values[-1] == last
        assert peak <= json_memory(data)

    def test_of_honest_answers_is_allowed(self) -> None:
        """OpenAI's largest: 2,048 vectors of 3,072 numbers; and texts full of brackets."""
        vector = b"[" + b",".join([b"-0.0123456789012"] * 3072) + b"]"
        assert json_memory(b",".join([vector] * 128)) * 16 < 512 * MIB
        text = json.dumps(['[{:,\\"' * 200_000] * 8).encode()
        assert strict_json(text, 8 * len(text)) == ['[{:,\\"' * 200_000] * 8

    @pytest.mark.parametrize("start", [b"", b"f;", b"f\r\n" + BODY + b"\r\n0\r\nX: "])
    def test_of_chunk_lines_without_end(self, raw_server: Any, start: bytes) -> None:
        """Before urllib3 2.8 an endless chunk line took over 4 GiB."""
        sent = [0]

        def script(connection: socket.socket) -> None:
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + start)
            for _ in range(200):
                connection.sendall(b"1" * MIB)
                sent[0] += 1

        in_time(lambda: post(f"http://127.0.0.1:{raw_server(script).port}"))
        assert sent[0] < 100

    def test_of_a_negative_chunk_is_not_read_to_the_end(self, raw_server: Any) -> None:
        sent = [0]

        def script(connection: socket.socket) -> None:
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")
            for _ in range(300):
                connection.sendall(b"1" * MIB)
                sent[0] += 1

        in_time(lambda: post(f"http://127.0.0.1:{raw_server(script).port}"))
        assert sent[0] < 200


QUOTED = 'sk-"quoted\\backslash&<angle>-0123456789'
KEYS = [KEY, QUOTED, "k" * 90 + "-0123456789"]


def echoes(key: str) -> list[bytes]:
    """Ways in which a server may send the key back."""
    escaped = json.dumps(key)[1:-1]
    units = "".join(f"\\u{ord(c):04x}" for c in key)
    percent = "".join(f"%{ord(c):02X}" for c in key)
    entities = "".join(f"&#{ord(c)};" for c in key)
    named = key.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
    forms = [key, escaped, units, percent, percent.lower(), entities, named, repr(key)[1:-1], json.dumps(escaped)[1:-1]]
    pads = ["", "x" * 40, "x" * 290, " " * 70_000, "x" * 65_500, " " * 65_510]
    texts = [pad + form for form in forms for pad in pads]
    return [
        *(text.encode() for text in texts),
        *(f"<html><title>{text}</title>".encode() for text in texts),
        *(f'{{"detail": "{text}'.encode() for text in texts),
        *(f'{{"detail": "{text}"}}'.encode() for text in texts),
        *(f'{{"data": ["{text}", {{"index": "{text}"}}]}}'.encode() for text in texts),
    ]


def library_locals(error: BaseException) -> str:
    """The locals of every frame of a traceback but the tests' own, as rich and pytest --showlocals print them.

    jaxtyping's frames are the tests' own too: it checks types in tests alone.
    """
    shown = ""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "test_" not in frame.f_code.co_filename and "jaxtyping" not in frame.f_code.co_filename:
                shown += f"{frame.f_code.co_qualname}: {frame.f_locals}\n"
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return shown


def assert_hidden(key: str, text: str) -> None:
    """No six consecutive characters of the key are in the text, as it is or escaped for Python, JSON, HTML or a URL."""
    units = re.sub(r"\\+u00([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text)
    readings = {text, units, unquote(text), html.unescape(text)}
    for start in range(len(key) - 5):
        part = key[start : start + 6]
        for form in (part, repr(part)[1:-1], json.dumps(part)[1:-1]):
            if set(part) != {"k"}:
                assert not any(form in reading for reading in readings), (form, text[:400])


class TestKeys:
    @pytest.mark.parametrize("key", KEYS)
    @pytest.mark.parametrize("status", [200, 401, 500])
    def test_no_part_of_an_echoed_key_is_shown(self, monkeypatch: Any, key: str, status: int) -> None:
        """30 of 35 characters were shown where a message was cut, and all of a key with a quote."""
        from refimpl.providers import PROVIDERS

        session = Session("https://example.org", key, max_retries=0)
        read = PROVIDERS["openai"].embeddings[0].read
        for body in echoes(key):
            reply = _reply(status, body)
            monkeypatch.setattr(session, "_attempt", lambda *_, reply=reply: reply)
            with pytest.raises(RemoteError) as caught:
                session.post("", {}, read=lambda answer: read(answer, 1, "server"))
            shown = str(caught.value) + str(caught.value.server_message)
            assert_hidden(key, shown)

    def test_in_a_location_or_a_header_it_is_hidden(self, wire_server: Any, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(0)
        for data in (
            http(301, b"", f"Location: /{KEY}?k={KEY}"),
            http(307, b"", f"Location: http://192.0.2.1/{KEY}"),
            http(200, BODY, f"malformed {KEY}"),
            http(200, BODY, f"Content-Encoding: {KEY}"),
            http(200, BODY, f"Transfer-Encoding: {KEY}"),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + KEY.encode() + b"\r\n",
            f"HTTP/1.1 {KEY}\r\n\r\n".encode(),
            f"{KEY}\r\n\r\n".encode(),
        ):
            with pytest.raises(RemoteError) as caught:
                post(answering(wire_server, data), KEY)
            assert_hidden(KEY, str(caught.value) + library_locals(caught.value) + caplog.text)

    @pytest.mark.parametrize("where", ["sending", "reading"])
    def test_an_interrupt_shows_no_frame_that_holds_it(self, monkeypatch: Any, wire_server: Any, where: str) -> None:
        def interrupt(*_: Any, **__: Any) -> None:
            try:
                raise OSError(KEY)
            except OSError as error:
                raise KeyboardInterrupt from error

        name = "putheader" if where == "sending" else "getresponse"
        monkeypatch.setattr(wire._CutConnection, name, interrupt, raising=False)
        with pytest.raises(KeyboardInterrupt) as caught:
            post(answering(wire_server, http(200, BODY)), KEY, headers={"api-key": KEY})
        assert_hidden(KEY, library_locals(caught.value))
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)

    def test_a_message_is_cut_after_the_key_is_hidden(self) -> None:
        for key in KEYS:
            secrets = Secrets([Secret(key)])
            for body in echoes(key)[:48]:  # the key alone, in each form
                text = body.decode()
                assert_hidden(key, secrets.cut(text * 50, 300))
                assert_hidden(key, secrets.head(text[:-10], whole=False))
            assert secrets.cut("x" * 5000, 300) == "x" * 300

    def test_a_key_in_a_header_is_hidden_without_its_scheme(self, wire_server: Any) -> None:
        url = answering(wire_server, http(401, f'{{"detail": "no such key: {KEY}"}}'.encode()))
        with pytest.raises(RemoteError, match=r"no such key: \*\*\*") as caught:
            post(url, headers={"Authorization": f"Bearer {KEY}"})
        assert_hidden(KEY, str(caught.value) + library_locals(caught.value))

    @pytest.mark.parametrize("key", [f"{KEY} {KEY}", f"{KEY}ü"])
    def test_a_secret_that_is_refused_shows_no_local_that_holds_it(self, key: str, unchecked: None) -> None:
        with pytest.raises(ValueError, match="the API key holds whitespace or a non-ASCII character") as caught:
            Secret(key)
        assert_hidden(KEY, str(caught.value) + library_locals(caught.value))

    @pytest.mark.parametrize("key", [KEY, f"{KEY} {KEY}", f"{KEY}ü"])
    @pytest.mark.parametrize(
        "make",
        [
            lambda key: refimpl.OpenAIEmbeddingFunction(api_key=key, encoding_format="hex"),
            lambda key: refimpl.OpenAIEmbeddingFunction("m", key, dimensions=0),
            lambda key: refimpl.OpenAIEmbeddingFunction("m", key, colour="red"),
            lambda key: refimpl.OpenAIEmbeddingFunction("m", key, None, None, None, None),
            lambda key: refimpl.CohereEmbeddingFunction(api_key=key, embedding_types=["int8"]),
            lambda key: refimpl.JinaRerankFunction("m", key, base_url="nowhere"),
            lambda key: refimpl.TEIRerankFunction("http://127.0.0.1", api_key=key, max_documents=0),
            lambda key: Session("http://127.0.0.1", key, max_retries=-1),
            lambda key: EndpointTarget("http://127.0.0.1", "openai", key=key, timeout_s=-1.0),
            lambda key: Connection(headers={"Authorization": f"Bearer {key}", "X": "\n"}),
        ],
    )
    def test_a_constructor_that_fails_shows_no_local_that_holds_it(
        self, key: str, make: Callable[[str], Any], unchecked: None
    ) -> None:
        with pytest.raises((TypeError, ValueError)) as caught:
            make(key)
        assert_hidden(KEY, str(caught.value) + library_locals(caught.value))

    def test_a_connection_with_a_credential_is_not_pickled(self) -> None:
        connection = Connection(headers={"api-key": KEY})
        client = refimpl.dense.remote.RemoteEmbeddingFunction(
            "openai", "m", base_url="http://127.0.0.1:9", connection=connection
        )
        for value in (connection, client, Session("http://127.0.0.1:9", headers={"Cookie": KEY})._headers):
            with pytest.raises(TypeError, match="a header with a credential is not pickled"):
                pickle.dumps(value)
        for value in (client, copy.copy(client), copy.deepcopy(client)):
            assert value._session._headers["api-key"].reveal() == KEY
            assert KEY not in repr(vars(value)) + repr(connection) + json.dumps(vars(connection), default=repr)
        plain = Connection(headers={"OpenAI-Project": "p"})
        assert pickle.loads(pickle.dumps(plain)) == plain

    def test_headers_with_credentials_are_sent_home_and_hidden(self, wire_server: Any) -> None:
        session = Session("http://127.0.0.1:1", headers={"api-key": KEY, "X-Plain": "shown"})
        assert KEY not in repr(vars(session))
        for name, value in (("a b", "x"), ("X", "a\r\nY: b"), ("X", ""), ("X", "ü"), ("", "x")):
            with pytest.raises(ValueError, match="header"):
                Session("http://127.0.0.1:1", headers={name: value})
        other = wire_server(lambda connection, _: connection.sendall(http(200, BODY)))
        home = wire_server(lambda connection, _: connection.sendall(http(307, b"", f"Location: {other.url}/")))
        assert post(home.url, headers={"api-key": KEY, "Cookie": f"a={KEY}"}) == RIGHT
        assert KEY.encode() in home.requests[0]
        assert KEY.encode() not in other.requests[0]


def _reply(status: int, body: bytes) -> Any:
    from refimpl.http.responses import Reply

    return Reply(status, {}, body)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
class TestFork:
    def test_processes_share_no_connection(self) -> None:
        """11 of 50 calls in two children returned the other child's answer."""
        server = RawServer(_echo)
        session = Session(f"http://127.0.0.1:{server.port}", timeout_s=20.0, max_retries=0)
        assert session.post("", "before") == "before"
        context = multiprocessing.get_context("fork")
        with context.Pool(3, initializer=_set_session, initargs=(session,)) as pool:
            wrong = sum(pool.map(_wrong_answers, range(3)))
        assert wrong == 0
        assert session.post("", "after") == "after"
        server.close()

    def test_a_child_has_no_deadline_of_its_parent(self, wire_server: Any) -> None:
        """A child that cut its parent's connection at the parent's deadline would lose the parent's answer."""
        with deadline.Cut(deadline.Deadline.after(60.0), 1000):
            before = deadline._watchdog
            child = os.fork()
            if child == 0:
                new = deadline._watchdog
                os._exit(0 if new is not before and not new._cuts and deadline.Cut.current() is None else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert deadline.Cut.current() is not None


_session: Session


def _set_session(session: Session) -> None:
    global _session
    _session = session


def _wrong_answers(worker: int) -> int:
    texts = [f"{worker}-{number}" for number in range(40)]
    return sum(_session.post("", text) != text for text in texts)


def _echo(connection: socket.socket) -> None:
    while True:
        body = read_request(connection).partition(b"\r\n\r\n")[2]
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
