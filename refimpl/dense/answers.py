"""What embedding servers answer, read leniently in its shape and strictly in its numbers.

OpenAI, Jina, Voyage, TEI and llama.cpp put objects with an index under `data`; TEI's own route sends bare vectors, and
Cohere puts them under `embeddings`, by kind. A vector is a list of numbers, or base64 of little-endian float32.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from refimpl.http import ProtocolError
from refimpl.http.answers import entries_in, index_in, shown

Array = np.ndarray


def indexed_vectors(answer: Any, texts: int, server: str) -> Float[Array, "texts dim"]:
    """One row a text, found by each entry's `index`, never by its place.

    Raises ProtocolError for an index out of range, doubled or missing, and for what `vector` refuses.
    """
    found: dict[int, Array] = {}
    for entry in entries_in(answer, ("data",), "embeddings", server):
        index = index_in(entry, texts, "texts", server)
        if index in found:
            raise ProtocolError(f"{server}: text {index} stands twice in the answer")
        found[index] = vector(entry.get("embedding"), index, server)
    if len(found) < texts:
        missing = min(set(range(texts)) - set(found))
        raise ProtocolError(f"{server}: asked for {texts} vectors, got {len(found)}, text {missing} among the missing")
    return _stacked([found[index] for index in range(texts)], server)


def listed_vectors(vectors: Any, texts: int, server: str) -> Float[Array, "texts dim"]:
    """One row a text, for protocols that have no index: the n-th vector is the n-th text's, and all must be there."""
    if not isinstance(vectors, list) or len(vectors) != texts:
        got = f"{len(vectors)}" if isinstance(vectors, list) else shown(vectors)
        raise ProtocolError(f"{server}: expected a list of {texts} vectors, got {got}")
    return _stacked([vector(item, index, server) for index, item in enumerate(vectors)], server)


def vector(value: Any, index: int, server: str) -> Float[Array, "dim"]:
    """One text's embedding as float32; ProtocolError unless it is a vector of finite numbers."""
    if isinstance(value, str):
        numbers = _decoded(value, index, server)
    elif isinstance(value, list) and value and set(map(type, value)) <= {int, float}:
        numbers = _rounded(value)
    else:
        raise ProtocolError(f"{server}: the embedding of text {index} must be a list of numbers, got {shown(value)}")
    if not np.isfinite(numbers).all():
        place = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ProtocolError(f"{server}: the embedding of text {index} is not finite at position {place}")
    return numbers


def tokens_in(answer: Any, places: Sequence[Sequence[str]]) -> int | None:
    """The count of tokens at the first of `places` (paths of keys) that holds one; None when the server states none."""
    for path in places:
        value = answer
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return int(value)
    return None


def _decoded(text: str, index: int, server: str) -> Array:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError(f"{server}: the embedding of text {index} is no base64: {shown(text)}") from None
    if not data or len(data) % 4:
        raise ProtocolError(f"{server}: the embedding of text {index} is {len(data)} bytes, no whole float32 numbers")
    return np.frombuffer(data, dtype="<f4").astype(np.float32)


def _rounded(numbers: list[int | float]) -> Array:
    try:
        with np.errstate(over="ignore"):
            return np.array(numbers, dtype=np.float64).astype(np.float32)
    except OverflowError:  # a whole number beyond any float
        return np.array([np.inf], dtype=np.float32)


def _stacked(rows: list[Array], server: str) -> Array:
    widths = sorted({len(row) for row in rows})
    if len(widths) > 1:
        raise ProtocolError(f"{server}: the vectors of one answer are of different widths, {widths[0]} to {widths[-1]}")
    return np.stack(rows)
