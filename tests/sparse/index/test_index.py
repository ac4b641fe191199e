"""BM25Index: equal to brute force, for every variant."""

import math
from collections import Counter

import numpy as np
import pytest
from index_corpus import BruteForce, queries_for, zipf_texts
from scipy.sparse import csr_array

from refimpl import BM25Index, build_analyzer
from refimpl.sparse.bm25 import VARIANTS
from refimpl.sparse.index import exhaustive, maxscore, postings, search


@pytest.fixture
def maxscore_only(monkeypatch):
    """As in a large collection: postings lists, rows of codes, and non-essential terms."""
    for module in (postings, search):
        monkeypatch.setattr(module, "FEW_DOCS", 0)
    monkeypatch.setattr(maxscore, "MAX_UNPRUNED", 0)


def assert_equals_brute_force(brute, index, queries, k):
    for query, row, values in zip(queries, *index.search(queries, k), strict=True):
        expected = brute.top(query, k)
        assert row.tolist() == [doc for doc, _ in expected] + [-1] * (k - len(expected))
        assert values[: len(expected)].tolist() == [score for _, score in expected]  # to the last bit
        assert (values[len(expected) :] == -np.inf).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_exhaustive_search_equals_brute_force(variant, monkeypatch, unchecked):
    monkeypatch.setattr(exhaustive, "MAX_ACCUMULATORS", 3000)  # three queries at once
    docs = zipf_texts(1000, seed=1)
    index, brute = BM25Index.from_tokens(docs, variant=variant, k1=1.2, b=0.75), BruteForce(docs, variant, 1.2, 0.75)
    assert len(index._postings.rows) > 0
    assert_equals_brute_force(brute, index, [*queries_for(docs, 1000, seed=2), [], ["unknown", "w0"]], 10)
    assert_equals_brute_force(brute, index, queries_for(docs, 50, seed=3), 300)  # more than there are blocks


@pytest.mark.parametrize("few", [0, 12_000])
@pytest.mark.parametrize("variant", VARIANTS)
def test_maxscore_equals_brute_force(variant, few, monkeypatch, maxscore_only, unchecked):
    monkeypatch.setattr(maxscore, "MAX_UNPRUNED", few)
    docs = zipf_texts(1000, seed=1)
    index, brute = BM25Index.from_tokens(docs, variant=variant, k1=1.2, b=0.75), BruteForce(docs, variant, 1.2, 0.75)
    assert len(index._postings.code_rows) > 0
    for cost in (0, 1 << 40):  # non-essential lists by bisection, by marks
        monkeypatch.setattr(maxscore, "LOOKUP_COST", cost)
        assert_equals_brute_force(brute, index, [*queries_for(docs, 500, seed=2 + cost % 7), [], ["unknown", "w0"]], 10)
        assert_equals_brute_force(brute, index, queries_for(docs, 50, seed=3), 3)


def test_a_collection_just_too_large_for_exhaustive_search(monkeypatch, unchecked):
    monkeypatch.setattr(postings, "FEW_DOCS", 699)
    monkeypatch.setattr(search, "FEW_DOCS", 699)
    for n_docs in (699, 700):
        docs = zipf_texts(n_docs, seed=12, words=300)
        index = BM25Index.from_tokens(docs)
        assert (len(index._postings.rows) > 0) == (n_docs == 699)
        assert (len(index._postings.code_rows) > 0) == (n_docs == 700)
        assert_equals_brute_force(BruteForce(docs, "lucene", 1.5, 0.75), index, queries_for(docs, 50, seed=13), 10)


def test_documents_beyond_two_bytes(unchecked):
    rare = {3: "a", 65_535: "a", 65_536: "a", 70_000: "b"}
    index = BM25Index.from_tokens([[rare.get(i, "x")] for i in range(70_001)])
    assert index.search([["a"], ["b"]], 4)[0].tolist() == [[3, 65_535, 65_536, -1], [70_000, -1, -1, -1]]
    narrow = BM25Index.from_tokens([[rare.get(i, "x")] for i in range(65_536)])
    assert narrow._postings.docs.dtype == np.uint16
    assert narrow.search([["a"]], 3)[0].tolist() == [[3, 65_535, -1]]


@pytest.mark.parametrize("only_maxscore", [True, False])
@pytest.mark.parametrize("k", [1, 7, 10, 11, 100, 999, 1001, 5000])
def test_every_k(k, only_maxscore, request):
    if only_maxscore:
        request.getfixturevalue("maxscore_only")
    docs = zipf_texts(2000, seed=3, words=60)  # few words, so that lists are long and many scores are equal
    index, brute = BM25Index.from_tokens(docs), BruteForce(docs, "lucene", 1.5, 0.75)
    for query in queries_for(docs, 20, seed=4):
        assert_equals_brute_force(brute, index, [query], k)


def test_non_essential_terms_are_looked_up_for_few_documents(monkeypatch, maxscore_only):
    docs = zipf_texts(6000, seed=5)
    df = Counter(word for doc in docs for word in set(doc))
    rare = next(word for word, n_docs in df.items() if 15 <= n_docs <= 40)
    assert df["w0"] + df["w1"] > 6000
    read, looked_up = [], []
    searcher = maxscore.MaxScoreSearcher
    read_lists, look_up = searcher._read_lists, searcher._look_up
    monkeypatch.setattr(
        searcher, "_read_lists", lambda self, *a: (read.append(int(a[1].sum())), read_lists(self, *a))[1]
    )
    monkeypatch.setattr(searcher, "_look_up", lambda self, *a: (looked_up.append(len(a[1])), look_up(self, *a))[1])
    BM25Index.from_tokens(docs).search([["w0", "w1", rare]], 10)
    assert read == [df[rare]]
    assert len(looked_up) == 2
    assert max(looked_up) <= df[rare]


def test_many_queries_in_batches(monkeypatch, maxscore_only):
    monkeypatch.setattr(search, "MAX_POSTINGS_PER_BATCH", 500)
    docs = zipf_texts(900, seed=8)
    index = BM25Index.from_tokens(docs)
    queries = [*queries_for(docs, 60, seed=9), [], ["unknown"]]
    together, alone = index.search(queries, 6), [index.search([query], 6) for query in queries]
    np.testing.assert_array_equal(together[0], np.concatenate([ids for ids, _ in alone]))
    np.testing.assert_array_equal(together[1], np.concatenate([scores for _, scores in alone]))


def test_a_search_restores_the_accumulators(monkeypatch, maxscore_only):
    monkeypatch.setattr(maxscore, "LOOKUP_COST", 1 << 40)  # marks
    docs = zipf_texts(900, seed=14)
    index = BM25Index.from_tokens(docs)
    queries = queries_for(docs, 40, seed=15)
    first = index.search(queries, 5)
    index.search(queries[::-1], 100)
    (searcher,) = index._searcher._idle_searchers
    assert not searcher._marks.any()
    assert not searcher._accumulators.any()
    for before, after in zip(first, index.search(queries, 5), strict=True):
        np.testing.assert_array_equal(before, after)


def test_hits_of_weight_zero_are_hits():
    index = BM25Index.from_tokens([["a"], ["b"]], variant="robertson")  # ln((2 - 1 + 0.5) / (1 + 0.5)) = 0
    ids, scores = index.search([["b"], ["b", "a"]], 3)
    assert ids.tolist() == [[1, -1, -1], [0, 1, -1]]
    assert scores[:, 0].tolist() == [0.0, 0.0]


def test_ties_go_by_ascending_id():
    index = BM25Index.from_tokens([["b"], ["a", "c"], ["a", "d"], ["a", "e"], ["c"]] * 400)
    ids, scores = index.search([["a"]], 7)
    assert ids.tolist() == [[1, 2, 3, 6, 7, 8, 11]]
    assert len(set(scores[0])) == 1


def test_all_documents_alike():
    index = BM25Index.from_tokens([["a", "b"]] * 5000)
    ids, scores = index.search([["b", "a"]], 3)
    assert ids.tolist() == [[0, 1, 2]]
    assert scores[0, 0] == pytest.approx(2 * math.log(1 + 0.5 / 5000.5) / (1 + 1.5), rel=1e-12)


@pytest.mark.parametrize("variant", ["robertson", "pymilvus"])
def test_hits_of_negative_weight_are_ranked_as_they_are(variant):
    docs = [["a", "b"], ["a"], ["a", "a", "b"], ["c", "a"]]
    expected = BruteForce(docs, variant, 1.5, 0.75)
    assert expected.idf["a"] < 0
    ids, scores = BM25Index.from_tokens(docs, variant=variant).search([["a"]], 5)
    assert [(i, s) for i, s in zip(ids[0].tolist(), scores[0].tolist(), strict=True) if i >= 0] == expected.top(
        ["a"], 5
    )
    assert ids[0, 4] == -1


def test_texts_tokens_and_counts_have_the_same_hits():
    texts = ["The cat sat.", "A dog and a cat", "birds"]
    simple = build_analyzer("simple")
    tokens = [simple(text) for text in texts]
    by_text = BM25Index.build(texts, analyzer="simple")
    by_tokens = BM25Index.from_tokens(tokens)
    words = sorted({word for doc in tokens for word in doc})
    counts = csr_array(np.array([[doc.count(word) for word in words] for doc in tokens]))
    by_counts = BM25Index.from_counts(counts)
    query = csr_array(np.array([[int(word == "cat") for word in words]]))
    expected = by_counts.search(query, 3)
    for ids, scores in (by_text.search(["cat"], 3), by_text.search([["cat"]], 3), by_tokens.search([["cat"]], 3)):
        np.testing.assert_array_equal(ids, expected[0])
        np.testing.assert_allclose(scores, expected[1], rtol=1e-15)


def test_an_index_without_terms_has_no_hits():
    for texts in ([], [""], ["", "the of"]):
        index = BM25Index.build(texts, analyzer="lucene-english")
        ids, scores = index.search(["cat", ""], 2)
        assert ids.tolist() == [[-1, -1], [-1, -1]]
        assert (scores == -np.inf).all()
    assert BM25Index.build(["cat"], analyzer="simple").search([], 3)[0].shape == (0, 3)


@pytest.mark.parametrize("only_maxscore", [True, False])
def test_queries_without_terms_among_others(only_maxscore, request):
    """Empty queries first, between others and last: rows of -1 and -inf, and no effect on the others."""
    if only_maxscore:
        request.getfixturevalue("maxscore_only")
    index = BM25Index.from_tokens([["a"], ["b", "b"], ["a", "b"]])
    queries = [[], ["a"], ["unknown"], [], ["b"], ["b", "b"], []]
    ids, scores = index.search(queries, 2)
    assert ids.tolist() == [[-1, -1], [0, 2], [-1, -1], [-1, -1], [1, 2], [1, 2], [-1, -1]]
    assert np.isneginf(scores[[0, 2, 3, 6]]).all()
    assert (scores[5] == 2 * scores[4]).all()
    assert index.search([[]], 2)[0].tolist() == [[-1, -1]]


def test_fewer_hits_than_k():
    ids, scores = BM25Index.build(["cat", "dog"], analyzer="simple").search(["cat", "bird", ""], 5)
    assert ids.tolist() == [[0, -1, -1, -1, -1]] + [[-1] * 5] * 2
    assert scores[0, 0] > 0


@pytest.mark.usefixtures("unchecked")
def test_bad_input():
    index = BM25Index.build(["a b", "b c"], analyzer="simple")
    with pytest.raises(TypeError, match="wrap it in a list"):
        index.search("a", 3)
    with pytest.raises(ValueError, match="k must be 1 or more, got 0"):
        index.search(["a"], 0)
    with pytest.raises(TypeError, match="k must be a whole number, got float"):
        index.search(["a"], 2.5)
    with pytest.raises(TypeError, match="wrap it in a list"):
        BM25Index.build("a b", analyzer="simple")
    with pytest.raises(TypeError, match="list of lists of str"):
        BM25Index.from_tokens("a b")
    with pytest.raises(TypeError, match="token list 0 must be a list of str, got one str"):
        BM25Index.from_tokens(["a b"])
    with pytest.raises(ValueError, match="analyzer must be one of pymilvus-en"):
        BM25Index.build(["a"], analyzer="english")
    for settings in ({"k1": -1.0}, {"b": 2.0}, {"variant": "x"}, {"k1": math.nan}):
        with pytest.raises(ValueError, match=f"{next(iter(settings))} must be"):
            BM25Index.build(["a"], analyzer="simple", **settings)
    with pytest.raises(TypeError, match="no analyzer: give queries as lists of tokens"):
        BM25Index.from_tokens([["a"]]).search(["a"], 1)
    with pytest.raises(ValueError, match="whole numbers of 0 or more"):
        BM25Index.from_counts(csr_array(np.array([[0.5]])))
    with pytest.raises(ValueError, match="whole numbers"):
        BM25Index.from_counts(csr_array(np.array([[np.nan]])))
    with pytest.raises(TypeError, match="scipy sparse matrix"):
        BM25Index.from_counts(np.array([[1]]))
    counted = BM25Index.from_counts(csr_array(np.array([[1, 2]])))
    with pytest.raises(ValueError, match="queries have 3 columns, the index has 2 terms"):
        counted.search(csr_array(np.array([[1, 0, 0]])), 1)
    with pytest.raises(TypeError, match="built from counts"):
        counted.search(["a"], 1)
    with pytest.raises(TypeError, match="built from words: give queries as texts or as lists of tokens"):
        index.search(csr_array(np.array([[1, 0, 0]])), 1)
