"""Remote embedders against servers that answer, and servers that fail: the right vectors, or the right error."""

import base64
import inspect
import json
import logging
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from remote_faults import (
    ERRORS_WITH_200,
    KEY,
    NO_JSON,
    STATUSES,
    as_json,
    everything,
    http,
    no_keys,
    short_backoff,
    wire_server,
)
from werkzeug import Request, Response

import refimpl
from refimpl import (
    CohereEmbeddingFunction,
    JinaEmbeddingFunction,
    OpenAIEmbeddingFunction,
    TEIEmbeddingFunction,
    VoyageEmbeddingFunction,
)
from refimpl.base import EmbeddingFunction
from refimpl.dense.answers import indexed_vectors, listed_vectors
from refimpl.dense.remote import Usage
from refimpl.http import (
    AuthenticationError,
    BadRequestError,
    ProtocolError,
    RateLimitError,
    RemoteError,
    ServerError,
    UnreachableError,
)

__all__ = ["no_keys", "short_backoff", "wire_server"]

TEXTS = ["Venus 1", "Mars 2", "Jupiter 3"]
RIGHT = np.array([[1, 0.5, -1], [2, 1, -2], [3, 1.5, -3]], dtype=np.float32)  # what `numbers` says of TEXTS

Make = Callable[..., Any]
CLIENTS: dict[str, tuple[Make, str]] = {
    "openai": (lambda url, **o: OpenAIEmbeddingFunction("m", base_url=url, **o), "/v1/embeddings"),
    "openai, float": (
        lambda url, **o: OpenAIEmbeddingFunction("m", base_url=f"{url}/v1", encoding_format="float", **o),
        "/v1/embeddings",
    ),
    "jina": (lambda url, **o: JinaEmbeddingFunction("m", base_url=url, **o), "/v1/embeddings"),
    "voyage": (lambda url, **o: VoyageEmbeddingFunction("m", base_url=url, **o), "/v1/embeddings"),
    "tei": (lambda url, **o: TEIEmbeddingFunction(url, **o), "/v1/embeddings"),
    "tei, own": (lambda url, **o: TEIEmbeddingFunction(f"{url}/embed", **o), "/embed"),
    "cohere": (lambda url, **o: CohereEmbeddingFunction("m", base_url=url, **o), "/v2/embed"),
    "cohere, base64": (
        lambda url, **o: CohereEmbeddingFunction("m", base_url=url, embedding_types=["base64"], **o),
        "/v2/embed",
    ),
    "cohere v1": (
        lambda url, **o: CohereEmbeddingFunction("m", base_url=url, api_version="v1", **o),
        "/v1/embed",
    ),
}
INDEXED = ["openai", "openai, float", "jina", "voyage", "tei"]
every_client = pytest.mark.parametrize("client", CLIENTS)


@pytest.fixture(autouse=True)
def _offline(short_backoff: None, no_keys: None) -> None:
    """No key of the environment, and backoff of milliseconds."""


def openai(url: str, **options: Any) -> OpenAIEmbeddingFunction:
    return OpenAIEmbeddingFunction("m", base_url=url, **options)


def numbers(text: str) -> list[float]:
    last = float(text.split()[-1]) if text[-1].isdigit() else 0.0
    return [last, last / 2, -last]


def packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def answer_to(path: str, body: dict[str, Any]) -> Any:
    """What the route's server would say, entries with an index in reversed order; 7 tokens a text."""
    texts = next(body[name] for name in ("input", "inputs", "texts") if name in body)
    asked = [body.get("encoding_format"), body.get("embedding_type"), *(body.get("embedding_types") or [])]
    vectors: list[Any] = [packed(numbers(t)) if "base64" in asked else numbers(t) for t in texts]
    if path == "/embed":
        return vectors
    if path.endswith("/embed"):
        kind = "base64" if "base64" in asked else "float"
        return {"embeddings": {kind: vectors}, "meta": {"billed_units": {"input_tokens": 7 * len(texts)}}}
    data = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return {"data": data[::-1], "usage": {"prompt_tokens": 0, "total_tokens": 7 * len(texts)}}


def embedding_server(httpserver: Any, path: str) -> list[dict[str, Any]]:
    """Answers as `answer_to` says, and keeps the requests."""
    requests: list[dict[str, Any]] = []

    def answer(request: Request) -> Response:
        requests.append(request.get_json())
        return Response(json.dumps(answer_to(path, requests[-1])))

    httpserver.expect_request(path, method="POST").respond_with_handler(answer)
    return requests


class TestAnswers:
    @every_client
    @pytest.mark.parametrize("method", ["encode_documents", "encode_queries", "__call__"])
    def test_rows_are_the_texts_whatever_the_order(self, httpserver: Any, client: str, method: str) -> None:
        make, path = CLIENTS[client]
        embedding_server(httpserver, path)
        ef = make(httpserver.url_for("").rstrip("/"))
        vectors = getattr(ef, method)(TEXTS)
        assert (vectors.dtype, vectors.shape, ef.dim) == (np.float32, (3, 3), 3)
        np.testing.assert_array_equal(vectors, RIGHT)
        assert ef.usage == Usage(1, 0, 1) if client == "tei, own" else Usage(1, 21, 0)
        assert isinstance(ef, EmbeddingFunction)

    def test_base64_keeps_every_bit(self, httpserver: Any) -> None:
        vector = [float(x) for x in np.float32([0.1, -1e-42, 3e38, 1 / 3])]
        httpserver.expect_request("/v1/embeddings").respond_with_json(
            {"data": [{"index": 0, "embedding": packed(vector)}]}
        )
        assert openai(httpserver.url_for(""))(["a"])[0].tolist() == vector

    def test_usage_is_summed_and_the_unstated_counted(self, httpserver: Any) -> None:
        usages = iter([{"total_tokens": 5}, {"prompt_tokens": 4}, {}, {"total_tokens": None}, {"total_tokens": "9"}])
        entry = {"index": 0, "embedding": [1.0]}
        httpserver.expect_request("/v1/embeddings").respond_with_handler(
            lambda _: Response(json.dumps({"data": [entry], "usage": next(usages)}))
        )
        ef = openai(httpserver.url_for(""), batch_size=1)
        ef(["a"] * 5)
        assert ef.usage == Usage(requests=5, tokens=9, unstated=3)

    def test_threads_share_a_function(self, httpserver: Any) -> None:
        embedding_server(httpserver, "/v1/embeddings")
        ef = openai(httpserver.url_for(""))
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: ef(TEXTS), range(20)))
        assert all((vectors == RIGHT).all() for vectors in found)
        assert ef.usage == Usage(20, 420, 0)


class TestRequests:
    @pytest.mark.parametrize(
        ("make", "path", "document", "query", "plain"),
        [
            (
                lambda url: OpenAIEmbeddingFunction("m", None, url, 3),
                "/v1/embeddings",
                {"model": "m", "input": ["a 1"], "encoding_format": "base64", "dimensions": 3},
                {},
                {},
            ),
            (
                lambda url: JinaEmbeddingFunction("m", KEY, "text-matching", 3, True, base_url=url, normalized=True),
                "/v1/embeddings",
                {
                    "model": "m",
                    "input": ["a 1"],
                    "task": "retrieval.passage",
                    "embedding_type": "float",
                    "dimensions": 3,
                    "late_chunking": True,
                    "normalized": True,
                },
                {"task": "retrieval.query"},
                {"task": "text-matching"},
            ),
            (
                lambda url: JinaEmbeddingFunction("m", base_url=url, task=None),
                "/v1/embeddings",
                {"model": "m", "input": ["a 1"], "embedding_type": "float"},
                {},
                {},
            ),
            (
                lambda url: VoyageEmbeddingFunction("m", KEY, "float", False, 3, base_url=url),
                "/v1/embeddings",
                {
                    "model": "m",
                    "input": ["a 1"],
                    "input_type": "document",
                    "truncation": False,
                    "output_dimension": 3,
                    "output_dtype": "float",
                },
                {"input_type": "query"},
                {"input_type": None},
            ),
            (lambda url: TEIEmbeddingFunction(url, 3), "/v1/embeddings", {"input": ["a 1"], "dimensions": 3}, {}, {}),
            (
                lambda url: TEIEmbeddingFunction(f"{url}/embed", truncate=True, normalize=False),
                "/embed",
                {"inputs": ["a 1"], "truncate": True, "normalize": False},
                {},
                {},
            ),
            (
                lambda url: CohereEmbeddingFunction("m", KEY, "clustering", truncate="END", base_url=url),
                "/v2/embed",
                {
                    "model": "m",
                    "texts": ["a 1"],
                    "input_type": "search_document",
                    "embedding_types": ["float"],
                    "truncate": "END",
                },
                {"input_type": "search_query"},
                {"input_type": "clustering"},
            ),
        ],
        ids=["openai", "jina", "jina without tasks", "voyage", "tei", "tei's own", "cohere"],
    )
    def test_say_what_was_asked_for_and_nothing_else(
        self, httpserver: Any, make: Make, path: str, document: Any, query: Any, plain: Any
    ) -> None:
        sent = embedding_server(httpserver, path)
        ef = make(httpserver.url_for("").rstrip("/"))
        ef.encode_documents(["a 1"])
        ef.encode_queries(["a 1"])
        ef(["a 1"])
        expected = [document, document | query, document | plain]
        assert sent == [{name: v for name, v in body.items() if v is not None} for body in expected]

    def test_the_width_that_was_seen_is_not_asked_for_later(self, httpserver: Any) -> None:
        """pymilvus.model's Jina function sends an empty text for `dim`, and `dimensions` ever after."""
        sent = embedding_server(httpserver, "/v1/embeddings")
        ef = JinaEmbeddingFunction("m", base_url=httpserver.url_for(""))
        ef(["a 1"])
        assert ef.dim == 3
        ef(["a 1"])
        assert sent[0] == sent[1]
        assert "dimensions" not in sent[1]

    @pytest.mark.parametrize("base", ["", "/", "/v1", "/v1/", "/v1/embeddings"])
    def test_any_way_of_writing_the_address(self, httpserver: Any, base: str) -> None:
        embedding_server(httpserver, "/v1/embeddings")
        np.testing.assert_array_equal(openai(httpserver.url_for("").rstrip("/") + base)(TEXTS), RIGHT)

    def test_a_path_of_its_own_is_kept_as_openais_sdk_keeps_it(self, httpserver: Any) -> None:
        embedding_server(httpserver, "/v1beta/openai/embeddings")
        np.testing.assert_array_equal(openai(httpserver.url_for("/v1beta/openai/"))(TEXTS), RIGHT)

    def test_unicode_travels_whole(self, httpserver: Any) -> None:
        sent = embedding_server(httpserver, "/v1/embeddings")
        texts = ["naïve café 1", "机器学习 2", "👩‍🚀\x00\u2028 3"]
        np.testing.assert_array_equal(openai(httpserver.url_for(""))(texts), RIGHT)
        assert sent[0]["input"] == texts


class TestSplitting:
    @pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (2, [2]), (3, [2, 1]), (5, [2, 2, 1])])
    @every_client
    def test_batches_are_put_together_in_order(
        self, httpserver: Any, client: str, count: int, sizes: list[int]
    ) -> None:
        make, path = CLIENTS[client]
        sent = embedding_server(httpserver, path)
        ef = make(httpserver.url_for("").rstrip("/"), batch_size=2)
        texts = [f"text {(7 * i) % 11}" for i in range(count)]
        np.testing.assert_array_equal(ef(texts), np.float32([numbers(text) for text in texts]))
        assert [len(body.get("input") or body.get("inputs") or body["texts"]) for body in sent] == sizes
        assert ef.usage.requests == len(sizes)

    @pytest.mark.parametrize(
        ("client", "sizes"),
        [("openai", [2048, 2]), ("jina", [512] * 4 + [2]), ("voyage", [1000, 1000, 50]), ("cohere", [96] * 21 + [34])],
    )
    def test_each_service_by_its_limit(self, httpserver: Any, client: str, sizes: list[int]) -> None:
        make, path = CLIENTS[client]
        sent = embedding_server(httpserver, path)
        make(httpserver.url_for("").rstrip("/"))([f"t {i}" for i in range(2050)])
        assert [len(body.get("input") or body["texts"]) for body in sent] == sizes

    def test_tei_by_32_and_by_2_mb(self, httpserver: Any) -> None:
        sent = embedding_server(httpserver, "/v1/embeddings")
        ef = TEIEmbeddingFunction(httpserver.url_for(""))
        assert ef([f"t {i}" for i in range(70)])[:, 0].tolist() == list(range(70))
        big = [f"{'ü' * 300_000} {i}" for i in range(5)]  # 600 kB each
        assert ef(big)[:, 0].tolist() == list(range(5))
        assert [len(body["input"]) for body in sent] == [32, 32, 6, 3, 2]

    def test_openai_by_bytes_for_its_limit_of_tokens(self, httpserver: Any) -> None:
        sent = embedding_server(httpserver, "/v1/embeddings")
        openai(httpserver.url_for(""))([f"{'x' * size} 1" for size in (99_000, 99_000, 99_000, 99_000, 400_000, 5)])
        assert [len(body["input"]) for body in sent] == [3, 1, 1, 1]

    def test_late_chunking_is_not_torn_apart(self, httpserver: Any) -> None:
        """One request's texts are one document there: split in two, its vectors would be others."""
        ef = JinaEmbeddingFunction("m", base_url=httpserver.url_for(""), late_chunking=True, batch_size=2)
        with pytest.raises(ValueError, match="3 texts take more than one of 2: call once for each document"):
            ef(TEXTS)
        assert not httpserver.log

    def test_a_failing_batch_fails_the_call_and_what_was_used_is_known(self, httpserver: Any) -> None:
        right = as_json(answer_to("/v1/embeddings", {"input": TEXTS[:1]}))
        answers = iter([Response(right), Response('{"error": "no"}', 422)])
        httpserver.expect_request("/v1/embeddings").respond_with_handler(lambda _: next(answers))
        ef = openai(httpserver.url_for(""), batch_size=1)
        with pytest.raises(BadRequestError, match="no"):
            ef(TEXTS)
        assert ef.usage == Usage(1, 7, 0)

    def test_the_timeout_is_a_requests_not_the_calls(self, wire_server: Any) -> None:
        def script(connection: Any, _: int) -> None:
            time.sleep(0.3)
            connection.sendall(http(200, as_json({"data": [{"index": 0, "embedding": [1.0]}]})))

        assert openai(wire_server(script).url, timeout_s=0.8, batch_size=1)(TEXTS).shape == (3, 1)


class TestWidth:
    def test_reading_it_sends_nothing(self, httpserver: Any) -> None:
        sent = embedding_server(httpserver, "/v1/embeddings")
        ef = openai(httpserver.url_for(""))
        with pytest.raises(ValueError, match=r"not known before an answer .* ask_dim\(\) .* dimensions"):
            _ = ef.dim
        with pytest.raises(ValueError, match="not known before an answer"):
            ef([])
        assert not sent
        assert ef.ask_dim() == ef.dim == 3
        assert len(sent) == 1
        assert ef([]).shape == (0, 3)

    @pytest.mark.parametrize(
        ("make", "dim"),
        [
            (lambda: OpenAIEmbeddingFunction(api_key=KEY), 1536),
            (lambda: OpenAIEmbeddingFunction("text-embedding-3-large", KEY), 3072),
            (lambda: OpenAIEmbeddingFunction("text-embedding-3-large", KEY, dimensions=256), 256),
            (lambda: JinaEmbeddingFunction(api_key=KEY), 1024),
            (lambda: JinaEmbeddingFunction(api_key=KEY, dimensions=64), 64),
            (lambda: VoyageEmbeddingFunction(api_key=KEY), 1024),
            (lambda: VoyageEmbeddingFunction("voyage-3-lite", KEY), 512),
            (lambda: VoyageEmbeddingFunction(api_key=KEY, dimension=2048), 2048),
            (lambda: CohereEmbeddingFunction(api_key=KEY), 384),
            (lambda: CohereEmbeddingFunction("embed-v4.0", KEY, output_dimension=512), 512),
            (lambda: TEIEmbeddingFunction("http://localhost:1", 768), 768),
        ],
    )
    def test_documented_or_asked_for(self, make: Any, dim: int) -> None:
        ef = make()
        assert ef.dim == dim
        assert ef.encode_documents([]).shape == ef.encode_queries([]).shape == (0, dim)
        assert ef([]).dtype == np.float32

    @every_client
    def test_another_than_expected_is_refused(self, httpserver: Any, client: str) -> None:
        make, path = CLIENTS[client]
        embedding_server(httpserver, path)
        ef = make(httpserver.url_for("").rstrip("/"))
        ef._width = 1536
        with pytest.raises(ProtocolError, match="3 wide, expected 1536: the server runs another model"):
            ef(TEXTS)

    def test_a_server_that_does_not_shorten_is_found_out(self, httpserver: Any) -> None:
        embedding_server(httpserver, "/v1/embeddings")
        with pytest.raises(ProtocolError, match="3 wide, expected 2"):
            openai(httpserver.url_for(""), dimensions=2)(TEXTS)

    def test_a_server_that_changes_its_model_is_found_out(self, httpserver: Any) -> None:
        widths = iter([2, 2, 3])
        httpserver.expect_request("/v1/embeddings").respond_with_handler(
            lambda _: Response(json.dumps({"data": [{"index": 0, "embedding": [0.5] * next(widths)}]}))
        )
        with pytest.raises(ProtocolError, match="3 wide, expected 2"):
            openai(httpserver.url_for(""), batch_size=1)(TEXTS)


def entries(*embeddings: Any) -> list[dict[str, Any]]:
    return [{"index": index, "embedding": embedding} for index, embedding in enumerate(embeddings)]


ONE = [1.0, 2.0]
NAN = packed([1.0, float("nan")])


class TestImpossibleAnswers:
    @pytest.mark.parametrize(
        ("found", "said"),
        [
            ([*entries(ONE, ONE), {"index": 3, "embedding": ONE}], "index 3 is out of range, 3 texts were sent"),
            ([*entries(ONE, ONE), {"index": -1, "embedding": ONE}], "index -1 is out of range"),
            ([*entries(ONE, ONE), {"index": 1, "embedding": ONE}], "text 1 stands twice"),
            ([*entries(ONE, ONE), {"index": "2", "embedding": ONE}], "whole number"),
            ([*entries(ONE, ONE), {"index": True, "embedding": ONE}], "whole number"),
            ([*entries(ONE, ONE), {"embedding": ONE}], "whole number"),
            (entries(ONE, ONE), "asked for 3 vectors, got 2, text 2 among the missing"),
            ([], "asked for 3 vectors, got 0, text 0 among the missing"),
            (entries(ONE, ONE, ONE, ONE), "index 3 is out of range"),
            (entries(ONE, ONE, [1.0]), "of different widths, 1 to 2"),
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
            (entries(ONE, ONE, packed([1.0])), "of different widths, 1 to 2"),
            (entries(ONE, ONE, packed(ONE)[:-4] + "AA=="), "text 2 is 7 bytes, no whole float32"),
            (entries(ONE, ONE, ""), "text 2 is 0 bytes"),
            (entries(ONE, ONE, "not base64!"), "text 2 is no base64: 'not base64!'"),
            (entries(ONE, ONE, packed(ONE)[:-1]), "text 2 is no base64"),
            (entries(ONE, ONE, "größer"), "text 2 is no base64"),
            ([*entries(ONE, ONE), None], "must be an object"),
            ([ONE, ONE, ONE], "must be an object"),
        ],
    )  # fmt: skip
    def test_of_indexed_vectors_are_refused(self, httpserver: Any, found: Any, said: str) -> None:
        httpserver.expect_request("/v1/embeddings").respond_with_json({"data": found})
        with pytest.raises(ProtocolError, match=said):
            openai(httpserver.url_for(""))(TEXTS)

    @pytest.mark.parametrize("client", ["tei, own", "cohere", "cohere v1"])
    @pytest.mark.parametrize(
        ("found", "said"),
        [
            ([ONE, ONE], "expected a list of 3 vectors, got 2"),
            ([ONE, ONE, ONE, ONE], "expected a list of 3 vectors, got 4"),
            ([], "expected a list of 3 vectors, got 0"),
            ([ONE, ONE, [1.0]], "of different widths"),
            ([ONE, ONE, None], "text 2 must be a list of numbers"),
            ([ONE, ONE, NAN], "text 2 is not finite"),
            ("soon", "expected a list of 3 vectors, got 'soon'"),
        ],
    )  # fmt: skip
    def test_of_listed_vectors_are_refused(self, httpserver: Any, client: str, found: Any, said: str) -> None:
        make, path = CLIENTS[client]
        body = found if client == "tei, own" else {"embeddings": {"float": found} if client == "cohere" else found}
        httpserver.expect_request(path).respond_with_json(body)
        with pytest.raises(ProtocolError, match=said):
            make(httpserver.url_for("").rstrip("/"))(TEXTS)

    @pytest.mark.parametrize(
        ("body", "said"),
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
    def test_a_200_that_is_no_answer(self, httpserver: Any, body: bytes, said: str) -> None:
        httpserver.expect_request("/v1/embeddings").respond_with_data(body, 200)
        with pytest.raises(ProtocolError, match=said) as caught:
            openai(httpserver.url_for(""))(TEXTS)
        assert len(str(caught.value)) < 600
        assert len(httpserver.log) == 1

    @pytest.mark.parametrize("client", ["tei, own", "cohere"])
    @pytest.mark.parametrize(("body", "said"), [*ERRORS_WITH_200, (b"{}", "expected"), (b"[null]", "expected")])
    def test_nor_is_it_one_without_an_index(self, httpserver: Any, client: str, body: bytes, said: str) -> None:
        make, path = CLIENTS[client]
        httpserver.expect_request(path).respond_with_data(body, 200)
        with pytest.raises(ProtocolError, match=said):
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


class TestFailures:
    @pytest.mark.parametrize(("status", "body", "kind", "said"), STATUSES)
    def test_each_status_has_its_error_with_the_servers_words(
        self, httpserver: Any, status: int, body: bytes, kind: type[RemoteError], said: str
    ) -> None:
        httpserver.expect_request("/v1/embeddings").respond_with_data(body, status)
        with pytest.raises(kind, match=said) as caught:
            openai(httpserver.url_for(""), max_retries=0)(TEXTS)
        assert type(caught.value) is kind

    @every_client
    def test_every_client_names_a_bad_key_at_once(self, httpserver: Any, client: str) -> None:
        make, path = CLIENTS[client]
        httpserver.expect_request(path, headers={"Authorization": f"Bearer {KEY}"}).respond_with_data("", 401)
        with pytest.raises(AuthenticationError, match="check api_key"):
            make(httpserver.url_for("").rstrip("/"), api_key=KEY)(TEXTS)
        assert len(httpserver.log) == 1

    @every_client
    def test_what_may_pass_is_tried_again(self, httpserver: Any, client: str) -> None:
        make, path = CLIENTS[client]
        failures = iter([500, 429, 503])

        def answer(request: Request) -> Response:
            if status := next(failures, None):
                return Response("", status)
            return Response(json.dumps(answer_to(path, request.get_json())))

        httpserver.expect_request(path).respond_with_handler(answer)
        np.testing.assert_array_equal(make(httpserver.url_for("").rstrip("/"))(TEXTS), RIGHT)
        assert len(httpserver.log) == 4

    def test_cohere_tries_a_conflict_again(self, httpserver: Any) -> None:
        answers = iter([Response("", 409), Response(as_json(answer_to("/v2/embed", {"texts": TEXTS})))])
        httpserver.expect_request("/v2/embed").respond_with_handler(lambda _: next(answers))
        np.testing.assert_array_equal(CLIENTS["cohere"][0](httpserver.url_for(""))(TEXTS), RIGHT)

    def test_gives_up_after_max_retries(self, httpserver: Any) -> None:
        httpserver.expect_request("/v1/embeddings").respond_with_data('{"error": "busy"}', 503)
        with pytest.raises(ServerError, match="busy"):
            openai(httpserver.url_for(""), max_retries=2)(TEXTS)
        assert len(httpserver.log) == 3

    def test_a_wait_beyond_the_timeout_is_not_begun(self, httpserver: Any) -> None:
        httpserver.expect_request("/v1/embeddings").respond_with_data("", 429, {"Retry-After": "3600"})
        with pytest.raises(RateLimitError) as caught:
            openai(httpserver.url_for(""), timeout_s=10.0)(TEXTS)
        assert caught.value.retry_after_s == 3600

    def test_half_an_answer_is_none(self, wire_server: Any) -> None:
        whole = http(200, as_json(answer_to("/v1/embeddings", {"input": TEXTS})))

        def script(connection: Any, number: int) -> None:
            connection.sendall(whole[:-20] if number == 0 else whole)

        np.testing.assert_array_equal(openai(wire_server(script).url)(TEXTS), RIGHT)
        with pytest.raises(UnreachableError, match="no whole answer"):
            openai(wire_server(script).url, max_retries=0)(TEXTS)

    def test_an_endless_answer_is_not_read_to_its_end(self, wire_server: Any) -> None:
        server = wire_server(lambda connection, _: connection.sendall(http(200, b"[", "Content-Length: 300000000")))
        with pytest.raises(ProtocolError, match="more than 256 MiB"):
            openai(server.url)(TEXTS)


class TestKeys:
    @pytest.mark.parametrize("status", [401, 500, 200])
    def test_a_key_shows_nowhere(self, httpserver: Any, caplog: pytest.LogCaptureFixture, status: int) -> None:
        httpserver.expect_request("/v1/embeddings").respond_with_data(f'{{"detail": "bad key {KEY}"}}', status)
        caplog.set_level(logging.DEBUG)
        ef = openai(httpserver.url_for(""), api_key=KEY, max_retries=1)
        with pytest.raises(RemoteError, match=r"bad key \*\*\*") as caught:
            ef(TEXTS)
        assert httpserver.log[0][0].headers["Authorization"] == f"Bearer {KEY}"
        for text in (repr(ef), str(vars(ef)), everything(caught.value), repr(caught.value.server_message), caplog.text):
            assert KEY not in text

    @pytest.mark.parametrize(
        ("make", "variable"),
        [
            (OpenAIEmbeddingFunction, "OPENAI_API_KEY"),
            (JinaEmbeddingFunction, "JINAAI_API_KEY"),
            (VoyageEmbeddingFunction, "VOYAGE_API_KEY"),
            (CohereEmbeddingFunction, "CO_API_KEY"),
        ],
    )
    def test_a_provider_takes_it_from_the_environment_and_nobody_else_does(
        self, httpserver: Any, make: Any, variable: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(ValueError, match=f"needs a key: set {variable}"):
            make()
        monkeypatch.setenv(variable, KEY)
        assert KEY not in repr(make()) + str(vars(make()))
        make("m", base_url=httpserver.url_for(""), max_retries=0)
        httpserver.expect_request("/v1/embeddings").respond_with_data("", 400)
        httpserver.expect_request("/v2/embed").respond_with_data("", 400)
        with pytest.raises(BadRequestError):
            make("m", base_url=httpserver.url_for(""))(TEXTS)
        assert "Authorization" not in httpserver.log[0][0].headers

    def test_openais_address_may_be_in_the_environment_with_its_key(
        self, httpserver: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", httpserver.url_for("/v1"))
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        embedding_server(httpserver, "/v1/embeddings")
        np.testing.assert_array_equal(OpenAIEmbeddingFunction("m")(TEXTS), RIGHT)
        assert httpserver.log[0][0].headers["Authorization"] == f"Bearer {KEY}"


class TestRefusals:
    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda: openai("http://localhost", encoding_format="hex"), "encoding_format must be one of 'float', 'bas"),
            (lambda: openai("http://localhost", dimensions=0), "dimensions must be 1 or more"),
            (lambda: openai("http://localhost", batch_size=0), "batch_size must be a whole number, 1 or more"),
            (lambda: openai("http://localhost", timeout_s=0.0), "timeout_s"),
            (lambda: openai("http://192.0.2.1"), "allow_http=True"),
            (lambda: openai("example.org"), "base_url must begin with http"),
            (lambda: JinaEmbeddingFunction(api_key=KEY, embedding_type="binary"), "embedding_type must be one of"),
            (lambda: VoyageEmbeddingFunction(api_key=KEY, embedding_type="int8"), "embedding_type must be one of"),
            (lambda: VoyageEmbeddingFunction(api_key=KEY, dimension=100), "1024 or 256 or 512 or 2048 columns, not 1"),
            (lambda: CohereEmbeddingFunction(api_key=KEY, embedding_types=["float", "int8"]), "must name one type"),
            (lambda: CohereEmbeddingFunction(api_key=KEY, embedding_types=[]), "must name one type"),
            (lambda: CohereEmbeddingFunction(api_key=KEY, embedding_types=["int8"]), "embedding_types must be one of"),
            (lambda: CohereEmbeddingFunction(api_key=KEY, api_version="v1", output_dimension=9), "version 2"),
            (lambda: TEIEmbeddingFunction("http://localhost", truncate=True), "ending in /embed"),
        ],
    )  # fmt: skip
    def test_of_settings_that_make_no_sense(self, make: Any, said: str, unchecked: None) -> None:
        with pytest.raises(ValueError, match=said):
            make()

    @pytest.mark.parametrize("dimensions", [True, 1.5, "9"])
    def test_of_a_width_that_is_no_number(self, dimensions: Any, unchecked: None) -> None:
        with pytest.raises(TypeError, match="dimensions must be a whole number"):
            openai("http://localhost", dimensions=dimensions)

    @pytest.mark.parametrize(
        ("texts", "kind", "said"),
        [
            ("one", TypeError, "documents must be a list of str, got one str"),
            (["a", None], TypeError, r"documents\[1\] must be a str, got NoneType"),
            (["a", "b\ud800"], ValueError, r"documents\[1\] holds a lone surrogate at position 1"),
        ],
    )
    def test_of_what_are_no_texts(self, httpserver: Any, texts: Any, kind: Any, said: str, unchecked: None) -> None:
        with pytest.raises(kind, match=said):
            openai(httpserver.url_for("")).encode_documents(texts)
        assert not httpserver.log


@pytest.mark.peer
@pytest.mark.parametrize("provider", ["OpenAI", "Jina", "Voyage", "Cohere", "TEI"])
def test_signatures_are_those_of_pymilvus_model(provider: str) -> None:
    """The same names in the same places with the same defaults; what we add comes after, by keyword."""
    import pymilvus.model.dense

    name = f"{provider}EmbeddingFunction"
    theirs = [
        (parameter.name, parameter.default)
        for parameter in inspect.signature(getattr(pymilvus.model.dense, name).__init__).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    ours = list(inspect.signature(getattr(refimpl, name).__init__).parameters.values())
    assert [(parameter.name, parameter.default) for parameter in ours[: len(theirs)]] == theirs
    assert {parameter.kind for parameter in ours[len(theirs) :]} == {inspect.Parameter.KEYWORD_ONLY}
