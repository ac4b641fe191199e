"""Query terms of three hand-worked queries: two terms of which one is repeated, none, and one term."""

import numpy as np
from scipy.sparse import csr_array

from refimpl.sparse.index.queries import QueryTerms

QUERIES = QueryTerms.from_term_ids([[7, 2, -1, 7, 7], [-1], [0]])


def as_lists(queries):
    return queries.indptr.tolist(), queries.terms.tolist(), queries.counts.tolist()


def test_terms_ascend_with_their_counts_and_unknown_tokens_are_left_out():
    assert as_lists(QUERIES) == ([0, 2, 2, 3], [2, 7, 0], [1, 3, 1])
    assert as_lists(QueryTerms.from_term_ids([[5, 3, 4]])) == ([0, 3], [3, 4, 5], [1, 1, 1])
    assert as_lists(QueryTerms.from_term_ids([])) == ([0], [], [])
    assert {field.dtype for field in QUERIES} == {np.dtype(np.int64)}
    assert QUERIES.lengths.tolist() == [2, 0, 1]


def test_counts_of_columns_become_terms_in_ascending_order():
    counts = csr_array(np.array([[3, 0, 1], [0, 0, 0], [0, 2, 0]]))
    queries = QueryTerms.from_counts(counts, np.array([7, 0, 2]))
    assert as_lists(queries) == ([0, 2, 2, 3], [2, 7, 0], [1, 3, 2])
    assert queries.indptr.dtype == np.int64


def test_a_selection_has_the_terms_and_weights_of_its_rows():
    weights = np.array([0.5, 0.25, 4.0])
    for rows, terms, expected in (
        ([0], ([0, 2], [2, 7], [1, 3]), [0.5, 0.25]),
        ([1, 2], ([0, 0, 1], [0], [1]), [4.0]),
        ([0, 2], ([0, 2, 3], [2, 7, 0], [1, 3, 1]), [0.5, 0.25, 4.0]),
        ([0, 1, 2], ([0, 2, 2, 3], [2, 7, 0], [1, 3, 1]), [0.5, 0.25, 4.0]),
        ([], ([0], [], []), []),
    ):
        selected, selected_weights = QUERIES.select(weights, np.array(rows, np.int64))
        assert as_lists(selected) == terms
        assert selected_weights.tolist() == expected


def test_sums_per_query_are_those_of_its_terms():
    assert QUERIES.sum_per_query(np.array([5, -2, 9])).tolist() == [3, 0, 9]
    assert QUERIES.sum_per_query(np.array([True, True, False])).tolist() == [2, 0, 0]
    assert QueryTerms.from_term_ids([]).sum_per_query(np.array([], np.int64)).tolist() == []
