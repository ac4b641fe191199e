"""Exported vectors read back, without refimpl, to the same numbers."""

import csv
import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from refimpl import golden
from refimpl.golden.export import export


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    for form in ("json", "safetensors", "csv"):
        assert export(folder / form, form)
    return folder


def read(folder, row, form):
    if form == "safetensors":
        return load_file(folder / row["file"])[row["tensor"]]
    if form == "json":
        content = json.loads((folder / row["file"]).read_text())
        assert (content["schema"], content["shape"], len(content["rows"])) == (1, row["shape"], row["shape"][0])
        return np.array(content["values"], dtype=row["dtype"])
    rows = list(csv.reader((folder / row["file"]).open(encoding="utf-8", newline="")))[1:]
    return np.array([line[1:] for line in rows], dtype=row["dtype"]).reshape(row["shape"])


@pytest.mark.parametrize("form", ["json", "safetensors", "csv"])
def test_every_array_reads_back_to_the_last_bit(folders, form):
    index = json.loads((folders / form / "index.json").read_text(encoding="utf-8"))
    assert (index["schema"], index["format"], len(index["arrays"])) == (1, form, 35)
    for row, vector in zip(index["arrays"], golden.vectors(), strict=True):
        np.testing.assert_array_equal(read(folders / form, row, form), golden.array(vector))
        assert row["source"]["package"]
    assert {one["name"]: one["text"] for one in index["texts"]} == golden.texts()


@pytest.mark.parametrize("form", ["json", "safetensors", "csv"])
def test_suites_model_and_contract_are_there(folders, form):
    index = json.loads((folders / form / "index.json").read_text(encoding="utf-8"))
    assert set(index["suites"]) == {"bm25", "metrics", "fusion", "splade", "rerank"}
    for row in index["suites"].values():
        assert len(json.loads((folders / form / row["file"]).read_text(encoding="utf-8"))["cases"]) == row["cases"]
    assert (folders / form / "rerank" / "model" / "model.safetensors").is_file()
    contract = (folders / form / "README.md").read_text()
    assert contract.startswith("# Golden vectors, schema 1")
    assert f"--format {form}`" in contract.splitlines()[-1]


def test_rows_of_texts_are_named(folders):
    content = json.loads((folders / "json" / "minilm" / "normalized.json").read_text())
    assert content["rows"] == list(golden.texts())


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="expected an empty or absent folder"):
        export(tmp_path, "json")
    with pytest.raises(ValueError, match="expected an empty or absent folder"):
        export(tmp_path / "mine.txt", "json")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_another_format(unchecked, tmp_path):
    with pytest.raises(ValueError, match="format must be one of json, safetensors, csv, got 'yaml'"):
        export(tmp_path / "x", "yaml")
