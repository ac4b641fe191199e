"""Each formula against values computed by hand, and Lucene's one-byte lengths against its published scheme."""

import math
import warnings

import numpy as np
import pytest

from refimpl import BM25EmbeddingFunction, BM25Index
from refimpl.sparse.bm25 import VARIANTS, BM25WeightWarning
from refimpl.sparse.bm25 import formulas as f
from refimpl.sparse.bm25.lengths import LENGTHS, length_codes, lossy_lengths

DF = np.array([1, 5, 9])
N = 10


@pytest.mark.parametrize(
    ("idf", "expected"),
    [
        (f.idf_robertson, [math.log(9.5 / 1.5), math.log(5.5 / 5.5), math.log(1.5 / 9.5)]),
        (f.idf_atire, [math.log(10), math.log(2), math.log(10 / 9)]),
        (f.idf_bm25l, [math.log(11 / 1.5), math.log(11 / 5.5), math.log(11 / 9.5)]),
        (f.idf_bm25plus, [math.log(11), math.log(11 / 5), math.log(11 / 9)]),
        (f.idf_lucene, [math.log(1 + 9.5 / 1.5), math.log(2), math.log(1 + 1.5 / 9.5)]),
    ],
)
def test_idf(idf, expected):
    np.testing.assert_allclose(idf(DF, N, 0.25), expected, rtol=0, atol=1e-15)


def test_floored_idf_replaces_a_negative_idf_by_epsilon_times_the_average():
    rare, half = math.log(9.5) - math.log(1.5), 0.0
    average = (rare + half - rare) / 3  # df 9 has exactly minus the idf of df 1
    np.testing.assert_allclose(f.idf_floored(DF, N, 0.25), [rare, half, 0.25 * average], atol=1e-15)


def test_floored_idf_of_few_documents_is_below_zero():
    idf = f.idf_floored(np.array([2, 2, 1]), 2, 0.25)  # ln(0.2) twice, ln(1) once
    assert idf[0] == pytest.approx(0.25 * (2 * math.log(0.2) + 0) / 3)
    assert idf[0] < 0


def test_no_term_has_no_idf():
    for variant in VARIANTS.values():
        assert variant.idf(np.array([], np.int64), 3, 0.25).shape == (0,)


# tf 3, doc_len 20, avgdl 10, k1 1.5, b 0.75: k1 (1 - b + b doc_len / avgdl) is 2.625; BM25L's c is 3 / 1.75
@pytest.mark.parametrize(
    ("tf", "delta", "expected"),
    [
        (f.tf_robertson, 0.0, 3 / 5.625),
        (f.tf_okapi, 0.0, 3 * 2.5 / 5.625),
        (f.tf_bm25plus, 1.0, 1 + 3 * 2.5 / 5.625),
        (f.tf_bm25l, 0.5, 2.5 * (3 / 1.75 + 0.5) / (1.5 + 3 / 1.75 + 0.5)),
        (f.tf_lucene_lossy, 0.0, 3 / 5.625),
    ],
)
def test_tf(tf, delta, expected):
    assert tf(np.array([3]), np.array([20]), 10.0, 1.5, 0.75, delta)[0] == pytest.approx(expected, rel=1e-15)


def test_lossy_tf_uses_the_rounded_length_and_the_exact_average():
    assert f.tf_lucene_lossy(np.array([1]), np.array([1000]), 500.0, 1.0, 1.0)[0] == pytest.approx(1 / (1 + 984 / 500))


def test_lengths_that_have_a_one_byte_code():
    # By hand from SmallFloat: 24 + m * 2 ** e with m of 8 to 15, and the last code, 24 + 15 * 2 ** 27
    assert LENGTHS[:41].tolist() == list(range(41))
    assert LENGTHS[41:50].tolist() == [42, 44, 46, 48, 50, 52, 54, 56, 60]
    assert LENGTHS[-1] == 24 + 15 * 2**27
    assert (np.diff(LENGTHS) > 0).all()


def test_lossy_lengths_round_down():
    assert lossy_lengths(np.array([0, 39, 40, 41, 42, 43, 255, 1000])).tolist() == [0, 39, 40, 40, 42, 42, 248, 984]
    assert length_codes(np.array([40, 41]))[0] == length_codes(np.array([40, 41]))[1]


def test_every_tf_weight_falls_with_length_and_rises_with_tf():
    tf, lengths = np.arange(1, 30), np.arange(1, 400)
    for variant in VARIANTS.values():
        by_tf = variant.tf(tf, np.full_like(tf, 50), 60.0, 1.2, 0.75, variant.delta)
        by_length = variant.tf(np.full_like(lengths, 2), lengths, 60.0, 1.2, 0.75, variant.delta)
        assert (np.diff(by_tf) > 0).all(), variant.name
        assert (np.diff(by_length) <= 0).all(), variant.name
        assert by_length[0] > by_length[-1], variant.name


def test_no_saturation_and_no_length_at_the_ends_of_the_ranges():
    tf, lengths = np.array([1, 7]), np.array([3, 90])
    assert f.tf_robertson(tf, lengths, 10.0, 0.0, 0.75).tolist() == [1, 1]
    assert f.tf_robertson(tf, lengths, 10.0, 1.0, 0.0).tolist() == [1 / 2, 7 / 8]


def test_published_constants():
    """Deltas of Lv and Zhai 2011 (BM25L 0.5, BM25+ 1); only Lucene's N leaves out empty documents."""
    assert {name: variant.delta for name, variant in VARIANTS.items() if variant.delta} == {"bm25l": 0.5, "bm25+": 1.0}
    assert {name for name, variant in VARIANTS.items() if not variant.counts_empty} == {"lucene", "lucene-lossy"}
    assert list(VARIANTS) == [variant.name for variant in VARIANTS.values()]


# df 1 of N 4, tf 2, doc_len 4, avgdl 3, k1 1.5, b 0.75: length factor 0.25 + 0.75 * 4 / 3 = 1.25, K 1.875, c 1.6
IDF_ROBERTSON = math.log(3.5 / 1.5)
OKAPI = 2 * 2.5 / 3.875


@pytest.mark.parametrize(
    ("variant", "score"),
    [
        ("robertson", IDF_ROBERTSON * 2 / 3.875),
        ("pymilvus", IDF_ROBERTSON * OKAPI),
        ("rank_bm25", IDF_ROBERTSON * OKAPI),
        ("atire", math.log(4) * OKAPI),
        ("bm25l", math.log(5 / 1.5) * 2.5 * (1.6 + 0.5) / (1.5 + 1.6 + 0.5)),
        ("bm25+", math.log(5) * (1 + OKAPI)),
        ("lucene", math.log(1 + 3.5 / 1.5) * 2 / 3.875),
        ("lucene-lossy", math.log(1 + 3.5 / 1.5) * 2 / 3.875),
    ],
)
def test_the_score_of_each_variant_with_the_default_parameters(variant, score):
    """k1 1.5, b 0.75, epsilon 0.25 and the published delta are the defaults of both classes; sums by hand."""
    docs = ["a a b c", "d e f", "d g", "h d i"]
    ids, scores = BM25Index.from_tokens([doc.split() for doc in docs], variant=variant).search([["a"]], 1)
    assert (ids[0, 0], scores[0, 0]) == (0, pytest.approx(score, rel=1e-14))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BM25WeightWarning)
        function = BM25EmbeddingFunction(str.split, docs, variant=variant)
    vectors = function.encode_documents(docs) @ function.encode_queries(["a"]).T
    assert vectors.toarray()[0, 0] == pytest.approx(score, rel=1e-6)


def test_the_default_epsilon_is_a_quarter_of_the_average_idf():
    """df is 3 for d and 1 for e, f, g and h, so that the idfs of d and of one other cancel."""
    docs = ["d e", "d f", "d g", "h"]
    average = 3 * IDF_ROBERTSON / 5
    function = BM25EmbeddingFunction(str.split, docs)
    assert function.idf["d"][0] == pytest.approx(0.25 * average, rel=1e-12)
