"""Vectors of no encoder, and rows in another order that deviate otherwise as well."""

import hashlib

import numpy as np
import pytest
from faulty_bert import FaultyBert

from refimpl.diagnosis import diagnose_embeddings
from refimpl.diagnosis.similarities import matched_order, random_directions, similarity_note

pytestmark = pytest.mark.usefixtures("quick")
TEXTS = [
    *("a red house", "a red house.", "A red house!", "a red  house?", "the sun", "the sun.", "The sun!"),
    *("forty ships at sea", "a law", "no dogs or cars near the gas works"),
]


def hashed(texts):
    """A direction drawn anew for each text."""
    seeds = [int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) for text in texts]
    return np.stack([np.random.default_rng(seed).normal(size=32) for seed in seeds])


def diagnosed(actual, folder, texts=TEXTS):
    return diagnose_embeddings(actual, texts, model_path=folder, tolerance=1e-10)


def test_random_directions_are_no_vectors_of_an_encoder(small_folder):
    vectors = hashed(TEXTS)
    width = FaultyBert(small_folder)(TEXTS).shape[1]
    vectors = np.tile(vectors, (1, -(-width // 32)))[:, :width] if width != 32 else vectors
    diagnosis = diagnosed(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), small_folder)
    assert "random directions" in str(diagnosis)
    assert diagnosis.causes == ()


@pytest.mark.parametrize("fault", [{"act": "relu"}, {"pooling": "CLS"}, {"accents": False}])
def test_a_faulty_encoder_has_no_random_directions(small_folder, fault):
    expected = FaultyBert(small_folder)(TEXTS)
    assert random_directions(FaultyBert(small_folder, **fault)(TEXTS), expected) is None


def test_rows_in_another_order_are_put_in_order_before_other_causes_are_searched(small_folder):
    vectors = FaultyBert(small_folder, act="tanh")(TEXTS)
    order = np.argsort([len(text) for text in TEXTS], kind="stable")
    diagnosis = diagnosed(vectors[order], small_folder)
    assert [cause.names for cause in diagnosis.causes] == [("rows in another order", "tanh GELU")]
    assert diagnosis.causes[0].of == f"{len(TEXTS)} of {len(TEXTS)} texts"


def test_rows_in_their_own_order_stay(small_folder):
    expected = FaultyBert(small_folder)(TEXTS)
    noise = np.random.default_rng(0).normal(size=expected.shape) * 1e-3
    assert matched_order(expected + noise, expected) is None
    assert list(matched_order((expected + noise)[::-1], expected)) == list(range(len(TEXTS)))[::-1]


def test_the_similarity_of_pairs_is_told_beside_that_of_chance(small_folder):
    expected = FaultyBert(small_folder)(TEXTS)
    spread = np.random.default_rng(1).normal(size=expected.shape)
    assert "weights that were not loaded" in similarity_note(np.ones_like(expected) + 0.01 * spread, expected)[0]
    (sentence,) = similarity_note(expected + 1e-4 * spread, expected)
    assert "the cosines of 45 pairs of texts correlate by 1.00 with the reference's (Spearman)" in sentence
