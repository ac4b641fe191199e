"""Weight files: the published ones, other precisions and names, missing and misshapen tensors."""

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file
from weight_files import CONFIG, LAYER, QUERY, Array, safetensors, tensors, write

from refimpl import models
from refimpl.bert.architectures import BERT
from refimpl.bert.files import WeightsError, map_safetensors
from refimpl.bert.weights import BertWeights
from refimpl.common.tensors import release_pages


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stored", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64], ids=lambda t: t.__name__)
def test_every_precision_is_read_to_the_last_bit(tmp_path: Path, stored: Any, dtype: str) -> None:
    published = {name: tensor.astype(stored) for name, tensor in tensors().items()}
    weights = BertWeights.load(write(tmp_path, published), dtype)
    assert set(weights) == set(published)
    for name, tensor in published.items():
        assert weights[name].dtype == np.dtype(dtype)
        np.testing.assert_array_equal(weights[name], tensor.astype(dtype), err_msg=name)


@pytest.mark.peer
@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32", "float64"])
def test_torch_reads_the_same_numbers(tmp_path: Path, precision: str) -> None:
    import torch
    from safetensors.torch import save_file as save_torch

    values = {name: torch.from_numpy(tensor).to(getattr(torch, precision)) for name, tensor in tensors().items()}
    write(tmp_path)
    save_torch(values, tmp_path / "model.safetensors")
    weights = BertWeights.load(tmp_path, "float64")
    for name, value in values.items():
        np.testing.assert_array_equal(weights[name], value.double().numpy(), err_msg=name)


def test_float32_weights_are_the_mapped_file_itself(tmp_path: Path) -> None:
    weights = BertWeights.load(write(tmp_path))
    for name in weights:
        assert not weights[name].flags.writeable, name
        base: Any = weights[name]
        while getattr(base, "base", None) is not None and not isinstance(base, np.memmap):
            base = base.base
        assert isinstance(base, np.memmap), name


def test_pages_that_are_released_are_read_again(tmp_path: Path) -> None:
    """64 MB of a mapped file leave the process's memory, with the same numbers afterwards."""
    numbers = np.arange(16 << 20, dtype=np.float32)
    save_file({"a": numbers[: 1 << 10], "b": numbers}, tmp_path / "model.safetensors")
    mapped = map_safetensors(tmp_path / "model.safetensors")["b"]
    total = float(mapped.sum(dtype=np.float64))
    before = resident_bytes()
    release_pages(mapped)
    assert before - resident_bytes() > 60e6
    assert float(mapped.sum(dtype=np.float64)) == total == float(numbers.sum(dtype=np.float64))
    release_pages(numbers)
    assert numbers[-1] == len(numbers) - 1, "an array outside a mapped file is unchanged"


def resident_bytes() -> int:
    return int(Path("/proc/self/status").read_text(encoding="utf-8").split("VmRSS:")[1].split()[0]) * 1024


def test_a_header_of_odd_length_is_read_right(tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    for spaces in range(4):
        raw = json.dumps({"a": entry}).encode() + b" " * spaces
        (tmp_path / "model.safetensors").write_bytes(safetensors(raw, np.float32([1.5, -2.25]).tobytes()))
        assert map_safetensors(tmp_path / "model.safetensors")["a"].tolist() == [1.5, -2.25]


def test_a_dtype_that_is_none_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64', got 'float16'"):
        BertWeights.load(write(tmp_path), "float16")


@pytest.mark.parametrize("prefix", ["", "bert.", "model."])
def test_prefixes_and_old_norm_names_are_read(tmp_path: Path, prefix: str) -> None:
    def old(name: str) -> str:
        return prefix + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")

    weights = BertWeights.load(write(tmp_path, {old(name): tensor for name, tensor in tensors().items()}))
    for name, tensor in tensors().items():
        np.testing.assert_array_equal(weights[name], tensor, err_msg=name)


def test_one_tensor_under_two_names_is_refused(tmp_path: Path) -> None:
    doubled = {**tensors(), "bert.embeddings.LayerNorm.gamma": np.zeros(8, np.float32)}
    with pytest.raises(WeightsError, match=r"same tensor under two names: .*embeddings\.LayerNorm\.gamma"):
        BertWeights.load(write(tmp_path, doubled))


def test_a_layer_is_a_view_of_its_own_names(tmp_path: Path) -> None:
    weights, published = BertWeights.load(write(tmp_path)), tensors()
    layer = weights.layer(1)
    assert set(layer) == {f"{name}.{half}" for name in LAYER for half in ("weight", "bias")}
    assert len(layer) == 16
    for array, half in zip(layer.affine("output.dense"), ("weight", "bias"), strict=True):
        np.testing.assert_array_equal(array, published[f"encoder.layer.1.output.dense.{half}"])
    assert layer.dtype == np.float32
    with pytest.raises(KeyError):
        weights["no.such.tensor"]


def test_names_that_resemble_old_ones_are_unchanged() -> None:
    assert BERT.canonical("bert.encoder.gamma_ray.weight") == "encoder.gamma_ray.weight"
    assert BERT.canonical("classifier.bias") == "classifier.bias"


def test_splade_tinys_tied_masked_lm_head_is_read() -> None:
    weights = BertWeights.load(models.path("splade-tiny"))
    assert weights["cls.predictions.bias"].shape == (30522,)
    assert weights["cls.predictions.transform.dense.weight"].shape == (128, 128)
    assert weights["cls.predictions.transform.LayerNorm.bias"].shape == (128,)
    assert "cls.predictions.decoder.weight" not in weights


def test_minilm_is_read() -> None:
    weights = BertWeights.load(models.path("all-MiniLM-L6-v2"))
    assert weights["embeddings.word_embeddings.weight"].shape == (30522, 384)
    assert len(weights.layer(5)) == 16


def head(**shapes: tuple[int, ...]) -> dict[str, Array]:
    return {name.replace("__", "."): np.ones(shape, np.float32) for name, shape in shapes.items()}


POOLER = head(pooler__dense__weight=(8, 8), pooler__dense__bias=(8,))


@pytest.mark.parametrize("labels", [1, 3])
def test_a_classifier_head_has_as_many_labels_as_it_has_rows(tmp_path: Path, labels: int) -> None:
    classifier = head(classifier__weight=(labels, 8), classifier__bias=(labels,))
    weights = BertWeights.load(write(tmp_path, {**tensors(), **POOLER, **classifier}))
    assert weights["classifier.weight"].shape == (labels, 8)


def test_a_masked_lm_head_with_its_own_decoder_is_read(tmp_path: Path) -> None:
    lm = head(
        cls__predictions__transform__dense__weight=(8, 8),
        cls__predictions__transform__dense__bias=(8,),
        cls__predictions__transform__LayerNorm__weight=(8,),
        cls__predictions__transform__LayerNorm__bias=(8,),
        cls__predictions__decoder__weight=(11, 8),
        cls__predictions__bias=(11,),
    )
    position_ids = {"embeddings.position_ids": np.arange(9, dtype=np.int64)[None]}
    weights = BertWeights.load(write(tmp_path, {**tensors(), **lm, **position_ids}))
    assert weights["cls.predictions.decoder.weight"].shape == (11, 8)


@pytest.mark.parametrize(
    ("half", "message"),
    [
        ({"classifier.weight": (3, 8)}, r"missing: classifier\.bias"),
        (
            {"classifier.weight": (3, 8), "classifier.bias": (2,)},
            r"misshapen: classifier\.bias \(2,\), expected \(3,\)",
        ),
        ({"pooler.dense.bias": (8,)}, r"missing: pooler\.dense\.weight"),
    ],
)
def test_half_a_head_is_named(tmp_path: Path, half: dict[str, tuple[int, ...]], message: str) -> None:
    stored = {**tensors(), **{name: np.ones(shape, np.float32) for name, shape in half.items()}}
    with pytest.raises(WeightsError, match=message):
        BertWeights.load(write(tmp_path, stored))


def without(name: str) -> dict[str, Array]:
    return {other: tensor for other, tensor in tensors().items() if other != name}


def test_missing_extra_and_misshapen_tensors_are_all_named_at_once(tmp_path: Path) -> None:
    stored = without(QUERY)
    stored["encoder.layer.2.output.dense.bias"] = np.zeros(8, np.float32)
    stored["adapter.weight"] = np.zeros(1, np.float32)
    stored["embeddings.word_embeddings.weight"] = np.zeros((8, 11), np.float32)
    with pytest.raises(WeightsError) as message:
        BertWeights.load(write(tmp_path, stored))
    message = str(message.value)
    assert message.startswith(f"{tmp_path / 'model.safetensors'} does not fit its config.json; missing: {QUERY}; ")
    assert "adapter.weight" in message
    assert "encoder.layer.2.output.dense.bias" in message
    assert message.endswith("misshapen: embeddings.word_embeddings.weight (8, 11), expected (11, 8)")


def test_a_file_that_lacks_a_layer_gives_a_short_message(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"and 8 more$"):
        BertWeights.load(write(tmp_path, num_hidden_layers=3))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("stored", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64], ids=lambda t: t.__name__)
def test_a_tensor_that_is_not_finite_is_named(tmp_path: Path, value: float, stored: Any) -> None:
    broken = {name: tensor.astype(stored) for name, tensor in tensors().items()}
    broken[QUERY][3, 4] = value
    with pytest.raises(WeightsError, match=rf"NaN or infinity, read as float32, in {QUERY}$"):
        BertWeights.load(write(tmp_path, broken))


def test_a_float64_beyond_float32_is_refused_as_float32_only(tmp_path: Path) -> None:
    large = {name: tensor.astype(np.float64) for name, tensor in tensors().items()}
    large[QUERY][0, 0] = 1e300
    folder = write(tmp_path, large)
    with pytest.raises(WeightsError, match="read as float32"):
        BertWeights.load(folder)
    assert BertWeights.load(folder, "float64")[QUERY][0, 0] == 1e300


def test_integers_for_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=rf"weights must be floats, got integers in {QUERY}"):
        BertWeights.load(write(tmp_path, {**tensors(), QUERY: np.ones((8, 8), np.int64)}))


@pytest.mark.peer
@pytest.mark.parametrize(
    "make", ["BertModel", "BertForMaskedLM", "BertForSequenceClassification", "BertForPreTraining"]
)
def test_what_transformers_saves_is_read(tmp_path: Path, make: str) -> None:
    import transformers

    config = transformers.BertConfig(**{k: v for k, v in CONFIG.items() if k != "model_type"}, num_labels=3)
    model: Any = getattr(transformers, make)(config)
    model.save_pretrained(tmp_path)
    weights = BertWeights.load(tmp_path)
    state: dict[str, Any] = dict(model.state_dict())
    names = [name for name in state if BERT.canonical(name) in weights]
    assert len(names) >= 5 + 16 * 2
    for name in names:
        np.testing.assert_array_equal(weights[BERT.canonical(name)], state[name].numpy(), err_msg=name)
