"""Queries as the index searches them: which terms, and how often each."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int, Int64, Shaped
from scipy.sparse import csr_array


class Asked(NamedTuple):
    """Query i asks for `terms[start[i] : start[i + 1]]`, ascending, each `counts` times.

    What a csr_array holds, without its checks: those take longer than to search a small index.
    """

    start: Int64[np.ndarray, " queries_and_one"]
    terms: Int[np.ndarray, " asked"]
    counts: Int[np.ndarray, " asked"]

    @classmethod
    def of_counts(cls, counts: csr_array, numbers: Int[np.ndarray, " columns"]) -> "Asked":
        """The rows of a `(queries, columns)` matrix; column i is term `numbers[i]`."""
        renumbered = csr_array((counts.data, numbers[counts.indices], counts.indptr), shape=counts.shape)
        renumbered.sort_indices()
        return cls(renumbered.indptr.astype(np.int64), renumbered.indices, renumbered.data)

    @classmethod
    def of_numbers(cls, queries: Iterable[Iterable[int]]) -> "Asked":
        """Each query as the numbers of its tokens' terms, -1 for a token that is no term of the index."""
        start, terms = [0], []  # lists: for a few numbers they are quicker than arrays
        counts: list[int] = []
        for numbers in queries:
            held = sorted(number for number in numbers if number >= 0)
            once = list(dict.fromkeys(held))
            terms += once
            counts += [1] * len(once) if len(once) == len(held) else map(held.count, once)
            start.append(len(terms))
        return cls(*(np.array(numbers, np.int64) for numbers in (start, terms, counts)))

    @property
    def lengths(self) -> Int64[np.ndarray, " queries"]:
        """How many terms each query asks for."""
        return self.start[1:] - self.start[:-1]

    def part(
        self, weights: Float64[np.ndarray, " asked"], chosen: Int64[np.ndarray, " chosen"]
    ) -> tuple["Asked", Float64[np.ndarray, " of_chosen"]]:
        """The queries `chosen`, ascending, alone, with the weights of their terms."""
        lengths = self.lengths
        if len(chosen) == len(lengths):
            return self, weights
        kept = np.zeros(len(lengths), bool)
        kept[chosen] = True
        at = kept.repeat(lengths)
        return Asked(np.concatenate([[0], lengths[chosen].cumsum()]), self.terms[at], self.counts[at]), weights[at]

    def totals(self, amounts: Shaped[np.ndarray, " asked"]) -> Int64[np.ndarray, " queries"]:
        """The sum of `amounts`, whole numbers or truths, over each query's terms."""
        upto = np.zeros(len(amounts) + 1, np.int64)
        amounts.cumsum(out=upto[1:])
        ends = upto[self.start]
        return ends[1:] - ends[:-1]
