"""Pieces of the responses that `refimpl serve` writes: numbers, base64, and the lists of the protocols."""

import math
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from refimpl.base import RerankResult
from refimpl.common.types import Array
from refimpl.providers.requests import RequestRefused


def finite(value: Any) -> float:
    """A number for JSON, which has no NaN: a score that is not finite is a server error, never a response."""
    number = float(value)
    if not math.isfinite(number):
        raise RequestRefused(500, "the model returned a number that is not finite")
    return number


def numbers(vector: Array) -> list[Any]:
    """A vector as a list of finite numbers, which are whole where the array's are."""
    return vector.tolist() if vector.dtype.kind in "iu" else [finite(value) for value in vector.tolist()]


def encoded(vectors: Float[Array, "texts dim"], kind: str, *, base64: bool = False) -> list[Any]:
    """One value per vector, in numbers of the type `kind`: a list, or base64 of its little-endian bytes.

    "ubinary" has one bit per number, 1 where it is positive, eight of them to a byte; "binary" has the same bytes less
    128, as int8. This is the packing that Cohere, Jina and Voyage document, and `quantize_embeddings` of
    sentence-transformers computes.
    """
    if kind == "float":
        typed = vectors.astype("<f4") if base64 else vectors
    else:
        packed = np.packbits(vectors > 0, axis=1)
        typed = packed if kind == "ubinary" else (packed.astype(np.int16) - 128).astype(np.int8)
    return [base64_text(row) if base64 else numbers(row) for row in typed]


def base64_text(row: Array) -> str:
    """The bytes of a row as base64."""
    return b64encode(row.tobytes()).decode()


def rerank_entries(
    results: Sequence[RerankResult],
    echo_of: Callable[[str], dict[str, Any]],
    *,
    echo: bool,
    score: str = "relevance_score",
) -> list[dict[str, Any]]:
    """One entry per result, with `echo_of(text)` where texts are sent back."""
    return [
        {"index": result.index, score: finite(result.score), **(echo_of(result.text) if echo else {})}
        for result in results
    ]


def rerank_head(model: str, tokens: int) -> dict[str, Any]:
    """What Jina's rerank response has beside its results."""
    return {"id": str(uuid4()), "object": "list", "model": model, "usage": {"total_tokens": tokens}}


def sparse_entries(rows: csr_array) -> list[list[dict[str, Any]]]:
    """TEI's list of `{index, value}` per text, columns ascending."""
    parts = zip(np.split(rows.indices, rows.indptr[1:-1]), np.split(rows.data, rows.indptr[1:-1]), strict=True)
    return [
        [{"index": column, "value": value} for column, value in zip(columns.tolist(), numbers(values), strict=True)]
        for columns, values in parts
    ]
