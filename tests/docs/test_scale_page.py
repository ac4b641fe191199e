"""docs/scale.md has the tables of its measured costs, and the projection is arithmetic that a reader can repeat."""

import json

import pytest

from bench.scale_page import COSTS, PAGE, filled, quantities

BY_HAND = {
    "cpu_seconds_per_document": {
        "read": 1e-5,
        "fit_bm25": 2e-5,
        "encode_static": 1e-4,
        "encode_minilm": 2e-3,
        "encode_bm25": 3e-5,
        "write_shards": 4e-5,
        "ingest_lite": 1e-4,
        "search_dense_per_query": 2e-7,
        "search_bm25_per_query": 1e-7,
    },
    "bytes_per_document": {"shards": 0, "id": 0, "text": 100, "dense": 1600, "bm25": 40, "index": 200},
    "entries_per_document": 5,
    "dim": 400,
    "words": 28,
}


def test_the_page_has_the_tables_of_its_costs():
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page, json.loads(COSTS.read_text(encoding="utf-8"))) == page, "run python -m bench.scale_page"


def test_the_projection_of_a_hundred_million_by_hand():
    """Texts of 56 words are twice those of 28."""
    found = quantities(BY_HAND, 100_000_000)
    assert found["encode with MiniLM"] == "110 core hours"  # 1e8 x 4e-3 s = 4e5 s = 111 h
    assert found["fit and encode BM25"] == "2.8 core hours"  # 1e8 x 1e-4 s = 1e4 s
    assert found["exact search, 1,000 queries"] == "8.3 core hours"  # 1e8 x 1e3 x 3e-7 s = 3e4 s
    assert found["shards on disk"] == "190 GB"  # 1600 + 200 + 80 bytes
    assert found["memory while ids are checked"] == "2.4 GB"
    assert found["Milvus, vectors in memory, FLAT"] == "170 GB"  # 1600 + 2 x 5 x 8
    assert found["Milvus, vectors in memory, HNSW"] == "180 GB"  # and 128
    assert found["query nodes of 64 GB, HNSW"] == "5"  # 180.8 / 44.8 = 4.04


def test_a_page_without_a_place_for_a_table_is_an_error():
    with pytest.raises(ValueError, match="expected one place for the table curve, got 0"):
        filled("", BY_HAND | {"curve": [{"count": 1, "stages": {}}]})
