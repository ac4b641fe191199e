"""Validation of rerank requests, and ranking by score, for local rerankers and remote clients."""

import operator
from collections.abc import Sequence
from typing import SupportsIndex

from refimpl.base import RerankResult
from refimpl.common.texts import check_encodable, check_texts


def check_request(query: object, documents: object, top_k: object) -> tuple[str, list[str], int]:
    """Validate a rerank request.

    Returns
    -------
    tuple
        The query, the documents as a list, and the number of results, at most that of the documents; all of them for
        `top_k=None`.

    Raises
    ------
    TypeError
        If the query is not a str, the documents are not a list of str, or `top_k` is not an integer.
    ValueError
        If the query is blank, there are no documents, `top_k` is below 1, or a text has a lone surrogate.
    """
    if not isinstance(query, str):
        raise TypeError(f"query must be a str, got {type(query).__name__}: rerank one query at a time")
    if not query.strip():
        raise ValueError(f"query must be a text, got {query!r}: a reranker compares documents with it")
    texts = check_texts(documents, "documents")
    if not texts:
        raise ValueError("documents must have at least one text, got none: do not rerank an empty list")
    check_encodable([query, *texts], lambda index: f"documents[{index - 1}]" if index else "query")
    return query, texts, min(_checked_top_k(top_k, len(texts)), len(texts))


def ranked(scores: Sequence[float], documents: Sequence[str], top_k: int) -> list[RerankResult]:
    """Return the best `top_k` documents by score descending, then index ascending; one score per document."""
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))[:top_k]
    return [RerankResult(documents[index], float(scores[index]), index) for index in order]


def _checked_top_k(top_k: object, documents: int) -> int:
    if top_k is None:
        return documents
    if isinstance(top_k, bool) or not isinstance(top_k, SupportsIndex):
        raise TypeError(f"top_k must be an integer or None for all, got {top_k!r}")
    count = operator.index(top_k)
    if count < 1:
        raise ValueError(f"top_k must be 1 or more, got {count}: None returns all documents")
    return count
