"""Each formula against values worked out by hand, and Lucene's one-byte lengths against its published scheme."""

import math

import numpy as np
import pytest

from refimpl.sparse.bm25 import VARIANTS
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


def test_floored_idf_replaces_what_is_negative_by_a_share_of_the_average():
    rare, half = math.log(9.5) - math.log(1.5), 0.0
    average = (rare + half - rare) / 3  # df 9 has exactly minus the idf of df 1
    np.testing.assert_allclose(f.idf_floored(DF, N, 0.25), [rare, half, 0.25 * average], atol=1e-15)


def test_floored_idf_of_few_documents_is_below_zero():
    found = f.idf_floored(np.array([2, 2, 1]), 2, 0.25)  # ln(0.2) twice, ln(1) once
    assert found[0] == pytest.approx(0.25 * (2 * math.log(0.2) + 0) / 3)
    assert found[0] < 0


# tf 3, length 20, average 10, k1 1.5, b 0.75: the length's part is 1.5 * (0.25 + 0.75 * 2) = 2.625; BM25L's c, 3 / 1.75
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


def test_lossy_tf_takes_the_rounded_length_and_the_exact_average():
    assert f.tf_lucene_lossy(np.array([1]), np.array([1000]), 500.0, 1.0, 1.0)[0] == pytest.approx(1 / (1 + 984 / 500))


def test_lengths_that_a_byte_can_hold():
    # Worked by hand from SmallFloat: 24 + m * 2 ** e with m of 8 to 15, and the last code, 24 + 15 * 2 ** 27
    assert LENGTHS[:41].tolist() == list(range(41))
    assert LENGTHS[41:50].tolist() == [42, 44, 46, 48, 50, 52, 54, 56, 60]
    assert LENGTHS[-1] == 24 + 15 * 2**27
    assert (np.diff(LENGTHS) > 0).all()


def test_lossy_lengths_round_down():
    assert lossy_lengths(np.array([0, 39, 40, 41, 42, 43, 255, 1000])).tolist() == [0, 39, 40, 40, 42, 42, 248, 984]
    assert length_codes(np.array([40, 41]))[0] == length_codes(np.array([40, 41]))[1]


def test_every_variant_falls_with_length_and_rises_with_tf():
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
