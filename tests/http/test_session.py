"""A session against servers that lie about HTTP: the right JSON or a RemoteError, in time and within its memory.

No expected value is refimpl's: a body is what the server wrote, a bound is the one that the session was given.
"""

import gzip
import json
import socket
import threading
import time
import tracemalloc
import zlib
from typing import Any

import pytest
from lying_servers import BODY, PATIENT, RIGHT, answering, chunked, drip, in_time, nested_gzip, post, raw_server
from remote_faults import KEY, everything, http, read_request, wire_server

from refimpl.http import (
    DeadlineError,
    ProtocolError,
    RemoteError,
    Session,
    UnreachableError,
    wire,
)
from refimpl.http.bodies import MIB, MOST_PER_BYTE, json_memory, strict_json

__all__ = ["raw_server", "wire_server"]


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
