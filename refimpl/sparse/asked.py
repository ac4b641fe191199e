"""Queries as the index searches them: which terms, and how often each."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Int64, Shaped
from scipy.sparse import csr_array

from refimpl.sparse.corpus import TermIds


class Asked(NamedTuple):
    """Query i asks for `terms[start[i] : start[i + 1]]`, ascending, each `counts` times.

    What a csr_array holds, without its checks: those take longer than to search a small index.
    """

    start: Int64[np.ndarray, " queries_and_one"]
    terms: Int[np.ndarray, " asked"]
    counts: Int[np.ndarray, " asked"]

    @classmethod
    def of_counts(cls, counts: csr_array) -> "Asked":
        """The rows of a canonical `(queries, terms)` matrix."""
        return cls(counts.indptr.astype(np.int64), counts.indices, counts.data)

    @classmethod
    def of_tokens(cls, tokens: TermIds, numbers: Int64[np.ndarray, " distinct"], n_terms: int) -> "Asked":
        """Tokenised queries, whose distinct token i has number `numbers[i]` in the index, -1 where it is unknown."""
        n_queries, n_terms = len(tokens.lengths), max(n_terms, 1)
        number = numbers[tokens.ids]
        keys = number + (np.arange(n_queries) * n_terms).repeat(tokens.lengths)
        keys = keys[number >= 0]
        keys.sort()
        first = np.ones(len(keys), bool)
        first[1:] = keys[1:] != keys[:-1]
        at = first.nonzero()[0]
        keys = keys[at]
        start = keys.searchsorted(np.arange(n_queries + 1) * n_terms)
        return cls(start, keys % n_terms, np.concatenate([at[1:], [len(first)]]) - at)

    def rows(self, chosen: Int64[np.ndarray, " chosen"]) -> "Asked":
        """The queries `chosen`, ascending, alone."""
        lengths = (self.start[1:] - self.start[:-1])[chosen]
        if len(lengths) == len(self.start) - 1:
            return self
        at = self.places(chosen)
        return Asked(np.concatenate([[0], lengths.cumsum()]), self.terms[at], self.counts[at])

    def places(self, chosen: Int64[np.ndarray, " chosen"]) -> Bool[np.ndarray, " asked"]:
        """Which of all terms the queries `chosen` ask for."""
        kept = np.zeros(len(self.start) - 1, bool)
        kept[chosen] = True
        return kept.repeat(self.start[1:] - self.start[:-1])

    def totals(self, amounts: Shaped[np.ndarray, " asked"]) -> Int64[np.ndarray, " queries"]:
        """The sum of `amounts`, whole numbers or truths, over each query's terms."""
        upto = np.zeros(len(amounts) + 1, np.int64)
        amounts.cumsum(out=upto[1:])
        ends = upto[self.start]
        return ends[1:] - ends[:-1]
