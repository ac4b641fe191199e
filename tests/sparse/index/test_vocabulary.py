"""Terms to ids: as a dict, as packed arrays, with equal hashes."""

import numpy as np
import pytest

from refimpl import BM25Index
from refimpl.sparse.index import vocabulary
from refimpl.sparse.index.vocabulary import ColumnVocabulary, PackedVocabulary, Vocabulary

TERMS = ["cat", "", "naïve", "東京", "ca", "catt", "\ud800", "dog"]
UNKNOWN = ["c", "cats", "Cat", "京", "\udfff"]


@pytest.mark.parametrize("n_hashes", [1, 2, 3, 1 << 64])
def test_packed_terms_have_their_ids_though_hashes_collide(n_hashes, monkeypatch):
    """With few distinct hashes, each lookup must compare bytes along the chain of equal hashes."""
    hash_of = vocabulary._hash
    monkeypatch.setattr(vocabulary, "_hash", lambda term: hash_of(term) % n_hashes)
    packed = PackedVocabulary(**Vocabulary(TERMS).packed())
    assert packed.term_ids(TERMS) == list(range(len(TERMS)))
    assert packed.term_ids(UNKNOWN) == [-1] * len(UNKNOWN)
    assert packed.term_ids([]) == []


@pytest.mark.parametrize("last_hash", [0, (1 << 64) - 1])
def test_a_lookup_ends_at_the_last_hash(last_hash, monkeypatch):
    monkeypatch.setattr(vocabulary, "_hash", lambda term: last_hash)
    assert PackedVocabulary(**Vocabulary(["a", "b"]).packed()).term_ids(["c", "b", "a"]) == [-1, 1, 0]


def test_an_index_whose_terms_all_collide_is_saved_and_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(vocabulary, "_hash", lambda term: 7)
    BM25Index.from_tokens([["a", "b"], ["b", "c"], ["d"]]).save(tmp_path / "index")
    loaded = BM25Index.load(tmp_path / "index")
    assert loaded.search([["a"], ["c"], ["d"], ["e"]], 1)[0].tolist() == [[0], [1], [2], [-1]]


def test_an_empty_vocabulary():
    packed = PackedVocabulary(**Vocabulary([]).packed())
    assert len(packed) == len(Vocabulary([])) == 0
    assert packed.term_ids(["a"]) == Vocabulary([]).term_ids(["a"]) == [-1]


def test_columns_in_the_order_of_terms():
    columns = ColumnVocabulary.from_order(np.array([2, 0, 1]))
    assert columns.term.tolist() == [1, 2, 0]
