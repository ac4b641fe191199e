"""refimpl.search.saved_run and fields: files of earlier runs stay readable, reranking stops at its depth."""

import json

import pytest

from refimpl.base import RerankResult
from refimpl.search.fields import DenseField, FullTextField, SparseField, field_from_dict, field_to_dict
from refimpl.search.plan import Encoder, System
from refimpl.search.records import SearchResults
from refimpl.search.saved_run import IndexMissingError, SavedRun, SearchHit, save, search
from refimpl.search.store import MilvusStore

# as earlier runs have written them
WRITTEN = [
    ({"name": "dense", "kind": "dense", "metric": "COSINE", "dim": 384}, DenseField("dense", 384, "COSINE")),
    ({"name": "bm25", "kind": "sparse", "metric": "IP", "dim": 0}, SparseField("bm25")),
    ({"name": "milvus_bm25", "kind": "bm25", "metric": "BM25", "dim": 0}, FullTextField("milvus_bm25")),
]


@pytest.mark.parametrize(("values", "field"), WRITTEN)
def test_fields_are_written_as_before_and_read_back(values, field):
    assert field_to_dict(field) == values
    assert field_from_dict(values) == field


def test_an_unknown_kind_of_field_raises():
    with pytest.raises(ValueError, match="field 'x': expected a kind of dense, sparse, bm25, got 'colbert'"):
        field_from_dict({"name": "x", "kind": "colbert"})


def test_the_index_of_an_earlier_run_is_read(tmp_path):
    values = {"schema": "refimpl.index/1", "collection": "c", "fields": [values for values, _ in WRITTEN]}
    values |= {"systems": ["dense"], "settings": {"depth": 10}, "uri": ""}
    (tmp_path / "index.json").write_text(json.dumps(values))
    saved = SavedRun.open(tmp_path)
    assert saved == SavedRun(tmp_path, "c", tuple(field for _, field in WRITTEN), ("dense",), {"depth": 10}, "")
    encoders = [Encoder(field, None, {}) for field in saved.fields]
    save(tmp_path, "c", encoders, ["dense"], {"depth": 10}, "http://me:secret@h:1")
    written = json.loads((tmp_path / "index.json").read_text())
    assert len(written.pop("checksum")) == 64
    assert written == values | {"uri": "http://h:1", "schema": "refimpl.index/2"}


def test_every_changed_bit_of_an_index_is_an_error_or_changes_nothing(tmp_path):
    encoders = [Encoder(field, None, {}) for _, field in WRITTEN]
    save(tmp_path, "c", encoders, ["dense", "bm25"], {"depth": 10, "max_length": None}, "http://h:1")
    content, expected = (tmp_path / "index.json").read_bytes(), SavedRun.open(tmp_path)
    for place in range(len(content)):
        changed = bytes([content[place] ^ 1 << place % 8])
        (tmp_path / "index.json").write_bytes(content[:place] + changed + content[place + 1 :])
        try:
            read = SavedRun.open(tmp_path)
        except IndexMissingError as error:
            read = str(error)
        assert read == expected or "index.json" in str(read)


DAMAGED = {"collection": 3, "systems": [], "settings": [], "uri": None, "more": 1}


@pytest.mark.parametrize(("key", "value"), DAMAGED.items())
def test_values_of_other_types_are_an_error(tmp_path, key, value):
    values = {
        "schema": "refimpl.index/1",
        "collection": "c",
        "fields": [],
        "systems": ["dense"],
        "settings": {},
        "uri": "",
    }
    (tmp_path / "index.json").write_text(json.dumps(values | {key: value}))
    with pytest.raises(IndexMissingError, match=rf"index\.json is damaged \(ValueError: .*{key}"):
        SavedRun.open(tmp_path)


@pytest.mark.parametrize(
    "field", [3, {"name": 1, "kind": "sparse"}, {"name": "d", "kind": ["dense"]}, {"kind": "bm25"}, "xyz"]
)
def test_fields_of_other_types_are_an_error(tmp_path, field):
    values = {
        "schema": "refimpl.index/1",
        "collection": "c",
        "systems": ["d"],
        "settings": {},
        "uri": "",
        "fields": [field],
    }
    (tmp_path / "index.json").write_text(json.dumps(values))
    with pytest.raises(IndexMissingError, match=r"index\.json is damaged"):
        SavedRun.open(tmp_path)


class Store(MilvusStore):
    """A store with the same ten hits for every query but an empty one, which has none."""

    def __init__(self):
        self.depths = []

    def search(self, field, queries, k, *, filter=""):
        self.depths.append(k)
        ids, scores = [f"d{i}" for i in range(10)], [10.0 - i for i in range(10)]
        return SearchResults(
            [ids if query else [] for query in queries], [scores if query else [] for query in queries]
        )

    def texts(self, ids):
        return {doc_id: f"text {doc_id}" for doc_id in ids}


def ids(hits):
    return [hit.id for hit in hits]


def test_a_search_returns_the_best_k_with_scores_and_texts_and_nothing_for_an_empty_query():
    store, encoders = Store(), [Encoder(FullTextField("native"), None, {})]
    hits, none = search(store, ["a", ""], encoders, System("s", ("native",), ""), k=2)
    assert hits == [SearchHit("d0", 10.0, "text d0"), SearchHit("d1", 9.0, "text d1")]
    assert none == []
    search(store, ["a"], encoders, System("s", ("native",), ""), k=300)
    assert store.depths == [100, 300]


@pytest.mark.parametrize(
    ("depth", "k", "expected"), [(3, 5, ["d2", "d1", "d0"]), (4, 2, ["d3", "d2"]), (50, 1, ["d9"])]
)
def test_a_search_reranks_the_best_hits_down_to_the_depth(depth, k, expected):
    calls = []

    def worst_first(query, documents, top_k=5):
        calls.append(list(documents))
        return [RerankResult(text, float(i), i) for i, text in reversed(list(enumerate(documents)))]

    system = System("s", ("native",), "", None, worst_first, depth)
    hits, none = search(Store(), ["a", ""], [Encoder(FullTextField("native"), None, {})], system, k=k)
    assert ids(hits) == expected
    assert none == []
    assert calls == [[f"text d{i}" for i in range(min(depth, 10))]]
