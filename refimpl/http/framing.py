"""HTTP/1.1 framing below http.client and urllib3: metered reads and strict chunked bodies.

http.client and urllib3 accept chunk sizes such as `-1` or `1_0`, and ignore the headers after a malformed one, the
body's length among them; a response so framed is refused here.
"""

import http.client
import io
import re
from typing import Any

from urllib3.exceptions import HeaderParsingError
from urllib3.util.response import assert_header_parsing

from refimpl.http.bodies import CHUNK_BYTES
from refimpl.http.deadline import Cut

MAX_LINE_BYTES = 1 << 16
MAX_TRAILERS = 100
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r?\n")
LENGTH = re.compile("[0-9]{1,18}")
LINE_ENDS = (b"\r\n", b"\n")


class MalformedError(http.client.HTTPException):
    """A response that is no HTTP/1.1."""


class Metered(io.RawIOBase):
    """A socket's stream whose reads are counted by a `Cut` and end at its deadline."""

    def __init__(self, raw: io.RawIOBase, cut: Cut) -> None:
        self._raw = raw
        self._cut = cut

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read once."""
        self._cut.check()
        number: int | None = self._raw.readinto(buffer)
        self._cut.received(number or 0)
        return number

    def close(self) -> None:
        """Close the stream, not the connection."""
        self._raw.close()
        super().close()


class Dechunked(io.RawIOBase):
    """The data of a chunked body (RFC 9112, section 7.1), which ends after the trailers; MalformedError otherwise."""

    def __init__(self, lines: io.BufferedReader) -> None:
        self._lines = lines
        self._left = 0
        self._started = False
        self._ended = False

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read data of one chunk."""
        if self._ended:
            return 0
        if self._left == 0 and not self._next_chunk():
            return 0
        number = self._lines.readinto(memoryview(buffer)[: self._left])
        if not number:
            raise MalformedError("the connection closed within a chunk")
        self._left -= number
        return number

    def close(self) -> None:
        """Close the stream below."""
        self._lines.close()
        super().close()

    def _next_chunk(self) -> bool:
        if self._started and self._line() not in LINE_ENDS:
            raise MalformedError("expected a line end after a chunk")
        self._started = True
        line = self._line()
        if not (match := CHUNK_SIZE.fullmatch(line)):
            raise MalformedError(f"expected a chunk size, got {line.decode('latin-1').strip()}")
        self._left = int(match[1], 16)
        if self._left == 0:
            self._skip_trailers()
        return self._left > 0

    def _skip_trailers(self) -> None:
        for _ in range(MAX_TRAILERS):
            if self._line() in LINE_ENDS:
                self._ended = True
                return
        raise MalformedError(f"more than {MAX_TRAILERS} trailers")

    def _line(self) -> bytes:
        line = self._lines.readline(MAX_LINE_BYTES + 1)
        if not line.endswith(b"\n"):
            raise MalformedError("a line of a chunked body that does not end")
        return line


class Response(http.client.HTTPResponse):
    """http.client's response, read through `Metered`; of a chunked one, the data alone are visible above."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        if (cut := Cut.current()) is not None:
            self.fp: Any = io.BufferedReader(Metered(self.fp.detach(), cut), CHUNK_BYTES)

    def begin(self) -> None:
        """Read the head; MalformedError for headers of which only some could be read."""
        super().begin()
        try:
            assert_header_parsing(self.msg)
        except HeaderParsingError:
            raise MalformedError("a malformed header") from None
        lengths = {part.strip() for value in self.msg.get_all("Content-Length", []) for part in value.split(",")}
        if len(lengths) > 1 or not all(map(LENGTH.fullmatch, lengths)):
            raise MalformedError("a malformed Content-Length")
        if self.status == http.client.OK and not self.chunked and self.length is None and not self.fp.peek(1):
            raise MalformedError("the connection closed within the headers or after them")
        if not (codings := self.msg.get_all("Transfer-Encoding")):
            return
        if len(codings) > 1 or codings[0].strip().lower() != "chunked":
            raise MalformedError(f"expected the transfer coding chunked, got {codings[0]}")
        self.fp = io.BufferedReader(Dechunked(self.fp), CHUNK_BYTES) if self.fp else self.fp
        self.chunked = False  # as data that end with the stream
        del self.msg["Transfer-Encoding"], self.msg["Content-Length"]
