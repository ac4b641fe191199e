import errno
import hashlib
import logging
import os

import numpy as np
import pytest
from scipy.sparse import csr_array

from refimpl.search import cache as cache_module
from refimpl.search.cache import EmbeddingCache

TEXTS = [f"text {i} é東" for i in range(600)] + ["text 3 é東", "", "half \ud800"]


class Dense:
    """Two numbers per text; records the texts in `encoded`."""

    def __init__(self):
        self.encoded = []

    def __call__(self, texts):
        self.encoded += texts
        return np.array([[len(t), sum(map(ord, t)) % 1009] for t in texts], np.float32).reshape(len(texts), 2)


class Sparse(Dense):
    def __call__(self, texts):
        return csr_array(super().__call__(texts))


@pytest.mark.parametrize("kind", [Dense, Sparse])
def test_cached_texts_are_not_encoded_again_and_their_vectors_are_equal(tmp_path, kind):
    first, second = kind(), kind()
    made = EmbeddingCache({"model": "m"}, tmp_path).encode(first, TEXTS)
    again = EmbeddingCache({"model": "m"}, tmp_path).encode(second, TEXTS[::-1])
    assert (made.computed, again.computed, second.encoded) == (602, 0, [])  # one text occurs twice
    assert len(first.encoded) == len(set(first.encoded))
    as_array = np.asarray if kind is Dense else lambda m: m.toarray()
    np.testing.assert_array_equal(as_array(made.vectors), Dense()(TEXTS))
    np.testing.assert_array_equal(as_array(again.vectors), Dense()(TEXTS)[::-1])
    assert made.vectors.dtype == np.float32


def test_another_key_selects_another_cache(tmp_path):
    function = Dense()
    EmbeddingCache({"model": "m", "max_length": 256}, tmp_path).encode(function, TEXTS[:3])
    assert EmbeddingCache({"model": "m", "max_length": 128}, tmp_path).encode(function, TEXTS[:3]).computed == 3
    assert EmbeddingCache({"max_length": 256, "model": "m"}, tmp_path).encode(function, TEXTS[:3]).computed == 0


def test_batches_before_an_interruption_are_kept(tmp_path):
    class Interrupted(Dense):
        def __call__(self, texts):
            if len(self.encoded) >= 256:
                raise KeyboardInterrupt
            return super().__call__(texts)

    with pytest.raises(KeyboardInterrupt):
        EmbeddingCache({"m": 1}, tmp_path).encode(Interrupted(), TEXTS)
    assert EmbeddingCache({"m": 1}, tmp_path).encode(Dense(), TEXTS).computed == 602 - 256


def test_a_damaged_file_is_logged_and_its_texts_are_encoded_again(tmp_path, caplog):
    cache = EmbeddingCache({"m": 1}, tmp_path)
    cache.encode(Dense(), TEXTS)
    files = sorted(cache.folder.glob("*.npz"))
    files[0].write_bytes(files[0].read_bytes()[:200])
    files[1].write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        again = cache.encode(Dense(), TEXTS)
    assert again.computed > 0
    assert caplog.text.count("is damaged and ignored") == 2
    np.testing.assert_array_equal(again.vectors, Dense()(TEXTS))


@pytest.mark.parametrize("kind", [Dense, Sparse])
def test_every_changed_byte_is_encoded_again_or_changes_nothing(tmp_path, kind):
    cache, texts = EmbeddingCache({"m": 1}, tmp_path), TEXTS[:2]
    cache.encode(kind(), texts)
    (file,) = cache.folder.glob("*.npz")
    content, expected = file.read_bytes(), Dense()(texts)
    for place in range(len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        vectors = cache._cached([hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts], 256)[0]
        if vectors:
            np.testing.assert_array_equal(vectors[0].toarray() if kind is Sparse else vectors[0], expected)


@pytest.mark.parametrize("change", [lambda a: a["dense"].__iadd__(1), lambda a: a.pop("checksum")])
def test_a_whole_file_of_other_vectors_is_ignored(tmp_path, change):
    """As an interrupted copy of the file system may leave it, with correct CRCs."""
    cache = EmbeddingCache({"m": 1}, tmp_path)
    cache.encode(Dense(), TEXTS[:2])
    (file,) = cache.folder.glob("*.npz")
    with np.load(file) as stored:
        arrays = dict(stored)
    change(arrays)
    np.savez(file, **arrays)
    assert cache.encode(Dense(), TEXTS[:2]).computed == 2


def test_no_texts_give_an_empty_matrix_of_the_right_width(tmp_path):
    assert EmbeddingCache({"m": 1}, tmp_path).encode(Dense(), []).vectors.shape == (0, 2)


def test_progress_counts_every_text_once(tmp_path):
    counted = []
    EmbeddingCache({"m": 1}, tmp_path).encode(Dense(), TEXTS[:300], counted.append)
    EmbeddingCache({"m": 1}, tmp_path).encode(Dense(), TEXTS[:400], counted.append)
    assert sum(counted[:3]) == 300
    assert sum(counted[3:]) == 400


def test_a_read_only_cache_with_all_vectors_is_read_and_one_without_is_refused_before_encoding(tmp_path, monkeypatch):
    EmbeddingCache({"m": 1}, tmp_path).encode(Dense(), TEXTS[:300])

    def read_only(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK)
    for name in ("mkdir", "replace", "rename"):
        monkeypatch.setattr(os, name, read_only)
    assert EmbeddingCache({"m": 1}, tmp_path).encode(Dense(), TEXTS[:300]).computed == 0
    for key in ({"m": 1}, {"m": "another"}):
        function = Dense()
        with pytest.raises(OSError, match=str(tmp_path)) as raised:
            EmbeddingCache(key, tmp_path).encode(function, TEXTS)
        assert "\n" not in str(raised.value)
        assert function.encoded == []


def test_the_key_is_written_with_the_first_vectors(tmp_path):
    cache = EmbeddingCache({"model": "m"}, tmp_path)
    assert not cache.folder.exists()
    cache.encode(Dense(), TEXTS[:3])
    assert (cache.folder / "key.json").read_text() == '{"model": "m"}\n'


def test_a_full_disk_is_one_sentence_and_the_vectors_before_it_are_kept(tmp_path, monkeypatch):
    flush, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 4:  # file and folder of key.json, then of the first block
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    cache = EmbeddingCache({"m": 1}, tmp_path)
    with pytest.raises(OSError, match=r"npz cannot be written \(No space left on device\): free some disk space, or"):
        cache.encode(Dense(), TEXTS)
    monkeypatch.undo()
    assert sorted(file.suffix for file in cache.folder.iterdir()) == [".json", ".npz"]
    assert cache.encode(Dense(), TEXTS).computed == 602 - 256


def test_texts_are_found_in_other_batches_and_each_file_is_read_once_per_part(tmp_path, monkeypatch):
    """As by a run that reads its documents in parts, over what another division of the texts has cached."""
    EmbeddingCache({"m": 1}, tmp_path).encode(Dense(), TEXTS, batch_size=100)
    read, reader = [], cache_module._read
    monkeypatch.setattr(cache_module, "_read", lambda file: read.append(file) or reader(file))
    cache = EmbeddingCache({"m": 1}, tmp_path)
    parts = [TEXTS[start : start + 60] for start in range(0, len(TEXTS), 60)]
    encoded = [cache.encode(Dense(), part) for part in parts]
    assert [one.computed for one in encoded] == [0] * len(parts)
    np.testing.assert_array_equal(np.concatenate([one.vectors for one in encoded]), Dense()(TEXTS))
    assert len(read) <= 7 + 2 * len(parts)  # the index, and at most two files for each part


def test_what_the_same_division_has_cached_is_found_without_an_index(tmp_path, monkeypatch):
    parts = [TEXTS[start : start + 60] for start in range(0, len(TEXTS), 60)]
    first = EmbeddingCache({"m": 1}, tmp_path)
    for part in parts:
        first.encode(Dense(), part)
    monkeypatch.setattr(cache_module._Index, "_tables", property(lambda self: 1 / 0))
    again = EmbeddingCache({"m": 1}, tmp_path)
    assert [again.encode(Dense(), part).computed for part in parts] == [0] * len(parts)
