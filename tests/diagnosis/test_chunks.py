"""Long texts in chunks, averaged from vectors of an independent BERT: size, overlap and weights are named."""

import numpy as np
import pytest
from faulty_bert import FaultyBert

from refimpl.diagnosis import diagnose_embeddings

TEXTS = [" ".join(["river", "stone", "a", "winter"][i % (2 + n % 3)] for i in range(n)) for n in (1, 5, 20, 21, 45, 70)]

pytestmark = pytest.mark.usefixtures("quick")


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def chunked(folder, size, overlap, average, *, of_unit_length):
    """The words have one piece or more each; ids are split, not words."""
    encoder = FaultyBert(folder)
    raw = FaultyBert(folder, norm="none")
    vectors = []
    for text in TEXTS:
        first, *ids, last = encoder.tokenizer.encode(text).ids
        starts = range(0, max(1, len(ids) - overlap), size - overlap)
        parts = [ids[start : start + size] for start in starts]
        of_parts = [(encoder if of_unit_length else raw).vector([first, *part, last]) for part in parts]
        vectors.append(average(np.array(of_parts), np.array([len(part) for part in parts])))
    return unit(np.array(vectors))


@pytest.mark.parametrize(
    ("overlap", "average", "of_unit_length", "words"),
    [
        (0, lambda v, n: v.mean(0), True, ", whose unit vectors are averaged"),
        (
            0,
            lambda v, n: n @ v / n.sum(),
            True,
            ", whose unit vectors are averaged, weighted by their numbers of tokens",
        ),
        (10, lambda v, n: v.mean(0), False, " with an overlap of 10, whose vectors, not of unit length, are averaged"),
        (0, lambda v, n: v.max(0), True, ", whose unit vectors are pooled by their maximum"),
    ],
    ids=["mean", "weighted", "overlap", "maximum"],
)
def test_chunks_of_long_texts_are_named(overlap, average, of_unit_length, words, small_folder):
    actual = chunked(small_folder, 32, overlap, average, of_unit_length=of_unit_length)
    found = diagnose_embeddings(actual, TEXTS, model_path=small_folder, tolerance=1e-10)
    assert found.causes, str(found)
    assert found.causes[0].names == ("chunks of 32 tokens",), str(found)
    assert found.causes[0].explanation == f"texts of over 32 tokens are split into parts of 32{words}"
    assert found.causes[0].explains_all


def test_long_texts_with_noise_are_no_chunks(small_folder):
    actual = FaultyBert(small_folder)(TEXTS)
    actual[-2:] = unit(actual[-2:] + np.random.default_rng(0).normal(0, 0.01, actual[-2:].shape))
    found = diagnose_embeddings(actual, TEXTS, model_path=small_folder, tolerance=1e-10)
    assert "chunks" not in str(found)
