import json
import os
import resource
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save, save_file

from refimpl import models
from refimpl.bert.architectures import BERT
from refimpl.bert.config import BertConfig
from refimpl.bert.files import WeightsError, map_safetensors
from refimpl.bert.weights import BertWeights
from refimpl.common.tensors import release_pages

Array = np.ndarray
ROOT = Path(__file__).parents[2]
CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "vocab_size": 11,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 9,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
}
# The names and shapes of transformers' BertModel for that configuration, written by hand.
HIDDEN, WIDE = 8, 12
LAYER = {
    "attention.self.query": (HIDDEN, HIDDEN),
    "attention.self.key": (HIDDEN, HIDDEN),
    "attention.self.value": (HIDDEN, HIDDEN),
    "attention.output.dense": (HIDDEN, HIDDEN),
    "attention.output.LayerNorm": (HIDDEN,),
    "intermediate.dense": (WIDE, HIDDEN),
    "output.dense": (HIDDEN, WIDE),
    "output.LayerNorm": (HIDDEN,),
}
EMBEDDINGS = {"word_embeddings": (11, 8), "position_embeddings": (9, 8), "token_type_embeddings": (2, 8)}
QUERY = "encoder.layer.1.attention.self.query.weight"


def tensors(seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {f"embeddings.{name}.weight": shape for name, shape in EMBEDDINGS.items()}
    shapes |= {"embeddings.LayerNorm.weight": (HIDDEN,), "embeddings.LayerNorm.bias": (HIDDEN,)}
    for i in range(2):
        for name, shape in LAYER.items():
            shapes |= {f"encoder.layer.{i}.{name}.weight": shape, f"encoder.layer.{i}.{name}.bias": shape[:1]}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def write(folder: Path, stored: dict[str, Array] | bytes | None = None, **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    if isinstance(stored, bytes):
        (folder / "model.safetensors").write_bytes(stored)
    else:
        save_file(tensors() if stored is None else stored, folder / "model.safetensors")
    return folder


def safetensors(header: object, data: bytes = b"") -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


# Precisions


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


# Names


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


# Heads


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


# What does not fit


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


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_missing_file_is_reported_with_the_contents_of_a_model_folder(tmp_path: Path, file: str) -> None:
    write(tmp_path)
    (tmp_path / file).unlink()
    message = rf"{file} is missing: a model folder holds config\.json, model\.safetensors and tokenizer\.json"
    with pytest.raises(FileNotFoundError, match=message):
        BertWeights.load(tmp_path)


# Broken files


WHOLE = save(tensors())
ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
BROKEN = {
    "empty": b"",
    "seven bytes": WHOLE[:7],
    "cut in its header": WHOLE[:100],
    "cut by one byte": WHOLE[:-1],
    "one byte too many": WHOLE + b"\0",
    "header length of 2**64 - 1": b"\xff" * 8 + WHOLE[8:],
    "header length of 99 MB": struct.pack("<Q", 99_000_000) + WHOLE[8:],
    "header length one short": struct.pack("<Q", struct.unpack("<Q", WHOLE[:8])[0] - 1) + WHOLE[8:],
    "zeros": bytes(4096),
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:53aa\nsize 90868376\n",
    "a web page": b"<!DOCTYPE html><html><body>Sign in to continue</body></html>",
    "a list": safetensors([]),
    "nested without end": safetensors(b"[" * 5000),
    "no tensors": safetensors({}),
    "a shape of 4 TB": safetensors({"a": {**ONE, "shape": [10**12]}}, bytes(4)),
    "a shape beyond 64 bits": safetensors({"a": {**ONE, "shape": [2**62, 4]}}, bytes(4)),
    "an empty tensor of 2**62 columns": safetensors({"a": {**ONE, "shape": [0, 2**62], "data_offsets": [0, 0]}}),
    "a negative shape": safetensors({"a": {**ONE, "shape": [-1]}}, bytes(4)),
    "offsets beyond the file": safetensors({"a": {**ONE, "data_offsets": [0, 10**12]}}, bytes(4)),
    "offsets backwards": safetensors({"a": {**ONE, "data_offsets": [4, 0]}}, bytes(4)),
    "two tensors in one place": safetensors({"a": ONE, "b": ONE}, bytes(4)),
    "an 8-bit float": safetensors({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, bytes(4)),
    "a dtype that is none": safetensors({"a": {**ONE, "dtype": "F33"}}, bytes(4)),
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_an_error_that_names_it(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(WeightsError, match=r"model\.safetensors") as message:
        BertWeights.load(write(tmp_path, raw))
    assert len(str(message.value)) < 500


def test_a_file_cut_short_asks_for_a_new_download(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"is not a whole safetensors file \(.+\): fetch it again$"):
        BertWeights.load(write(tmp_path, WHOLE[: len(WHOLE) // 2]))


LIMITED = """
import resource, sys
from refimpl.bert.weights import BertWeights, WeightsError
import numpy
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for folder in sys.argv[1:]:
    try:
        BertWeights.load(folder)
    except WeightsError:
        continue
    sys.exit(f"{folder} was accepted")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_no_broken_file_or_absurd_configuration_allocates_by_its_sizes(tmp_path: Path) -> None:
    folders = [write(tmp_path / str(i), raw) for i, raw in enumerate(BROKEN.values())]
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size", "max_position_embeddings")
    folders += [write(tmp_path / name, **{name: 2**31 - 1}) for name in sizes]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, folders)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30)),
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    grown_kib = int(done.stdout)
    assert grown_kib < 32 * 1024


# Configurations


ABSURD = [
    *[{name: value} for name in ("vocab_size", "hidden_size", "num_attention_heads") for value in (0, -1, 1.5, "8")],
    {"vocab_size": 2**31},
    *[{name: value} for name in ("num_hidden_layers", "type_vocab_size") for value in (None, True, [8], {}, 2**70)],
    *[{"layer_norm_eps": value} for value in (None, "1e-12", 0, 1, -1e-12, float("nan"), float("inf"), True, [1])],
    *[{"hidden_act": value} for value in (None, "swish2", ["gelu"], {}, 3)],
    {"pad_token_id": -1},
    {"num_attention_heads": 3},
    {"position_embedding_type": "relative_key"},
    {"is_decoder": True},
]


@pytest.mark.parametrize("config", ABSURD, ids=str)
def test_an_absurd_configuration_is_named(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match=f"{next(iter(config))}|is not a JSON number"):
        BertWeights.load(write(tmp_path, **config))


@pytest.mark.parametrize("kind", ["electra", "gpt2", "deberta-v2", "", None])
def test_another_architecture_is_refused_by_its_name(tmp_path: Path, kind: str | None) -> None:
    with pytest.raises(WeightsError, match=rf"model_type is {kind!r}, and this encoder computes"):
        BertWeights.load(write(tmp_path, model_type=kind))


def test_missing_fields_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": 11, "hidden_size": 8}))
    with pytest.raises(WeightsError, match=r"lacks num_hidden_layers, num_attention_heads, .*hidden_act$"):
        BertConfig.load(tmp_path)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[1]", b"null", b"\xff\xfe{", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"],
    ids=lambda r: r[:8],
)
def test_a_configuration_that_is_not_a_json_object_is_reported(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "config.json").write_bytes(raw)
    with pytest.raises(WeightsError, match=r"config\.json (is not valid JSON|must hold a JSON object)"):
        BertConfig.load(tmp_path)


# Anything at all


ANYTHING = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def loads_or_raises(folder: Path) -> None:
    """Weights of the right shape, or a WeightsError."""
    try:
        weights = BertWeights.load(folder)
    except WeightsError:
        return
    assert all(np.isfinite(weights[name]).all() for name in weights)
    assert weights[QUERY].shape == (8, 8)


@ANYTHING
@given(data=st.data())
def test_changed_bytes_are_an_error_or_other_numbers(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(WHOLE)
    header_end = 8 + struct.unpack("<Q", WHOLE[:8])[0]
    for place in data.draw(st.lists(st.integers(0, header_end - 1) | st.integers(0, len(WHOLE) - 1), max_size=4)):
        raw[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)) | st.just(len(raw)))
    loads_or_raises(write(tmp_path, bytes(raw[:cut])))


@ANYTHING
@given(header=st.binary(max_size=200), data=st.binary(max_size=50), length=st.none() | st.integers(0, 2**64 - 1))
def test_any_bytes_are_an_error(tmp_path: Path, header: bytes, data: bytes, length: int | None) -> None:
    raw = safetensors(header, data) if length is None else struct.pack("<Q", length) + header + data
    with pytest.raises(WeightsError):
        BertWeights.load(write(tmp_path, raw))


NUMBERS = st.integers() | st.sampled_from([0, 1, 4, 8, 2**31, 2**63, 2**64])
ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "BF16", "F64", "I64", "U8", "F8_E5M2"]) | st.text(max_size=4),
        "shape": st.lists(NUMBERS, max_size=4) | NUMBERS,
        "data_offsets": st.lists(NUMBERS, max_size=3) | st.none(),
    }
)


@ANYTHING
@given(header=st.dictionaries(st.sampled_from([QUERY, "a", "__metadata__"]) | st.text(max_size=5), ENTRY, max_size=3))
def test_any_header_of_the_right_form_is_an_error(tmp_path: Path, header: dict[str, Any]) -> None:
    with pytest.raises(WeightsError):
        BertWeights.load(write(tmp_path, safetensors(header, bytes(8))))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@ANYTHING
@given(name=st.sampled_from([*CONFIG, "pad_token_id", "position_embedding_type", "is_decoder"]), value=JSON)
def test_any_value_in_the_configuration_is_an_error_or_harmless(tmp_path: Path, name: str, value: object) -> None:
    loads_or_raises(write(tmp_path, **{name: value}))


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
