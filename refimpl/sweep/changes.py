"""Searches after deletes and upserts: a deleted document must not return, an overwritten one only by its new vector."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refimpl.search.indexes import Parameters
from refimpl.sweep.measure import Case, quality, single_ms
from refimpl.sweep.truth import Truth

SHARE, SEED = 0.1, 20240606


def measure_changes(case: Case, searches: Sequence[Parameters]) -> list[dict[str, Any]]:
    """Delete a tenth of the documents, overwrite another tenth with each other's vectors, search, and undo both.

    Returns one measurement per entry of `searches`, whose exact scores are those of the changed collection.
    """
    data, store = case.data, case.store
    documents = data.documents[case.kind]
    count = max(1, int(SHARE * len(data.ids)))
    chosen = np.random.default_rng(SEED).permutation(len(data.ids))
    deleted, overwritten = chosen[:count], chosen[count : 2 * count]
    source = np.arange(len(data.ids))
    source[overwritten] = np.roll(overwritten, 1)
    allowed = np.ones(len(data.ids), bool)
    allowed[deleted] = False
    _overwrite(case, overwritten, documents[source[overwritten]])
    store.delete([data.ids[row] for row in deleted])
    try:
        truth = Truth(data.queries[case.kind], documents[source], case.truth.metric)
        return [_measured(case, parameters, truth, allowed) for parameters in searches]
    finally:
        _overwrite(case, chosen[: 2 * count], documents[chosen[: 2 * count]])


def _measured(case: Case, parameters: Parameters, truth: Truth, allowed: Any) -> dict[str, Any]:
    results = case.search(slice(None), parameters)
    return {**quality(case, results, truth, allowed), "latency_ms": single_ms(case, parameters)}


def _overwrite(case: Case, rows: Any, vectors: Any) -> None:
    case.store.overwrite([case.data.ids[row] for row in rows], [case.labels[row] for row in rows], vectors)
