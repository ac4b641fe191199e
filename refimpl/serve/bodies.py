"""Bodies of requests: JSON of a bounded number of values, texts of bounded lengths.

The bounds are on what a body costs when it is read: 8 MB of `[],` become 2.7 million lists, and a text is split into
words as a whole before it is truncated to what the model reads.
"""

import re
from collections.abc import Sequence
from typing import Any

from refimpl.http.bodies import strict_json
from refimpl.providers.requests import RequestRefused
from refimpl.serve.limits import Limits

STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
VALUES_PER_TEXT = 16  # a document may be an object with further fields


def parsed(data: bytes, limits: Limits) -> Any:
    """The strict JSON in `data`; RequestRefused, 400 for what is none and 422 for more values than requests need."""
    most = VALUES_PER_TEXT * (limits.max_documents + 64)
    outside = STRINGS.sub(b"", data)
    if outside.count(b",") + outside.count(b"[") + outside.count(b"{") > most:
        raise RequestRefused(422, f"the body may hold {most} JSON values: send fewer texts per request")
    try:
        return strict_json(data)
    except ValueError as error:
        raise RequestRefused(400, f"the body is no JSON: {error}") from None


def check_lengths(texts: Sequence[str], limits: Limits) -> None:
    """Raise RequestRefused, 413, for a text of more than `max_text_chars`."""
    index = max(range(len(texts)), key=lambda index: len(texts[index]))
    length, most = len(texts[index]), limits.max_text_chars
    if length > most:
        raise RequestRefused(413, f"text {index} holds {length} characters, at most {most}: send its beginning")


def check_query(query: str, documents: Sequence[str], limits: Limits) -> None:
    """Raise RequestRefused, 413, for a query that is too long to be read with every document."""
    most = limits.max_bytes // len(documents)
    if len(query) > most:
        raise RequestRefused(
            413, f"the query holds {len(query)} characters, at most {most} for {len(documents)} documents: shorten it"
        )
