"""Poolings of two hand-worked texts of three tokens and one; without the prompt's tokens."""

import numpy as np
import pytest

from refimpl.bert.pooling import POOLINGS, pool

STATES = np.array([[1.0, -1.0], [2.0, 5.0], [6.0, -4.0], [3.0, 7.0]])
LENGTHS = np.array([3, 1])
BY_HAND = {
    "cls": [[1, -1], [3, 7]],
    "max": [[6, 5], [3, 7]],
    "mean": [[3, 0], [3, 7]],
    "mean_sqrt_len_tokens": [[9 / 3**0.5, 0], [3, 7]],
    "weightedmean": [[(1 + 4 + 18) / 6, (-1 + 10 - 12) / 6], [3, 7]],
    "lasttoken": [[6, -4], [3, 7]],
}


@pytest.mark.parametrize("mode", POOLINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_mode_by_hand(mode, dtype):
    pooled = pool(STATES.astype(dtype), LENGTHS, [mode])
    np.testing.assert_allclose(pooled, BY_HAND[mode], rtol=0, atol=1e-15)
    assert pooled.dtype == np.float64


def test_modes_are_concatenated_in_the_order_given():
    pooled = pool(STATES, LENGTHS, ["lasttoken", "cls"])
    np.testing.assert_array_equal(pooled, [[6, -4, 1, -1], [3, 7, 3, 7]])


def test_a_prompts_tokens_are_excluded_and_positions_kept():
    pooled = {mode: pool(STATES[:3], LENGTHS[:1], [mode], prompt_tokens=1)[0].tolist() for mode in POOLINGS}
    assert pooled["cls"] == [2, 5]
    assert pooled["max"] == [6, 5]
    assert pooled["mean"] == [4, 0.5]
    assert pooled["weightedmean"] == pytest.approx([(2 * 2 + 3 * 6) / 5, (2 * 5 - 3 * 4) / 5])
    with pytest.raises(ValueError, match="a text of 1 tokens has none after the 1 of its prompt"):
        pool(STATES, LENGTHS, ["mean"], prompt_tokens=1)


def test_a_prompt_of_two_tokens_is_left_out_of_every_text():
    lengths = np.array([3, 4])
    states = np.array([[9.0], [8.0], [1.0], [9.0], [8.0], [2.0], [4.0]])
    by_hand = {"cls": [1, 2], "max": [1, 4], "mean": [1, 3], "mean_sqrt_len_tokens": [1, 6 / 2**0.5]}
    by_hand |= {"weightedmean": [1, (3 * 2 + 4 * 4) / 7], "lasttoken": [1, 4]}
    for mode in POOLINGS:
        np.testing.assert_allclose(pool(states, lengths, [mode], prompt_tokens=2)[:, 0], by_hand[mode], atol=1e-15)
    with pytest.raises(ValueError, match="a text of 2 tokens has none after the 2 of its prompt"):
        pool(states[:-1], np.array([2, 4]), ["mean"], prompt_tokens=2)
    assert pool(states[:0], lengths[:0], ["cls"], prompt_tokens=2).shape == (0, 1)
