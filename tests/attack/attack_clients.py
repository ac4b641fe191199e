"""Hostile HTTP servers: responses put together at random from parts that are each lawful, malformed or malicious.

The truth comes from the parts: where every part is lawful, the answer must be the scores that the server wrote; where
one is not, either those scores or a RemoteError. In both cases within the deadline, in bounded memory, with the key in
no message and at no other origin. A failure's round is repeated by `--seed`.
"""

import gzip
import json
import random
import socket
import threading
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

from attacks import Attack, attack

from refimpl import JinaRerankFunction
from refimpl.http import RemoteError

KEY = 'sk-"hostile"-7f3Qz9Lk2Vx8Wd5'
ESCAPED = json.dumps(KEY)[1:-1]
UNITS = "".join(f"\\u{ord(c):04x}" for c in KEY)
SCORES = [0.25, 0.75, 0.5]
DOCUMENTS = ["Venus", "Mars", "Jupiter"]
RIGHT = [(1, 0.75), (2, 0.5), (0, 0.25)]
GOOD = json.dumps({"results": [{"index": i, "relevance_score": score} for i, score in enumerate(SCORES)]}).encode()
DEADLINE_S = 0.4
LATE_S = 10.0  # far beyond the deadline, and beyond what a busy machine adds
MOST_BYTES = 300_000_000
MIB = 1 << 20

Send = Callable[[bytes], None]
Part = tuple[str, bool, Any]
"""Name, whether it is lawful, and its value."""

BODIES: list[Part] = [
    *[("the answer", True, GOOD)] * 6,
    ("spaced", True, b"  \r\n" + GOOD + b"\n\t"),
    ("bare list", True, json.dumps([{"index": i, "score": s} for i, s in enumerate(SCORES)]).encode()),
    ("empty", False, b""),
    ("html", False, b"<html><head><title>" + ESCAPED.encode() + b"</title>"),
    ("quadratic html", False, b"<html>" + b"<title" * 60_000),
    ("error object", False, f'{{"error": {{"message": "bad key {ESCAPED}"}}}}'.encode()),
    ("escaped key", False, b'{"detail": "' + UNITS.encode() + b'"}'),
    ("key after a long text", False, f'{{"detail": "{"x" * 280}{ESCAPED}"}}'.encode()),
    ("key in an entry", False, json.dumps({"results": ["x" * 100 + KEY]}).encode()),
    ("half", False, GOOD[:-30]),
    ("twice", False, GOOD + GOOD),
    ("nested lists", False, b"[" * 300_000),
    ("nested objects", False, b'{"a":' * 100_000),
    ("many lists", False, b"[" + b"[]," * (4 * MIB) + b"0]"),
    ("many objects", False, b"[" + b'{"":0},' * (2 * MIB) + b"0]"),
    ("long number", False, b"1" * 2_000_000),
    ("long fraction", False, b"0." + b"1" * 2_000_000),
    ("huge score", False, GOOD.replace(b"0.25", b"1" + b"0" * 400)),
    ("infinite score", False, GOOD.replace(b"0.25", b"1e400")),
    ("NaN score", False, GOOD.replace(b"0.25", b"NaN")),
    ("text score", False, GOOD.replace(b"0.25", b'"0.25"')),
    ("null score", False, GOOD.replace(b"0.25", b"null")),
    ("huge index", False, GOOD.replace(b'"index": 2', b'"index": ' + b"9" * 300)),
    ("negative index", False, GOOD.replace(b'"index": 2', b'"index": -1')),
    ("doubled index", False, GOOD.replace(b'"index": 2', b'"index": 1')),
    ("partial", False, json.dumps([{"index": 1, "score": 0.75}]).encode()),
    ("wrong type", False, b'{"results": {"0": 1}}'),
    ("text", False, b'"' + b"x" * MIB + b'"'),
    ("not UTF-8", False, b'{"results": "\xff\xfe"}'),
    ("surrogates", False, b'{"detail": "\\ud800\\u001b[31m"}'),
    ("binary", False, bytes(range(256)) * 100),
]
ENCODINGS: list[Part] = [
    *[("identity", True, (None, lambda data: data))] * 8,
    ("gzip", True, ("gzip", gzip.compress)),
    ("deflate", True, ("deflate", zlib.compress)),
    ("raw deflate", True, ("Deflate", lambda data: zlib.compress(data, wbits=-15))),
    ("two members", True, ("x-gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:]))),
    ("half gzip", False, ("gzip", lambda data: gzip.compress(data)[:-9])),
    ("no gzip", False, ("gzip", lambda data: data)),
    ("nested", False, ("gzip, gzip", lambda data: gzip.compress(gzip.compress(data)))),
    ("bomb", False, ("gzip", lambda data: _bomb(1))),
    ("nested bomb", False, ("gzip, gzip, gzip, gzip", lambda data: _bomb(4))),
    ("empty members", False, ("gzip", lambda data: gzip.compress(b"") * 50_000)),
    ("unknown", False, (KEY, lambda data: data)),
    ("brotli", False, ("br", lambda data: data)),
]
FRAMES: list[Part] = [
    *[("length", True, lambda data: (f"Content-Length: {len(data)}", data))] * 4,
    ("until closed", True, lambda data: ("Connection: close", data)),
    ("one chunk", True, lambda data: (CHUNKED, _chunks(data, len(data) or 1))),
    ("chunks", True, lambda data: (CHUNKED, _chunks(data, max(40, len(data) // 50)))),
    ("too short", False, lambda data: (f"Content-Length: {len(data) // 2}", data)),
    ("too long", False, lambda data: (f"Content-Length: {len(data) + 9}", data)),
    ("negative length", False, lambda data: ("Content-Length: -5", data)),
    ("long length", False, lambda data: ("Content-Length: " + "9" * 5000, data)),
    ("two lengths", False, lambda data: (f"Content-Length: 3\r\nContent-Length: {len(data)}", data)),
    ("Arabic length", False, lambda data: ("Content-Length: ٣", data)),
    ("length and chunks", False, lambda data: (CHUNKED + "\r\nContent-Length: 3", _chunks(data, 99))),
    ("gzip, chunked", False, lambda data: ("Transfer-Encoding: gzip, chunked", _chunks(data, 999))),
    ("negative chunk", False, lambda data: (CHUNKED, b"-1\r\n" + data)),
    ("chunk with _", False, lambda data: (CHUNKED, b"1_0\r\n" + data)),
    ("huge chunk", False, lambda data: (CHUNKED, b"f" * 16 + b"\r\n" + data)),
    ("chunk of the key", False, lambda data: (CHUNKED, KEY.encode() + b"\r\n" + data)),
    ("endless chunk line", False, lambda data: (CHUNKED, b"1" * 400_000)),
    ("endless trailers", False, lambda data: (CHUNKED, _chunks(data, 999)[:-2] + b"X: y\r\n" * 50_000)),
    ("no end", False, lambda data: (CHUNKED, _chunks(data, 999)[:-5])),
    ("malformed header", False, lambda data: (f"no colon {KEY}\r\nContent-Length: 3", data)),
    ("long header", False, lambda data: ("X: " + "x" * 70_000, data)),
    ("many headers", False, lambda data: ("X: y\r\n" * 300 + "Z: 1", data)),
    ("odd header", False, lambda data: ("\x00\x1b[31m: \x7f", data)),
]
STATUSES: list[Part] = [
    *[("200", True, b"HTTP/1.1 200 OK")] * 8,
    ("continue", True, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"),
    ("no reason", True, b"HTTP/1.1 200"),
    *[(str(status), False, b"HTTP/1.1 %d X" % status) for status in (204, 304, 400, 401, 402, 404, 413, 422, 429)],
    *[(str(status), False, b"HTTP/1.1 %d X" % status) for status in (500, 501, 503, 599, 600, 999)],
    *[(str(status), False, b"HTTP/1.1 %d X" % status) for status in (301, 302, 303, 307, 308)],
    ("HTTP/9", False, b"HTTP/9.9 200 OK"),
    ("negative", False, b"HTTP/1.1 -200 OK"),
    ("huge", False, b"HTTP/1.1 " + b"2" * 5000),
    ("no HTTP", False, b"SSH-2.0-OpenSSH"),
    ("key", False, KEY.encode()),
    ("nothing", False, b""),
]
LOCATIONS: list[Part] = [
    *[("none", True, None)] * 6,
    ("unused", True, "/elsewhere"),
    *[
        ("location", False, value)
        for value in ("http://[::1", "http://127.0.0.1:99999999/", "//", "http://", "?" + KEY)
    ],
    *[
        ("location", False, value)
        for value in ("http://a:b@127.0.0.1/", "ftp://x/", "http://192.0.2.1/", "http://\xff/")
    ],
    *[("location", False, value) for value in (f"/{KEY}", "x" * 60_000, "https://" + "a" * 99 + ".invalid/", "OTHER")],
]
WAITS: list[Part] = [
    *[("none", True, None)] * 5,
    *[("wait", True, value) for value in ("Retry-After: 3600", "Retry-After: " + "9" * 5000, "Retry-After: nan")],
    *[("wait", True, value) for value in ("Retry-After: Sat, 99 Foo 99999999999", "retry-after-ms: 1e999")],
]
PACES: list[Part] = [
    *[("at once", True, lambda send, head, body: send(head + body))] * 6,
    ("in pieces", True, lambda send, head, body: [send(piece) for piece in _pieces(head + body)]),
    ("then a reset", False, lambda send, head, body: (send(head + body[: len(body) // 2]), send(b"RESET"))),
    ("silence", False, lambda send, head, body: time.sleep(DEADLINE_S * 2)),
    ("slow head", False, lambda send, head, body: _drip(send, head)),
    ("slow body", False, lambda send, head, body: (send(head), _drip(send, body or b" "))),
    ("endless continue", False, lambda send, head, body: _drip(send, b"HTTP/1.1 100 Continue\r\n\r\n", 1000)),
    ("endless head", False, lambda send, head, body: _flood(send, head.rstrip() + b"\r\nX: ")),
    ("endless body", False, lambda send, head, body: _flood(send, head)),
]
TABLE = (STATUSES, FRAMES, ENCODINGS, BODIES, LOCATIONS, WAITS, PACES)
CHUNKED = "Transfer-Encoding: chunked"
_bombs: dict[int, bytes] = {}


def _bomb(depth: int) -> bytes:
    if depth not in _bombs:
        data = b" " * (100 * MIB)
        for _ in range(depth):
            data = gzip.compress(data, 1)
        _bombs[depth] = data
    return _bombs[depth]


def _chunks(data: bytes, size: int) -> bytes:
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _pieces(data: bytes) -> list[bytes]:
    cuts = sorted(random.Random(len(data)).sample(range(len(data) + 1), min(9, len(data))))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _drip(send: Send, data: bytes, size: int = 1) -> None:
    until = time.monotonic() + 3 * DEADLINE_S
    while time.monotonic() < until:
        for start in range(0, len(data), size):
            send(data[start : start + size])
            time.sleep(0.02)
            if time.monotonic() > until:
                return


def _flood(send: Send, head: bytes) -> None:
    send(head)
    for _ in range(300):
        send(b"x" * MIB)


class Server:
    """Runs one behaviour for every connection, and keeps what it was sent."""

    def __init__(self, behaviour: Callable[[Send], None]) -> None:
        self.received = b""
        self._behaviour = behaviour
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.settimeout(10)
                while b"\r\n\r\n" not in self.received or not self.received.endswith(b"}"):
                    if not (data := connection.recv(65536)):
                        break
                    self.received += data
                self._behaviour(lambda data: self._send(connection, data))
            except OSError:  # the client hung up
                return

    @staticmethod
    def _send(connection: socket.socket, data: bytes) -> None:
        if data == b"RESET":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raise OSError
        connection.sendall(data)

    def close(self) -> None:
        self._listener.close()


def behaviour(parts: list[Part], other: str) -> Callable[[Send], None]:
    """What a server of these parts sends."""
    (_, _, status), (_, _, frame), (_, _, (coding, encode)), (_, _, body), (_, _, location), (_, _, wait), pace = parts
    framing, data = frame(encode(body))
    headers = [framing, *([f"Content-Encoding: {coding}"] if coding else []), *([wait] if wait else [])]
    if location:
        headers.append(f"Location: {location.replace('OTHER', other)}")
    head = status + b"\r\n" + "\r\n".join(headers).encode("utf-8") + b"\r\n\r\n"
    return lambda send: pace[2](send, head, data) and None


def outcome(url: str) -> tuple[Any, float]:
    """Results or error of a call in another thread, and its seconds; None for one that does not return."""
    found: list[Any] = []

    def call() -> None:
        client = JinaRerankFunction("m", KEY, base_url=url, timeout_s=DEADLINE_S, max_retries=1)
        try:
            found.append([(result.index, result.score) for result in client("which?", DOCUMENTS, None)])
        except BaseException as error:
            found.append(error)

    started = time.monotonic()
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(LATE_S)
    return (found or [None])[0], time.monotonic() - started


def shows_key(error: BaseException) -> bool:
    """Whether six consecutive characters of the key are in a message, or in a local of a frame of the library."""
    text = f"{error} {getattr(error, 'server_message', '')} {error.__cause__} {error.__context__}"
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "attack" not in frame.f_code.co_filename:
            text += repr(frame.f_locals)
    parts = [KEY[start : start + 6] for start in range(len(KEY) - 5)]
    return any(form in text for part in parts for form in (part, repr(part)[1:-1], json.dumps(part)[1:-1]))


def problem(parts: list[Part], result: Any, peak: int, elsewhere: bytes) -> str | None:
    """What is wrong with the result of a call to a server of these parts."""
    lawful = all(part[1] for part in parts)
    if result is None:
        return f"no result within {LATE_S:g} s"
    if isinstance(result, BaseException) and not isinstance(result, RemoteError):
        return f"{type(result).__name__}: {result}"
    if isinstance(result, list) and result != RIGHT:
        return f"wrong results {result}"
    if lawful and isinstance(result, BaseException) and "within 0.4 s" not in str(result):
        return f"lawful, but {result}"
    if isinstance(result, BaseException) and (shows_key(result) or len(str(result)) > 1000):
        return f"the key or a long text is shown: {result}"
    if KEY.encode() in elsewhere or ESCAPED.encode() in elsewhere:
        return "the key was sent to another origin"
    return f"{peak / 1e6:.0f} MB" if peak > MOST_BYTES else None


@attack
def hostile_servers(run: Attack) -> None:
    """40 servers at scale 1: every part of the table in turn, with up to two more parts that are not lawful."""
    other = Server(lambda send: send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD))
    for rng in run.rounds(40):
        parts = [rng.choice([part for part in column if part[1]]) for column in TABLE]
        for column in rng.sample(range(len(TABLE)), rng.choice((0, 1, 1, 1, 2, 3))):
            parts[column] = rng.choice(TABLE[column])
        server = Server(behaviour(parts, other.url))
        tracemalloc.start()
        result, _ = outcome(server.url)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        run.count("behaviours")
        run.count("requests")
        if wrong := problem(parts, result, peak, other.received):
            run.failed(f"{', '.join(part[0] for part in parts)}: {wrong[:300]}")
        server.close()
    other.close()
