"""Packages measured again: each row of the results with the installed version is what is measured now."""

import shutil
from importlib import import_module

import pytest

from refimpl.field import catalogue, installed_version, load, measure

pytestmark = pytest.mark.peer
NAMES = [
    ("bm25", "bm25s lucene"),
    ("bm25", "rank_bm25 BM25L"),
    ("bm25", "tantivy"),
    ("metrics", "pytrec_eval"),
    ("rerank", "transformers"),
]


@pytest.mark.parametrize(("kind", "name"), NAMES, ids=[name for _, name in NAMES])
def test_a_row_is_what_is_measured(kind, name):
    (entry,) = [one for one in catalogue.entries() if (one.kind, one.name) == (kind, name)]
    (row,) = [one for one in load(catalogue.folder() / "results.json") if (one.kind, one.name) == (kind, name)]
    version = installed_version(entry.packages[0])
    assert version is not None, f"{entry.packages[0]} is one of the peers"
    found = measure(entry, version, 240.0)
    assert found.failure == ""
    if version == row.version:
        compared = ["confirmed", "suite", "passed", "mismatched", "skipped"]
        if row.largest is not None and row.largest > 1:  # otherwise rounding decides, which differs between processors
            compared.append("largest_case")
        assert [getattr(found, key) for key in compared] == [getattr(row, key) for key in compared]
        assert found.sentence.split(";")[0] == row.sentence.split(";")[0]


def test_the_quantised_file_has_8_bit_products(tmp_path, monkeypatch):
    """Six layers of six matrices: query, key, value, output and two of the feed-forward network."""
    import onnx

    monkeypatch.syspath_prepend(catalogue.folder() / "adapters")
    adapter = import_module("embed_onnx")
    adapter._export(tmp_path)
    file, quantised = tmp_path / "model.onnx", tmp_path / "model_quantized.onnx"
    assert sum(node.op_type == "MatMulInteger" for node in onnx.load(quantised).graph.node) == 36
    assert quantised.stat().st_size < file.stat().st_size / 3
    shutil.copy(file, quantised)
    with pytest.raises(RuntimeError, match=r"expected 8-bit products in model_quantized\.onnx, got 0, and 100%"):
        adapter._check_quantised(file, quantised)
