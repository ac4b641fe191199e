"""The HTTP protocols as a check speaks them: addresses, limits, and the body of each request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Body = Callable[[Any, str], dict[str, Any]]
"""Takes what is asked (texts, or a rerank input) and the model's name, returns the request's JSON."""


@dataclass(frozen=True)
class Protocol:
    """One provider's way of asking; `rerank_options` are the traits that its rerank requests have."""

    name: str
    paths: Mapping[str, str]
    bodies: Mapping[str, Body]
    most_texts: int
    rerank_options: frozenset[str] = field(default=frozenset())
    tokens_at_once: bool = True

    def body(self, task: str, asked: Any, model: str) -> dict[str, Any]:
        """The request for `task`."""
        return self.bodies[task](asked, model)


def _openai_embed(texts: Any, model: str) -> dict[str, Any]:
    return {"model": model, "input": texts, "encoding_format": "float"}


def _jina_embed(texts: Any, model: str) -> dict[str, Any]:
    return {"model": model, "input": texts, "embedding_type": "float", "normalized": True, "truncate": True}


def _cohere_embed(texts: Any, model: str) -> dict[str, Any]:
    return {"model": model, "texts": texts, "input_type": "search_document", "embedding_types": ["float"]}


def _voyage_embed(texts: Any, model: str) -> dict[str, Any]:
    return {"model": model, "input": texts, "truncation": True}


def _tei_embed(texts: Any, model: str) -> dict[str, Any]:
    return {"inputs": texts, "truncate": True, "normalize": True}


def _jina_rerank(asked: Any, model: str) -> dict[str, Any]:
    body = {"model": model, "query": asked["query"], "documents": asked["documents"]}
    return {**body, "return_documents": asked.get("echo", False), **_most("top_n", asked)}


def _cohere_rerank(asked: Any, model: str) -> dict[str, Any]:
    return {"model": model, "query": asked["query"], "documents": asked["documents"], **_most("top_n", asked)}


def _voyage_rerank(asked: Any, model: str) -> dict[str, Any]:
    body = {"model": model, "query": asked["query"], "documents": asked["documents"], "truncation": True}
    return {**body, "return_documents": asked.get("echo", False), **_most("top_k", asked)}


def _tei_rerank(asked: Any, model: str) -> dict[str, Any]:
    body = {"query": asked["query"], "texts": asked["documents"], "truncate": True}
    return {**body, "raw_scores": asked.get("raw", False), "return_text": asked.get("echo", False)}


def _most(name: str, asked: Any) -> dict[str, Any]:
    return {} if asked.get("top_k") is None else {name: asked["top_k"]}


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "tei",
            {"embed": "/embed", "rerank": "/rerank", "splade": "/embed_sparse", "tokens": "/tokenize"},
            {
                "embed": _tei_embed,
                "rerank": _tei_rerank,
                "splade": lambda texts, model: {"inputs": texts, "truncate": True},
                "tokens": lambda texts, model: {"inputs": texts, "add_special_tokens": True},
            },
            most_texts=32,
            rerank_options=frozenset({"echo"}),
        ),
        Protocol("openai", {"embed": "/v1/embeddings"}, {"embed": _openai_embed}, most_texts=128),
        Protocol(
            "jina",
            {"embed": "/v1/embeddings", "rerank": "/v1/rerank"},
            {"embed": _jina_embed, "rerank": _jina_rerank},
            most_texts=128,
            rerank_options=frozenset({"top_k", "echo"}),
        ),
        Protocol(
            "cohere",
            {"embed": "/v2/embed", "rerank": "/v2/rerank"},
            {"embed": _cohere_embed, "rerank": _cohere_rerank},
            most_texts=96,
            rerank_options=frozenset({"top_k"}),
        ),
        Protocol(
            "voyage",
            {"embed": "/v1/embeddings", "rerank": "/v1/rerank"},
            {"embed": _voyage_embed, "rerank": _voyage_rerank},
            most_texts=128,
            rerank_options=frozenset({"top_k", "echo"}),
        ),
        Protocol(
            "llamacpp",
            {"embed": "/v1/embeddings", "rerank": "/v1/rerank", "tokens": "/tokenize"},
            {
                "embed": _openai_embed,
                "rerank": _cohere_rerank,
                "tokens": lambda text, model: {"content": text, "add_special": True},
            },
            most_texts=32,
            rerank_options=frozenset({"top_k"}),
            tokens_at_once=False,
        ),
    )
}
