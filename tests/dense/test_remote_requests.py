"""Requests of remote embedding functions: bodies, batches within the limits, and widths."""

import json
import time
import types
from typing import Any

import numpy as np
import pytest
from embedding_clients import (
    CLIENTS,
    GEMINI,
    RIGHT,
    TEXTS,
    Make,
    answer_to,
    embedding_server,
    every_client,
    mistral,
    numbers,
    openai,
    texts_in,
)
from remote_faults import KEY, as_json, http, no_keys, short_backoff, wire_server
from werkzeug import Response

from refimpl import (
    CohereEmbeddingFunction,
    GeminiEmbeddingFunction,
    JinaEmbeddingFunction,
    MistralAIEmbeddingFunction,
    NomicEmbeddingFunction,
    OpenAIEmbeddingFunction,
    TEIEmbeddingFunction,
    VoyageEmbeddingFunction,
)
from refimpl.base import Usage
from refimpl.http import BadRequestError, ProtocolError

__all__ = ["no_keys", "short_backoff", "wire_server"]


@pytest.fixture(autouse=True)
def _offline(short_backoff: None, no_keys: None) -> None:
    """No key of the environment, and backoff of milliseconds."""


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
            (
                lambda url: MistralAIEmbeddingFunction(
                    KEY, "m", output_dimension=3, output_dtype="float", metadata={"a": 1}, base_url=url
                ),
                "/v1/embeddings",
                {"model": "m", "input": ["a 1"], "output_dimension": 3, "output_dtype": "float", "metadata": {"a": 1}},
                {},
                {},
            ),
            (
                lambda url: NomicEmbeddingFunction(
                    "m", "clustering", 9, dimensionality=3, long_text_mode="mean", inference_mode="remote", base_url=url
                ),
                "/v1/embedding/text",
                {
                    "model": "m",
                    "texts": ["a 1"],
                    "task_type": "search_document",
                    "dimensionality": 3,
                    "long_text_mode": "mean",
                },
                {"task_type": "search_query"},
                {"task_type": "clustering"},
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
        ids=["openai", "jina", "jina without tasks", "voyage", "mistral", "nomic", "tei", "tei's own", "cohere"],
    )
    def test_bodies_hold_the_options_and_nothing_else(
        self, httpserver: Any, make: Make, path: str, document: Any, query: Any, plain: Any
    ) -> None:
        sent = embedding_server(httpserver, path)
        ef = make(httpserver.url_for("").rstrip("/"))
        ef.encode_documents(["a 1"])
        ef.encode_queries(["a 1"])
        ef(["a 1"])
        expected = [document, document | query, document | plain]
        assert sent == [{name: v for name, v in body.items() if v is not None} for body in expected]

    def test_a_width_from_a_response_is_not_sent_later(self, httpserver: Any) -> None:
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

    def test_a_path_is_kept_as_by_openais_sdk(self, httpserver: Any) -> None:
        embedding_server(httpserver, "/v1beta/openai/embeddings")
        np.testing.assert_array_equal(openai(httpserver.url_for("/v1beta/openai/"))(TEXTS), RIGHT)

    def test_unicode_is_sent_unchanged(self, httpserver: Any) -> None:
        sent = embedding_server(httpserver, "/v1/embeddings")
        texts = ["naïve café 1", "机器学习 2", "👩‍🚀\x00\u2028 3"]
        np.testing.assert_array_equal(openai(httpserver.url_for(""))(texts), RIGHT)
        assert sent[0]["input"] == texts

    @pytest.mark.parametrize("config", [dict, types.SimpleNamespace])
    def test_gemini_has_one_request_per_text(self, httpserver: Any, config: Any) -> None:
        sent = embedding_server(httpserver, GEMINI)
        fields = {"task_type": "CLUSTERING", "title": None, "output_dimensionality": 3, "auto_truncate": None}
        ef = GeminiEmbeddingFunction("models/m", KEY, config(**fields), base_url=httpserver.url_for(""))
        np.testing.assert_array_equal(ef.encode_queries(TEXTS), RIGHT)
        assert sent == [
            {
                "requests": [
                    {
                        "model": "models/m",
                        "content": {"parts": [{"text": text}]},
                        "taskType": "CLUSTERING",
                        "outputDimensionality": 3,
                    }
                    for text in TEXTS
                ]
            }
        ]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"config": {"mime_type": "text/plain"}}, "support mime_type='text/plain': refimpl calls the Gemini API"),
            ({"config": {"nonsense": 1}}, "support nonsense=1: it has no effect here"),
            ({"vertexai": True}, "support vertexai=True: refimpl calls the Gemini API, not Google's cloud platform"),
        ],
    )
    def test_gemini_refuses_by_name(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(TypeError, match=f"GeminiEmbeddingFunction does not {message}"):
            GeminiEmbeddingFunction(api_key=KEY, **options)


class TestSplitting:
    @pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (2, [2]), (3, [2, 1]), (5, [2, 2, 1])])
    @every_client
    def test_batches_are_concatenated_in_order(
        self, httpserver: Any, client: str, count: int, sizes: list[int]
    ) -> None:
        make, path = CLIENTS[client]
        sent = embedding_server(httpserver, path)
        ef = make(httpserver.url_for("").rstrip("/"), batch_size=2)
        texts = [f"text {(7 * i) % 11}" for i in range(count)]
        np.testing.assert_array_equal(ef(texts), np.float32([numbers(text) for text in texts]))
        assert [len(texts_in(body)) for body in sent] == sizes
        assert ef.usage.requests == len(sizes)

    @pytest.mark.parametrize(
        ("client", "sizes"),
        [("openai", [2048, 2]), ("jina", [512] * 4 + [2]), ("voyage", [1000, 1000, 50]), ("cohere", [96] * 21 + [34])],
    )
    def test_each_service_by_its_limit(self, httpserver: Any, client: str, sizes: list[int]) -> None:
        make, path = CLIENTS[client]
        sent = embedding_server(httpserver, path)
        make(httpserver.url_for("").rstrip("/"))([f"t {i}" for i in range(2050)])
        assert [len(texts_in(body)) for body in sent] == sizes

    def test_tei_by_32_and_by_2_mb(self, httpserver: Any) -> None:
        sent = embedding_server(httpserver, "/v1/embeddings")
        ef = TEIEmbeddingFunction(httpserver.url_for(""))
        assert ef([f"t {i}" for i in range(70)])[:, 0].tolist() == list(range(70))
        big = [f"{'ü' * 300_000} {i}" for i in range(5)]  # 600 kB each
        assert ef(big)[:, 0].tolist() == list(range(5))
        assert [len(body["input"]) for body in sent] == [32, 32, 6, 3, 2]

    def test_mistral_by_bytes_for_its_limit_of_tokens(self, httpserver: Any) -> None:
        sent = embedding_server(httpserver, "/v1/embeddings")
        mistral("m", base_url=httpserver.url_for(""))([f"{'x' * size} 1" for size in (7_000, 7_000, 7_000, 20_000, 5)])
        assert [len(body["input"]) for body in sent] == [2, 1, 1, 1]

    def test_openai_by_bytes_for_its_limit_of_tokens(self, httpserver: Any) -> None:
        sent = embedding_server(httpserver, "/v1/embeddings")
        openai(httpserver.url_for(""))([f"{'x' * size} 1" for size in (99_000, 99_000, 99_000, 99_000, 400_000, 5)])
        assert [len(body["input"]) for body in sent] == [3, 1, 1, 1]

    def test_late_chunking_is_not_split(self, httpserver: Any) -> None:
        """One request's texts are one document there: split in two, its vectors would be others."""
        ef = JinaEmbeddingFunction("m", base_url=httpserver.url_for(""), late_chunking=True, batch_size=2)
        with pytest.raises(ValueError, match="3 texts take more than one of 2: call once for each document"):
            ef(TEXTS)
        assert not httpserver.log

    def test_a_failing_batch_fails_the_call_and_usage_is_kept(self, httpserver: Any) -> None:
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
        with pytest.raises(ValueError, match=r"not known before a response .* ask_dim\(\) .* dimensions"):
            _ = ef.dim
        with pytest.raises(ValueError, match="not known before a response"):
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
            (lambda: MistralAIEmbeddingFunction(KEY), 1024),
            (lambda: MistralAIEmbeddingFunction(KEY, "codestral-embed", output_dimension=256), 256),
            (lambda: NomicEmbeddingFunction(api_key=KEY), 768),
            (lambda: GeminiEmbeddingFunction(api_key=KEY), 3072),
            (lambda: GeminiEmbeddingFunction("models/text-embedding-004", KEY), 768),
            (lambda: GeminiEmbeddingFunction("m", KEY, {"output_dimensionality": 64}), 64),
            (lambda: NomicEmbeddingFunction(api_key=KEY, dimensionality=64), 64),
            (lambda: NomicEmbeddingFunction(api_key=KEY, dimensions=None), 768),
            (lambda: TEIEmbeddingFunction("http://localhost:1", 768), 768),
        ],
    )
    def test_documented_or_requested(self, make: Any, dim: int) -> None:
        ef = make()
        assert ef.dim == dim
        assert ef.encode_documents([]).shape == ef.encode_queries([]).shape == (0, dim)
        assert ef([]).dtype == np.float32

    @every_client
    def test_another_width_is_refused(self, httpserver: Any, client: str) -> None:
        make, path = CLIENTS[client]
        embedding_server(httpserver, path)
        ef = make(httpserver.url_for("").rstrip("/"))
        ef._width = 1536
        with pytest.raises(ProtocolError, match="3 wide, expected 1536: the server runs another model"):
            ef(TEXTS)

    def test_a_server_that_does_not_shorten_is_detected(self, httpserver: Any) -> None:
        embedding_server(httpserver, "/v1/embeddings")
        with pytest.raises(ProtocolError, match="3 wide, expected 2"):
            openai(httpserver.url_for(""), dimensions=2)(TEXTS)

    def test_a_server_that_changes_its_model_is_detected(self, httpserver: Any) -> None:
        widths = iter([2, 2, 3])
        httpserver.expect_request("/v1/embeddings").respond_with_handler(
            lambda _: Response(json.dumps({"data": [{"index": 0, "embedding": [0.5] * next(widths)}]}))
        )
        with pytest.raises(ProtocolError, match="3 wide, expected 2"):
            openai(httpserver.url_for(""), batch_size=1)(TEXTS)
