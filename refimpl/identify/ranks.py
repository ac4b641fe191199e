"""Numbers that are ranks and no scores."""

import numpy as np

from refimpl.common.types import Array
from refimpl.identify.ask import Scores

LEAST = 4  # hits of a query that show it


def are_ranks(scores: Scores) -> bool:
    """Whether the scores `(queries, docs)` of each query's hits, or their reciprocals, are numbers that are one apart.

    Such are 1000, 999, 998, or 1/61, 1/62, 1/63. Scores of 0 are no hits.
    """
    hits = [row[row != 0] for row in scores]
    return any(len(row) >= LEAST for row in hits) and (_apart(hits) or _apart([1 / row for row in hits]))


def _apart(hits: list[Array]) -> bool:
    return all(np.allclose(np.diff(np.sort(row)), 1.0, rtol=0, atol=1e-6) for row in hits)
