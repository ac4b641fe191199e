"""Encoding of a collection: queries in memory, documents into shards, through the embedding cache, with timings."""

import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from refimpl.base import Metered, Usage
from refimpl.common.progress import progress
from refimpl.search.cache import EmbeddingCache, Encoded
from refimpl.search.costs import Timing
from refimpl.search.documents import Documents
from refimpl.search.plan import Encoder, LoadedDataset, RunPlan
from refimpl.search.preflight import check_queries
from refimpl.search.records import Queries, Vectors
from refimpl.search.run_result import EncodedDataset, EncodedDocuments
from refimpl.shards import ROWS


def encode_dataset(plan: RunPlan, dataset: LoadedDataset, folder: Path, show_progress: bool) -> EncodedDataset:
    """Fit the encoders where they need it, encode the queries and then the documents for every field.

    The queries are first because they are few: an encoder that fails, and weights that Milvus refuses, cost no work.
    Documents are encoded into `folder`; shards that it has already are kept.
    """
    timings = [_fit(plan, one, dataset.documents, show_progress) for one in plan.encoders if one.fit]
    queries, of_queries = encode_queries(plan, dataset, show_progress)
    documents, of_documents = encode_documents(plan, dataset, folder, show_progress)
    return EncodedDataset(documents, queries, (*timings, *of_queries, *of_documents))


def encode_queries(
    plan: RunPlan, dataset: LoadedDataset, show_progress: bool
) -> tuple[dict[str, Queries], list[Timing]]:
    """The queries of each field, texts for a full-text field; ValueError for a vector that Milvus refuses."""
    queries: dict[str, Queries] = {}
    timings = []
    texts = list(dataset.queries.values())
    for encoder in plan.encoders:
        name = encoder.field.name
        if encoder.function is None:
            queries[name] = texts
            continue
        timed = _Timed(plan, encoder, "encode queries", encoder.function.encode_queries)
        with progress(f"encode queries, {name}", len(texts), show_progress) as advance:
            queries[name] = timed(texts, advance)
        check_queries(encoder, dataset.queries, queries[name])
        timings.append(timed.timing(len(texts)))
    return queries, timings


def encode_documents(
    plan: RunPlan, dataset: LoadedDataset, folder: Path, show_progress: bool
) -> tuple[EncodedDocuments, list[Timing]]:
    """Encode the documents into shards, for every field together; only one shard is in memory.

    Stored texts are truncated to Milvus' limit. Raises ShardError where the folder has shards of other settings.
    """
    timed = {
        one.field.name: _Timed(plan, one, "encode documents", one.function.encode_documents)
        for one in plan.encoders
        if one.function is not None
    }
    settings = shard_settings(plan, dataset)
    count = len(dataset.documents)
    with progress("encode documents", count, show_progress) as advance:
        plan.engine.encode(dataset.documents, timed, folder, settings, ROWS, advance)
    return EncodedDocuments(folder, tuple(timed)), [one.timing(count) for one in timed.values()]


def shard_settings(plan: RunPlan, dataset: LoadedDataset) -> dict[str, Any]:
    """What the vectors of a run depend on, for the manifest."""
    encoders = {one.field.name: {"kind": one.field.kind, **one.key} for one in plan.encoders if one.function}
    settings: dict[str, Any] = json.loads(
        json.dumps({"dataset": {"name": dataset.name, "sha256": dataset.sha256}, "encoders": encoders})
    )
    return settings


class _Timed:
    """An encoder, through the cache where it has one, that counts texts and seconds."""

    def __init__(self, plan: RunPlan, encoder: Encoder, what: str, encode: Callable[[list[str]], Vectors]) -> None:
        self._name, self._what, self.encode = encoder.field.name, what, encode
        self._cache = EmbeddingCache({**encoder.key, "what": what}, plan.cache) if encoder.cached else None
        self._computed = 0
        self._seconds = 0.0
        self._earlier = _usage(encoder)
        self._encoder = encoder

    def __call__(self, texts: list[str], advance: Callable[[int], None] = lambda n: None) -> Vectors:
        encode = self.encode
        encoded = self._cache.encode(encode, texts, advance) if self._cache else _encoded(encode, texts, advance)
        self.record(encoded.computed, encoded.seconds)
        return encoded.vectors

    def record(self, texts: int, seconds: float) -> None:
        """Count texts that were encoded, here or elsewhere."""
        self._computed += texts
        self._seconds += seconds

    def timing(self, texts: int) -> Timing:
        """The time of all calls, which were about `texts` texts or, where shards were there, about fewer."""
        earlier, later = self._earlier, _usage(self._encoder)
        tokens = None if earlier is None or later is None else later.tokens_since(earlier)
        skipped = texts - self._computed
        return Timing(self._what, self._name, self._computed, self._seconds, skipped, later is not None, tokens)


def _usage(encoder: Encoder) -> Usage | None:
    """The requests of a provider's client so far; None for any other encoder."""
    function: object = encoder.function
    return function.usage if isinstance(function, Metered) else None


def _fit(plan: RunPlan, encoder: Encoder, documents: Documents, show_progress: bool) -> Timing:
    assert encoder.fit is not None
    with progress(f"fit {encoder.field.name}", len(documents), show_progress) as advance:
        start = perf_counter()
        plan.engine.fit(encoder.function, encoder.fit, documents, advance)
        seconds = perf_counter() - start
    return Timing("fit", encoder.field.name, len(documents), seconds)


def _encoded(encode: Callable[[list[str]], Vectors], texts: list[str], advance: Callable[[int], None]) -> Encoded:
    start = perf_counter()
    vectors = encode(texts)
    advance(len(texts))
    return Encoded(vectors, len(texts), perf_counter() - start)
