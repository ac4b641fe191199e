"""The golden vectors and their manifest agree, are complete, and say what to run when they do not."""

import json
import shutil

import numpy as np
import pytest

from refimpl.oracle import golden
from refimpl.resources import data_path


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the vectors to damage, with nothing remembered before or after."""
    shutil.copytree(data_path("vectors"), tmp_path / "vectors")
    monkeypatch.setattr(golden, "data_path", lambda name: tmp_path / name)
    golden.manifest.cache_clear()
    golden._tensors.cache_clear()
    golden.cases.cache_clear()
    yield tmp_path / "vectors"
    golden.manifest.cache_clear()
    golden._tensors.cache_clear()
    golden.cases.cache_clear()


def test_exactly_these_cases_and_rows():
    assert golden.manifest()["cases"] == len(golden.texts()) == 61
    stages = [vector.stage for vector in golden.vectors()]
    assert len(stages) == len({vector.name for vector in golden.vectors()}) == 35
    assert sum(stage.endswith("hidden_states") for stage in stages) == 28


def test_every_vector_is_as_its_manifest_says():
    for vector in golden.vectors():
        values = golden.array(vector)
        assert np.isfinite(values).all()
        assert vector.source["package"] in {"transformers", "sentence-transformers", "onnxruntime"}
        assert vector.source["version"]
        assert vector.reason
        assert vector.observed_max is not None
        assert vector.observed_max <= vector.tolerance / 3


def test_size_is_under_two_megabytes():
    assert sum(file.stat().st_size for file in data_path("vectors").rglob("*") if file.is_file()) < 2_000_000


def test_texts_hold_the_cases_they_promise():
    texts = golden.texts()
    tokens = next(v for v in golden.vectors() if v.stage == "lengths")
    lengths = dict(zip(texts, golden.array(tokens).tolist(), strict=True))
    truncated = next(v for v in golden.vectors() if v.stage == "truncated")
    cut = [name for name, flag in zip(texts, golden.array(truncated), strict=True) if flag]
    assert cut == ["tokens-257", "tokens-602"]
    for count in (16, 31, 32, 33, 64, 127, 128, 129, 255, 256):
        assert lengths[f"tokens-{count}"] == count
    assert lengths["empty"] == lengths["space"] == 2


def test_a_changed_file_fails_with_the_command(copied):
    file = copied / "minilm" / "float64.safetensors"
    damaged = bytearray(file.read_bytes())
    damaged[-1] ^= 1
    file.write_bytes(damaged)
    vector = next(v for v in golden.vectors() if v.stage == "normalized")
    with pytest.raises(golden.GoldenError, match=r"Write both anew with: make peers .* data/regenerate/minilm\.py"):
        golden.array(vector)


def test_a_changed_text_fails_with_the_command(copied):
    file = copied / "minilm" / "texts.json"
    file.write_text(file.read_text().replace("1956", "1957"))
    with pytest.raises(golden.GoldenError, match=r"texts\.json has sha256 .* Write both anew with"):
        golden.texts()


def test_a_changed_manifest_fails(copied):
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["vectors"][0]["shape"] = [1]
    (copied / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(golden.GoldenError, match="the manifest says int32"):
        golden.array(golden.vectors()[0])


def test_another_schema_is_refused(copied):
    (copied / "manifest.json").write_text('{"schema": 99}')
    with pytest.raises(golden.GoldenError, match="schema 99, this refimpl reads 1"):
        golden.manifest()


def test_a_changed_suite_fails_with_its_own_command(copied):
    file = copied / "bm25" / "cases.json"
    file.write_text(file.read_text(encoding="utf-8").replace("red apple", "red pear"), encoding="utf-8")
    with pytest.raises(golden.GoldenError, match=r"cases\.json has sha256 .* make peers .* data/regenerate/bm25\.py"):
        golden.cases("bm25")


def test_suites_have_as_many_cases_as_the_manifest_says():
    counts = {suite: row["cases"] for suite, row in golden.manifest()["suites"].items()}
    assert counts == {"bm25": 18, "metrics": 18, "fusion": 11, "splade": 15, "rerank": 9}
    assert {suite: len(golden.cases(suite)) for suite in counts} == counts
