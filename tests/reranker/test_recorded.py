"""One exchange for each server of the protocol table, and the Jina example of pymilvus' introduction."""

import json
from typing import Any

import pytest
from werkzeug import Request, Response

from refimpl.providers import RerankService

QUERY = "What event in 1956 marked the official birth of artificial intelligence as a discipline?"
DOCUMENTS = [
    "In 1950, Alan Turing published his seminal paper, 'Computing Machinery and Intelligence,' proposing the Turing "
    "Test as a criterion of intelligence, a foundational concept in the philosophy and development of artificial "
    "intelligence.",
    "The Dartmouth Conference in 1956 is considered the birthplace of artificial intelligence as a field; here, John "
    "McCarthy and others coined the term 'artificial intelligence' and laid out its basic goals.",
    "In 1951, British mathematician and computer scientist Alan Turing also developed the first program designed to "
    "play chess, demonstrating an early example of AI in game strategy.",
    "The invention of the Logic Theorist by Allen Newell, Herbert A. Simon, and Cliff Shaw in 1955 marked the "
    "creation of the first true AI program, which was capable of solving logic problems, akin to proving "
    "mathematical theorems.",
]
# index and score as the article prints them (Milvus blog, 2024-06-05), to six places
ARTICLE = [(1, 0.937096), (3, 0.354210), (0, 0.349866), (2, 0.272896)]

LOGITS = [(1, 4.1875), (3, -2.5), (0, -2.75), (2, -6.0)]


def results(
    scored: list[tuple[int, float]], document: Any = None, score: str = "relevance_score"
) -> list[dict[str, Any]]:
    """The list that a server sends; `document(index)` is what it adds about the text."""
    return [{"index": index, score: value, **(document(index) if document else {})} for index, value in scored]


def in_object(index: int) -> dict[str, Any]:
    return {"document": {"text": DOCUMENTS[index]}}


# class, options, path, response body, scores in it
EXCHANGES: dict[str, tuple[str, dict[str, Any], str, Any, list[tuple[int, float]]]] = {
    "jina, echoing": (
        "JinaRerankFunction",
        {"return_documents": True},
        "/v1/rerank",
        {"model": "m", "usage": {"total_tokens": 197}, "results": results(ARTICLE, in_object)},
        ARTICLE,
    ),
    "jina since 2025": (
        "JinaRerankFunction",
        {},
        "/v1/rerank",
        {"model": "m", "object": "list", "usage": {"total_tokens": 197}, "results": results(ARTICLE)},
        ARTICLE,
    ),
    "cohere v1": (
        "CohereRerankFunction",
        {"api_version": "v1"},
        "/v1/rerank",
        {"id": "x", "results": results(ARTICLE, in_object), "meta": {"api_version": {"version": "1"}}},
        ARTICLE,
    ),
    "cohere v2": (
        "CohereRerankFunction",
        {},
        "/v2/rerank",
        {"id": "x", "results": results(ARTICLE), "meta": {"api_version": {"version": "2"}}},
        ARTICLE,
    ),
    "voyage": (
        "VoyageRerankFunction",
        {},
        "/v1/rerank",
        {"object": "list", "data": results(ARTICLE), "model": "rerank-2", "usage": {"total_tokens": 197}},
        ARTICLE,
    ),
    "tei": (
        "TEIRerankFunction",
        {},
        "/rerank",
        results(ARTICLE, lambda index: {"text": DOCUMENTS[index]}, "score"),
        ARTICLE,
    ),
    "tei, raw": ("TEIRerankFunction", {"raw_scores": True}, "/rerank", results(LOGITS, score="score"), LOGITS),
    "infinity": (
        "JinaRerankFunction",
        {"base_url": "/rerank"},
        "/rerank",
        {"object": "rerank", "results": results(ARTICLE, lambda index: {"document": DOCUMENTS[index]}), "model": "m"},
        ARTICLE,
    ),
    "vllm": (
        "JinaRerankFunction",
        {},
        "/v1/rerank",
        {
            "id": "rerank-x",
            "results": results(ARTICLE, lambda index: {"document": {"text": DOCUMENTS[index], "multi_modal": None}}),
        },
        ARTICLE,
    ),
    "xinference": (
        "CohereRerankFunction",
        {"api_version": "v1"},
        "/v1/rerank",
        {"id": "x", "results": results(ARTICLE, lambda _: {"document": None}), "meta": {"warnings": None}},
        ARTICLE,
    ),
    "localai": (
        "JinaRerankFunction",
        {},
        "/v1/rerank",
        {"model": "m", "usage": {"total_tokens": 197, "prompt_tokens": 197}, "results": results(ARTICLE, in_object)},
        ARTICLE,
    ),
    "llama.cpp, documents": (
        "JinaRerankFunction",
        {"base_url": "/reranking"},
        "/reranking",
        {"model": "m", "object": "list", "usage": {"prompt_tokens": 9, "total_tokens": 9}, "results": results(LOGITS)},
        LOGITS,
    ),
    "llama.cpp, texts": ("TEIRerankFunction", {}, "/rerank", results(LOGITS, score="score"), LOGITS),
}


@pytest.mark.parametrize("name", EXCHANGES)
def test_each_servers_answer_is_read(httpserver: Any, name: str) -> None:
    import refimpl.reranker

    kind, options, path, body, scored = EXCHANGES[name]
    httpserver.expect_oneshot_request(path, method="POST").respond_with_json(body)
    options = {**options}
    base = httpserver.url_for(options.pop("base_url", ""))
    address = {"api_url": base} if kind == "TEIRerankFunction" else {"base_url": base}
    rf = getattr(refimpl.reranker, kind)(**address, **options)
    found = rf(QUERY, DOCUMENTS)
    assert [(result.index, result.score) for result in found] == scored
    assert [result.text for result in found] == [DOCUMENTS[index] for index, _ in scored]


def test_the_articles_example_with_one_line_changed(httpserver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The article's own lines but for the import; the address is that of a server that replays its response."""

    def replay(request: Request) -> Response:
        asked = request.get_json()
        assert asked["model"] == "jina-reranker-v1-base-en"
        assert request.headers["Authorization"] == "Bearer the-key"
        top = [entry for entry in results(ARTICLE, in_object) if entry["index"] < len(asked["documents"])]
        return Response(json.dumps({"model": asked["model"], "results": top[: asked["top_n"]]}))

    httpserver.expect_request("/v1/rerank", method="POST").respond_with_handler(replay)
    monkeypatch.setattr(RerankService, "url", lambda *_: httpserver.url_for("/v1/rerank"))

    from refimpl.reranker import JinaRerankFunction  # was: from pymilvus.model.reranker import JinaRerankFunction

    rf = JinaRerankFunction("jina-reranker-v1-base-en", "the-key")
    found = rf(QUERY, DOCUMENTS)

    assert [(result.index, result.score) for result in found] == ARTICLE
    assert found[0].to_dict() == {"text": DOCUMENTS[1], "score": 0.937096, "index": 1}
    assert [result.index for result in rf(QUERY, DOCUMENTS, top_k=2)] == [1, 3]
