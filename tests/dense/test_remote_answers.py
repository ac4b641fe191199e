"""Responses that no server may give: an error of the protocol, never a wrong vector."""

from typing import Any

import numpy as np
import pytest
from embedding_clients import CLIENTS, TEXTS, openai, packed
from hypothesis import given
from hypothesis import strategies as st
from remote_faults import ERRORS_WITH_200, NO_JSON, as_json, no_keys, short_backoff, wire_server

from refimpl.http import ProtocolError
from refimpl.providers.reading import indexed_vectors, listed_vectors

__all__ = ["no_keys", "short_backoff", "wire_server"]


@pytest.fixture(autouse=True)
def _offline(short_backoff: None, no_keys: None) -> None:
    """No key of the environment, and backoff of milliseconds."""


def entries(*embeddings: Any) -> list[dict[str, Any]]:
    return [{"index": index, "embedding": embedding} for index, embedding in enumerate(embeddings)]


ONE = [1.0, 2.0]
NAN = packed([1.0, float("nan")])


class TestImpossibleAnswers:
    @pytest.mark.parametrize(
        ("vectors", "message"),
        [
            ([*entries(ONE, ONE), {"index": 3, "embedding": ONE}], "index 3 is out of range, 3 texts were sent"),
            ([*entries(ONE, ONE), {"index": -1, "embedding": ONE}], "index -1 is out of range"),
            ([*entries(ONE, ONE), {"index": 1, "embedding": ONE}], "text 1 is twice in the response"),
            ([*entries(ONE, ONE), {"index": "2", "embedding": ONE}], "whole number"),
            ([*entries(ONE, ONE), {"index": True, "embedding": ONE}], "whole number"),
            ([*entries(ONE, ONE), {"embedding": ONE}], "whole number"),
            (entries(ONE, ONE), "expected 3 vectors, got 2, text 2 among the missing"),
            ([], "expected 3 vectors, got 0, text 0 among the missing"),
            (entries(ONE, ONE, ONE, ONE), "index 3 is out of range"),
            (entries(ONE, ONE, [1.0]), "differ in width, 1 to 2"),
            (entries(ONE, ONE, []), "embedding of text 2 must be a list of numbers"),
            (entries(ONE, ONE, None), "embedding of text 2 must be a list of numbers"),
            (entries(ONE, ONE, [1.0, "2"]), "embedding of text 2 must be a list of numbers"),
            (entries(ONE, ONE, [1.0, True]), "embedding of text 2 must be a list of numbers"),
            (entries(ONE, ONE, [1.0, None]), "embedding of text 2 must be a list of numbers"),
            (entries(ONE, ONE, [ONE, ONE]), "embedding of text 2 must be a list of numbers"),
            (entries(ONE, ONE, {"float": ONE}), "embedding of text 2 must be a list of numbers"),
            (entries(ONE, ONE, [1.0, 1e39]), "text 2 is not finite at position 1"),
            (entries(ONE, ONE, [1.0, 10**400]), "text 2 is not finite"),
            (entries(ONE, ONE, NAN), "text 2 is not finite at position 1"),
            (entries(ONE, ONE, packed([float("-inf"), 1.0])), "text 2 is not finite at position 0"),
            (entries(ONE, ONE, packed([1.0])), "differ in width, 1 to 2"),
            (entries(ONE, ONE, packed(ONE)[:-4] + "AA=="), "text 2 is 7 bytes, no whole float32"),
            (entries(ONE, ONE, ""), "text 2 is 0 bytes"),
            (entries(ONE, ONE, "not base64!"), "text 2 is no base64: 'not base64!'"),
            (entries(ONE, ONE, packed(ONE)[:-1]), "text 2 is no base64"),
            (entries(ONE, ONE, "größer"), "text 2 is no base64"),
            ([*entries(ONE, ONE), None], "must be an object"),
            ([ONE, ONE, ONE], "must be an object"),
        ],
    )  # fmt: skip
    def test_of_indexed_vectors_are_refused(self, httpserver: Any, vectors: Any, message: str) -> None:
        httpserver.expect_request("/v1/embeddings").respond_with_json({"data": vectors})
        with pytest.raises(ProtocolError, match=message):
            openai(httpserver.url_for(""))(TEXTS)

    @pytest.mark.parametrize("client", ["tei, own", "cohere", "cohere v1", "nomic", "gemini"])
    @pytest.mark.parametrize(
        ("vectors", "message"),
        [
            ([ONE, ONE], "expected a list of 3 vectors, got 2"),
            ([ONE, ONE, ONE, ONE], "expected a list of 3 vectors, got 4"),
            ([], "expected a list of 3 vectors, got 0"),
            ([ONE, ONE, [1.0]], "differ in width"),
            ([ONE, ONE, None], "text 2 must be a list of numbers"),
            ([ONE, ONE, NAN], "text 2 is not finite"),
            ("soon", "expected a list of 3 vectors, got 'soon'"),
        ],
    )  # fmt: skip
    def test_of_listed_vectors_are_refused(self, httpserver: Any, client: str, vectors: Any, message: str) -> None:
        make, path = CLIENTS[client]
        body = (
            vectors if client == "tei, own" else {"embeddings": {"float": vectors} if client == "cohere" else vectors}
        )
        if client == "gemini" and isinstance(vectors, list):
            body = {"embeddings": [{"values": vector} for vector in vectors]}
        httpserver.expect_request(path).respond_with_json(body)
        with pytest.raises(ProtocolError, match=message.replace("list of 3 vectors, got 'soon'", ".*soon")):
            make(httpserver.url_for("").rstrip("/"))(TEXTS)

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            *NO_JSON,
            *ERRORS_WITH_200,
            (as_json({"data": entries(ONE, ONE, ONE)})[:-20], "no strict JSON"),
            (b'{"data": [{"index": 0, "embedding": [NaN]}]}', "NaN is no JSON number"),
            (b"null", "expected a list of embeddings"),
            (b"{}", "expected a list of embeddings"),
            (b'{"data": {"0": [0.5]}}', "expected a list of embeddings"),
        ],
    )
    def test_a_200_that_is_no_answer(self, httpserver: Any, body: bytes, message: str) -> None:
        httpserver.expect_request("/v1/embeddings").respond_with_data(body, 200)
        with pytest.raises(ProtocolError, match=message) as caught:
            openai(httpserver.url_for(""))(TEXTS)
        assert len(str(caught.value)) < 600
        assert len(httpserver.log) == 1

    @pytest.mark.parametrize("client", ["tei, own", "cohere", "nomic", "gemini"])
    @pytest.mark.parametrize(("body", "message"), [*ERRORS_WITH_200, (b"{}", "expected"), (b"[null]", "expected")])
    def test_a_200_that_is_no_answer_without_an_index(
        self, httpserver: Any, client: str, body: bytes, message: str
    ) -> None:
        make, path = CLIENTS[client]
        httpserver.expect_request(path).respond_with_data(body, 200)
        with pytest.raises(ProtocolError, match=message):
            make(httpserver.url_for("").rstrip("/"))(TEXTS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["data", "index"]), inner, max_size=2),
    max_leaves=9,
)
VECTORS = st.lists(st.floats(-2, 2), min_size=2, max_size=2) | st.just(packed(ONE)) | JSON


@given(st.lists(st.fixed_dictionaries({"index": st.integers(0, 3) | JSON, "embedding": VECTORS}), max_size=4) | JSON)
def test_vectors_are_whole_or_a_protocol_error(answer: object) -> None:
    for read in (indexed_vectors, listed_vectors):
        try:
            vectors = read(answer, 2, "server")
        except ProtocolError:
            continue
        assert len(vectors) == 2
        assert np.isfinite(vectors).all()
