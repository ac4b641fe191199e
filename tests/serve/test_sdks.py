"""The official SDKs and pymilvus.model's own rerankers, talking to `refimpl serve`."""

import base64
import types
from typing import Any

import numpy as np
import pytest

import refimpl
from refimpl.serve.engine import Engine

pytestmark = pytest.mark.peer

KEY = "the-key"
QUERY = "Which planet is known as the Red Planet?"
DOCUMENTS = ["Venus is Earth's twin.", "Mars is often called the Red Planet.", "Jupiter is the largest planet."]


@pytest.fixture
def expected(engine: Engine) -> list[tuple[int, float]]:
    return [(result.index, pytest.approx(result.score, abs=1e-6)) for result in engine.reranker(QUERY, DOCUMENTS)]


def test_cohere_v2(locked_url: str, expected: Any) -> None:
    import cohere

    client = cohere.ClientV2(KEY, base_url=locked_url)
    answer = client.rerank(model="any", query=QUERY, documents=DOCUMENTS, top_n=2)
    assert [(result.index, result.relevance_score) for result in answer.results] == expected[:2]


def test_cohere_v1(locked_url: str, expected: Any) -> None:
    import cohere

    client = cohere.Client(KEY, base_url=locked_url)
    answer = client.rerank(model="any", query=QUERY, documents=DOCUMENTS, return_documents=True)
    assert [(result.index, result.relevance_score) for result in answer.results] == expected
    assert answer.results[0].document.text == DOCUMENTS[1]


def test_cohere_names_a_wrong_key(locked_url: str) -> None:
    import cohere

    with pytest.raises(cohere.errors.UnauthorizedError, match="missing or wrong"):
        cohere.ClientV2("wrong", base_url=locked_url).rerank(model="any", query=QUERY, documents=DOCUMENTS)


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_openai(locked_url: str, engine: Engine, encoding: str) -> None:
    import openai

    client = openai.OpenAI(api_key=KEY, base_url=f"{locked_url}/v1")
    answer = client.embeddings.create(model="any", input=DOCUMENTS, encoding_format=encoding)
    vectors = [
        np.frombuffer(base64.b64decode(item.embedding), "<f4") if encoding == "base64" else item.embedding
        for item in answer.data
    ]
    np.testing.assert_allclose(np.array(vectors), engine.embedder(DOCUMENTS), rtol=0, atol=1e-6)


def test_openai_names_what_is_wrong(locked_url: str) -> None:
    import openai

    client = openai.OpenAI(api_key=KEY, base_url=f"{locked_url}/v1")
    with pytest.raises(openai.BadRequestError, match="dimensions must be 384"):
        client.embeddings.create(model="any", input="a", dimensions=7)
    with pytest.raises(openai.AuthenticationError, match="missing or wrong"):
        openai.OpenAI(api_key="wrong", base_url=f"{locked_url}/v1").embeddings.create(model="any", input="a")


def test_voyageai(locked_url: str, engine: Engine, expected: Any) -> None:
    import voyageai

    client = voyageai.Client(api_key=KEY, base_url=f"{locked_url}/v1", max_retries=1)
    answer = client.rerank(QUERY, DOCUMENTS, model="any", top_k=2)
    assert [(result.index, result.relevance_score) for result in answer.results] == expected[:2]
    assert answer.results[0].document == DOCUMENTS[1]
    vectors = client.embed(DOCUMENTS, model="any").embeddings
    np.testing.assert_allclose(np.array(vectors), engine.embedder(DOCUMENTS), rtol=0, atol=1e-6)


@pytest.mark.parametrize("encoding", [None, "float"])
def test_mistralai(locked_url: str, engine: Engine, encoding: str | None) -> None:
    from mistralai import client as sdk

    client = sdk.Mistral(api_key=KEY, server_url=locked_url)
    answer = client.embeddings.create(model="any", inputs=DOCUMENTS, encoding_format=encoding)
    vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
    np.testing.assert_allclose(np.array(vectors), engine.embedder(DOCUMENTS), rtol=0, atol=1e-6)
    assert answer.usage.total_tokens > len(DOCUMENTS)
    with pytest.raises(sdk.errors.SDKError, match="output_dimension must be 384"):
        client.embeddings.create(model="any", inputs=DOCUMENTS, output_dimension=7)
    with pytest.raises(sdk.errors.SDKError, match="missing or wrong"):
        sdk.Mistral(api_key="wrong", server_url=locked_url).embeddings.create(model="any", inputs=DOCUMENTS)


@pytest.mark.parametrize("count", [1, 3, 25])
def test_nomic(url: str, engine: Engine, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from nomic import embed

    atlas = types.SimpleNamespace(atlas_api_path=url, header={"Authorization": f"Bearer {KEY}"})
    monkeypatch.setattr(embed, "atlas_class", atlas)  # its own constructor reads what `nomic login` stored
    texts = [f"{text} {i}" for i in range(count) for text in DOCUMENTS][:count]
    answer = embed.text(texts, model="all-MiniLM-L6-v2", dimensionality=384)
    np.testing.assert_allclose(np.array(answer["embeddings"]), engine.embedder(texts), rtol=0, atol=1e-6)
    assert answer["usage"]["total_tokens"] > count
    with pytest.raises(Exception, match="dimensionality must be 384"):
        embed.text(texts, model="all-MiniLM-L6-v2", dimensionality=64)


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_google_genai(locked_url: str, engine: Engine, version: str) -> None:
    from google import genai

    client = genai.Client(api_key=KEY, http_options={"base_url": locked_url, "api_version": version})
    answer = client.models.embed_content(model="any", contents=DOCUMENTS)
    vectors = np.array([one.values for one in answer.embeddings])
    np.testing.assert_allclose(vectors, engine.embedder(DOCUMENTS), rtol=0, atol=1e-6)
    with pytest.raises(genai.errors.ClientError, match="outputDimensionality must be 384"):
        client.models.embed_content(model="any", contents=DOCUMENTS, config={"output_dimensionality": 7})
    stranger = genai.Client(api_key="wrong", http_options={"base_url": locked_url})
    with pytest.raises(genai.errors.ClientError, match="missing or wrong"):
        stranger.models.embed_content(model="any", contents=DOCUMENTS)


def test_requests_are_those_of_google_genai(httpserver: Any) -> None:
    from google import genai

    config = genai.types.EmbedContentConfig(task_type="CLUSTERING", output_dimensionality=2)
    answer = {"embeddings": [{"values": [1.0, 2.0]}] * len(DOCUMENTS)}
    httpserver.expect_request("/v1beta/models/m:batchEmbedContents", method="POST").respond_with_json(answer)
    client = genai.Client(api_key=KEY, http_options={"base_url": httpserver.url_for(""), "api_version": "v1beta"})
    client.models.embed_content(model="m", contents=DOCUMENTS, config=config)
    refimpl.GeminiEmbeddingFunction("m", KEY, config, base_url=httpserver.url_for(""))(DOCUMENTS)
    (theirs, _), (ours, _) = httpserver.log
    assert ours.headers["x-goog-api-key"] == theirs.headers["x-goog-api-key"] == KEY
    bodies = [sent.get_json() for sent in (ours, theirs)]
    for body in bodies:
        for one in body["requests"]:
            one["content"].pop("role", None)  # the SDK adds "user"
    assert bodies[0] == bodies[1]


def test_pymilvus_jina(locked_url: str, expected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pymilvus.model.reranker import JinaRerankFunction, jinaai

    monkeypatch.setattr(jinaai, "API_URL", f"{locked_url}/v1/rerank")
    results = JinaRerankFunction("any", KEY)(QUERY, DOCUMENTS, top_k=2)
    assert [(result.index, result.score) for result in results] == expected[:2]
    assert results[0].text == DOCUMENTS[1]


def test_pymilvus_tei(url: str, expected: Any) -> None:
    from pymilvus.model.reranker import TEIRerankFunction

    results = TEIRerankFunction(url)(QUERY, DOCUMENTS)
    assert [(result.index, result.score) for result in results] == expected
    assert results[0].text == DOCUMENTS[1]


def test_pymilvus_voyage(locked_url: str, expected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import voyageai
    from pymilvus.model.reranker import VoyageRerankFunction

    rf = VoyageRerankFunction("any", KEY)
    monkeypatch.setattr(rf, "client", voyageai.Client(api_key=KEY, base_url=f"{locked_url}/v1", max_retries=1))
    assert [(result.index, result.score) for result in rf(QUERY, DOCUMENTS, top_k=2)] == expected[:2]


def test_sentence_transformers_numbers_through_openai(url: str) -> None:
    """End to end: what a client in any language gets is what sentence-transformers computes."""
    import openai
    from sentence_transformers import SentenceTransformer

    from refimpl import models

    theirs = SentenceTransformer(str(models.path("all-MiniLM-L6-v2")), device="cpu").encode(DOCUMENTS)
    client = openai.OpenAI(api_key="none", base_url=f"{url}/v1")
    ours = np.array([item.embedding for item in client.embeddings.create(model="any", input=DOCUMENTS).data])
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6)


def test_cohere_embeddings(locked_url: str, engine: Engine) -> None:
    import cohere

    asked = {"texts": DOCUMENTS, "model": "any", "input_type": "search_document"}
    plain = cohere.Client(KEY, base_url=locked_url).embed(**asked)
    typed = cohere.ClientV2(KEY, base_url=locked_url).embed(embedding_types=["float"], **asked)
    for found in (plain.embeddings, typed.embeddings.float_):
        np.testing.assert_allclose(np.array(found), engine.embedder(DOCUMENTS), rtol=0, atol=1e-6)


@pytest.mark.parametrize("provider", ["OpenAI", "Jina", "TEI", "Voyage", "Cohere"])
def test_our_embedders_give_what_pymilvus_models_give(
    url: str, locked_url: str, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same server asked by pymilvus.model's function and by ours of the same name: the same numbers."""
    import cohere
    import voyageai
    from pymilvus.model import dense
    from pymilvus.model.dense import jinaai

    options: dict[str, Any] = {"api_key": KEY, "base_url": locked_url}
    if provider == "OpenAI":
        theirs = dense.OpenAIEmbeddingFunction("any", KEY, f"{locked_url}/v1")
    elif provider == "Jina":
        monkeypatch.setattr(jinaai, "API_URL", f"{locked_url}/v1/embeddings")
        theirs = dense.JinaEmbeddingFunction("any", KEY)
    elif provider == "TEI":
        theirs, options = dense.TEIEmbeddingFunction(url), {}
    elif provider == "Voyage":
        theirs = dense.VoyageEmbeddingFunction("any", KEY, dimension=None)
        theirs._voyageai_model_meta_info["any"]["dim"] = [384]
        theirs.client = voyageai.Client(api_key=KEY, base_url=f"{locked_url}/v1", max_retries=1)
    else:
        theirs = dense.CohereEmbeddingFunction("any", KEY)
        theirs.client = cohere.Client(KEY, base_url=locked_url)
    ours = getattr(refimpl, f"{provider}EmbeddingFunction")(url if provider == "TEI" else "any", **options)
    for method in ("encode_documents", "encode_queries", "__call__"):
        expected = np.array(getattr(theirs, method)(DOCUMENTS))
        np.testing.assert_allclose(getattr(ours, method)(DOCUMENTS), expected, rtol=0, atol=1e-7)
