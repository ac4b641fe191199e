"""One point of a sweep: what an index with these search parameters returns, and what that costs."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from jaxtyping import Bool

from refimpl.common.types import Array
from refimpl.evaluate import evaluate
from refimpl.search.indexed_store import IndexedStore
from refimpl.search.indexes import Parameters
from refimpl.search.records import SearchResults
from refimpl.search.topk import TopK
from refimpl.sweep.data import SweepData
from refimpl.sweep.truth import Truth, selected

CUTOFFS = (1, 10, 100)  # of recall
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Effort:
    """How much is measured at each point.

    `k` hits per query (recall is reported at 1, 10 and 100 up to it); `single` queries one at a time, and as many at
    each number of `clients`; batches of `batch` queries; a filtered search for each share of documents in `filters`.
    """

    k: int = 100
    single: int = 50
    batch: int = 32
    clients: tuple[int, ...] = (1, 2, 4, 8)
    filters: tuple[float, ...] = (0.01, 0.1, 0.5)


@dataclass(frozen=True)
class Case:
    """A collection in a store, its vectors of one kind, their exact scores, the label of each document."""

    store: IndexedStore
    data: SweepData
    kind: str
    truth: Truth
    labels: list[str]
    effort: Effort

    def search(self, rows: slice, parameters: Parameters, filter: str = "") -> SearchResults:
        """The k best documents for these queries."""
        queries = self.data.queries[self.kind][rows]
        return self.store.search(self.store.field.name, queries, self.effort.k, filter=filter, parameters=parameters)


def measure_point(case: Case, parameters: Parameters) -> dict[str, Any]:
    """Every measurement of one point, as an entry of results.json; latencies are raw, in milliseconds per call."""
    results = case.search(slice(None), parameters)
    return {
        "search": dict(parameters),
        **quality(case, results),
        "ndcg@10": _ndcg(case, results),
        "latency_ms": {"single": single_ms(case, parameters), "batched": _batched_ms(case, parameters)},
        "queries_per_second": {str(n): _queries_per_second(case, parameters, n) for n in case.effort.clients},
        "filters": [_filtered(case, parameters, share) for share in case.effort.filters],
    }


def quality(
    case: Case, results: SearchResults, truth: Truth | None = None, allowed: Bool[Array, " docs"] | None = None
) -> dict[str, Any]:
    """Recall at each cutoff, and whether every returned score is the exact score of its document.

    `correct` is False where a score deviates by more than the tolerance, where the order is not that of the scores,
    and for a duplicate, unknown, deleted or filtered document; a document that is missing lowers recall only.
    """
    hits: TopK = results.hits(case.data.position, case.effort.k)
    cutoffs = [cutoff for cutoff in CUTOFFS if cutoff <= case.effort.k]
    validations = {cutoff: (truth or case.truth).compare(hits, cutoff, allowed) for cutoff in cutoffs}
    whole = (truth or case.truth).compare(hits, case.effort.k, allowed)
    return {
        "recall": {str(cutoff): validation.recall for cutoff, validation in validations.items()},
        "max_error": whole.max_error,
        "tolerance": whole.tolerance,
        "problems": list(whole.problems),
        "correct": whole.max_error <= whole.tolerance and not whole.problems,
    }


def single_ms(case: Case, parameters: Parameters, filter: str = "") -> list[float]:
    """Milliseconds of each of the first queries, searched one at a time; a first search is not timed."""
    case.search(slice(0, 1), parameters, filter)
    count = min(case.effort.single, len(case.data.query_ids))
    return [_ms(case, slice(row, row + 1), parameters, filter) for row in range(count)]


def resident_bytes() -> int | None:
    """Resident memory of this process; None where the system does not report it."""
    try:
        found = re.search(r"^VmRSS:\s+(\d+) kB$", STATUS.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _filtered(case: Case, parameters: Parameters, share: float) -> dict[str, Any]:
    filter, allowed = selected(case.labels, share)
    results = case.search(slice(None), parameters, filter)
    return {
        "share": float(allowed.mean()),
        **quality(case, results, allowed=allowed),
        "latency_ms": single_ms(case, parameters, filter),
    }


def _batched_ms(case: Case, parameters: Parameters) -> list[float]:
    size = min(case.effort.batch, len(case.data.query_ids))
    starts = range(0, len(case.data.query_ids) - size + 1, size)
    return [_ms(case, slice(start, start + size), parameters) for start in starts]


def _queries_per_second(case: Case, parameters: Parameters, clients: int) -> float:
    """Single queries per second by `clients` threads, which share the store's connection."""
    rows: Sequence[int] = np.resize(np.arange(len(case.data.query_ids)), max(case.effort.single, clients)).tolist()
    with ThreadPoolExecutor(clients) as pool:
        start = perf_counter()
        done = list(pool.map(lambda row: case.search(slice(row, row + 1), parameters), rows))
        return len(done) / (perf_counter() - start)


def _ms(case: Case, rows: slice, parameters: Parameters, filter: str = "") -> float:
    start = perf_counter()
    case.search(rows, parameters, filter)
    return (perf_counter() - start) * 1000


def _ndcg(case: Case, results: SearchResults) -> float | None:
    """nDCG@10 of the hits; None without qrels."""
    if not case.data.qrels:
        return None
    per_query = zip(case.data.query_ids, results.ids, results.scores, strict=True)
    run = {query_id: dict(zip(ids, scores, strict=True)) for query_id, ids, scores in per_query}
    return evaluate(run, case.data.qrels).mean["nDCG@10"]
