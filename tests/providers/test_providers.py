"""Records of providers: one record is enough for a client, a check target, server routes, a system and a race."""

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests
from remote_faults import no_keys
from served import running

from bench.embed_clients import clients
from refimpl import MaxSimRerankFunction, MiniLMEmbeddingFunction, systems
from refimpl.check.runner import check
from refimpl.check.suites.base import Settings
from refimpl.check.targets.endpoint import EndpointTarget
from refimpl.compare.tolerance import named
from refimpl.dense.remote import RemoteEmbeddingFunction
from refimpl.http import BadRequestError
from refimpl.providers import PROVIDERS, EmbeddingService, Provider, RerankService
from refimpl.providers.fields import Served
from refimpl.reranker.remote import RemoteRerankFunction
from refimpl.serve.app import Limits
from refimpl.serve.engine import Engine
from refimpl.serve.routes import routes

__all__ = ["no_keys"]

SERVED = Served(dim=384, max_length=256, vocab=30522, max_texts=1000, max_chars=1000)
TEXTS = ["Venus is Earth's twin.", "Mars is often called the Red Planet.", "Jupiter is the largest planet."]
QUERY = "Which planet is known as the Red Planet?"

ACME = Provider(
    name="acme",
    title="Acme",
    home="https://api.acme.example",
    key_variables=("ACME_KEY",),
    error=lambda status, message: {"error": {"reason": status, "message": message}},
    embeddings=(
        EmbeddingService(
            path="/v1/vectorize",
            texts_field="passages",
            kind_field="role",
            kinds={"document": "passage", "query": "question"},
            encoding_field="as",
            width_field="width",
            truncate_field="shorten",
            max_texts=2,
            options={"as": "base64"},
            check_options={"as": "float"},
            widths={"acme-1": (384,)},
        ),
    ),
    rerank=(
        RerankService(
            path="/v1/rank",
            texts_field="candidates",
            truncate_field="shorten",
            top_n_field="limit",
            echo_field="with_text",
            max_texts=2,
        ),
    ),
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(MiniLMEmbeddingFunction(), MaxSimRerankFunction(), "all-MiniLM-L6-v2", "maxsim")


@pytest.fixture(scope="class")
def url(engine: Engine) -> Iterator[str]:
    """A server with the routes of a registry to which the fictional provider was added."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROVIDERS, ACME.name, ACME)
        with running(engine, None, Limits()) as address:
            yield address


class TestFictionalProvider:
    """Everything that derives from a record, for a provider that exists in this file alone."""

    @pytest.fixture(autouse=True)
    def _no_key(self, no_keys: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("ACME_KEY", raising=False)

    def test_embedding_client(self, url: str, engine: Engine) -> None:
        ef = RemoteEmbeddingFunction("acme", "acme-1", base_url=url)
        assert ef.dim == 384
        np.testing.assert_allclose(ef(TEXTS), engine.embedder(TEXTS), rtol=0, atol=1e-6)
        assert ef.usage.requests == 2  # three texts, two per request
        assert ef._body(["a"], "query") == {"model": "acme-1", "passages": ["a"], "as": "base64", "role": "question"}
        assert pickle.loads(pickle.dumps(ef))._session.base_url == f"{url}/v1/vectorize"

    def test_rerank_client(self, url: str, engine: Engine) -> None:
        rf = RemoteRerankFunction("acme", "acme-1", base_url=url)
        local = engine.reranker(QUERY, TEXTS, top_k=2)
        remote = rf(QUERY, TEXTS, top_k=2)
        assert [(one.index, one.text) for one in remote] == [(one.index, one.text) for one in local]
        np.testing.assert_allclose([one.score for one in remote], [one.score for one in local], rtol=0, atol=1e-6)
        body = {"model": "acme-1", "query": "q", "candidates": ["a"], "limit": 1}
        assert rf._body("q", ["a"], 1) == body

    def test_key(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ValueError, match="needs a key: set ACME_KEY"):
            RemoteEmbeddingFunction("acme", "acme-1")
        monkeypatch.setenv("ACME_KEY", "secret")
        assert RemoteEmbeddingFunction("acme", "acme-1")._session.base_url == "https://api.acme.example/v1/vectorize"
        assert RemoteEmbeddingFunction("acme", "acme-1", base_url=url)._session.key is None

    def test_errors_have_its_shape(self, url: str) -> None:
        response = requests.post(f"{url}/v1/vectorize", json={"passages": []}, timeout=20)
        assert (response.status_code, response.json()) == (
            400,
            {"error": {"reason": 400, "message": "passages must not be empty"}},
        )
        with pytest.raises(BadRequestError, match="width must be 384"):
            RemoteEmbeddingFunction("acme", "m", base_url=url, dimensions=7)(TEXTS)
        with pytest.raises(BadRequestError, match="longer than the model reads"):
            RemoteEmbeddingFunction("acme", "m", base_url=url, options={"shorten": False})(["word " * 600])

    def test_server_echoes_by_its_field(self, url: str) -> None:
        body = {"query": QUERY, "candidates": TEXTS, "limit": 1, "with_text": True}
        (result,) = requests.post(f"{url}/v1/rank", json=body, timeout=20).json()["results"]
        assert result["document"] == {"text": TEXTS[1]}

    def test_check_target(self, url: str) -> None:
        target = EndpointTarget(url, "acme")
        assert target.tasks() == {"embed", "rerank"}
        assert target.traits >= {"top_k", "echo"}
        outcome = check(target, ["encoder"], Settings(named("float32"), diagnose=False), ["question", "empty"])
        assert outcome.ok
        assert len(list(outcome)) == 2
        ranking = target.run("rerank", [{"query": QUERY, "documents": TEXTS, "top_k": 2, "echo": True}])[0]
        assert [one["text"] for one in ranking] == [TEXTS[1], TEXTS[2]]

    def test_system(self, url: str) -> None:
        ((encoder,), (system,)) = systems.build([f"acme:acme-1@{url}"], systems.Settings())
        assert (encoder.field.dim, encoder.cached) == (384, False)
        assert system.name == f"acme:acme-1@{url.removeprefix('http://')}"
        with pytest.raises(ValueError, match=r"\|gemini\|acme:MODEL\[@ADDRESS\], tei:ADDRESS; got unknown x:y"):
            systems.build(["x:y"], systems.Settings())

    def test_race(self, url: str, engine: Engine) -> None:
        competitors = clients(ACME, url)
        assert set(competitors) == {"refimpl, HTTP", "requests"}
        for encode in competitors.values():
            np.testing.assert_allclose(encode(TEXTS[:2]), engine.embedder(TEXTS[:2]), rtol=0, atol=1e-6)


GEMINI = "/v1beta/models/{model}:batchEmbedContents"


@pytest.mark.parametrize("task", ["embedding", "rerank"])
def test_unknown_provider(task: str) -> None:
    function: Any = RemoteEmbeddingFunction if task == "embedding" else RemoteRerankFunction
    with pytest.raises(ValueError, match=r"provider must be one of openai, jina, .*, got 'nobody'"):
        function("nobody", base_url="http://127.0.0.1:9")


def test_a_provider_without_the_service() -> None:
    with pytest.raises(ValueError, match="OpenAI has no such service"):
        RemoteRerankFunction("openai", base_url="http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("provider", "home", "variables", "embed", "rerank"),
    [
        ("openai", "https://api.openai.com/v1", ("OPENAI_API_KEY",), ["/v1/embeddings"], []),
        ("jina", "https://api.jina.ai/v1", ("JINAAI_API_KEY",), ["/v1/embeddings"], ["/v1/rerank"]),
        ("voyage", "https://api.voyageai.com/v1", ("VOYAGE_API_KEY",), ["/v1/embeddings"], ["/v1/rerank"]),
        (
            "cohere",
            "https://api.cohere.com",
            ("CO_API_KEY", "COHERE_API_KEY"),
            ["/v2/embed", "/v1/embed"],
            ["/v2/rerank", "/v1/rerank"],
        ),
        ("tei", None, (), ["/v1/embeddings", "/embed"], ["/rerank"]),
        ("llamacpp", None, (), ["/v1/embeddings"], ["/v1/rerank"]),
        ("nomic", "https://api-atlas.nomic.ai", ("NOMIC_API_KEY",), ["/v1/embedding/text"], []),
        (
            "gemini",
            "https://generativelanguage.googleapis.com",
            ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
            ["/v1beta/models/{model}:batchEmbedContents"],
            [],
        ),
        ("jev", "https://api.typesafe.ai", ("TYPESAFE_API_KEY",), [], ["/v1/systemone"]),
        ("mistral", "https://api.mistral.ai", ("MISTRAL_API_KEY", "MISTRALAI_API_KEY"), ["/v1/embeddings"], []),
    ],
)
def test_addresses_and_keys(
    provider: str, home: str | None, variables: tuple[str, ...], embed: list[str], rerank: list[str]
) -> None:
    """As the providers' documentation and SDKs have them."""
    record = PROVIDERS[provider]
    assert (record.home, record.key_variables) == (home, variables)
    assert [one.path for one in record.embeddings] == embed
    assert [one.path for one in record.rerank] == rerank


def test_every_provider_has_a_row_above() -> None:
    local, remote = {"tei", "llamacpp"}, {"openai", "jina", "voyage", "cohere", "mistral", "nomic", "gemini", "jev"}
    assert set(PROVIDERS) == local | remote


def openai(kind: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": "m", "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("path", "status", "message", "body"),
    [
        ("/v1/embeddings", 400, "m", openai("invalid_request_error")),
        ("/v1/embeddings", 401, "m", openai("authentication_error", "invalid_api_key")),
        ("/v1/embeddings", 429, "m", openai("requests", "rate_limit_exceeded")),
        ("/v1/embeddings", 503, "m", openai("server_error")),
        ("/reranking", 400, "m", {"error": {"message": "m", "type": "Validation", "code": 400}}),
        ("/embed", 429, "m", {"error": "m", "error_type": "Overloaded"}),
        ("/embed_sparse", 424, "m", {"error": "m", "error_type": "Backend"}),
        ("/rerank", 422, "m", {"error": "m", "error_type": "Validation"}),
        ("/v1/rerank", 422, "m", {"detail": "m"}),
        ("/v2/rerank", 400, "m", {"message": "m"}),
        ("/v1/embed", 400, "m", {"message": "m"}),
        ("/v2/embed", 400, "m", {"message": "m"}),
        (GEMINI, 400, "m", {"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}),
        (GEMINI, 503, "m", {"error": {"code": 503, "message": "m", "status": "INTERNAL"}}),
    ],
)
def test_errors_of_each_route(path: str, status: int, message: str, body: Any) -> None:
    """OpenAI's, llama.cpp's, TEI's, Jina's and Cohere's error objects."""
    by_path = {route.path: route for route in routes(SERVED)}
    assert by_path[path].provider.error(status, message) == body


def test_routes_are_those_of_the_records() -> None:
    assert {route.path for route in routes(SERVED)} == {
        "/v1/embeddings", "/embeddings", "/embed", "/", "/v1/embed", "/v2/embed", "/embed_sparse",
        "/rerank", "/v1/rerank", "/v2/rerank", "/reranking", "/v1/reranking", "/tokenize", "/decode", "/similarity",
        "/v1/embedding/text", "/v1/models/{model}:batchEmbedContents", GEMINI, "/v1/systemone",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://a.example", "https://a.example/v1beta/models/m:batchEmbedContents"),
        ("https://a.example/", "https://a.example/v1beta/models/m:batchEmbedContents"),
        ("https://a.example/v1beta", "https://a.example/v1beta/models/m:batchEmbedContents"),
    ],
)
@pytest.mark.parametrize("model", ["m", "models/m"])
def test_a_model_in_the_path(base_url: str, expected: str, model: str) -> None:
    """Google's API reference has both spellings of a model."""
    service = PROVIDERS["gemini"].embedding_service()
    assert service.url(base_url, model) == expected
    assert service.for_model(service.path, "a/b?c") == "/v1beta/models/a%2Fb%3Fc:batchEmbedContents"
    assert PROVIDERS["nomic"].embedding_service().url("https://a.example/v1", model).endswith("/v1/embedding/text")


@pytest.mark.peer
@pytest.mark.parametrize("provider", ["openai", "cohere", "voyage"])
def test_widths_are_those_of_pymilvus_model(provider: str) -> None:
    from pymilvus.model import dense

    if provider == "openai":
        theirs = dense.OpenAIEmbeddingFunction(api_key="k")._openai_model_meta_info
    elif provider == "cohere":
        theirs = dense.CohereEmbeddingFunction(api_key="k")._cohereai_model_meta_info
    else:
        theirs = dense.VoyageEmbeddingFunction(api_key="k")._voyageai_model_meta_info
    widths = PROVIDERS[provider].embedding_service().widths
    expected = {model: entry["dim"] for model, entry in theirs.items()}
    expected = {model: tuple(dim) if isinstance(dim, list) else (dim,) for model, dim in expected.items()}
    assert {model: widths.get(model) for model in expected} == expected
