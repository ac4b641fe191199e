"""What rerankers that compute here have in common: one score per document, then the best of them."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from refimpl.base import BaseRerankFunction, RerankResult
from refimpl.common.types import Array
from refimpl.pickling import ModelFunction
from refimpl.reranker.ranking import check_request, ranked


def rows_by_text(texts: Sequence[str]) -> dict[str, list[int]]:
    """Return the positions of each distinct text, in order of first occurrence."""
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        rows.setdefault(text, []).append(row)
    return rows


class LocalRerankFunction(ModelFunction, BaseRerankFunction):
    """Base class of a reranker whose model is computed in this process."""

    @abstractmethod
    def scores(self, query: str, documents: Sequence[str]) -> Float[Array, "documents"]:
        """Return one score per document, in input order."""

    def score_pairs(self, queries: Sequence[str], documents: Sequence[str]) -> Float[Array, "pairs"]:
        """Return one score per pair `queries[i]`, `documents[i]`, to float32 rounding those of `scores`."""
        scores = np.empty(len(queries))
        for query, rows in rows_by_text(queries).items():
            scores[rows] = self.scores(query, [documents[row] for row in rows])
        return scores

    def __call__(self, query: str, documents: Sequence[str], top_k: int | None = 5) -> list[RerankResult]:
        """Return the best `top_k` documents, best first; None returns all.

        Raises TypeError or ValueError as `check_request`.
        """
        query, texts, count = check_request(query, documents, top_k)
        return ranked(self.scores(query, texts).tolist(), texts, count)
