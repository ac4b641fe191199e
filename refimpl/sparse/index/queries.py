"""Queries as term ids and counts."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int, Int64, Shaped
from scipy.sparse import csr_array


class QueryTerms(NamedTuple):
    """The terms of query i are `terms[indptr[i] : indptr[i + 1]]`, ascending, with `counts` occurrences each.

    The fields are those of a csr_array, whose own checks would take longer than searching a small index.
    """

    indptr: Int64[np.ndarray, " queries_plus_1"]
    terms: Int[np.ndarray, " query_terms"]
    counts: Int[np.ndarray, " query_terms"]

    @classmethod
    def from_counts(cls, counts: csr_array, term_of_column: Int[np.ndarray, " columns"]) -> "QueryTerms":
        """The rows of a `(queries, columns)` matrix of counts; column i is the term `term_of_column[i]`."""
        by_term = csr_array((counts.data, term_of_column[counts.indices], counts.indptr), shape=counts.shape)
        by_term.sort_indices()
        return cls(by_term.indptr.astype(np.int64), by_term.indices, by_term.data)

    @classmethod
    def from_term_ids(cls, queries: Iterable[Iterable[int]]) -> "QueryTerms":
        """Each query as the term ids of its tokens, -1 for a token that is not in the vocabulary."""
        indptr, terms = [0], []  # lists: for a few ids they are faster than arrays
        counts: list[int] = []
        for ids in queries:
            known = sorted(term for term in ids if term >= 0)
            distinct = list(dict.fromkeys(known))
            terms += distinct
            counts += [1] * len(distinct) if len(distinct) == len(known) else map(known.count, distinct)
            indptr.append(len(terms))
        return cls(*(np.array(values, np.int64) for values in (indptr, terms, counts)))

    @property
    def lengths(self) -> Int64[np.ndarray, " queries"]:
        """Number of distinct terms per query."""
        return self.indptr[1:] - self.indptr[:-1]

    def select(
        self, weights: Float64[np.ndarray, " query_terms"], queries: Int64[np.ndarray, " selected"]
    ) -> tuple["QueryTerms", Float64[np.ndarray, " selected_terms"]]:
        """A subset of the queries (ascending rows), with the weights of their terms."""
        lengths = self.lengths
        if len(queries) == len(lengths):
            return self, weights
        selected = np.zeros(len(lengths), bool)
        selected[queries] = True
        at = selected.repeat(lengths)
        indptr = np.concatenate([[0], lengths[queries].cumsum()])
        return QueryTerms(indptr, self.terms[at], self.counts[at]), weights[at]

    def sum_per_query(self, values: Shaped[np.ndarray, " query_terms"]) -> Int64[np.ndarray, " queries"]:
        """Sum `values` (int or bool, one per query term) over the terms of each query."""
        cumulative = np.zeros(len(values) + 1, np.int64)
        values.cumsum(out=cumulative[1:])
        at_ends = cumulative[self.indptr]
        return at_ends[1:] - at_ends[:-1]
