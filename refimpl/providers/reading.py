"""Readers of responses, lenient about their shape and strict about their numbers.

OpenAI, Jina, Voyage, TEI and llama.cpp send objects with an index under `data`; TEI's own route sends bare vectors, and
Cohere sends them under `embeddings`, by encoding. A vector is a list of numbers, or base64 of little-endian float32.

Rerankers send their list under `results` (Jina, Cohere, Infinity, vLLM, Xinference, LocalAI, llama.cpp), under `data`
(Voyage) or bare (TEI); the score is `relevance_score` or `score`. Documents are identified by index: an echoed text is
not read by a client, since servers omit, truncate or alter it, or send null, a string or an object.
"""

import base64
import binascii
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from refimpl.common.types import Array
from refimpl.http import ProtocolError
from refimpl.http.responses import entries_in, index_in, shown

RESULTS = ("results", "data")
MOST_SCORE = sys.float_info.max  # a whole number may be beyond any float
MOST_TOKENS = 1 << 53  # a larger number, infinity included, is no count


def indexed_vectors(answer: Any, texts: int, server: str) -> Float[Array, "texts dim"]:
    """One row per text, placed by each entry's `index` and never by its position.

    Raises ProtocolError for an index that is out of range, doubled or missing, and for what `vector` refuses.
    """
    rows: dict[int, Array] = {}
    for entry in entries_in(answer, ("data",), "embeddings", server):
        index = index_in(entry, texts, "texts", server)
        if index in rows:
            raise ProtocolError(f"{server}: text {index} is twice in the response")
        rows[index] = vector(entry.get("embedding"), index, server)
    if len(rows) < texts:
        missing = min(set(range(texts)) - set(rows))
        raise ProtocolError(f"{server}: expected {texts} vectors, got {len(rows)}, text {missing} among the missing")
    return _stacked([rows[index] for index in range(texts)], server)


def listed_vectors(vectors: Any, texts: int, server: str) -> Float[Array, "texts dim"]:
    """One row per text, for APIs without an index: the n-th vector belongs to the n-th text, none may be missing."""
    if not isinstance(vectors, list) or len(vectors) != texts:
        got = f"{len(vectors)}" if isinstance(vectors, list) else shown(vectors)
        raise ProtocolError(f"{server}: expected a list of {texts} vectors, got {got}")
    return _stacked([vector(item, index, server) for index, item in enumerate(vectors)], server)


def vector(value: Any, index: int, server: str) -> Float[Array, "dim"]:
    """One text's embedding as float32; ProtocolError unless it is a vector of finite numbers."""
    if isinstance(value, str):
        numbers = decoded(value, index, server)
    elif isinstance(value, list) and value and set(map(type, value)) <= {int, float}:
        numbers = _rounded(value)
    else:
        raise ProtocolError(f"{server}: the embedding of text {index} must be a list of numbers, got {shown(value)}")
    if not np.isfinite(numbers).all():
        position = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ProtocolError(f"{server}: the embedding of text {index} is not finite at position {position}")
    return numbers


def decoded(text: str, index: int, server: str) -> Float[Array, "dim"]:
    """float32 from base64 of its little-endian bytes; ProtocolError for any other text."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError(f"{server}: the embedding of text {index} is no base64: {shown(text)}") from None
    if not data or len(data) % 4:
        raise ProtocolError(f"{server}: the embedding of text {index} is {len(data)} bytes, no whole float32 numbers")
    return np.frombuffer(data, dtype="<f4").astype(np.float32)


def tokens_in(answer: Any, paths: Sequence[Sequence[str]]) -> int | None:
    """Token count at the first of `paths` (sequences of keys) that has one; None where the response has none."""
    for path in paths:
        value = answer
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS:
            return int(value)
    return None


def read_scores(answer: Any, documents: int, at_least: int, server: str) -> dict[int, float]:
    """Score by document index, for at least `at_least` of the `documents`, in the response's order.

    Raises ProtocolError for an index that is out of range, doubled or missing, and for a score that is not finite.
    """
    scores: dict[int, float] = {}
    for entry in entries_in(answer, RESULTS, "results", server):
        index = index_in(entry, documents, "documents", server)
        if index in scores:
            raise ProtocolError(f"{server}: document {index} is twice in the results")
        scores[index] = _finite_score(entry, index, server)
    if len(scores) < at_least:
        missing = f", document {min(set(range(documents)) - set(scores))} among the missing" if scores else ""
        raise ProtocolError(f"{server}: expected {at_least} of {documents} documents, got {len(scores)}{missing}")
    return scores


def score_in(entry: dict[str, Any]) -> Any:
    """The score of a rerank entry, whatever it is; None where there is none."""
    return entry["relevance_score"] if "relevance_score" in entry else entry.get("score")


def _finite_score(entry: dict[str, Any], index: int, server: str) -> float:
    score = score_in(entry)
    if isinstance(score, bool) or not isinstance(score, int | float) or not -MOST_SCORE <= score <= MOST_SCORE:
        raise ProtocolError(f"{server}: the score of document {index} must be a finite number, got {shown(entry)}")
    return float(score)


def _rounded(numbers: list[int | float]) -> Array:
    try:
        with np.errstate(over="ignore"):
            return np.array(numbers, dtype=np.float64).astype(np.float32)
    except OverflowError:  # an integer beyond any float
        return np.array([np.inf], dtype=np.float32)


def _stacked(rows: list[Array], server: str) -> Array:
    widths = sorted({len(row) for row in rows})
    if len(widths) > 1:
        raise ProtocolError(f"{server}: the vectors of one response differ in width, {widths[0]} to {widths[-1]}")
    return np.stack(rows)
