"""Traces of other programs held against the walk: the first departure, and shapes that mean the same."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from refimpl.oracle.stages import compare_stages, first_departure, read, told

TOKENS = ["[CLS]", "a", "cat", "[SEP]"]


@pytest.fixture
def walk() -> dict[str, np.ndarray]:
    """Four tokens, two heads of two features, one layer's worth of stages."""
    rng = np.random.default_rng(3)
    shapes = {
        "layer.0.query": (1, 2, 4, 2),
        "layer.0.attention_probs": (1, 2, 4, 4),
        "layer.0.hidden_states": (1, 4, 4),
    }
    ids = {"input_ids": np.array([[101, 7, 9, 102]])}
    return {**ids, **{name: rng.normal(size=shape) for name, shape in shapes.items()}, "pooled": np.full((1, 4), 50.0)}


def test_the_first_departure_is_told_with_its_place(walk):
    theirs = {name: value.copy() for name, value in walk.items()}
    theirs["layer.0.attention_probs"][0, 1, 2, 0] += 0.25
    theirs["layer.0.hidden_states"] += 1.0
    stages = compare_stages(walk, theirs)
    assert [stage.verdict for stage in stages] == ["matches", "matches", "departs", "departs", "matches"]
    assert first_departure(stages).name == "layer.0.attention_probs"
    said = told(stages, TOKENS)
    assert said.startswith("First departure: layer.0.attention_probs; the 2 compared before it match. 1 of 32 numbers")
    assert "head 1, from token 2 ‘cat’ to token 0 ‘[CLS]’" in said
    assert f"the file has {float(theirs['layer.0.attention_probs'][0, 1, 2, 0])!r}" in said


def test_what_is_allowed_grows_with_the_stage_and_the_dtype(walk):
    theirs = {name: value.copy() for name, value in walk.items()}
    theirs["pooled"][0, 1] += 4e-9  # of 50: within 1e-10 relative
    assert first_departure(compare_stages(walk, theirs)) is None
    theirs["pooled"][0, 1] += 4e-9
    assert first_departure(compare_stages(walk, theirs)).name == "pooled"
    narrow = {name: value.astype(np.float32) if value.dtype.kind == "f" else value for name, value in theirs.items()}
    assert first_departure(compare_stages(walk, narrow)) is None
    assert first_departure(compare_stages(walk, narrow, relative=0.0)) is not None


def test_ids_must_be_equal_and_nan_departs(walk):
    other_ids = {**walk, "input_ids": walk["input_ids"] + 1}
    assert "token 0 ‘[CLS]’" in told(compare_stages(walk, other_ids, 1e9), TOKENS)
    broken = {**walk, "pooled": np.full((1, 4), np.nan)}
    assert first_departure(compare_stages(walk, broken, 1e9)).name == "pooled"


def test_missing_and_foreign_stages_are_said_and_do_not_depart(walk):
    theirs = {"pooled": walk["pooled"], "logits": np.zeros(3)}
    stages = {stage.name: stage for stage in compare_stages(walk, theirs)}
    assert stages["layer.0.query"].verdict == "not compared"
    assert stages["layer.0.query"].note == "not in the file"
    assert stages["logits"].note == "no stage of this walk"
    assert told(list(stages.values()), TOKENS) == "All 1 compared stages match."


def test_shapes_that_mean_the_same_are_fitted_and_others_depart(walk):
    padded = {
        "input_ids": np.array([101, 7, 9, 102, 0, 0]),
        "attention_mask": np.array([[1, 1, 1, 1, 0, 0]]),
        "layer.0.query": np.pad(walk["layer.0.query"][0].transpose(1, 0, 2).reshape(4, 4), ((0, 2), (0, 0))),
        "layer.0.attention_probs": np.pad(walk["layer.0.attention_probs"], ((0, 0), (0, 0), (0, 2), (0, 2))),
        "layer.0.hidden_states": walk["layer.0.hidden_states"][0],
        "pooled": walk["pooled"][0],
    }
    stages = compare_stages(walk, padded)
    assert [stage.verdict for stage in stages] == ["matches"] * 5
    assert stages[1].note == "2 padding positions left out; heads taken apart"
    del padded["attention_mask"]
    said = told(compare_stages(walk, padded), TOKENS)
    assert said == ("First departure: input_ids; nothing was compared before it. its shape is (6,), expected (1, 4).")


def test_files_of_every_dtype_are_read_and_mistakes_are_told(walk, tmp_path):
    torch_bits = (walk["pooled"].astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    import ml_dtypes

    held = {"pooled": torch_bits.view(ml_dtypes.bfloat16), "mask": np.array([True]), "x": np.zeros((0, 3), np.float16)}
    save_file(held, tmp_path / "t.safetensors")
    found = read(tmp_path / "t.safetensors")
    np.testing.assert_array_equal(found["pooled"], walk["pooled"])
    assert found["x"].shape == (0, 3)
    with pytest.raises(ValueError, match=r"got mask; expected names such as \w+"):
        compare_stages(walk, {"mask": found["mask"]})
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "t.safetensors").read_bytes()[:40])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        read(tmp_path / "cut.safetensors")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.safetensors")
    save_file({}, tmp_path / "empty.safetensors")
    with pytest.raises(ValueError, match="holds no tensor"):
        read(tmp_path / "empty.safetensors")
