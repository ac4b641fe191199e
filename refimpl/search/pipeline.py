"""The main job: encode, ingest, search, fuse, rerank, judge; no answer counts that the judge has not seen."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from time import perf_counter
from typing import Any

from refimpl.datasets import Dataset
from refimpl.progress import progress
from refimpl.search import departures, verdicts
from refimpl.search.cache import EmbeddingCache, Encoded
from refimpl.search.milvus import MilvusStore
from refimpl.search.plan import Encoder, Loaded, System, load
from refimpl.search.records import Found, Queries, Vectors
from refimpl.search.results import Timing, assemble, write

SINGLE_QUERIES = 20  # asked one at a time for latencies

Bar = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]


def run(
    dataset: Dataset,
    encoders: Sequence[Encoder],
    systems: Sequence[System],
    out: Path,
    *,
    uri: str,
    token: str | None = None,
    depth: int = 100,
    show_progress: bool = False,
    cache: Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Run every system over the data set, and return and save the results (`results.json`, `runs/*.trec` in `out`).

    `depth` hits a query are kept, and fused from each field. Vectors are cached under `cache` (default: the user's
    cache) and ingestion is resumed where it stopped, so a run that was killed goes on. Raises what datasets, encoders
    and Milvus raise; writes no results then.
    """
    bar = _bars(show_progress)
    with bar("read documents", None) as advance:
        loaded = load(dataset, advance)
    timings: list[Timing] = []
    documents, queries = _encode_all(encoders, loaded, cache, bar, timings)
    fields = [encoder.field for encoder in encoders]
    with MilvusStore(collection_name(loaded, encoders), fields, uri=uri, token=token) as store:
        _ingest(store, loaded, documents, bar, timings)
        found = verdicts.other_metrics(store, loaded, documents, queries, bar)
        answers = _search_fields(store, fields, queries, depth, bar, timings)
        found += verdicts.own_metrics(store, loaded, documents, queries, answers, depth)
        answers |= _search_hybrids(store, systems, queries, depth, bar, timings)
        found += verdicts.fusions(store, loaded, systems, documents, queries, answers, depth)
        left = departures.of_store(store, loaded, systems, queries, answers, depth)
        answers = {system.name: _final(system, answers, loaded, bar, timings) for system in systems}
        latencies = {system.name: _latencies(store, system, queries, depth) for system in systems}
        kind = "Lite" if store.lite else "server"
        place = {"collection": store.collection, "documents": store.count(), "milvus": kind}
    results = assemble(loaded, encoders, systems, answers, found, left, timings, latencies, place, settings or {})
    write(results, answers, loaded, out)
    return results


def _bars(shown: bool) -> Bar:
    def bar(what: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
        return progress(what, total, shown)

    return bar


def collection_name(loaded: Loaded, encoders: Sequence[Encoder]) -> str:
    """A name that changes with the data set and with every encoder's settings, so that no collection goes stale."""
    keys = [[encoder.field.name, encoder.field.kind, dict(encoder.key)] for encoder in encoders]
    named = json.dumps([loaded.sha256, keys], sort_keys=True)
    return "refimpl_" + hashlib.sha256(named.encode()).hexdigest()[:16]


def _encode_all(
    encoders: Sequence[Encoder], loaded: Loaded, cache: Path | None, bar: Bar, timings: list[Timing]
) -> tuple[dict[str, Vectors], dict[str, Queries]]:
    documents: dict[str, Vectors] = {}
    queries: dict[str, Queries] = {}
    asked = list(loaded.queries.values())
    for encoder in encoders:
        name = encoder.field.name
        if encoder.function is None:
            queries[name] = asked
            continue
        if encoder.fit is not None:
            with bar(f"fit {name}", len(loaded.texts)) as advance:
                began = perf_counter()
                encoder.fit(loaded.texts)
                timings.append(Timing("fit", name, len(loaded.texts), perf_counter() - began))
                advance(len(loaded.texts))
        for what, texts, encode, kept in (
            ("encode documents", loaded.texts, encoder.function.encode_documents, documents),
            ("encode queries", asked, encoder.function.encode_queries, queries),
        ):
            with bar(f"{what}, {name}", len(texts)) as advance:
                made = _encode(encoder, what, encode, texts, cache, advance)
            kept[name] = made.vectors
            timings.append(Timing(what, name, made.fresh, made.seconds, len(texts) - made.fresh))
    return documents, queries


def _encode(
    encoder: Encoder,
    what: str,
    encode: Callable[[list[str]], Vectors],
    texts: list[str],
    cache: Path | None,
    advance: Callable[[int], None],
) -> Encoded:
    if encoder.cached:
        return EmbeddingCache({**encoder.key, "what": what}, cache).encode(encode, texts, advance)
    began = perf_counter()
    vectors = encode(texts)
    advance(len(texts))
    return Encoded(vectors, len(texts), perf_counter() - began)


def _ingest(
    store: MilvusStore, loaded: Loaded, documents: Mapping[str, Vectors], bar: Bar, timings: list[Timing]
) -> None:
    with bar("ingest into Milvus", len(loaded.ids)) as advance:
        began = perf_counter()
        done = store.ingest(loaded.ids, loaded.texts, documents, advance=advance)
        timings.append(Timing("ingest", "all", done.written, perf_counter() - began, done.kept))


def _search_fields(
    store: MilvusStore,
    fields: Iterable[Any],
    queries: Mapping[str, Queries],
    depth: int,
    bar: Bar,
    timings: list[Timing],
) -> dict[str, Found]:
    """Each field's own answers to every query, in batches."""
    answers = {}
    for field in fields:
        asked = queries[field.name]
        with bar(f"search {field.name}", None) as advance:
            began = perf_counter()
            answers[field.name] = store.search(field.name, asked, depth)
            timings.append(Timing("search, batched", field.name, len(answers[field.name].ids), perf_counter() - began))
            advance(len(answers[field.name].ids))
    return answers


def _search_hybrids(
    store: MilvusStore,
    systems: Iterable[System],
    queries: Mapping[str, Queries],
    depth: int,
    bar: Bar,
    timings: list[Timing],
) -> dict[str, Found]:
    answers = {}
    for system in systems:
        if system.ranker is None or system.route in answers:
            continue
        with bar(f"search {system.name}", None) as advance:
            began = perf_counter()
            answers[system.route] = ask(store, system, queries, depth)
            asked = len(answers[system.route].ids)
            timings.append(Timing("search, batched", system.name, asked, perf_counter() - began))
            advance(asked)
    return answers


def ask(store: MilvusStore, system: System, queries: Mapping[str, Queries], depth: int, *, filter: str = "") -> Found:
    """A system's answers from the store, before any reranking."""
    if system.ranker is None:
        return store.search(system.fields[0], queries[system.fields[0]], depth, filter=filter)
    asked = {name: queries[name] for name in system.fields}
    return store.hybrid(asked, depth, system.ranker, depth=depth, filter=filter)


def rerank(system: System, question: str, ids: Sequence[str], texts: Sequence[str]) -> tuple[list[str], list[float]]:
    """The ids in the reranker's order with its scores, best first; of no candidates nothing."""
    assert system.rerank is not None
    if not ids:
        return [], []
    ranked = system.rerank(question, texts, top_k=None)
    return [ids[result.index] for result in ranked], [result.score for result in ranked]


def _final(system: System, answers: Mapping[str, Found], loaded: Loaded, bar: Bar, timings: list[Timing]) -> Found:
    """A system's last word: reranked where it says so. What lies below the rerank depth is left out."""
    found = answers[system.route]
    if system.rerank is None:
        return found
    position = loaded.position
    ids, scores = [], []
    began = perf_counter()
    with bar(f"rerank {system.name}", len(found.ids)) as advance:
        for question, candidates in zip(loaded.queries.values(), found.ids, strict=True):
            few = candidates[: system.rerank_depth]
            ranked = rerank(system, question, few, [loaded.texts[position[doc_id]] for doc_id in few])
            ids.append(ranked[0])
            scores.append(ranked[1])
            advance(1)
    timings.append(Timing("rerank", system.name, sum(map(len, ids)), perf_counter() - began))
    return Found(ids, scores)


def _latencies(store: MilvusStore, system: System, queries: Mapping[str, Queries], depth: int) -> list[float]:
    """Milliseconds of the first queries, asked one at a time, vectors at hand, before reranking; each one is kept."""
    taken = []
    count = min(SINGLE_QUERIES, *(_length(queries[name]) for name in system.fields))
    for number in range(count):
        one = {name: queries[name][number : number + 1] for name in system.fields}
        began = perf_counter()
        ask(store, system, one, depth)
        taken.append((perf_counter() - began) * 1000)
    return taken


def _length(queries: Queries) -> int:
    return int(queries.shape[0]) if hasattr(queries, "shape") else len(queries)
