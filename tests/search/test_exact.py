import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from refimpl.search.exact import Bounds, judge, judge_dense, judge_sparse, search_dense, search_sparse, sparse_scores
from refimpl.search.hits import Hits, to_run

rng = np.random.default_rng(7)
DOCS = rng.normal(size=(50, 8)).astype(np.float32)
QUERIES = rng.normal(size=(70, 8)).astype(np.float32)  # more than one block


def by_sorting(scores, k):
    """Python's own sort on (score descending, index ascending)."""
    order = [sorted(range(len(row)), key=lambda i: (-row[i], i))[:k] for row in scores]
    return np.array(order), np.array([[row[i] for i in ids] for row, ids in zip(scores, order, strict=True)])


@pytest.mark.parametrize("metric", ["IP", "COSINE", "L2"])
def test_dense_top_k_is_what_scipy_distances_sorted_by_python_give(metric):
    from scipy.spatial.distance import cdist

    wide, queries = DOCS.astype(np.float64), QUERIES.astype(np.float64)
    scores = {
        "IP": np.einsum("qd,nd->qn", queries, wide),
        "COSINE": 1 - cdist(queries, wide, "cosine"),
        "L2": -cdist(queries, wide, "sqeuclidean"),
    }[metric]
    ids, values = by_sorting(scores, 5)
    found = search_dense(QUERIES, DOCS, 5, metric)
    np.testing.assert_array_equal(found.ids, ids)
    np.testing.assert_allclose(found.scores, values, atol=1e-12)
    assert found.scores.dtype == np.float64


@pytest.mark.peer
def test_dense_top_k_agrees_with_scipys_distances():
    ids, _ = by_sorting(-cdist(QUERIES, DOCS, "euclidean"), 5)
    np.testing.assert_array_equal(search_dense(QUERIES, DOCS, 5, "L2").ids, ids)


def test_ties_go_to_the_lower_index_even_at_the_cut():
    docs = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], np.float32)
    found = search_dense(np.array([[1.0, 0.0]], np.float32), docs, 2)
    assert found.ids.tolist() == [[1, 2]]


def test_k_beyond_the_collection_and_empty_sides_are_padded():
    found = search_dense(QUERIES[:2], DOCS[:3], 5)
    assert found.ids.shape == (2, 5)
    assert found.counts.tolist() == [3, 3]
    assert (found.ids[:, 3:] == -1).all()
    assert np.isneginf(found.scores[:, 3:]).all()
    assert search_dense(QUERIES[:0], DOCS, 5).ids.shape == (0, 5)
    assert search_dense(QUERIES[:2], DOCS[:0], 5).counts.tolist() == [0, 0]


def test_a_zero_vector_has_cosine_nought():
    found = search_dense(np.zeros((1, 8), np.float32), DOCS, 3, "COSINE")
    assert found.scores.tolist() == [[0.0, 0.0, 0.0]]
    assert found.ids.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: search_dense(QUERIES, DOCS, 0), "k must be at least 1, got 0"),
        (lambda: search_dense(QUERIES, np.full((2, 8), np.nan, np.float32), 1), r"documents\[0\] is not finite"),
        (lambda: search_sparse(csr_array((1, 3)), csr_array((1, 4)), 1), "3 wide and documents 4"),
    ],
)
def test_what_cannot_be_searched_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


sparse_rows = st.lists(
    st.dictionaries(st.integers(0, 5), st.floats(-4, 4).filter(lambda x: abs(x) > 0.01), max_size=4),
    min_size=1,
    max_size=6,
)


def as_csr(rows):
    data = [value for row in rows for value in row.values()]
    columns = [column for row in rows for column in row]
    where = [i for i, row in enumerate(rows) for _ in row]
    return csr_array((np.array(data, np.float32), (where, columns)), shape=(len(rows), 6))


@given(sparse_rows, sparse_rows, st.integers(1, 8))
def test_sparse_top_k_is_a_dictionary_loop(queries, docs, k):
    found = search_sparse(as_csr(queries), as_csr(docs), k)
    for row, query in enumerate(queries):
        scores = {
            i: sum(float(np.float32(query[c])) * float(np.float32(doc[c])) for c in query if c in doc)
            for i, doc in enumerate(docs)
            if query.keys() & doc.keys()
        }
        values = sorted(scores.values(), reverse=True)[:k]
        np.testing.assert_allclose(found.scores[row][: len(values)], values, atol=1e-12)
        assert (found.ids[row][len(values) :] == -1).all()
        for i, value in zip(found.ids[row], found.scores[row], strict=True):
            assert i == -1 or abs(scores[int(i)] - value) < 1e-12


def test_a_shared_column_whose_products_cancel_is_a_hit_with_score_nought():
    query = as_csr([{0: 1.0, 1: 1.0}])
    docs = as_csr([{0: 1.0, 1: -1.0}, {2: 5.0}])
    assert search_sparse(query, docs, 2).ids.tolist() == [[0, -1]]
    assert next(sparse_scores(query, docs)).tolist() == [0.0, -np.inf]


def test_the_judge_passes_its_own_answers_and_float32_ones():
    truth = search_dense(QUERIES, DOCS, 5, "L2")
    assert judge_dense(truth, QUERIES, DOCS, "L2").passed
    rounded = Hits(truth.ids, truth.scores.astype(np.float32).astype(np.float64))
    assert judge_dense(rounded, QUERIES, DOCS, "L2").passed


def tampered(change):
    truth = search_dense(QUERIES, DOCS, 5)
    ids, scores = truth.ids.copy(), truth.scores.copy()
    change(ids, scores)
    return judge_dense(Hits(ids, scores), QUERIES, DOCS, "IP")


def swap_last(ids, scores):
    ids[0, -1] = next(i for i in range(50) if i not in ids[0])
    scores[0, -1] = float(QUERIES[0].astype(np.float64) @ DOCS[ids[0, -1]].astype(np.float64))


def drop(ids, scores):
    ids[0, -1], scores[0, -1] = -1, -np.inf


def double(ids, scores):
    ids[0, 1], scores[0, 1] = ids[0, 0], scores[0, 0]


def shift(ids, scores):
    scores[3, 2] += 1e-3


def reverse(ids, scores):
    ids[0], scores[0] = ids[0, ::-1].copy(), scores[0, ::-1].copy()


def invent(ids, scores):
    ids[0, 0] = 50


def spoil(ids, scores):
    scores[0, 0] = np.nan


@pytest.mark.parametrize("change", [swap_last, drop, double, shift, reverse, invent, spoil])
def test_the_judge_fails_what_is_wrong(change):
    assert tampered(lambda ids, scores: None).passed
    assert not tampered(change).passed


def test_what_the_verdict_says_in_figures():
    assert tampered(swap_last).recall == pytest.approx(1 - 1 / 350)
    assert tampered(shift).max_error == pytest.approx(1e-3, rel=0.7)
    assert tampered(double).problems == ("a document twice (1 of 70 queries)",)
    assert tampered(reverse).recall == 1.0


def test_any_of_several_documents_that_tie_at_the_cut_will_do():
    row = np.array([3.0, 1.0, 1.0, 1.0, 0.5])
    truth = [Bounds(row, row)]
    assert judge(Hits(np.array([[0, 3]]), np.array([[3.0, 1.0]])), truth, "IP").passed
    assert judge(Hits(np.array([[0, 4]]), np.array([[3.0, 0.5]])), truth, "IP").recall == 0.5
    assert judge(Hits(np.array([[1, 2]]), np.array([[1.0, 1.0]])), truth, "IP").recall == 0.5  # ties cannot replace 0


def test_bounds_leave_a_choice_where_ties_do():
    lower, upper = np.array([0.9, 0.4, 0.4, -np.inf, -np.inf]), np.array([0.9, 0.5, 0.5, 0.3, -np.inf])
    good = judge(Hits(np.array([[0, 2, 1]]), np.array([[0.9, 0.5, 0.4]])), [Bounds(lower, upper)], "RRF")
    assert good.passed
    assert (
        judge(Hits(np.array([[0, 2, 1]]), np.array([[0.9, 0.6, 0.4]])), [Bounds(lower, upper)], "RRF").max_error > 0.09
    )
    wrong = judge(Hits(np.array([[0, 2, 4]]), np.array([[0.9, 0.5, 0.4]])), [Bounds(lower, upper)], "RRF")
    assert not wrong.passed
    assert wrong.recall == pytest.approx(2 / 3)


def test_a_document_that_shares_nothing_must_not_be_found():
    query, docs = as_csr([{0: 1.0}]), as_csr([{0: 2.0}, {1: 1.0}])
    assert judge_sparse(Hits(np.array([[0, -1]]), np.array([[2.0, -np.inf]])), query, docs).passed
    wrong = judge_sparse(Hits(np.array([[0, 1]]), np.array([[2.0, 0.0]])), query, docs)
    assert wrong.problems == ("a document that shares no term with the query (1 of 1 queries)",)


def test_hits_become_a_run():
    hits = Hits(np.array([[1, 0], [0, -1]]), np.array([[2.0, 1.0], [3.0, -np.inf]]))
    assert to_run(hits, ["q1", "q2"], ["a", "b"]) == {"q1": {"b": 2.0, "a": 1.0}, "q2": {"a": 3.0}}
    assert hits.top(1).ids.tolist() == [[1], [0]]
