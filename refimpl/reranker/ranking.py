"""What every reranker, near or far, does alike: check the request, and rank the scores."""

import operator
from collections.abc import Sequence
from typing import SupportsIndex

from refimpl.base import RerankResult, check_encodable, check_texts


def check_request(query: object, documents: object, top_k: object) -> tuple[str, list[str], int]:
    """The query, the documents as a list, and how many results to give (`top_k=None` means all of them).

    Raises TypeError for anything that is no text, ValueError for an empty query, no documents, `top_k` below 1, or
    a lone surrogate, which no encoding can send.
    """
    if not isinstance(query, str):
        raise TypeError(f"query must be a str, got {type(query).__name__}: rerank one query at a time")
    if not query.strip():
        raise ValueError(f"query is empty ({query!r}): a reranker compares documents with a query's text")
    texts = check_texts(documents, "documents")
    if not texts:
        raise ValueError("documents is empty: give at least one candidate, or do not rerank")
    check_encodable([query, *texts], lambda index: f"documents[{index - 1}]" if index else "query")
    return query, texts, min(_checked_top_k(top_k, len(texts)), len(texts))


def ranked(scores: Sequence[float], documents: Sequence[str], top_k: int) -> list[RerankResult]:
    """The best `top_k` documents by score descending, then index ascending; `scores` is one a document."""
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))[:top_k]
    return [RerankResult(documents[index], float(scores[index]), index) for index in order]


def _checked_top_k(top_k: object, everything: int) -> int:
    if top_k is None:
        return everything
    if isinstance(top_k, bool) or not isinstance(top_k, SupportsIndex):
        raise TypeError(f"top_k must be a whole number or None for all, got {top_k!r}")
    wanted = operator.index(top_k)
    if wanted < 1:
        raise ValueError(f"top_k must be 1 or more, got {wanted}: None returns all documents")
    return wanted
