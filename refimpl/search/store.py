"""The store: one Milvus collection, embedded (Milvus Lite, a `.db` path) or served (any Milvus, by URI and token).

The only module of refimpl that imports pymilvus, and the only one that handles distances: it returns scores, higher is
better (for L2 the negated squared distance, for Milvus Lite's negated BM25 the positive score).
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from refimpl.common.extras import importing
from refimpl.common.shared import Shared, quiet_loggers
from refimpl.search.fields import DenseField, Field, FullTextField, Metric
from refimpl.search.file_locks import InUseError, name_process, pids_with_open
from refimpl.search.indexes import NO_PARAMETERS, Parameters
from refimpl.search.ingestion import BATCH, Ingestion, Writer
from refimpl.search.lite_files import discard_unfinished, lite_path
from refimpl.search.milvus_uri import MilvusError, check_uri, is_lite, redacted, remedy
from refimpl.search.records import (
    ID_BYTES,
    TEXT_BYTES,
    Ingested,
    Queries,
    Ranker,
    SearchResults,
    Vectors,
    group_by_nonempty_fields,
    id_filter,
    is_empty,
    query_rows,
)
from refimpl.search.versions import check_version
from refimpl.shards import Shard

with importing("run"):
    import grpc
    from pymilvus import AnnSearchRequest, DataType, Function, FunctionType, MilvusClient, RRFRanker, WeightedRanker
    from pymilvus.exceptions import MilvusException

QUERY_BATCH = 256
WORKERS = 4  # batches that are written to a server at once
MAX_HITS = 16_384  # Milvus' limit
SHOWN = 500  # characters of a message of Milvus


class MilvusStore:
    """A collection with `id`, `text` and vector `fields`, created on first use and reopened afterwards.

    `uri` is a path that ends in `.db` (Milvus Lite), or http(s)://host:port; `token` is "user:password" or an API key
    and appears in no message. Raises ValueError for another kind of URI, MilvusError where Milvus is not reachable,
    MilvusVersionError where a server lacks a feature that the fields need, InUseError where another process has the
    file open.
    """

    def __init__(self, collection: str, fields: Sequence[Field], *, uri: str, token: str | None = None) -> None:
        self.collection = collection
        self.fields = {field.name: field for field in fields}
        check_uri(uri)
        self.lite = is_lite(uri)
        self._uri = str(lite_path(uri)) if self.lite else uri
        self._client = _connected(self._uri, token, fields)
        self._prepare()

    def __enter__(self) -> "MilvusStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; other processes can then open a Lite file."""
        self._client.close()
        if self.lite:
            with importing("run"):
                from milvus_lite.server_manager import server_manager_instance

            server_manager_instance.release_server(self._uri)

    def drop(self) -> None:
        """Delete the collection with all documents, and create it again."""
        with _calling(f"dropping {self.collection}"):
            self._client.drop_collection(self.collection)
        self._prepare()

    def count(self) -> int:
        """Number of documents."""
        with _calling(f"counting {self.collection}"):
            rows = self._client.query(self.collection, output_fields=["count(*)"], consistency_level="Strong")
        return int(rows[0]["count(*)"])

    def ingest(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        vectors: Mapping[str, Vectors],
        *,
        batch_size: int = BATCH,
        advance: Callable[[int], None] = lambda n: None,
    ) -> Ingested:
        """Write the documents that are not present; interrupted at any moment and called again, each is written once.

        `vectors[field]` has one row per document, for every field but full-text ones. Raises ValueError, naming the
        document, for an id that is empty, duplicate or longer than 512 bytes, a dense vector that is not finite and a
        sparse one with a value that is not above 0; MilvusError when Milvus rejects a batch.
        """
        return self.ingest_parts([Shard(list(ids), list(texts), dict(vectors))], batch_size=batch_size, advance=advance)

    def ingest_parts(
        self,
        parts: Iterable[Shard],
        *,
        batch_size: int = BATCH,
        workers: int | None = None,
        advance: Callable[[int], None] = lambda n: None,
    ) -> Ingested:
        """Write documents that arrive in parts, such as shards, as `ingest`; only one part is in memory.

        `workers` batches are written at once, by default 4 to a server and 1 to Milvus Lite, which writes one at a
        time. A part that is refused is refused whole; those before it are written.
        """
        count = self.count()
        call = self._client.upsert if count else self._client.insert
        writer = Writer(self._present, partial(self._write, call))
        lanes = workers or (1 if self.lite else WORKERS)
        counts = Ingestion(writer, self.fields, count > 0, lanes, batch_size).run(parts, advance)
        with _calling(f"flushing {self.collection}"):
            self._client.flush(self.collection)
        return counts

    def search(
        self, field: str, queries: Queries, k: int, *, filter: str = "", parameters: Parameters = NO_PARAMETERS
    ) -> SearchResults:
        """The k best documents per query: vectors for a dense or sparse field, texts for a full-text field.

        `filter` is a Milvus expression over `id` and `text`, for example `id like "numpy.%"`; `parameters` are those of
        the index, for example `{"ef": 64}`. A sparse query without entries and an empty text have no hits. Raises
        ValueError for k outside 1 to 16,384, MilvusError for a call that Milvus rejects.
        """
        rows = self._query_rows(field, queries)
        nonempty = [number for number, row in enumerate(rows) if not is_empty(row)]
        results = SearchResults.empty(len(rows))
        for start in range(0, len(nonempty), QUERY_BATCH):
            numbers = nonempty[start : start + QUERY_BATCH]
            with _calling(f"searching {field}"):
                response = self._client.search(
                    self.collection,
                    data=[rows[number] for number in numbers],
                    anns_field=field,
                    limit=_limit(k),
                    filter=filter,
                    search_params={"metric_type": self.fields[field].metric, "params": dict(parameters)},
                    output_fields=["id"],  # an empty list returns every field
                )
            for number, hits in zip(numbers, response, strict=True):
                results.ids[number][:] = hits.ids
                results.scores[number][:] = _scores(self.fields[field].metric, hits.distances)
        return results

    def hybrid(
        self, queries: Mapping[str, Queries], k: int, ranker: Ranker, *, depth: int = 100, filter: str = ""
    ) -> SearchResults:
        """Milvus' hybrid search: the best `depth` hits of each field, fused by `ranker`, of which the k best.

        A query that is empty in a field (no known term) is fused from the other fields. Raises as `search` does.
        """
        rows = {field: self._query_rows(field, values) for field, values in queries.items()}
        counts = {len(values) for values in rows.values()}
        if len(counts) != 1:
            raise ValueError(f"every field must have the same number of queries, got {sorted(counts)}")
        results = SearchResults.empty(max(counts))
        for fields, numbers in group_by_nonempty_fields(rows).items():
            for start in range(0, len(numbers), QUERY_BATCH):
                batch = numbers[start : start + QUERY_BATCH]
                requests = [self._request(field, [rows[field][n] for n in batch], depth, filter) for field in fields]
                with _calling(f"searching {', '.join(fields)} together"):
                    response = self._client.hybrid_search(
                        self.collection, requests, _ranker(ranker, list(rows), fields), _limit(k), output_fields=["id"]
                    )
                for number, hits in zip(batch, response, strict=True):
                    results.ids[number][:] = hits.ids
                    results.scores[number][:] = [float(score) for score in hits.distances]
        return results

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """The stored texts of these documents, `{id: text}`; an unknown id is left out."""
        if not ids:
            return {}
        with _calling(f"reading {len(ids)} texts"):
            rows = self._client.query(self.collection, filter=id_filter(ids), output_fields=["id", "text"])
        return {row["id"]: row["text"] for row in rows}

    def set_metric(self, field: str, metric: Metric) -> None:
        """Rebuild the index of a dense field for another metric; the vectors stay.

        Raises ValueError for a field that is not dense.
        """
        dense = self.fields[field]
        if not isinstance(dense, DenseField):
            raise ValueError(f"{field} must be a dense field, got a {dense.kind} one: its metric is {dense.metric}")
        with _calling(f"indexing {field} by {metric}"):
            self._client.release_collection(self.collection)
            self._client.drop_index(self.collection, field)
        self.fields[field] = replace(dense, metric=metric)
        self._prepare()

    def _calling(self, action: str) -> AbstractContextManager[None]:
        return _calling(action)

    def _prepare(self) -> None:
        """Create whatever is missing of collection, indexes and load state: a kill can come between any two."""
        with _calling(f"preparing {self.collection} in {redacted(self._uri)}"):
            created = not self._client.has_collection(self.collection)
            try:
                if created and self.lite:
                    discard_unfinished(Path(self._uri), self.collection)
                if created:
                    self._client.create_collection(self.collection, schema=self._schema())
                self._index()
                self._client.load_collection(self.collection)
            except MilvusException:
                if created:  # otherwise the next run opens an incomplete collection
                    with suppress(MilvusException):
                        self._client.drop_collection(self.collection)
                raise

    def _index(self) -> None:
        indexed = set(self._client.list_indexes(self.collection))
        for field in self.fields.values():
            if field.name in indexed and self._metric(field.name) != field.metric:
                self._client.release_collection(self.collection)
                self._client.drop_index(self.collection, field.name)
                indexed.discard(field.name)
            if field.name not in indexed:
                parameters = self._client.prepare_index_params()
                parameters.add_index(
                    field.name, index_name=field.name, index_type=field.index_type, metric_type=field.metric
                )
                self._client.create_index(self.collection, parameters)

    def _metric(self, field: str) -> str:
        return str(self._client.describe_index(self.collection, field).get("metric_type"))

    def _schema(self) -> Any:
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.VARCHAR, max_length=ID_BYTES, is_primary=True)
        analyzed = any(isinstance(field, FullTextField) for field in self.fields.values())
        schema.add_field("text", DataType.VARCHAR, max_length=TEXT_BYTES, enable_analyzer=analyzed)
        for field in self.fields.values():
            if isinstance(field, DenseField):
                schema.add_field(field.name, DataType.FLOAT_VECTOR, dim=field.dim)
            else:
                schema.add_field(field.name, DataType.SPARSE_FLOAT_VECTOR)
            if isinstance(field, FullTextField):
                schema.add_function(Function(f"make_{field.name}", FunctionType.BM25, ["text"], [field.name]))
        return schema

    def _write(self, call: Callable[[str, list[dict[str, Any]]], object], rows: list[dict[str, Any]]) -> None:
        with _calling(f"writing documents {rows[0]['id']!r} to {rows[-1]['id']!r}"):
            call(self.collection, rows)

    def _present(self, ids: list[str]) -> set[str]:
        with _calling("looking for documents that are present"):
            rows = self._client.query(self.collection, filter=id_filter(ids), output_fields=["id"])
        return {row["id"] for row in rows}

    def _query_rows(self, field: str, queries: Queries) -> list[Any]:
        if field not in self.fields:
            raise ValueError(f"{self.collection} has no field {field!r}, only {', '.join(self.fields)}")
        return query_rows(queries)

    def _request(self, field: str, rows: list[Any], depth: int, filter: str) -> AnnSearchRequest:
        parameters = {"metric_type": self.fields[field].metric}
        return AnnSearchRequest(rows, field, parameters, limit=_limit(depth), expr=filter or None)


def check_reachable(uri: str, token: str | None, fields: Sequence[Field]) -> None:
    """Raise the error that `MilvusStore` would raise for this address and these fields; creates no collection.

    Called before encoding, so that an old server, a wrong token or a file in use is reported at once.
    """
    check_uri(uri)
    if is_lite(uri):
        path = lite_path(uri)
        if os.getpid() not in pids_with_open(path / "LOCK"):
            _open_lite(path)
    else:
        _connected(uri, token, fields).close()


def _connected(uri: str, token: str | None, fields: Sequence[Field]) -> Any:
    """A client of a Milvus that supports the fields."""
    with _calling(f"connecting to {redacted(uri)}"):
        try:
            client = MilvusClient(uri, token=token or "")
        except (MilvusException, grpc.RpcError) as error:  # pymilvus before 2.6.1 lets errors of gRPC through
            if is_lite(uri):
                _open_lite(Path(uri))  # raises the reason, which pymilvus omits
                raise
            raise MilvusError(_connection_message(uri, token, error)) from error
    if not is_lite(uri):
        try:
            with _calling(f"reading the version of {redacted(uri)}"):
                version = str(client.get_server_version())
            check_version(version, fields, uri)
        except OSError:
            client.close()
            raise
    return client


def _connection_message(uri: str, token: str | None, error: Exception) -> str:
    """The message for a server that does not respond, or rejects the token."""
    call = error if isinstance(error, grpc.Call) else error.__cause__  # whose reason pymilvus replaces by one sentence
    reason = str(call.details() if isinstance(call, grpc.Call) else getattr(error, "message", error))
    if any(part in reason.lower() for part in ("auth check", "unauthenticated", "missing authorization")):
        got = "one that it refused" if token or "@" in uri else "none"
        return (
            f"expected a token that {redacted(uri)} accepts, got {got} ({reason}): "
            "give --token user:password or an API key, or set MILVUS_TOKEN"
        )
    scheme = " (http:// where the server has no TLS)" if uri.startswith("https") else ""
    return (
        f"expected a Milvus server at {redacted(uri)}, got no answer ({reason}): "
        f"start it, check host and port{scheme}, or omit --uri to use Milvus Lite"
    )


def _open_lite(path: Path) -> None:
    """Open and close the Milvus Lite folder `path`; the error has the reason and the remedy."""
    from milvus_lite.db import MilvusLite
    from milvus_lite.exceptions import DataDirLockedError, MilvusLiteError

    opening = f"expected a Milvus Lite folder that can be opened, got {path}"
    try:
        MilvusLite(str(path)).close()
    except DataDirLockedError as error:
        process = name_process(path / "LOCK")
        raise InUseError(
            f"expected {path} to be free, but {process} has it open: wait until it ends, or give another --out or --uri"
        ) from error
    except OSError as error:
        reason = "a file, of Milvus Lite before 3 or of another program" if path.is_file() else error.strerror
        raise MilvusError(f"{opening} ({reason}): free or move it, or give another --out or --uri") from error
    except MilvusLiteError as error:
        raise MilvusError(f"{opening} ({error}): move it away and run again") from error


# pymilvus logs each error that it raises, and Lite's server each call that it does not implement
QUIET = Shared(lambda: quiet_loggers(logging.CRITICAL, "pymilvus", "grpc._server", "milvus_lite"))


@contextmanager
def _calling(action: str) -> Iterator[None]:
    """Convert pymilvus' exceptions to a MilvusError that names the action."""
    try:
        with QUIET:
            yield
    except MilvusException as error:
        reason = error.message if len(error.message) <= SHOWN else f"{error.message[:SHOWN]}..."  # it can have a filter
        raise MilvusError(f"Milvus failed at {action}: {reason}{remedy(error.message)}") from error


def _ranker(ranker: Ranker, fields: list[str], used: tuple[str, ...]) -> RRFRanker | WeightedRanker:
    if ranker.kind == "rrf":
        return RRFRanker(ranker.rrf_k)
    if len(ranker.weights) != len(fields):
        raise ValueError(f"expected a weight for each of {fields}, got {list(ranker.weights)}")
    weights = [weight for field, weight in zip(fields, ranker.weights, strict=True) if field in used]
    return WeightedRanker(*weights, norm_score=ranker.norm_score)


def _scores(metric: str, distances: Sequence[float]) -> list[float]:
    """Milvus' distances as scores, higher is better."""
    if metric == "L2":
        return [-float(distance) for distance in distances]
    if metric == "BM25":  # negated by Lite, positive from a server
        return [abs(float(distance)) for distance in distances]
    return [float(distance) for distance in distances]


def _limit(k: int) -> int:
    if not 1 <= k <= MAX_HITS:
        raise ValueError(f"Milvus returns 1 to {MAX_HITS:,} hits per query, got k = {k}")
    return k
