"""Readers of responses: for any bytes or JSON the result is a value or the one documented error."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.http import ProtocolError
from refimpl.http.bodies import strict_json
from refimpl.http.responses import message_in, requested_wait_s, server_message
from refimpl.providers.reading import read_scores

KEYS = st.sampled_from(["results", "data", "index", "relevance_score", "score", "error", "message", "detail"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)
ENTRIES = st.lists(
    st.fixed_dictionaries({"index": st.integers(-1, 4) | JSON, "score": st.floats(-5, 5) | JSON}) | JSON, max_size=5
)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_strict_json_agrees_with_json_but_for_nan(data: bytes) -> None:
    try:
        expected = json.loads(data.decode(), parse_constant=lambda constant: json.loads("no number"))
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - the message is the decoder's own, or names the constant
            strict_json(data)
    else:
        assert strict_json(data) == expected


@given(st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()))
def test_a_servers_message_is_short_and_one_line(body: bytes) -> None:
    message = server_message(body)
    assert message is None or (0 < len(message) <= 300 and "\n" not in message)


def test_only_the_start_of_a_page_is_searched() -> None:
    """64 KiB of it: the work is bounded, whatever the body's size."""
    pages = [b"<html>" + b" " * size + b"<title>late</title>" for size in (60_000, 70_000)]
    assert [server_message(page) for page in pages] == ["an HTML page ('late')", "an HTML page (no title)"]


def test_deeply_nested_errors_have_no_message() -> None:
    nested: object = "deep"
    for _ in range(5000):
        nested = {"error": nested}
    assert message_in(nested) is None
    assert message_in({"error": {"error": {"message": "near"}}}) == "near"


HEADERS = st.dictionaries(st.sampled_from(["Retry-After", "retry-after-ms", "X-RateLimit-Reset"]), st.text(max_size=30))


@given(HEADERS)
def test_a_wait_is_a_time_or_none(headers: dict[str, str]) -> None:
    wait_s = requested_wait_s(headers)
    assert wait_s is None or (math.isfinite(wait_s) and wait_s >= 0)


@given(JSON | ENTRIES | st.builds(lambda entries: {"results": entries}, ENTRIES), st.integers(1, 4))
def test_scores_are_complete_or_a_protocol_error(answer: object, documents: int) -> None:
    try:
        scores = read_scores(answer, documents, documents, "server")
    except ProtocolError:
        return
    assert sorted(scores) == list(range(documents))
    assert all(math.isfinite(score) for score in scores.values())
