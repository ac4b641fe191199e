"""Vectors that are a known function of the right ones, and then stored in low precision."""

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.hypotheses import apply_all
from refimpl.diagnosis.linear_maps import LinearMap
from refimpl.diagnosis.output_maps import FEWEST, changed
from refimpl.diagnosis.outputs import measured_head
from refimpl.diagnosis.pooling import EmbeddingVariant


def stored_map(problem: EmbeddingProblem, expected: Array) -> LinearMap | None:
    """The function of the right vectors `(texts, dim)` and the storage, which the values themselves show; else None.

    None also where the storage alone explains most texts.
    """
    storage = tuple(each for each in measured_head(problem.actual)[0] if "store" in each.apply.values)
    if not storage or len(expected) < FEWEST:
        return None
    rows, store = range(len(expected)), apply_all(EmbeddingVariant(), storage).store
    if problem.compared(expected, store, rows)[0].mean() > 0.5:
        return None
    for name, explanation, vectors in changed(expected):
        if not np.isfinite(vectors).all():
            continue
        explained, errors = problem.compared(vectors, store, rows)
        if explained.all():
            stored = storage[0]
            both = f"{explanation}; {stored.explanation}"
            return LinearMap(f"{name} and {stored.name}", both, float(np.abs(errors).max()))
    return None
