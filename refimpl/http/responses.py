"""HTTP responses: what their JSON is, the server's message in an error, the wait before a retry that it requests.

A server may echo the key, whole or escaped, so its text is shown only through `Secrets.cut` and `shown`, which hide the
secrets before they shorten the text.
"""

import math
import re
import reprlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from typing import Any

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from refimpl.http.bodies import strict_json
from refimpl.http.errors import ProtocolError
from refimpl.http.safety import NO_SECRETS, Secrets

MESSAGE_CHARS = 300
SHOWN_CHARS = 120
PLACES = ("detail", "message", "error", "msg", "title")
# no part can match across "<", so that each is read once
TITLE = re.compile(r"<(?:title|h1)\b[^<>]*>(?:\s*<[^<>]*>){0,5}\s*([^<]+)", re.IGNORECASE)

_secrets: ContextVar[Secrets] = ContextVar("secrets", default=NO_SECRETS)


@contextmanager
def hiding(secrets: Secrets) -> Iterator[None]:
    """Hide `secrets` in what `shown` and `refuse_error` show while this is open, in this thread."""
    token = _secrets.set(secrets)
    try:
        yield
    finally:
        _secrets.reset(token)


@dataclass(frozen=True)
class Reply:
    """One HTTP response, body decoded from its content encoding and not yet parsed; of an error, perhaps its start."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def described(self, secrets: Secrets = NO_SECRETS) -> str:
        """What the body is, for a message about a response that is no JSON."""
        if not self.body:
            return "an empty body"
        text = _text(self.body, secrets)
        if text.lstrip().startswith("<"):
            return f"an HTML page ({_title(text)})"
        return f"{len(self.body)} bytes that are no strict JSON, beginning {secrets.cut(text, 60)!r}"


TEXT_BYTES = 1 << 16
"""Bytes of a body that is no JSON in which its title or its message is searched."""


def server_message(body: bytes, secrets: Secrets = NO_SECRETS) -> str | None:
    """The server's message, one line: from detail, message, error, error.message, or plain text; None without one."""
    try:
        message = message_in(strict_json(body))
    except ValueError:
        message = _text(body, secrets).strip()
        if message.startswith("<"):
            message = f"an HTML page ({_title(message)})"
    return one_line(message, secrets) if message else None


def one_line(text: str, secrets: Secrets) -> str | None:
    """At most MESSAGE_CHARS of a server's text in one line, secrets hidden; None for blanks."""
    start = secrets.head(text[:TEXT_BYTES], whole=len(text) <= TEXT_BYTES)
    return secrets.cut(" ".join(start.split()), MESSAGE_CHARS) or None


def message_in(payload: Any, depth: int = 6) -> str | None:
    """The first text in the usual places of an error object, nested ones included; a bare string is itself."""
    if depth == 0:
        return None
    if isinstance(payload, str):
        return payload or None
    if isinstance(payload, list):
        messages = (message for item in payload if (message := message_in(item, depth - 1)))
        return "; ".join(islice(messages, MESSAGE_CHARS)) or None
    if isinstance(payload, dict):
        for place in PLACES:
            if message := message_in(payload.get(place), depth - 1):
                return message
    return None


def entries_in(answer: Any, keys: tuple[str, ...], what: str, server: str) -> list[Any]:
    """The list of `what`, bare or under one of `keys`; ProtocolError without one, with the server's message."""
    entries = answer
    if isinstance(answer, dict):
        entries = next((answer[key] for key in keys if answer.get(key) is not None), None)
        if entries is None:
            refuse_error(answer, server)
    if not isinstance(entries, list):
        places = " or ".join(repr(key) for key in keys)
        raise ProtocolError(f"{server}: expected a list of {what}, bare or under {places}, got {shown(answer)}")
    return entries


def refuse_error(answer: Any, server: str) -> None:
    """Raise ProtocolError, with the server's message, for an error object that came with status 200."""
    if isinstance(answer, dict) and (text := message_in(answer)) and (message := one_line(text, _secrets.get())):
        raise ProtocolError(f"{server} answered 200 with an error: {message}", status=200, server_message=message)


def index_in(entry: Any, count: int, what: str, server: str) -> int:
    """The `index` of an entry, within the `count` of `what` that were sent; ProtocolError otherwise."""
    if not isinstance(entry, dict):
        raise ProtocolError(f"{server}: each result must be an object, got {shown(entry)}")
    index = entry.get("index")
    if isinstance(index, bool) or not isinstance(index, int):
        raise ProtocolError(f"{server}: a result's index must be a whole number, got {shown(entry)}")
    if not 0 <= index < count:
        raise ProtocolError(f"{server}: index {shown(index)} is out of range, {count} {what} were sent")
    return index


class _Short(reprlib.Repr):
    """`repr` of the first items and characters alone, so that it takes no longer for a large value."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self.maxlist = self.maxdict = self.maxlevel = 6
        self.maxlong = SHOWN_CHARS
        self._secrets = secrets

    def repr_str(self, x: str, level: int) -> str:
        """Quote the first characters, without secrets."""
        return repr(self._secrets.cut(x, SHOWN_CHARS))

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """Show the first entries, in the order of `x`."""
        if level <= 0:
            return "{...}"
        first = islice(x.items(), self.maxdict)
        entries = [f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}" for key, value in first]
        return "{" + ", ".join(entries + ["..."] * (len(x) > self.maxdict)) + "}"


def shown(value: Any) -> str:
    """At most 120 characters of a value, for a message; secrets within `hiding` are hidden before it is cut."""
    text = _Short(_secrets.get()).repr(value)
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 3] + "..."


def requested_wait_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms`, `Retry-After` (seconds or date) or `X-RateLimit-Reset` (epoch).

    None when no such header can be read.
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    if (retry_after := headers.get("Retry-After")) and len(retry_after) < 100:
        if (seconds := _number(retry_after)) is not None:
            return seconds
        try:
            return float(Retry().parse_retry_after(retry_after))  # an int 0 for a moment that has passed
        except (InvalidHeader, ValueError, OverflowError, TypeError, IndexError):  # the last two of the date's parser
            return None
    if (reset := _number(headers.get("X-RateLimit-Reset"))) is not None:
        return max(0.0, reset - time.time())
    return None


NUMBER = re.compile(r"\s{0,9}[0-9]{1,18}(?:\.[0-9]{0,18})?\s{0,9}")


def _number(header: str | None) -> float | None:
    if not NUMBER.fullmatch(header or ""):
        return None
    value = float(header or "")
    return value if math.isfinite(value) and value >= 0 else None


def _text(body: bytes, secrets: Secrets) -> str:
    """The start of a body as text, secrets hidden."""
    return secrets.head(body[:TEXT_BYTES].decode("utf-8", errors="replace"), whole=len(body) <= TEXT_BYTES)


def _title(text: str) -> str:
    match = TITLE.search(text)
    return repr(NO_SECRETS.cut(match[1].strip(), 80)) if match else "no title"
