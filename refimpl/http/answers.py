"""What a server answered: strict JSON, the server's own words in an error, and the wait that it asks for."""

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from refimpl.http.errors import ProtocolError

MESSAGE_CHARS = 300
PLACES = ("detail", "message", "error", "msg", "title")


@dataclass(frozen=True)
class Reply:
    """One whole HTTP answer, body decoded from its content encoding and not yet parsed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def described(self) -> str:
        """What the body is, for a message about an answer that is no JSON."""
        if not self.body:
            return "an empty body"
        text = self.body[:MESSAGE_CHARS].decode("utf-8", errors="replace")
        if text.lstrip().startswith("<"):
            return f"an HTML page ({_title(self.body.decode('utf-8', errors='replace'))})"
        return f"{len(self.body)} bytes that are no strict JSON, beginning {text[:60]!r}"


def strict_json(data: bytes) -> Any:
    """RFC 8259 JSON in UTF-8; ValueError for anything else, NaN, Infinity and bottomless nesting included."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON number")

    try:
        return json.loads(data.decode("utf-8"), parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def server_message(body: bytes) -> str | None:
    """The server's own words from wherever it hides them: detail, message, error, error.message, or plain text."""
    text = body.decode("utf-8", errors="replace").strip()
    try:
        found = message_in(json.loads(text))
    except (ValueError, RecursionError):
        found = f"an HTML page ({_title(text)})" if text.startswith("<") else text
    return " ".join(found.split())[:MESSAGE_CHARS] if found else None


def message_in(payload: Any, depth: int = 6) -> str | None:
    """The first text in the usual places of an error object, nested ones included; a bare string is itself."""
    if depth == 0:
        return None
    if isinstance(payload, str):
        return payload or None
    if isinstance(payload, list):
        found = [message for item in payload if (message := message_in(item, depth - 1))]
        return "; ".join(found) or None
    if isinstance(payload, dict):
        for place in PLACES:
            if message := message_in(payload.get(place), depth - 1):
                return message
    return None


def entries_in(answer: Any, keys: tuple[str, ...], what: str, server: str) -> list[Any]:
    """The list of `what`, bare or under one of `keys`; ProtocolError when there is none, in the server's own words."""
    entries = answer
    if isinstance(answer, dict):
        entries = next((answer[key] for key in keys if answer.get(key) is not None), None)
        if entries is None and (said := message_in(answer)):
            raise ProtocolError(f"{server} answered 200 with an error: {said}", status=200, server_message=said)
    if not isinstance(entries, list):
        places = " or ".join(repr(key) for key in keys)
        raise ProtocolError(f"{server}: expected a list of {what}, bare or under {places}, got {shown(answer)}")
    return entries


def index_in(entry: Any, count: int, what: str, server: str) -> int:
    """The `index` of an entry, within the `count` of `what` that were sent; ProtocolError otherwise."""
    if not isinstance(entry, dict):
        raise ProtocolError(f"{server}: each result must be an object, got {shown(entry)}")
    index = entry.get("index")
    if isinstance(index, bool) or not isinstance(index, int):
        raise ProtocolError(f"{server}: a result's index must be a whole number, got {shown(entry)}")
    if not 0 <= index < count:
        raise ProtocolError(f"{server}: index {index} is out of range, {count} {what} were sent")
    return index


def shown(value: Any) -> str:
    """At most 120 letters of a value, for a message."""
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def asked_wait_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that `retry-after-ms`, `Retry-After` (seconds or date) or `X-RateLimit-Reset` (epoch) asks to wait.

    None when none of them is there or can be read.
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    if retry_after := headers.get("Retry-After"):
        if (seconds := _number(retry_after)) is not None:
            return seconds
        try:
            return float(Retry().parse_retry_after(retry_after))  # an int 0 for a moment that has passed
        except (InvalidHeader, ValueError, OverflowError):
            return None
    if (reset := _number(headers.get("X-RateLimit-Reset"))) is not None:
        return max(0.0, reset - time.time())
    return None


def _number(header: str | None) -> float | None:
    try:
        value = float(header or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _title(text: str) -> str:
    found = re.search(r"<(title|h1)[^>]*>(.*?)</\1", text, re.IGNORECASE | re.DOTALL)
    return repr(found[2].strip()[:80]) if found else "no title"
