"""The golden vectors and their manifest agree and are complete; a damaged one names the command to run."""

import json
import shutil

import numpy as np
import pytest

from refimpl import golden
from refimpl.common.resources import data_path
from refimpl.golden import reader


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the vectors to damage, with the caches cleared before and after."""
    shutil.copytree(data_path("vectors"), tmp_path / "vectors")
    monkeypatch.setattr(reader, "data_path", lambda name: tmp_path / name)
    reader.manifest.cache_clear()
    reader._tensors.cache_clear()
    reader.cases.cache_clear()
    yield tmp_path / "vectors"
    reader.manifest.cache_clear()
    reader._tensors.cache_clear()
    reader.cases.cache_clear()


def test_number_of_cases_and_rows():
    assert golden.manifest()["cases"] == len(golden.texts()) == 71
    stages = [vector.stage for vector in golden.vectors()]
    assert len(stages) == len({vector.name for vector in golden.vectors()}) == 35
    assert sum(stage.endswith("hidden_states") for stage in stages) == 28


def test_every_vector_agrees_with_its_manifest():
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


def test_texts_have_the_lengths_of_their_names():
    texts = golden.texts()
    tokens = next(v for v in golden.vectors() if v.stage == "lengths")
    lengths = dict(zip(texts, golden.array(tokens).tolist(), strict=True))
    truncated = next(v for v in golden.vectors() if v.stage == "truncated")
    cut = [name for name, flag in zip(texts, golden.array(truncated), strict=True) if flag]
    prose = [f"prose-{tokens}" for tokens in (257, 320, 401, 555)]
    assert cut == ["tokens-257", "tokens-602", *prose, "code-long", "chinese-long"]
    for count in (16, 31, 32, 33, 64, 127, 128, 129, 255, 256):
        assert lengths[f"tokens-{count}"] == count
    assert lengths["empty"] == lengths["space"] == 2


def test_a_changed_file_fails_with_the_command(copied):
    file = copied / "minilm" / "float64.safetensors"
    damaged = bytearray(file.read_bytes())
    damaged[-1] ^= 1
    file.write_bytes(damaged)
    vector = next(v for v in golden.vectors() if v.stage == "normalized")
    with pytest.raises(golden.GoldenError, match=r"regenerate both with make peers .* data/regenerate/minilm\.py"):
        golden.array(vector)


def test_a_changed_text_fails_with_the_command(copied):
    file = copied / "minilm" / "texts.json"
    file.write_text(file.read_text().replace("1956", "1957"))
    with pytest.raises(golden.GoldenError, match=r"texts\.json has sha256 .* regenerate both with"):
        golden.texts()


def test_a_changed_manifest_fails(copied):
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["vectors"][0]["shape"] = [1]
    (copied / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(golden.GoldenError, match="expected int32"):
        golden.array(golden.vectors()[0])


def test_another_schema_is_refused(copied):
    (copied / "manifest.json").write_text('{"schema": 99}')
    with pytest.raises(golden.GoldenError, match="schema 99, expected 1"):
        golden.manifest()


def test_a_changed_suite_fails_with_its_own_command(copied):
    file = copied / "bm25" / "cases.json"
    file.write_text(file.read_text(encoding="utf-8").replace("red apple", "red pear"), encoding="utf-8")
    with pytest.raises(golden.GoldenError, match=r"cases\.json has sha256 .* make peers .* data/regenerate/bm25\.py"):
        golden.cases("bm25")


def test_suites_have_the_number_of_cases_of_the_manifest():
    counts = {suite: row["cases"] for suite, row in golden.manifest()["suites"].items()}
    assert counts == {"bm25": 19, "metrics": 19, "fusion": 11, "splade": 15, "rerank": 9}
    assert {suite: len(golden.cases(suite)) for suite in counts} == counts
