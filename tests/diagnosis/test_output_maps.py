"""Vectors that are a known function of the right ones, and those of other texts."""

import numpy as np
import pytest
from faulty_bert import FaultyBert
from scipy import special

from refimpl.diagnosis import diagnose_embeddings
from refimpl.diagnosis.output_maps import another_length, output_map
from refimpl.diagnosis.wrong_rows import exchanged, exchanged_note

TEXTS = ["", "hm", "a wood", "two roads", "the sun is red", "forty ships at sea", "no dogs", "oil and gas"]
TOLERANCE = 1e-10

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(scope="module")
def right(small_folder):
    return FaultyBert(small_folder)(TEXTS)


def without_last(v):
    return np.concatenate([v[:, :-1], np.zeros((len(v), 1))], axis=1)


def centred_by_half(v):
    half = len(v) // 2
    return np.concatenate([v[:half] - v[:half].mean(axis=0), v[half:] - v[half:].mean(axis=0)])


@pytest.mark.parametrize(
    ("function", "name", "part"),
    [
        (without_last, "1 wrong dimension", "dimension 31 is 0 in every vector; all others are right"),
        (lambda v: special.softmax(v, axis=1), "vectors through softmax", "softmax"),
        (lambda v: np.array([(x - x.mean()) / x.std() for x in v]), "vectors standardised", "layer norm"),
        (lambda v: np.where(v < 0, -1.0, 1.0), "vectors of signs", "-1 and 1"),
        (lambda v: np.where(v < 0, -1.0, 1.0) / np.sqrt(32), "vectors of signs, then unit length", "-1 and 1"),
        (centred_by_half, "mean of the call subtracted", "one and the same vector"),
    ],
)
def test_a_function_of_the_right_vectors_is_named(function, name, part, right, small_folder):
    diagnosis = diagnose_embeddings(function(right), TEXTS, model_path=small_folder, tolerance=TOLERANCE)
    (cause,) = diagnosis.causes
    assert cause.names == (name,), str(diagnosis)
    assert part in cause.explanation
    assert cause.explains_all


def test_other_vectors_are_no_function_of_the_right_ones(right, small_folder):
    for faults in ({"act": "tanh"}, {"pooling": "CLS"}, {"norm": "none"}):
        assert output_map(FaultyBert(small_folder, **faults)(TEXTS), right, TOLERANCE) is None


def test_right_directions_of_other_lengths(right, small_folder):
    lengths = np.linspace(1.5, 3, len(right))[:, None]
    diagnosis = diagnose_embeddings(right * lengths, TEXTS, model_path=small_folder, tolerance=TOLERANCE)
    assert [cause.names for cause in diagnosis.causes] == [("vectors of other lengths",)]
    assert "lengths are 1.5 to 3" in str(diagnosis)
    assert another_length(FaultyBert(small_folder, act="tanh")(TEXTS), right, TOLERANCE) is None


def test_lengths_of_a_listed_kind_have_its_name(small_folder):
    actual = FaultyBert(small_folder, norm="none", pooling="sum")(TEXTS)
    diagnosis = diagnose_embeddings(actual, TEXTS, model_path=small_folder, tolerance=TOLERANCE)
    assert set(diagnosis.causes[0].names) == {"no normalisation", "sum pooling"}


def test_a_vector_of_another_text_is_named(right):
    actual = right.copy()
    actual[4] = right[6]
    found = exchanged(actual, right, [3, 4], TEXTS, TOLERANCE)
    assert found == {4: 6}
    assert exchanged_note(found, 2, TEXTS, TEXTS) == (
        "1 of 2 unexplained texts have the right vector of another text: the sun is red that of no dogs"
    )
    assert exchanged(right, right, [3, 4], TEXTS, TOLERANCE) == {}


def test_a_function_of_vectors_that_are_then_rounded_is_named(right, small_folder):
    centred = right - right.mean(axis=1)[:, None]
    rounded = np.round(centred / np.sqrt((centred**2).sum(axis=1))[:, None], 3)
    diagnosis = diagnose_embeddings(rounded, TEXTS, model_path=small_folder, tolerance=TOLERANCE)
    (cause,) = diagnosis.causes
    assert cause.names == ("vectors centred, then unit length and 3 decimals",), str(diagnosis)
    assert cause.explains_all
