import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array
from scipy.spatial.distance import cdist

from refimpl.search.exact import search_block, search_blocks, search_dense, search_sparse, sparse_scores
from refimpl.search.scorers import DenseScorer, SparseScorer
from refimpl.search.topk import TopK, merged, to_run

rng = np.random.default_rng(7)
DOCS = rng.normal(size=(50, 8)).astype(np.float32)
QUERIES = rng.normal(size=(70, 8)).astype(np.float32)  # more than one block


def by_sorting(scores, k):
    """Python's own sort on (score descending, index ascending)."""
    order = [sorted(range(len(row)), key=lambda i: (-row[i], i))[:k] for row in scores]
    return np.array(order), np.array([[row[i] for i in ids] for row, ids in zip(scores, order, strict=True)])


@pytest.mark.parametrize("metric", ["IP", "COSINE", "L2"])
def test_dense_top_k_equals_scipys_distances_sorted_by_python(metric):
    wide, queries = DOCS.astype(np.float64), QUERIES.astype(np.float64)
    scores = {
        "IP": np.einsum("qd,nd->qn", queries, wide),
        "COSINE": 1 - cdist(queries, wide, "cosine"),
        "L2": -cdist(queries, wide, "sqeuclidean"),
    }[metric]
    ids, values = by_sorting(scores, 5)
    hits = search_dense(QUERIES, DOCS, 5, metric)
    np.testing.assert_array_equal(hits.ids, ids)
    np.testing.assert_allclose(hits.scores, values, atol=1e-12)
    assert hits.scores.dtype == np.float64


@pytest.mark.peer
def test_dense_top_k_agrees_with_scipys_distances():
    ids, _ = by_sorting(-cdist(QUERIES, DOCS, "euclidean"), 5)
    np.testing.assert_array_equal(search_dense(QUERIES, DOCS, 5, "L2").ids, ids)


def test_ties_are_broken_by_index_even_at_the_last_place():
    docs = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], np.float32)
    hits = search_dense(np.array([[1.0, 0.0]], np.float32), docs, 2)
    assert hits.ids.tolist() == [[1, 2]]


def test_k_beyond_the_collection_and_empty_sides_are_padded():
    hits = search_dense(QUERIES[:2], DOCS[:3], 5)
    assert hits.ids.shape == (2, 5)
    assert hits.counts.tolist() == [3, 3]
    assert (hits.ids[:, 3:] == -1).all()
    assert np.isneginf(hits.scores[:, 3:]).all()
    assert search_dense(QUERIES[:0], DOCS, 5).ids.shape == (0, 5)
    assert search_dense(QUERIES[:2], DOCS[:0], 5).counts.tolist() == [0, 0]


def test_a_zero_vector_has_cosine_0():
    hits = search_dense(np.zeros((1, 8), np.float32), DOCS, 3, "COSINE")
    assert hits.scores.tolist() == [[0.0, 0.0, 0.0]]
    assert hits.ids.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: search_dense(QUERIES, DOCS, 0), "k must be at least 1, got 0"),
        (
            lambda: search_dense(QUERIES, DOCS, 10**9),
            f"k must be at most 16384 for {len(DOCS)} documents, got 1000000000",
        ),
        (lambda: search_sparse(csr_array(QUERIES), csr_array(DOCS), 10**9), "k must be at most 16384"),
        (lambda: search_dense(QUERIES, np.full((2, 8), np.nan, np.float32), 1), r"documents\[0\] is not finite"),
        (lambda: search_dense(np.diag([1.0, 1.0, np.inf]), np.eye(3), 1), r"queries\[2\] is not finite"),
        (lambda: to_run(TopK(np.array([[0]]), np.array([[1.0]])), ["q1", "q2"], ["a"]), "shorter"),
        (lambda: search_sparse(csr_array((1, 3)), csr_array((1, 4)), 1), "as many columns, got 3 and 4"),
    ],
)
def test_invalid_input_raises(call, message):
    with pytest.raises(ValueError, match=message):
        call()


sparse_rows = st.lists(
    st.dictionaries(st.integers(0, 5), st.floats(-4, 4).filter(lambda x: abs(x) > 0.01), max_size=4),
    min_size=1,
    max_size=6,
)


def test_sparse_queries_of_more_than_one_block():
    queries, docs = (random_array((rows, 12), density=0.3, rng=rng, format="csr") for rows in (140, 20))
    dense_queries, dense_docs = queries.toarray(), docs.toarray()
    shared = np.einsum("qi,di->qd", dense_queries != 0, dense_docs != 0, dtype=int) > 0
    expected = np.where(shared, np.einsum("qi,di->qd", dense_queries, dense_docs), -np.inf)
    np.testing.assert_allclose(list(sparse_scores(queries, docs)), expected, rtol=0, atol=1e-12)


def as_csr(rows):
    data = [value for row in rows for value in row.values()]
    columns = [column for row in rows for column in row]
    numbers = [i for i, row in enumerate(rows) for _ in row]
    return csr_array((np.array(data, np.float32), (numbers, columns)), shape=(len(rows), 6))


@given(sparse_rows, sparse_rows, st.integers(1, 8))
def test_sparse_top_k_equals_a_loop_over_dictionaries(queries, docs, k):
    hits = search_sparse(as_csr(queries), as_csr(docs), k)
    for row, query in enumerate(queries):
        scores = {
            i: sum(float(np.float32(query[c])) * float(np.float32(doc[c])) for c in query if c in doc)
            for i, doc in enumerate(docs)
            if query.keys() & doc.keys()
        }
        values = sorted(scores.values(), reverse=True)[:k]
        np.testing.assert_allclose(hits.scores[row][: len(values)], values, atol=1e-12)
        assert (hits.ids[row][len(values) :] == -1).all()
        for i, value in zip(hits.ids[row], hits.scores[row], strict=True):
            assert i == -1 or abs(scores[int(i)] - value) < 1e-12


def test_a_shared_column_whose_products_cancel_is_a_hit_with_score_0():
    query = as_csr([{0: 1.0, 1: 1.0}])
    docs = as_csr([{0: 1.0, 1: -1.0}, {2: 5.0}])
    assert search_sparse(query, docs, 2).ids.tolist() == [[0, -1]]
    assert next(sparse_scores(query, docs)).tolist() == [0.0, -np.inf]


def test_hits_become_a_run():
    hits = TopK(np.array([[1, 0], [0, -1]]), np.array([[2.0, 1.0], [3.0, -np.inf]]))
    assert to_run(hits, ["q1", "q2"], ["a", "b"]) == {"q1": {"b": 2.0, "a": 1.0}, "q2": {"a": 3.0}}
    assert hits.top(1).ids.tolist() == [[1], [0]]


def divided(vectors, seed):
    """The same documents in blocks of random sizes, empty ones among them."""
    ends = np.sort(np.random.default_rng(seed).integers(0, vectors.shape[0] + 1, 6))
    return [vectors[a:b] for a, b in zip([0, *ends], [*ends, vectors.shape[0]], strict=True)]


def tied(rows=300, dim=31):
    """Vectors of which many are equal, so that ties cross every border of a block."""
    distinct = np.random.default_rng(3).normal(size=(40, dim)).astype(np.float32)
    return distinct[np.random.default_rng(4).integers(0, 40, rows)]


@pytest.mark.parametrize("metric", ["IP", "COSINE", "L2"])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 7, 400])
def test_blocks_give_the_hits_of_the_whole_to_the_last_bit(metric, seed, k):
    documents, queries = tied(), np.random.default_rng(seed).normal(size=(70, 31)).astype(np.float32)
    whole = search_dense(queries, documents, k, metric)
    found = search_blocks(DenseScorer(queries, metric), divided(documents, seed), k)
    assert found.ids.tobytes() == whole.ids.tobytes()
    assert found.scores.tobytes() == whole.scores.tobytes()
    scores = {
        "IP": [[float(np.dot(q, d)) for d in documents.astype(np.float64)] for q in queries.astype(np.float64)],
        "COSINE": 1 - cdist(queries.astype(np.float64), documents.astype(np.float64), "cosine"),
        "L2": -cdist(queries.astype(np.float64), documents.astype(np.float64), "sqeuclidean"),
    }[metric]
    for row, ids, values in zip(scores, found.ids, found.scores, strict=True):
        ids, values = ids[ids >= 0], values[: min(k, 300)]
        np.testing.assert_allclose(values, np.sort(row)[::-1][: len(ids)], atol=1e-12)
        np.testing.assert_allclose(values, np.array(row)[ids], atol=1e-12)
        ties = np.diff(values) == 0
        assert (np.diff(ids)[ties] > 0).all()


@pytest.mark.parametrize("k", [1, 7])
def test_sparse_blocks_give_the_hits_of_the_whole_to_the_last_bit(k):
    documents = random_array((90, 30), density=0.2, rng=rng, format="csr").astype(np.float32)
    documents = csr_array(documents[np.random.default_rng(1).integers(0, 90, 300)])
    queries = csr_array(random_array((70, 30), density=0.1, rng=rng, format="csr"))
    whole = search_sparse(queries, documents, k)
    found = search_blocks(SparseScorer(queries), divided(documents, 2), k)
    assert (found.ids.tobytes(), found.scores.tobytes()) == (whole.ids.tobytes(), whole.scores.tobytes())


def test_blocks_can_be_searched_alone_and_joined_in_any_order():
    documents = tied()
    scorer = DenseScorer(QUERIES[:, :1] * np.ones((1, 31), np.float32), "L2")
    blocks = divided(documents, 1)
    starts = np.cumsum([0, *map(len, blocks)])
    parts = [search_block(scorer, block, 9, int(start)) for block, start in zip(blocks, starts, strict=False)]
    whole = search_blocks(scorer, [documents], 9)
    for order in ([0, 1, 2, 3, 4, 5, 6], [6, 2, 0, 5, 1, 4, 3]):
        joined = parts[order[0]]
        for number in order[1:]:
            joined = merged(joined, parts[number])
        assert (joined.ids.tobytes(), joined.scores.tobytes()) == (whole.ids.tobytes(), whole.scores.tobytes())


def test_equal_documents_tie_although_their_places_in_a_product_of_matrices_differ():
    document = np.random.default_rng(5).normal(size=(1, 383)).astype(np.float32)
    hits = search_dense(np.random.default_rng(6).normal(size=(3, 383)).astype(np.float32), document.repeat(1001, 0), 5)
    assert hits.ids.tolist() == [[0, 1, 2, 3, 4]] * 3
    assert all(len(set(scores)) == 1 for scores in hits.scores.tolist())


def test_a_block_that_is_not_finite_is_named_by_its_row_in_the_collection():
    blocks = [np.ones((4, 8), np.float32), np.full((2, 8), np.inf, np.float32)]
    with pytest.raises(ValueError, match=r"documents\[4\] is not finite"):
        search_blocks(DenseScorer(QUERIES, "IP"), blocks, 3)
