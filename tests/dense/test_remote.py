"""Remote embedding functions: right vectors, or the right error; keys, refusals and signatures."""

import inspect
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from embedding_clients import (
    CLIENTS,
    GEMINI,
    RIGHT,
    TEXTS,
    answer_to,
    embedding_server,
    every_client,
    mistral,
    nomic,
    openai,
    packed,
)
from remote_faults import KEY, STATUSES, as_json, everything, http, no_keys, short_backoff, wire_server
from werkzeug import Request, Response

import refimpl
from refimpl import (
    CohereEmbeddingFunction,
    GeminiEmbeddingFunction,
    JinaEmbeddingFunction,
    MistralAIEmbeddingFunction,
    OpenAIEmbeddingFunction,
    TEIEmbeddingFunction,
    VoyageEmbeddingFunction,
)
from refimpl.base import EmbeddingFunction, Usage
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


@pytest.fixture(autouse=True)
def _offline(short_backoff: None, no_keys: None) -> None:
    """No key of the environment, and backoff of milliseconds."""


class TestAnswers:
    @every_client
    @pytest.mark.parametrize("method", ["encode_documents", "encode_queries", "__call__"])
    def test_rows_are_in_input_order_for_any_response_order(self, httpserver: Any, client: str, method: str) -> None:
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

    def test_usage_is_summed_and_missing_usage_counted(self, httpserver: Any) -> None:
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
            results = list(pool.map(lambda _: ef(TEXTS), range(20)))
        assert all((vectors == RIGHT).all() for vectors in results)
        assert ef.usage == Usage(20, 420, 0)


class TestFailures:
    @pytest.mark.parametrize(("status", "body", "kind", "message"), STATUSES)
    def test_each_status_has_its_error_with_the_servers_message(
        self, httpserver: Any, status: int, body: bytes, kind: type[RemoteError], message: str
    ) -> None:
        httpserver.expect_request("/v1/embeddings").respond_with_data(body, status)
        with pytest.raises(kind, match=message) as caught:
            openai(httpserver.url_for(""), max_retries=0)(TEXTS)
        assert type(caught.value) is kind

    @every_client
    def test_every_client_names_a_bad_key_at_once(self, httpserver: Any, client: str) -> None:
        make, path = CLIENTS[client]
        headers = {"x-goog-api-key": KEY} if client == "gemini" else {"Authorization": f"Bearer {KEY}"}
        httpserver.expect_request(path, headers=headers).respond_with_data("", 401)
        with pytest.raises(AuthenticationError, match="check api_key"):
            make(httpserver.url_for("").rstrip("/"), api_key=KEY)(TEXTS)
        assert len(httpserver.log) == 1

    @every_client
    def test_temporary_failures_are_retried(self, httpserver: Any, client: str) -> None:
        make, path = CLIENTS[client]
        failures = iter([500, 429, 503])

        def answer(request: Request) -> Response:
            if status := next(failures, None):
                return Response("", status)
            return Response(json.dumps(answer_to(path, request.get_json())))

        httpserver.expect_request(path).respond_with_handler(answer)
        np.testing.assert_array_equal(make(httpserver.url_for("").rstrip("/"))(TEXTS), RIGHT)
        assert len(httpserver.log) == 4

    def test_cohere_retries_a_conflict(self, httpserver: Any) -> None:
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

    def test_half_a_response_is_an_error(self, wire_server: Any) -> None:
        whole = http(200, as_json(answer_to("/v1/embeddings", {"input": TEXTS})))

        def script(connection: Any, number: int) -> None:
            connection.sendall(whole[:-20] if number == 0 else whole)

        np.testing.assert_array_equal(openai(wire_server(script).url)(TEXTS), RIGHT)
        with pytest.raises(UnreachableError, match="no complete response"):
            openai(wire_server(script).url, max_retries=0)(TEXTS)

    def test_an_oversized_response_is_not_read(self, wire_server: Any) -> None:
        server = wire_server(lambda connection, _: connection.sendall(http(200, b"[", "Content-Length: 300000000")))
        with pytest.raises(ProtocolError, match="more than 256 MiB"):
            openai(server.url)(TEXTS)


class TestKeys:
    @pytest.mark.parametrize("status", [401, 500, 200])
    def test_a_key_is_printed_nowhere(self, httpserver: Any, caplog: pytest.LogCaptureFixture, status: int) -> None:
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
            (nomic, "NOMIC_API_KEY"),
            (GeminiEmbeddingFunction, "GOOGLE_API_KEY"),
            (GeminiEmbeddingFunction, "GEMINI_API_KEY"),
            (mistral, "MISTRAL_API_KEY"),
            (mistral, "MISTRALAI_API_KEY"),
        ],
    )
    def test_the_key_of_the_environment_is_for_its_provider_alone(
        self, httpserver: Any, make: Any, variable: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(ValueError, match=f"needs a key: set .*{variable}"):
            make()
        monkeypatch.setenv(variable, KEY)
        assert KEY not in repr(make()) + str(vars(make()))
        make("m", base_url=httpserver.url_for(""), max_retries=0)
        httpserver.expect_request("/v1/embeddings").respond_with_data("", 400)
        httpserver.expect_request("/v2/embed").respond_with_data("", 400)
        httpserver.expect_request("/v1/embedding/text").respond_with_data("", 400)
        httpserver.expect_request(GEMINI).respond_with_data("", 400)
        with pytest.raises(BadRequestError):
            make("m", base_url=httpserver.url_for(""))(TEXTS)
        assert not {"Authorization", "X-Goog-Api-Key"} & {*httpserver.log[0][0].headers.keys()}

    def test_nomics_address_may_be_in_the_environment(self, httpserver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ATLAS_API_PATH", httpserver.url_for("").rstrip("/"))
        monkeypatch.setenv("NOMIC_API_KEY", KEY)
        embedding_server(httpserver, "/v1/embedding/text")
        np.testing.assert_array_equal(nomic(dimensions=3)(TEXTS), RIGHT)
        assert httpserver.log[0][0].headers["Authorization"] == f"Bearer {KEY}"

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
        ("make", "message"),
        [
            (lambda: openai("http://localhost", encoding_format="hex"), "encoding_format must be one of 'float', 'bas"),
            (lambda: openai("http://localhost", dimensions=0), "dimensions must be 1 or more"),
            (lambda: openai("http://localhost", batch_size=0), "batch_size must be a whole number, 1 or more"),
            (lambda: openai("http://localhost", timeout_s=0.0), "timeout_s"),
            (lambda: openai("http://192.0.2.1"), "allow_http=True"),
            (lambda: openai("example.org"), "base_url must begin with http"),
            (lambda: JinaEmbeddingFunction(api_key=KEY, embedding_type="binary"), "embedding_type must be one of"),
            (lambda: VoyageEmbeddingFunction(api_key=KEY, embedding_type="int8"), "embedding_type must be one of"),
            (lambda: nomic(api_key=KEY, task_type="search"), "task_type must be one of 'search_document'"),
            (lambda: nomic(api_key=KEY, long_text_mode="cut"), "long_text_mode must be one of 'truncate', 'mean'"),
            (lambda: nomic(api_key=KEY, inference_mode="local"), "inference_mode must be one of 'remote', got 'local'"),
            (lambda: MistralAIEmbeddingFunction(KEY, output_dtype="int8"), "output_dtype must be one of 'float'"),
            (lambda: MistralAIEmbeddingFunction(KEY, encoding_format="hex"), "encoding_format must be one of 'float'"),
            (lambda: VoyageEmbeddingFunction(api_key=KEY, dimension=100), "1024 or 256 or 512 or 2048, got 100"),
            (lambda: CohereEmbeddingFunction(api_key=KEY, embedding_types=["float", "int8"]), "must name one type"),
            (lambda: CohereEmbeddingFunction(api_key=KEY, embedding_types=[]), "must name one type"),
            (lambda: CohereEmbeddingFunction(api_key=KEY, embedding_types=["int8"]), "embedding_types must be one of"),
            (lambda: CohereEmbeddingFunction(api_key=KEY, api_version="v1", output_dimension=9), "version 2"),
            (lambda: TEIEmbeddingFunction("http://localhost", truncate=True), "ending in /embed"),
        ],
    )  # fmt: skip
    def test_of_invalid_settings(self, make: Any, message: str, unchecked: None) -> None:
        with pytest.raises(ValueError, match=message):
            make()

    @pytest.mark.parametrize("dimensions", [True, 1.5, "9"])
    def test_of_a_width_that_is_no_number(self, dimensions: Any, unchecked: None) -> None:
        with pytest.raises(TypeError, match="dimensions must be a whole number"):
            openai("http://localhost", dimensions=dimensions)

    @pytest.mark.parametrize(
        ("texts", "kind", "message"),
        [
            ("one", TypeError, "documents must be a list of str, got one str"),
            (["a", None], TypeError, r"documents\[1\] must be a str, got NoneType"),
            (["a", "b\ud800"], ValueError, r"documents\[1\] must be .* got a lone surrogate .* at position 1"),
        ],
    )
    def test_of_anything_but_texts(self, httpserver: Any, texts: Any, kind: Any, message: str, unchecked: None) -> None:
        with pytest.raises(kind, match=message):
            openai(httpserver.url_for("")).encode_documents(texts)
        assert not httpserver.log


@pytest.mark.peer
@pytest.mark.parametrize("provider", ["OpenAI", "Jina", "Voyage", "Cohere", "MistralAI", "Nomic", "Gemini", "TEI"])
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
    kinds = [parameter.kind for parameter in ours[len(theirs) :]]
    assert set(kinds[:-1]) == {inspect.Parameter.KEYWORD_ONLY}
    expected_last = inspect.Parameter.VAR_KEYWORD if provider != "TEI" else inspect.Parameter.KEYWORD_ONLY
    assert kinds[-1] is expected_last  # further keywords of the provider's client are applied, or refused by name
