"""The two stages of a system: retrieval from the store, and reranking of its best hits."""

from collections.abc import Mapping, Sequence

from refimpl.base import RerankFunction
from refimpl.search.plan import System
from refimpl.search.records import Queries, SearchResults
from refimpl.search.store import MilvusStore


def retrieve(
    store: MilvusStore, system: System, queries: Mapping[str, Queries], depth: int, *, filter: str = ""
) -> SearchResults:
    """The `depth` best hits per query, before reranking."""
    if system.ranker is None:
        return store.search(system.fields[0], queries[system.fields[0]], depth, filter=filter)
    by_field = {name: queries[name] for name in system.fields}
    return store.hybrid(by_field, depth, system.ranker, depth=depth, filter=filter)


def rerank(
    function: RerankFunction, query: str, ids: Sequence[str], texts: Sequence[str]
) -> tuple[list[str], list[float]]:
    """The ids in the reranker's order and its scores, best first; the reranker is not called without candidates."""
    if not ids:
        return [], []
    ranked = function(query, texts, top_k=None)
    return [ids[result.index] for result in ranked], [result.score for result in ranked]
