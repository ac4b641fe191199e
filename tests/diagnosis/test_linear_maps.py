"""Vectors under a linear map of their dimensions are named as that; other deviations are not."""

import numpy as np
import pytest
from faulty_bert import FaultyBert
from scipy.stats import ortho_group

from refimpl.diagnosis import diagnose_embeddings
from refimpl.diagnosis.linear_maps import linear_map

TEXTS = ["two roads", "a wood", "Zoë said so", "hm", "春の海"]
ORDER = np.array([2, 0, 1, *range(3, 32)])
SIGNS = np.where(np.arange(32) < 5, -1.0, 1.0)
ROTATION = ortho_group.rvs(32, random_state=5)
MAPS = {
    "3 dimensions in another order": lambda x: x[:, ORDER],
    "5 dimensions with the other sign": lambda x: x * SIGNS,
    "3 dimensions in another order and 5 dimensions with the other sign": lambda x: x[:, ORDER] * SIGNS,
    "multiplied by 2.5": lambda x: 2.5 * x,
    "multiplied by 0.25 and 3 dimensions in another order": lambda x: 0.25 * x[:, ORDER],
    "rotated": lambda x: x @ ROTATION,
    "a constant vector added": lambda x: x - x[:3].mean(axis=0),
}


@pytest.mark.parametrize("name", MAPS)
def test_a_map_of_the_dimensions_is_named(name, small_folder):
    actual = MAPS[name](FaultyBert(small_folder)(TEXTS))
    diagnosis = diagnose_embeddings(actual, TEXTS, model_path=small_folder, tolerance=1e-10)
    assert [cause.names for cause in diagnosis.causes] == [(name,)]
    assert diagnosis.causes[0].explains_all


@pytest.mark.parametrize("deviation", [1.5e-6, 1e-4, 1e-2])
def test_noise_is_no_map(deviation):
    """Of few vectors in many dimensions a rotation absorbs most of any noise."""
    random = np.random.default_rng(1)
    expected = random.normal(size=(5, 300))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    noise = deviation * random.choice([-1.0, 1.0], expected.shape)
    assert linear_map(expected + noise, expected, 1e-6) is None


def test_three_texts_do_not_show_a_rotation():
    rows = np.eye(3, 8)
    assert linear_map(rows @ ortho_group.rvs(8, random_state=2), rows, 1e-9) is None
