"""The store: one Milvus collection, embedded (Milvus Lite, a `.db` path) or served (any Milvus, by URI and token).

The only file of refimpl that imports pymilvus, and the only one that knows distances: what it returns are scores,
higher is better (L2 comes back as the negated squared distance, Milvus Lite's negated BM25 as the positive score).
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
from pymilvus import AnnSearchRequest, DataType, Function, FunctionType, MilvusClient, RRFRanker, WeightedRanker
from pymilvus.exceptions import MilvusException
from scipy.sparse import csr_array

from refimpl.search.records import (
    ID_BYTES,
    TEXT_BYTES,
    Field,
    Found,
    Ingested,
    Queries,
    Ranker,
    Vectors,
    check,
    document_row,
    sparse_row,
    utf8,
)

QUERIES_AT_A_TIME = 256
MOST_HITS = 16_384  # Milvus' limit
INDEX = {"dense": "FLAT", "sparse": "SPARSE_INVERTED_INDEX", "bm25": "SPARSE_INVERTED_INDEX"}


class MilvusError(OSError):
    """Milvus refused or could not be reached; the message says what was asked of it, for which documents."""


class MilvusStore:
    """A collection with `id`, `text` and vector `fields`, made on first use and taken up again afterwards.

    `uri` is a path that ends in `.db` (Milvus Lite), or http(s)://host:port; `token` is "user:password" or an API key
    and appears in no message. Raises ValueError for another kind of URI, MilvusError where Milvus is not reachable.
    """

    def __init__(self, collection: str, fields: Sequence[Field], *, uri: str, token: str | None = None) -> None:
        self.collection = collection
        self.fields = {field.name: field for field in fields}
        self._uri = uri
        self.lite = uri.endswith(".db")
        check_uri(uri)
        if self.lite:
            Path(uri).expanduser().resolve().parent.mkdir(parents=True, exist_ok=True)
            self._uri = str(Path(uri).expanduser().resolve())
        with _asking(f"connecting to {shown(uri)}"):
            self._client = MilvusClient(self._uri, token=token or "")
        self._prepare()

    def __enter__(self) -> "MilvusStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of Milvus; a Lite file is then free for other processes."""
        self._client.close()
        if self.lite:
            from milvus_lite.server_manager import server_manager_instance

            server_manager_instance.release_server(self._uri)

    def drop(self) -> None:
        """Delete the collection with everything in it, and make it anew."""
        with _asking(f"dropping {self.collection}"):
            self._client.drop_collection(self.collection)
        self._prepare()

    def count(self) -> int:
        """Number of documents, each id once."""
        with _asking(f"counting {self.collection}"):
            return int(self._client.query(self.collection, output_fields=["count(*)"])[0]["count(*)"])

    def ingest(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        vectors: Mapping[str, Vectors],
        *,
        batch_size: int = 500,
        advance: Callable[[int], None] = lambda n: None,
    ) -> Ingested:
        """Write the documents that are not there yet; stopped at any moment and called again, each ends there once.

        `vectors[field]` has a row a document, for every field but a `bm25` one. Raises ValueError, naming the document,
        for an id that is empty, doubled or longer than 512 bytes, a dense vector that is not finite and a sparse one
        with a value that is not above 0; MilvusError when Milvus refuses a batch.
        """
        check(ids, texts, vectors, self.fields)
        resumed = self.count() > 0
        written = kept = cut = 0
        for start in range(0, len(ids), batch_size):
            rows = range(start, min(start + batch_size, len(ids)))
            present = self._present([ids[row] for row in rows]) if resumed else set()
            missing = [row for row in rows if ids[row] not in present]
            batch = [document_row(row, ids[row], texts[row], vectors) for row in missing]
            if batch:
                with _asking(f"writing documents {batch[0]['id']!r} to {batch[-1]['id']!r}"):
                    self._client.upsert(self.collection, batch)
            written += len(batch)
            kept += len(rows) - len(batch)
            cut += sum(len(utf8(texts[row])) > TEXT_BYTES for row in missing)
            advance(len(rows))
        with _asking(f"flushing {self.collection}"):
            self._client.flush(self.collection)
        return Ingested(written, kept, cut)

    def search(self, field: str, queries: Queries, k: int, *, filter: str = "") -> Found:
        """The k best documents for each query: vectors for a dense or sparse field, texts for a `bm25` one.

        `filter` is a Milvus expression over `id` and `text`, for example `id like "numpy.%"`. A sparse query without
        entries has no hits. Raises ValueError for k outside 1 to 16,384, MilvusError for what Milvus refuses.
        """
        rows = self._queries(field, queries)
        asked = [number for number, row in enumerate(rows) if not _is_empty(row)]
        found = Found([[] for _ in rows], [[] for _ in rows])
        for start in range(0, len(asked), QUERIES_AT_A_TIME):
            numbers = asked[start : start + QUERIES_AT_A_TIME]
            with _asking(f"searching {field}"):
                answer = self._client.search(
                    self.collection,
                    data=[rows[number] for number in numbers],
                    anns_field=field,
                    limit=_limit(k),
                    filter=filter,
                    search_params={"metric_type": self.fields[field].metric},
                    output_fields=["id"],  # an empty list would bring every field back
                )
            for number, hits in zip(numbers, answer, strict=True):
                found.ids[number][:] = hits.ids
                found.scores[number][:] = self._scores(self.fields[field].metric, hits.distances)
        return found

    def hybrid(
        self, queries: Mapping[str, Queries], k: int, ranker: Ranker, *, depth: int = 100, filter: str = ""
    ) -> Found:
        """Milvus' own hybrid search: the best `depth` of each field, fused by `ranker`, the k best of that.

        A query that is empty in a field (no known term) is fused from the other fields. Raises as `search` does.
        """
        rows = {field: self._queries(field, asked) for field, asked in queries.items()}
        total = {len(asked) for asked in rows.values()}
        if len(total) != 1:
            raise ValueError(f"every field must have the same number of queries, got {sorted(total)}")
        found = Found([[] for _ in range(max(total))], [[] for _ in range(max(total))])
        for fields, numbers in _alike(rows).items():
            for start in range(0, len(numbers), QUERIES_AT_A_TIME):
                some = numbers[start : start + QUERIES_AT_A_TIME]
                requests = [self._request(field, [rows[field][n] for n in some], depth, filter) for field in fields]
                with _asking(f"searching {', '.join(fields)} together"):
                    answer = self._client.hybrid_search(
                        self.collection, requests, _ranker(ranker, list(rows), fields), _limit(k), output_fields=["id"]
                    )
                for number, hits in zip(some, answer, strict=True):
                    found.ids[number][:] = hits.ids
                    found.scores[number][:] = [float(score) for score in hits.distances]
        return found

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """The stored texts of these documents, `{id: text}`; an unknown id is left out."""
        if not ids:
            return {}
        with _asking(f"reading {len(ids)} texts"):
            rows = self._client.query(self.collection, filter=_any_of(ids), output_fields=["id", "text"])
        return {row["id"]: row["text"] for row in rows}

    def set_metric(self, field: str, metric: Literal["IP", "COSINE", "L2"]) -> None:
        """Index a dense field anew under another metric; the vectors stay."""
        with _asking(f"indexing {field} by {metric}"):
            self._client.release_collection(self.collection)
            self._client.drop_index(self.collection, field)
        self.fields[field] = Field(field, "dense", metric, self.fields[field].dim)
        self._prepare()

    def _prepare(self) -> None:
        """Make whatever is missing of collection, indexes and load state: a kill may have come between any two."""
        with _asking(f"preparing {self.collection}"):
            if not self._client.has_collection(self.collection):
                self._client.create_collection(self.collection, schema=self._schema())
            there = set(self._client.list_indexes(self.collection))
            for field in self.fields.values():
                if field.name in there and self._metric(field.name) != field.metric:
                    self._client.release_collection(self.collection)
                    self._client.drop_index(self.collection, field.name)
                    there.discard(field.name)
                if field.name not in there:
                    parameters = self._client.prepare_index_params()
                    parameters.add_index(
                        field.name, index_name=field.name, index_type=INDEX[field.kind], metric_type=field.metric
                    )
                    self._client.create_index(self.collection, parameters)
            self._client.load_collection(self.collection)

    def _metric(self, field: str) -> str:
        return str(self._client.describe_index(self.collection, field).get("metric_type"))

    def _schema(self) -> Any:
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.VARCHAR, max_length=ID_BYTES, is_primary=True)
        analyzed = any(field.kind == "bm25" for field in self.fields.values())
        schema.add_field("text", DataType.VARCHAR, max_length=TEXT_BYTES, enable_analyzer=analyzed)
        for field in self.fields.values():
            if field.kind == "dense":
                schema.add_field(field.name, DataType.FLOAT_VECTOR, dim=field.dim)
            else:
                schema.add_field(field.name, DataType.SPARSE_FLOAT_VECTOR)
            if field.kind == "bm25":
                made = Function(f"make_{field.name}", FunctionType.BM25, ["text"], [field.name])
                schema.add_function(made)
        return schema

    def _present(self, ids: list[str]) -> set[str]:
        with _asking("looking for documents that are there"):
            rows = self._client.query(self.collection, filter=_any_of(ids), output_fields=["id"])
        return {row["id"] for row in rows}

    def _queries(self, field: str, queries: Queries) -> list[Any]:
        if field not in self.fields:
            raise ValueError(f"{self.collection} has no field {field!r}, only {', '.join(self.fields)}")
        if isinstance(queries, np.ndarray):
            return list(queries.astype(np.float32, copy=False))
        if isinstance(queries, csr_array):
            return [sparse_row(queries, row) for row in range(queries.shape[0])]
        return list(queries)

    def _request(self, field: str, rows: list[Any], depth: int, filter: str) -> AnnSearchRequest:
        parameters = {"metric_type": self.fields[field].metric}
        return AnnSearchRequest(rows, field, parameters, limit=_limit(depth), expr=filter or None)

    def _scores(self, metric: str, distances: Sequence[float]) -> list[float]:
        if metric == "L2":
            return [-float(distance) for distance in distances]
        if metric == "BM25":  # Lite gives the negated score, a server the score
            return [abs(float(distance)) for distance in distances]
        return [float(distance) for distance in distances]


def connection(uri: str | None, token: str | None, default: Path) -> tuple[str, str | None]:
    """URI and token as given, else from MILVUS_URI and MILVUS_TOKEN, else the Lite file `default`.

    Raises ValueError for what is no URI of Milvus, so that a mistake is told before hours of encoding.
    """
    chosen = uri or os.environ.get("MILVUS_URI") or str(default)
    check_uri(chosen)
    return chosen, token or os.environ.get("MILVUS_TOKEN")


def check_uri(uri: str) -> None:
    """Raise ValueError unless `uri` is http(s)://host:port or a path that ends in `.db`."""
    if not uri.endswith(".db") and urlsplit(uri).scheme not in {"http", "https", "tcp", "unix"}:
        raise ValueError(f"uri must be http(s)://host:port or a path that ends in .db, got {shown(uri)!r}")


def shown(uri: str) -> str:
    """A URI without the user and password that it may carry."""
    parts = urlsplit(uri)
    return uri if "@" not in parts.netloc else uri.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1)


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Turn whatever pymilvus raises into a MilvusError that says what it was asked."""
    # pymilvus logs each error that it raises, and Lite's server each call that it does not know
    loggers = [logging.getLogger(name) for name in ("pymilvus", "grpc._server", "milvus_lite")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    except MilvusException as error:
        raise MilvusError(f"Milvus failed at {what}: {error.message}") from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _any_of(ids: Sequence[str]) -> str:
    """A filter for these ids; Milvus Lite knows neither filter templates nor JSON's escapes by code point."""
    quoted = (doc_id.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for doc_id in ids)
    return "id in [" + ", ".join(f'"{doc_id}"' for doc_id in quoted) + "]"


def _is_empty(row: Any) -> bool:
    return isinstance(row, dict | str) and not row


def _alike(rows: Mapping[str, list[Any]]) -> dict[tuple[str, ...], list[int]]:
    """Query numbers by the fields in which they are not empty; none at all is left out."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for number in range(len(next(iter(rows.values())))):
        fields = tuple(field for field, asked in rows.items() if not _is_empty(asked[number]))
        if fields:
            groups.setdefault(fields, []).append(number)
    return groups


def _ranker(ranker: Ranker, fields: list[str], used: tuple[str, ...]) -> RRFRanker | WeightedRanker:
    if ranker.kind == "rrf":
        return RRFRanker(ranker.rrf_k)
    if len(ranker.weights) != len(fields):
        raise ValueError(f"a weighted ranker needs a weight for each of {fields}, got {list(ranker.weights)}")
    weights = [weight for field, weight in zip(fields, ranker.weights, strict=True) if field in used]
    return WeightedRanker(*weights, norm_score=ranker.norm_score)


def _limit(k: int) -> int:
    if not 1 <= k <= MOST_HITS:
        raise ValueError(f"Milvus returns 1 to {MOST_HITS:,} hits a query, {k} were asked for")
    return k
