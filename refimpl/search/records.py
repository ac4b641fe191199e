"""Input and output of the store: documents as Milvus rows, rankers, search results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from scipy.sparse import csr_array

from refimpl.search.fields import DenseField, Field, FullTextField, SparseField
from refimpl.search.topk import ABSENT, TopK

Vectors: TypeAlias = np.ndarray | csr_array
Queries: TypeAlias = np.ndarray | csr_array | Sequence[str]

ID_BYTES = 512
TEXT_BYTES = 65_535  # Milvus' limit for a VARCHAR
ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})  # in a string of a filter expression


@dataclass(frozen=True)
class Ranker:
    """Milvus' fusion: `rrf` with its k, or `weighted` with one weight per field."""

    kind: Literal["rrf", "weighted"]
    rrf_k: int = 60
    weights: tuple[float, ...] = ()
    norm_score: bool = True


class SearchResults(NamedTuple):
    """Document ids per query, best first, and their scores (higher is better)."""

    ids: list[list[str]]
    scores: list[list[float]]

    @classmethod
    def empty(cls, queries: int) -> "SearchResults":
        """No hits for each of `queries` queries."""
        return cls([[] for _ in range(queries)], [[] for _ in range(queries)])

    def distinct(self) -> set[str]:
        """The ids of all hits."""
        return {doc_id for ids in self.ids for doc_id in ids}

    def hits(self, position: Mapping[str, int], k: int, documents: int | None = None) -> TopK:
        """The same as `TopK`: each id's `position` in the collection, and its number of documents for an unknown id.

        `documents` is that number where `position` has only some of the documents.

        Raises ValueError where a query has more than k hits.
        """
        unknown = len(position) if documents is None else documents
        ids = np.full((len(self.ids), k), ABSENT, dtype=np.int64)
        scores = np.full((len(self.ids), k), -np.inf)
        for row, (doc_ids, values) in enumerate(zip(self.ids, self.scores, strict=True)):
            if len(doc_ids) > k:
                raise ValueError(f"query {row}: expected at most {k} hits, got {len(doc_ids)}")
            ids[row, : len(doc_ids)] = [position.get(doc_id, unknown) for doc_id in doc_ids]
            scores[row, : len(values)] = values
        return TopK(ids, scores)


class Ingested(NamedTuple):
    """Documents that were written, that were present already, and whose text was truncated to 65,535 bytes."""

    written: int
    kept: int
    truncated: int


def check_documents(
    ids: Sequence[str], texts: Sequence[str], vectors: Mapping[str, Vectors], fields: Mapping[str, Field]
) -> None:
    """Raise ValueError, naming the document, for input that Milvus would reject or alter."""
    expected = {name for name, field in fields.items() if not isinstance(field, FullTextField)}
    if vectors.keys() != expected:
        raise ValueError(f"expected vectors for {sorted(expected)}, got {sorted(vectors)}")
    sizes = {"texts": len(texts)} | {name: matrix.shape[0] for name, matrix in vectors.items()}
    for name, size in sizes.items():
        if size != len(ids):
            raise ValueError(f"expected {len(ids)} {name}, one per id, got {size}")
    check_ids(ids)
    for name, matrix in vectors.items():
        _check_vectors(matrix, ids, fields[name])


def check_ids(ids: Sequence[str]) -> None:
    """Raise ValueError, naming the id, for one that Milvus refuses or alters, or that is there twice."""
    seen: set[str] = set()
    for doc_id in ids:
        check_id(doc_id)
        if doc_id in seen:
            raise ValueError(f"document ids must be unique, got {doc_id!r} twice")
        seen.add(doc_id)


def check_id(doc_id: str) -> None:
    """Raise ValueError for an id that Milvus refuses or alters."""
    if not doc_id or len(utf8(doc_id)) > ID_BYTES or utf8(doc_id).decode() != doc_id:
        raise ValueError(f"document id must be 1 to {ID_BYTES} bytes of UTF-8, got {doc_id!r}")


def document_row(row: int, doc_id: str, text: str, vectors: Mapping[str, Vectors]) -> dict[str, Any]:
    """One document as a Milvus row, its text truncated to 65,535 bytes at a character boundary."""
    values: dict[str, Any] = {"id": doc_id, "text": truncate(text)}
    for name, matrix in vectors.items():
        if isinstance(matrix, np.ndarray):
            values[name] = matrix[row]
        else:  # Lite rejects a vector without entries: a column beyond the vocabulary matches no query
            values[name] = sparse_row(matrix, row) or {matrix.shape[1]: 1.0}
    return values


def _check_vectors(matrix: Vectors, ids: Sequence[str], field: Field) -> None:
    if isinstance(matrix, np.ndarray):
        if not isinstance(field, DenseField) or matrix.ndim != 2 or matrix.shape[1] != field.dim:
            raise ValueError(f"{field.name} must be {_expected(field)}, got an array of shape {matrix.shape}")
        rule = "every value must be finite"
    else:
        if not isinstance(field, SparseField):
            raise ValueError(f"{field.name} must be {_expected(field)}, got a sparse array of shape {matrix.shape}")
        rule = "Milvus accepts only values above 0"
    bad = rows_outside(matrix, least=np.nextafter(0, 1))
    if len(bad):
        raise ValueError(f"document {ids[bad[0]]!r} has an invalid {field.name} vector ({rule}); {len(bad)} in all")


def rows_outside(matrix: Vectors, least: float) -> np.ndarray:
    """Numbers of the rows with a value that is not finite, or, in a sparse matrix, below `least`."""
    if isinstance(matrix, np.ndarray):
        return np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    invalid = np.flatnonzero(~((matrix.data >= least) & np.isfinite(matrix.data)))
    return np.unique(np.searchsorted(matrix.indptr, invalid, side="right") - 1)


def _expected(field: Field) -> str:
    return f"float32 (docs, {field.dim})" if isinstance(field, DenseField) else "a csr_array (docs, terms)"


def query_rows(queries: Queries) -> list[Any]:
    """Queries as Milvus accepts them: float32 rows, `{column: value}` per sparse row, or texts."""
    if isinstance(queries, np.ndarray):
        return list(queries.astype(np.float32, copy=False))
    if isinstance(queries, csr_array):
        return [sparse_row(queries, row) for row in range(queries.shape[0])]
    return list(queries)


def is_empty(query: Any) -> bool:
    """Whether a query row is a sparse vector without entries or an empty text; Milvus rejects both."""
    return isinstance(query, dict | str) and not query


def group_by_nonempty_fields(rows: Mapping[str, list[Any]]) -> dict[tuple[str, ...], list[int]]:
    """Query numbers by the fields in which they are not empty; a query that is empty in all fields is left out."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for number in range(len(next(iter(rows.values())))):
        fields = tuple(field for field, queries in rows.items() if not is_empty(queries[number]))
        if fields:
            groups.setdefault(fields, []).append(number)
    return groups


def id_filter(ids: Sequence[str]) -> str:
    """A Milvus expression that matches these ids; Lite supports neither filter templates nor escapes by code point."""
    return "id in [" + ", ".join(f'"{doc_id.translate(ESCAPES)}"' for doc_id in ids) + "]"


def sparse_row(matrix: csr_array, row: int) -> dict[int, float]:
    """One row as `{column: value}`."""
    span = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return dict(zip(matrix.indices[span].tolist(), matrix.data[span].tolist(), strict=True))


def truncate(text: str) -> str:
    """The first 65,535 bytes of a text, ending at a character boundary; a shorter text as it is."""
    return utf8(text)[:TEXT_BYTES].decode("utf-8", "ignore")


def utf8(text: str) -> bytes:
    """The bytes of a text; a lone surrogate, which UTF-8 cannot encode, becomes "?"."""
    return text.encode("utf-8", "replace")
