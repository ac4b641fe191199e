"""Remote rerankers on bad connections; slow, broken, endless, redirected."""

import gzip
import json
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from remote_faults import ERRORS_WITH_200, KEY, NO_JSON, http
from rerank_exchange import DOCUMENTS, GOOD, QUERY, RIGHT, jina, plain

from refimpl import TEIRerankFunction
from refimpl.http import (
    AuthenticationError,
    DeadlineError,
    ProtocolError,
    UnreachableError,
    deadline,
)

GOOD_BYTES = http(200, json.dumps(GOOD).encode())


class TestBrokenConnections:
    @staticmethod
    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def test_a_reset_within_the_body_is_retried(self, wire_server: Any) -> None:
        def script(connection: socket.socket, number: int) -> None:
            if number == 0:
                connection.sendall(GOOD_BYTES[:-20])
                time.sleep(0.05)
                self.reset(connection)
            else:
                connection.sendall(GOOD_BYTES)

        server = wire_server(script)
        assert plain(jina(server.url)(QUERY, DOCUMENTS)) == RIGHT
        assert len(server.requests) == 2

    @pytest.mark.parametrize(
        "sent", [b"", GOOD_BYTES[:30], GOOD_BYTES[:-20]], ids=["nothing", "half the head", "half the body"]
    )
    def test_a_lost_connection_ends_as_unreachable(self, wire_server: Any, sent: bytes) -> None:
        server = wire_server(lambda connection, _: connection.sendall(sent) if sent else None)
        with pytest.raises(UnreachableError, match="no complete response"):
            jina(server.url, max_retries=1)(QUERY, DOCUMENTS)
        assert len(server.requests) == 2

    def test_no_listener(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(UnreachableError, match="refused"):
            jina(f"http://127.0.0.1:{port}", max_retries=1)(QUERY, DOCUMENTS)

    def test_no_such_host(self) -> None:
        with pytest.raises(UnreachableError):
            jina("https://no-such-host.invalid", max_retries=0)(QUERY, DOCUMENTS)

    def test_tls_to_a_plain_server(self, httpserver: Any) -> None:
        with pytest.raises(UnreachableError, match="certificate"):
            jina(httpserver.url_for("").replace("http:", "https:"))(QUERY, DOCUMENTS)

    def test_no_http_at_all(self, wire_server: Any) -> None:
        server = wire_server(lambda connection, _: connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n" * 3))
        with pytest.raises(UnreachableError):
            jina(server.url, max_retries=0)(QUERY, DOCUMENTS)


class TestSlowness:
    def drip(self, head: bytes, every_s: float = 0.05) -> Any:
        def script(connection: socket.socket, _: int) -> None:
            connection.sendall(head)
            for _ in range(200):
                connection.sendall(b" ")
                time.sleep(every_s)

        return script

    @pytest.mark.parametrize(
        "head",
        [
            http(200, b"", "Content-Length: 1000"),
            http(200, b"", "Transfer-Encoding: chunked") + b"3e8\r\n",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-Slow:",
            b"HTTP/1.1 ",
        ],
        ids=["body", "chunked body", "endless body", "header", "status line"],
    )
    def test_a_drip_ends_at_the_deadline(self, wire_server: Any, head: bytes) -> None:
        server = wire_server(self.drip(head))
        started = time.monotonic()
        with pytest.raises(DeadlineError, match=r"within 0\.6 s"):
            jina(server.url, timeout_s=0.6)(QUERY, DOCUMENTS)
        assert 0.5 < time.monotonic() - started < 1.6

    def test_silence_ends_at_the_deadline(self, wire_server: Any) -> None:
        server = wire_server(lambda *_: time.sleep(5))
        started = time.monotonic()
        with pytest.raises(DeadlineError):
            jina(server.url, timeout_s=0.5)(QUERY, DOCUMENTS)
        assert time.monotonic() - started < 1.5

    def test_the_deadline_is_one_for_all_batches(self, wire_server: Any) -> None:
        def script(connection: socket.socket, _: int) -> None:
            time.sleep(0.3)
            connection.sendall(http(200, b'[{"index": 0, "score": 0.5}]'))

        server = wire_server(script)
        with pytest.raises(DeadlineError):
            TEIRerankFunction(server.url, timeout_s=0.7, max_documents=1)(QUERY, DOCUMENTS * 3)
        assert len(server.requests) <= 3


class TestBodies:
    def test_100_mb_announced_is_not_read(self, wire_server: Any) -> None:
        server = wire_server(
            lambda connection, _: connection.sendall(http(200, b"x" * 1000, "Content-Length: 100000000"))
        )
        started = time.monotonic()
        with pytest.raises(ProtocolError, match="more than 64 MiB"):
            jina(server.url)(QUERY, DOCUMENTS)
        assert time.monotonic() - started < 2

    def test_100_mb_unannounced_are_not_read_to_the_end(self, wire_server: Any) -> None:
        sent = [0]

        def script(connection: socket.socket, _: int) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            for _ in range(100):
                connection.sendall(b" " * 1_000_000)
                sent[0] += 1

        with pytest.raises(ProtocolError, match="more than 64 MiB"):
            jina(wire_server(script).url)(QUERY, DOCUMENTS)
        assert sent[0] < 90

    def test_a_gzip_bomb_is_not_unpacked(self, wire_server: Any) -> None:
        bomb = gzip.compress(b" " * 100_000_000, 1)
        server = wire_server(lambda connection, _: connection.sendall(http(200, bomb, "Content-Encoding: gzip")))
        with pytest.raises(ProtocolError, match="more than 64 MiB"):
            jina(server.url)(QUERY, DOCUMENTS)

    def test_gzip_that_was_not_requested_is_read(self, wire_server: Any) -> None:
        packed = gzip.compress(json.dumps(GOOD).encode())
        server = wire_server(lambda connection, _: connection.sendall(http(200, packed, "Content-Encoding: gzip")))
        assert plain(jina(server.url)(QUERY, DOCUMENTS)) == RIGHT

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            *NO_JSON,
            *ERRORS_WITH_200,
            (json.dumps(GOOD).encode()[:-20], "no strict JSON"),
            (b'{"results": [{"index": 0, "relevance_score": NaN}]}', "NaN is no JSON number"),
            (b'{"results": [{"index": 0, "relevance_score": -Infinity}]}', "-Infinity is no JSON number"),
            (b"null", "expected a list of results"),
            (b'"fine"', "expected a list of results"),
            (b"7", "expected a list of results"),
            (b"{}", "expected a list of results"),
            (b'{"results": {"0": 0.5}}', "expected a list of results"),
            (b'{"results": null}', "expected a list of results"),
        ],
    )  # fmt: skip
    def test_a_200_that_is_no_answer(self, httpserver: Any, body: bytes, message: str) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_data(body, 200)
        with pytest.raises(ProtocolError, match=message) as caught:
            jina(httpserver.url_for(""))(QUERY, DOCUMENTS)
        assert len(str(caught.value)) < 600
        assert len(httpserver.log) == 1


class TestRedirects:
    def test_the_same_host_gets_the_key(self, httpserver: Any) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_data("", 307, {"Location": "/new"})
        httpserver.expect_request("/new", headers={"Authorization": f"Bearer {KEY}"}).respond_with_json(GOOD)
        assert plain(jina(httpserver.url_for(""), api_key=KEY)(QUERY, DOCUMENTS)) == RIGHT

    @pytest.mark.parametrize("status", [307, 308])
    def test_another_host_does_not(self, httpserver: Any, wire_server: Any, status: int) -> None:
        other = wire_server(lambda connection, _: connection.sendall(GOOD_BYTES))
        httpserver.expect_request("/v1/rerank").respond_with_data("", status, {"Location": other.url + "/v1/rerank"})
        assert plain(jina(httpserver.url_for(""), api_key=KEY)(QUERY, DOCUMENTS)) == RIGHT
        assert b"Mars is red." in other.requests[0]
        assert KEY.encode() not in other.requests[0]

    def test_the_401_of_another_host_names_the_reason(self, httpserver: Any, wire_server: Any) -> None:
        other = wire_server(lambda connection, _: connection.sendall(http(401, b"")))
        httpserver.expect_request("/v1/rerank").respond_with_data("", 307, {"Location": other.url})
        with pytest.raises(AuthenticationError, match="key was not sent"):
            jina(httpserver.url_for(""), api_key=KEY)(QUERY, DOCUMENTS)

    @pytest.mark.parametrize("status", [301, 302, 303])
    def test_one_that_would_drop_the_body_names_the_new_address(self, httpserver: Any, status: int) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_data("", status, {"Location": "/there"})
        with pytest.raises(ProtocolError, match=r"/there.*base_url"):
            jina(httpserver.url_for(""))(QUERY, DOCUMENTS)

    def test_a_loop_ends(self, httpserver: Any) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_data("", 307, {"Location": "/v1/rerank"})
        with pytest.raises(ProtocolError, match="more than 3 times"):
            jina(httpserver.url_for(""))(QUERY, DOCUMENTS)

    def test_not_to_plain_http_elsewhere(self, httpserver: Any) -> None:
        httpserver.expect_request("/v1/rerank").respond_with_data("", 307, {"Location": "http://192.0.2.1/rerank"})
        with pytest.raises(ProtocolError, match="unencrypted"):
            jina(httpserver.url_for(""))(QUERY, DOCUMENTS)


class TestAddresses:
    @pytest.mark.parametrize("url", ["http://192.0.2.1:8080", "http://example.org", "http://localhost.example.org"])
    def test_plain_http_elsewhere_needs_allow_http(self, url: str) -> None:
        with pytest.raises(ValueError, match="allow_http=True"):
            TEIRerankFunction(url)
        assert url in repr(TEIRerankFunction(url, allow_http=True))

    @pytest.mark.parametrize(
        "url", ["http://localhost:1", "http://127.0.0.9", "http://[::1]:80", "https://example.org"]
    )
    def test_this_machine_and_tls_need_no_option(self, url: str) -> None:
        assert url in repr(TEIRerankFunction(url))

    @pytest.mark.parametrize(
        "url",
        ["", "example.org", "ftp://example.org", "http://", "https://u:p@example.org", "https://example.org/?a=b#c"],
    )
    def test_invalid_addresses_are_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match="base_url"):
            TEIRerankFunction(url)


def test_one_thread_watches_all_deadlines(httpserver: Any) -> None:
    """Many threads through one client, deadlines of each its own; afterwards no thread but the watchdog is left."""
    httpserver.expect_request("/v1/rerank").respond_with_json(GOOD)
    rf = jina(httpserver.url_for(""))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: plain(rf(QUERY, DOCUMENTS)), range(40)))
    assert found == [RIGHT] * 40
    assert [thread.name for thread in threading.enumerate()].count("refimpl-deadlines") == 1
    assert len(deadline._watchdog._cuts) <= 100 + 2 * 4


def test_a_kept_connection_outlives_the_deadline_of_an_earlier_call(httpserver: Any) -> None:
    httpserver.expect_request("/v1/rerank").respond_with_json(GOOD)
    rf = jina(httpserver.url_for(""), timeout_s=0.5)
    for _ in range(4):
        assert plain(rf(QUERY, DOCUMENTS)) == RIGHT
        time.sleep(0.2)
