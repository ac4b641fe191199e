"""The queries on which two systems differ most, with both systems' best hits, for results.json."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from refimpl.search.plan import LoadedDataset
from refimpl.search.records import SearchResults

QUERIES = 2  # per pair of systems and direction
HITS = 3
EXCERPT = 100  # characters of a text


def contrasts(
    per_query: Mapping[str, Mapping[str, float]], ranked: Mapping[str, SearchResults], dataset: LoadedDataset
) -> list[dict[str, Any]]:
    """For each pair of systems the queries with the largest differences of a measure, in both directions.

    Parameters
    ----------
    per_query
        The measure by system and query id.
    ranked
        The hits of each system, queries in the order of the data set.
    dataset
        Texts and qrels.

    Returns
    -------
    list
        `{a, b, query_id, query, values: {system: value}, hits: {system: [{id, text, relevance}]}}`; relevance is None
        without a judgement, texts are excerpts.
    """
    pairs = [
        (query_id, pair)
        for pair in combinations(per_query, 2)
        for query_id in _extremes(per_query[pair[0]], per_query[pair[1]])
    ]
    row = {query_id: number for number, query_id in enumerate(dataset.queries)}
    shown = {name: [ids[:HITS] for ids in ranked[name].ids] for name in per_query}
    needed = (shown[name][row[query_id]] for query_id, pair in pairs for name in pair)
    texts = dataset.documents.texts_of({doc_id for ids in needed for doc_id in ids})
    return [
        {
            "a": pair[0],
            "b": pair[1],
            "query_id": query_id,
            "query": _excerpt(dataset.queries[query_id]),
            "values": {name: per_query[name][query_id] for name in pair},
            "hits": {name: _hits(query_id, shown[name][row[query_id]], texts, dataset) for name in pair},
        }
        for query_id, pair in pairs
    ]


def _extremes(a: Mapping[str, float], b: Mapping[str, float]) -> list[str]:
    """The queries with the highest and the lowest difference a - b, the largest first; none where both are equal."""
    order = sorted(a, key=lambda query_id: b[query_id] - a[query_id])
    best = [query_id for query_id in order[:QUERIES] if a[query_id] > b[query_id]]
    return best + [query_id for query_id in order[::-1][:QUERIES] if a[query_id] < b[query_id]]


def _hits(query_id: str, ids: list[str], texts: Mapping[str, str], dataset: LoadedDataset) -> list[dict[str, Any]]:
    relevance = dataset.qrels[query_id]
    return [{"id": i, "text": _excerpt(texts[i]), "relevance": relevance.get(i)} for i in ids]


def _excerpt(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= EXCERPT else words[: EXCERPT - 1] + "…"
