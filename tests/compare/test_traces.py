"""Traces of other programs compared with a reference trace: the first mismatch, and shapes that can be fitted."""

from functools import partial

import numpy as np
import pytest
from safetensors.numpy import save_file

from refimpl.compare.traces import compare_stage, compare_traces, describe, first_mismatch, read

LOOSE = partial(compare_stage, relative=1e9)
TOKENS = ["[CLS]", "a", "cat", "[SEP]"]


@pytest.fixture
def trace() -> dict[str, np.ndarray]:
    """Four tokens, two heads of two features, the stages of one layer."""
    rng = np.random.default_rng(3)
    shapes = {
        "layer.0.query": (1, 2, 4, 2),
        "layer.0.attention_probs": (1, 2, 4, 4),
        "layer.0.hidden_states": (1, 4, 4),
    }
    ids = {"input_ids": np.array([[101, 7, 9, 102]])}
    return {**ids, **{name: rng.normal(size=shape) for name, shape in shapes.items()}, "pooled": np.full((1, 4), 50.0)}


def test_the_first_mismatch_is_described_with_its_position(trace):
    other = {name: value.copy() for name, value in trace.items()}
    other["layer.0.attention_probs"][0, 1, 2, 0] += 0.25
    other["layer.0.hidden_states"] += 1.0
    stages = compare_traces(other, trace)
    assert [stage.status for stage in stages] == ["matches", "matches", "mismatch", "mismatch", "matches"]
    assert first_mismatch(stages).name == "layer.0.attention_probs"
    sentence = describe(stages, TOKENS)
    assert sentence.startswith("First mismatch: layer.0.attention_probs; the 2 compared before it match. 1 of 32 ")
    assert "head 1, from token 2 ‘cat’ to token 0 ‘[CLS]’" in sentence
    assert f"the file has {float(other['layer.0.attention_probs'][0, 1, 2, 0])!r}" in sentence


def test_the_tolerance_grows_with_the_magnitude_and_the_dtype(trace):
    other = {name: value.copy() for name, value in trace.items()}
    other["pooled"][0, 1] += 4e-9  # of 50: within 1e-10 relative
    assert first_mismatch(compare_traces(other, trace)) is None
    other["pooled"][0, 1] += 4e-9
    assert first_mismatch(compare_traces(other, trace)).name == "pooled"
    narrow = {name: value.astype(np.float32) if value.dtype.kind == "f" else value for name, value in other.items()}
    assert first_mismatch(compare_traces(narrow, trace)) is None
    assert first_mismatch(compare_traces(narrow, trace, partial(compare_stage, relative=0.0))) is not None


def test_ids_must_be_equal_and_nan_never_matches(trace):
    other_ids = {**trace, "input_ids": trace["input_ids"] + 1}
    assert "token 0 ‘[CLS]’" in describe(compare_traces(other_ids, trace, LOOSE), TOKENS)
    broken = {**trace, "pooled": np.full((1, 4), np.nan)}
    assert first_mismatch(compare_traces(broken, trace, LOOSE)).name == "pooled"


def test_missing_and_unknown_stages_are_listed_and_are_no_mismatch(trace):
    other = {"pooled": trace["pooled"], "logits": np.zeros(3)}
    stages = {stage.name: stage for stage in compare_traces(other, trace)}
    assert stages["layer.0.query"].status == "not compared"
    assert stages["layer.0.query"].note == "not in the file"
    assert stages["logits"].note == "no stage of this trace"
    assert first_mismatch(list(stages.values())) is None
    assert describe(list(stages.values()), TOKENS) == "All 1 compared stages match."


def test_shapes_are_fitted_where_the_elements_are_the_same(trace):
    padded = {
        "input_ids": np.array([101, 7, 9, 102, 0, 0]),
        "attention_mask": np.array([[1, 1, 1, 1, 0, 0]]),
        "layer.0.query": np.pad(trace["layer.0.query"][0].transpose(1, 0, 2).reshape(4, 4), ((0, 2), (0, 0))),
        "layer.0.attention_probs": np.pad(trace["layer.0.attention_probs"], ((0, 0), (0, 0), (0, 2), (0, 2))),
        "layer.0.hidden_states": trace["layer.0.hidden_states"][0],
        "pooled": trace["pooled"][0],
    }
    stages = compare_traces(padded, trace)
    assert [stage.status for stage in stages] == ["matches"] * 5
    assert stages[1].note == "2 padding positions removed; heads split"
    del padded["attention_mask"]
    sentence = describe(compare_traces(padded, trace), TOKENS)
    assert sentence == ("First mismatch: input_ids; nothing was compared before it. got shape (6,), expected (1, 4).")


@pytest.mark.parametrize(
    ("stage", "index", "place"),
    [
        ("layer.0.query", (0, 1, 2, 1), "head 1, token 2 ‘cat’, feature 1"),
        ("layer.0.attention_probs", (0, 1, 3, 2), "head 1, from token 3 ‘[SEP]’ to token 2 ‘cat’"),
        ("layer.0.hidden_states", (0, 1, 3), "token 1 ‘a’, feature 3"),
        ("pooled", (0, 2), "feature 2"),
        ("input_ids", (0, 3), "token 3 ‘[SEP]’"),
    ],
)
def test_the_position_of_the_worst_element_in_words(trace, stage, index, place):
    other = {**trace, stage: trace[stage].copy()}
    other[stage][index] += 5
    assert f"; the worst is {place}: the file has" in describe(compare_traces(other, trace), TOKENS)
    cut = describe(compare_traces(other, trace), TOKENS[:1])  # tokens beyond those given have their number alone
    assert "‘cat’" not in cut
    assert ("token" in cut) == ("token" in place)


def test_padding_is_fitted_only_where_it_is_at_the_right(trace):
    longer = {"input_ids": np.array([[101, 7, 9, 102, 0]]), "pooled": trace["pooled"]}
    for mask, fitted in (
        ([1, 1, 1, 1, 0], True),
        ([0, 1, 1, 1, 1], False),
        ([1, 1, 1, 0, 0], False),
        ([1, 1, 1, 1, 1], False),
        ([1, 1, 1, 1], False),
    ):
        stages = compare_traces({**longer, "attention_mask": np.array([mask])}, trace)
        assert stages[0].matches == fitted, mask
    left = {"input_ids": np.array([[0, 101, 7, 9, 102]]), "attention_mask": np.array([[0, 1, 1, 1, 1]])}
    assert not compare_traces(left, trace)[0].matches


def test_files_of_every_dtype_are_read_and_errors_have_messages(trace, tmp_path):
    bits = (trace["pooled"].astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    import ml_dtypes

    stored = {
        "pooled": bits.view(ml_dtypes.bfloat16),
        "mask": np.array([True]),
        "x": np.zeros((0, 3), np.float16),
    }
    save_file(stored, tmp_path / "t.safetensors")
    tensors = read(tmp_path / "t.safetensors")
    np.testing.assert_array_equal(tensors["pooled"], trace["pooled"])
    assert tensors["x"].shape == (0, 3)
    with pytest.raises(ValueError, match=r"got mask; expected names such as \w+"):
        compare_traces({"mask": tensors["mask"]}, trace)
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "t.safetensors").read_bytes()[:40])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        read(tmp_path / "cut.safetensors")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.safetensors")
    save_file({}, tmp_path / "empty.safetensors")
    with pytest.raises(ValueError, match="holds no tensor"):
        read(tmp_path / "empty.safetensors")
