"""Poolings that no hypothesis lists: named where they are usual, else shown by their weights; the encoder is right."""

import numpy as np
import pytest
from faulty_bert import FaultyBert

from refimpl.diagnosis import diagnose_embeddings

TEXTS = ["two roads", "a wood and a yellow road", "Zoë said so", "hm", "春の海 終日のたり", "one road " * 80]
WEIGHTS = {
    "mean without [CLS]": lambda n: [0, *[1] * (n - 1)],
    "mean without [SEP]": lambda n: [*[1] * (n - 1), 0],
    "mean of first and last token": lambda n: [1, *[0] * (n - 2), 1],
    "mean weighted by position": lambda n: [i + 1 for i in range(n)],
    "mean weighted by 1 / (1 + position)": lambda n: [1 / (i + 1) for i in range(n)],
    "second token pooling": lambda n: [0, 1, *[0] * (n - 2)],
    "last token but one pooling": lambda n: [*[0] * (n - 2), 1, 0],
    "mean of [CLS] and the mean": lambda n: [n + 1, *[1] * (n - 1)],
    "mean of the first 3 tokens": lambda n: [1, 1, 1, *[0] * (n - 3)],
}

pytestmark = pytest.mark.usefixtures("quick")


def pooled(folder, weigh, unit=True, **faults):
    bert = FaultyBert(folder, **faults)
    vectors = []
    for ids in bert.ids(TEXTS):
        weights = np.array(weigh(len(ids)), dtype=np.float64)
        vector = weights @ bert.hidden(ids)[0] / weights.sum()
        vectors.append(vector / np.sqrt(vector @ vector) if unit else vector)
    return np.array(vectors)


def diagnosed(vectors, folder):
    return diagnose_embeddings(vectors, TEXTS, model_path=folder, tolerance=1e-10)


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_usual_weighting_is_named(name, small_folder):
    diagnosis = diagnosed(pooled(small_folder, WEIGHTS[name]), small_folder)
    assert diagnosis.causes[0].names == (name,), str(diagnosis)
    assert diagnosis.causes[0].of == "6 of 6 texts"
    assert diagnosis.causes[0].explains_all


def test_a_weighting_without_normalisation_is_named(small_folder):
    diagnosis = diagnosed(pooled(small_folder, WEIGHTS["mean weighted by position"], unit=False), small_folder)
    assert set(diagnosis.causes[0].names) == {"no normalisation", "mean weighted by position"}, str(diagnosis)
    assert diagnosis.causes[0].explains_all


def test_another_weighting_is_shown_by_its_weights(small_folder):
    diagnosis = diagnosed(pooled(small_folder, lambda n: [3, *[1] * (n - 2), 2]), small_folder)
    assert not diagnosis.explained
    weights = "[CLS] 0.375, zoe 0.125, said 0.125, so 0.125, [SEP] 0.250"
    assert f"the forward pass is right, the pooling is not; weights of 'Zoë said so': {weights}" in str(diagnosis)


def test_a_wrong_encoder_is_not_taken_for_a_weighting(small_folder):
    noise = np.random.default_rng(3).normal(0, 0.01, (len(TEXTS), 32))
    diagnosis = diagnosed(pooled(small_folder, WEIGHTS["mean without [CLS]"]) + noise, small_folder)
    assert not diagnosis.explained
    assert "no weighted sum of the last hidden states gives the vector of 'Zoë said so'" in str(diagnosis)
    assert "the forward pass is right" not in str(diagnosis)
