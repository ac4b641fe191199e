"""Encoding of a collection's documents and queries, through the embedding cache, with timings."""

from collections.abc import Callable
from time import perf_counter

from refimpl.common.progress import progress
from refimpl.search.cache import EmbeddingCache, Encoded
from refimpl.search.plan import Encoder, LoadedDataset, RunPlan
from refimpl.search.preflight import check_queries
from refimpl.search.records import Queries, Vectors
from refimpl.search.run_result import EncodedDataset, Timing


def encode_dataset(plan: RunPlan, dataset: LoadedDataset, show_progress: bool) -> EncodedDataset:
    """Fit the encoders where they need it, encode the queries and then the documents for every field.

    The queries are first because they are few: an encoder that fails, and weights that Milvus refuses, cost no work.
    """
    queries: dict[str, Queries] = {}
    documents: dict[str, Vectors] = {}
    texts = list(dataset.queries.values())
    timings = [_fit(one.field.name, one.fit, dataset.texts, show_progress) for one in plan.encoders if one.fit]
    for encoder in plan.encoders:
        name = encoder.field.name
        if encoder.function is None:
            queries[name] = texts
            continue
        vectors, timing = _encode_field(
            plan, encoder, "encode queries", encoder.function.encode_queries, texts, show_progress
        )
        check_queries(encoder, dataset.queries, vectors)
        queries[name] = vectors
        timings.append(timing)
    for encoder in plan.encoders:
        if encoder.function is not None:
            documents[encoder.field.name], timing = _encode_field(
                plan, encoder, "encode documents", encoder.function.encode_documents, dataset.texts, show_progress
            )
            timings.append(timing)
    return EncodedDataset(documents, queries, tuple(timings))


def _encode_field(
    plan: RunPlan,
    encoder: Encoder,
    what: str,
    encode: Callable[[list[str]], Vectors],
    texts: list[str],
    show_progress: bool,
) -> tuple[Vectors, Timing]:
    """The vectors of `texts`, from the cache where the encoder has one, and their timing."""
    name = encoder.field.name
    with progress(f"{what}, {name}", len(texts), show_progress) as advance:
        cache = EmbeddingCache({**encoder.key, "what": what}, plan.cache) if encoder.cached else None
        encoded = cache.encode(encode, texts, advance) if cache else _encode(encode, texts, advance)
    return encoded.vectors, Timing(what, name, encoded.computed, encoded.seconds, len(texts) - encoded.computed)


def _fit(name: str, fit: Callable[[list[str]], object], texts: list[str], show_progress: bool) -> Timing:
    with progress(f"fit {name}", len(texts), show_progress) as advance:
        start = perf_counter()
        fit(texts)
        seconds = perf_counter() - start
        advance(len(texts))
    return Timing("fit", name, len(texts), seconds)


def _encode(encode: Callable[[list[str]], Vectors], texts: list[str], advance: Callable[[int], None]) -> Encoded:
    start = perf_counter()
    vectors = encode(texts)
    advance(len(texts))
    return Encoded(vectors, len(texts), perf_counter() - start)
