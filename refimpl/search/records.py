"""What goes into the store and what comes out of it: fields, rankers, rows, found documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from scipy.sparse import csr_array

from refimpl.search.hits import ABSENT, Hits

Vectors: TypeAlias = np.ndarray | csr_array
Queries: TypeAlias = np.ndarray | csr_array | Sequence[str]

ID_BYTES = 512
TEXT_BYTES = 65_535  # Milvus' limit for a VARCHAR


@dataclass(frozen=True)
class Field:
    """A vector field of the collection.

    `dense`, `dim` wide, by IP, COSINE or L2; `sparse`, by IP; `bm25`, which Milvus makes of the text itself.
    """

    name: str
    kind: Literal["dense", "sparse", "bm25"]
    metric: Literal["IP", "COSINE", "L2", "BM25"] = "IP"
    dim: int = 0


@dataclass(frozen=True)
class Ranker:
    """Milvus' own fusion: `rrf` with its k, or `weighted` with one weight a field."""

    kind: Literal["rrf", "weighted"]
    rrf_k: int = 60
    weights: tuple[float, ...] = ()
    norm_score: bool = True


class Found(NamedTuple):
    """For each query the ids of its hits, best first, and their scores (higher is better)."""

    ids: list[list[str]]
    scores: list[list[float]]

    def hits(self, position: Mapping[str, int], k: int) -> Hits:
        """The same as `Hits`: each id's `position` in the collection, `len(position)` for an id that has none."""
        ids = np.full((len(self.ids), k), ABSENT, dtype=np.int64)
        scores = np.full((len(self.ids), k), -np.inf)
        for row, (found, values) in enumerate(zip(self.ids, self.scores, strict=True)):
            ids[row, : len(found)] = [position.get(doc_id, len(position)) for doc_id in found]
            scores[row, : len(found)] = values
        return Hits(ids, scores)


class Ingested(NamedTuple):
    """How many documents were written, were there already, and had a text that was cut to Milvus' 65,535 bytes."""

    written: int
    kept: int
    cut: int


def check(
    ids: Sequence[str], texts: Sequence[str], vectors: Mapping[str, Vectors], fields: Mapping[str, Field]
) -> None:
    """Raise ValueError, naming the document, for what the store would refuse or mangle."""
    wanted = {name for name, field in fields.items() if field.kind != "bm25"}
    if vectors.keys() != wanted:
        raise ValueError(f"vectors must be given for {sorted(wanted)}, got {sorted(vectors)}")
    sizes = {"texts": len(texts)} | {name: matrix.shape[0] for name, matrix in vectors.items()}
    for name, size in sizes.items():
        if size != len(ids):
            raise ValueError(f"{len(ids)} ids need as many {name}, got {size}")
    seen: set[str] = set()
    for doc_id in ids:
        if not doc_id or len(utf8(doc_id)) > ID_BYTES or utf8(doc_id).decode() != doc_id:
            raise ValueError(f"document id must be 1 to {ID_BYTES} bytes of UTF-8, got {doc_id!r}")
        if doc_id in seen:
            raise ValueError(f"document {doc_id!r} is given twice")
        seen.add(doc_id)
    for name, matrix in vectors.items():
        _check_vectors(name, matrix, ids, fields[name])


def document_row(row: int, doc_id: str, text: str, vectors: Mapping[str, Vectors]) -> dict[str, Any]:
    """One document as Milvus takes it, its text cut to 65,535 bytes on a character's boundary."""
    made: dict[str, Any] = {"id": doc_id, "text": cut(text)}
    for name, matrix in vectors.items():
        if isinstance(matrix, np.ndarray):
            made[name] = matrix[row]
        else:  # Lite refuses a vector without entries, so a text without terms gets one that no query can touch
            made[name] = sparse_row(matrix, row) or {matrix.shape[1]: 1.0}
    return made


def _check_vectors(name: str, matrix: Vectors, ids: Sequence[str], field: Field) -> None:
    if isinstance(matrix, np.ndarray):
        if field.kind != "dense" or matrix.ndim != 2 or matrix.shape[1] != field.dim:
            raise ValueError(f"{name} must be {_wanted(field)}, got an array of shape {matrix.shape}")
        bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
        rule = "every value must be finite"
    else:
        if field.kind != "sparse":
            raise ValueError(f"{name} must be {_wanted(field)}, got a sparse array of shape {matrix.shape}")
        wrong = np.flatnonzero(~((matrix.data > 0) & np.isfinite(matrix.data)))
        bad = np.searchsorted(matrix.indptr, wrong, side="right") - 1
        rule = "Milvus takes only values above 0"
    if len(bad):
        raise ValueError(f"document {ids[bad[0]]!r} has a bad {name} vector ({rule}); {len(bad)} in all")


def _wanted(field: Field) -> str:
    return f"float32 (docs, {field.dim})" if field.kind == "dense" else "a csr_array (docs, terms)"


def sparse_row(matrix: csr_array, row: int) -> dict[int, float]:
    """One row as `{column: value}`."""
    span = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return dict(zip(matrix.indices[span].tolist(), matrix.data[span].tolist(), strict=True))


def cut(text: str) -> str:
    """A text's first 65,535 bytes, on a character's boundary; the whole of a shorter one."""
    return utf8(text)[:TEXT_BYTES].decode("utf-8", "ignore")


def utf8(text: str) -> bytes:
    """A text's bytes; half a surrogate pair, which UTF-8 cannot carry, becomes "?"."""
    return text.encode("utf-8", "replace")
