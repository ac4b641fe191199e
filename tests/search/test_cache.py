import logging

import numpy as np
import pytest
from scipy.sparse import csr_array

from refimpl.search.cache import EmbeddingCache

TEXTS = [f"text {i} é東" for i in range(600)] + ["text 3 é東", "", "half \ud800"]


class Dense:
    """One number a text, and a count of how many were asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        self.asked += texts
        return np.array([[len(t), sum(map(ord, t)) % 1009] for t in texts], np.float32).reshape(len(texts), 2)


class Sparse(Dense):
    def __call__(self, texts):
        return csr_array(super().__call__(texts))


@pytest.mark.parametrize("kind", [Dense, Sparse])
def test_a_second_time_nothing_is_encoded_and_the_vectors_are_the_same(tmp_path, kind):
    first, second = kind(), kind()
    made = EmbeddingCache({"model": "m"}, tmp_path).encode(first, TEXTS)
    again = EmbeddingCache({"model": "m"}, tmp_path).encode(second, TEXTS[::-1])
    assert (made.fresh, again.fresh, second.asked) == (602, 0, [])  # one text occurs twice
    assert len(first.asked) == len(set(first.asked))
    as_array = np.asarray if kind is Dense else lambda m: m.toarray()
    np.testing.assert_array_equal(as_array(made.vectors), Dense()(TEXTS))
    np.testing.assert_array_equal(as_array(again.vectors), Dense()(TEXTS)[::-1])
    assert made.vectors.dtype == np.float32


def test_another_key_is_another_cache(tmp_path):
    function = Dense()
    EmbeddingCache({"model": "m", "max_length": 256}, tmp_path).encode(function, TEXTS[:3])
    assert EmbeddingCache({"model": "m", "max_length": 128}, tmp_path).encode(function, TEXTS[:3]).fresh == 3
    assert EmbeddingCache({"max_length": 256, "model": "m"}, tmp_path).encode(function, TEXTS[:3]).fresh == 0


def test_what_was_encoded_before_an_interruption_is_kept(tmp_path):
    class Interrupted(Dense):
        def __call__(self, texts):
            if len(self.asked) >= 256:
                raise KeyboardInterrupt
            return super().__call__(texts)

    with pytest.raises(KeyboardInterrupt):
        EmbeddingCache({"m": 1}, tmp_path).encode(Interrupted(), TEXTS)
    assert EmbeddingCache({"m": 1}, tmp_path).encode(Dense(), TEXTS).fresh == 602 - 256


def test_a_damaged_file_is_reported_and_its_texts_encoded_again(tmp_path, caplog):
    cache = EmbeddingCache({"m": 1}, tmp_path)
    cache.encode(Dense(), TEXTS)
    files = sorted(cache.folder.glob("*.npz"))
    files[0].write_bytes(files[0].read_bytes()[:200])
    files[1].write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        again = cache.encode(Dense(), TEXTS)
    assert again.fresh > 0
    assert caplog.text.count("is damaged and ignored") == 2
    np.testing.assert_array_equal(again.vectors, Dense()(TEXTS))


def test_no_texts_give_an_empty_matrix_of_the_right_width(tmp_path):
    assert EmbeddingCache({"m": 1}, tmp_path).encode(Dense(), []).vectors.shape == (0, 2)


def test_progress_counts_every_text_once(tmp_path):
    counted = []
    EmbeddingCache({"m": 1}, tmp_path).encode(Dense(), TEXTS[:300], counted.append)
    EmbeddingCache({"m": 1}, tmp_path).encode(Dense(), TEXTS[:400], counted.append)
    assert sum(counted[:3]) == 300
    assert sum(counted[3:]) == 400
