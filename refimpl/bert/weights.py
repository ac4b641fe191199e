"""A model folder's config.json and model.safetensors as checked arrays under their published names.

The file is memory-mapped: float32 weights are used where they lie. Other precisions are converted to the dtype asked
for. The `safetensors` library validates the header; we map what it vouches for.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from refimpl.bert.ops import ACTIVATIONS

Array = np.ndarray
Shapes = dict[str, tuple[int, ...]]

MODEL_FOLDER = "a model folder holds config.json, model.safetensors and tokenizer.json"
POSITION_IDS = "embeddings.position_ids"
MODEL_TYPES = ("bert", "roberta", "xlm-roberta")
MAY_BE_ZERO = ("pad_token_id",)
MOST = 2**31


class WeightsError(ValueError):
    """A model's configuration or weights are not what the encoder needs; the message names each culprit."""


@dataclass(frozen=True)
class BertConfig:
    """The fields of config.json that change what the encoder computes, under their published names."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float
    hidden_act: str
    pad_token_id: int = 0
    first_position: int = 0  # row of the position table that a text's first token takes; the rows before are unused

    @property
    def longest_text(self) -> int:
        """The number of tokens that the position table has rows for."""
        return self.max_position_embeddings - self.first_position

    @classmethod
    def load(cls, folder: Path) -> "BertConfig":
        """Read `folder`/config.json; WeightsError names what is missing, absurd, or another architecture.

        BERT, RoBERTa and XLM-RoBERTa are one encoder; the latter two count positions from pad_token_id + 1.
        """
        file = folder / "config.json"
        published = read_json(file)
        if (kind := published.get("model_type")) not in MODEL_TYPES:
            raise WeightsError(f"{file}: model_type is {kind!r}, and this encoder computes {', '.join(MODEL_TYPES)}")
        if (positions := published.get("position_embedding_type", "absolute")) != "absolute":
            raise WeightsError(
                f"{file}: position_embedding_type is {positions!r}, and this encoder computes 'absolute'"
            )
        if published.get("is_decoder"):
            raise WeightsError(f"{file}: is_decoder is set, and this encoder looks both ways")
        names = [field.name for field in fields(cls) if field.name != "first_position"]
        if missing := [name for name in names if name not in published and name != "pad_token_id"]:
            raise WeightsError(f"{file} lacks {', '.join(missing)}")
        values = {name: published[name] for name in names if name in published}
        _check_values(file, values)
        config = cls(**values)
        if kind != "bert":
            config = replace(config, first_position=config.pad_token_id + 1)
        if config.longest_text < 1:
            raise WeightsError(f"{file}: max_position_embeddings {config.max_position_embeddings} leaves no position")
        if config.hidden_size % config.num_attention_heads:
            heads = f"num_attention_heads {config.num_attention_heads}"
            raise WeightsError(f"{file}: {heads} does not divide hidden_size {config.hidden_size}")
        return config


def _check_values(file: Path, values: dict[str, Any]) -> None:
    """Raise WeightsError for what no encoder has, before anything is allocated by it."""
    for name, value in values.items():
        if name == "hidden_act":
            if not isinstance(value, str) or value not in ACTIVATIONS:
                raise WeightsError(f"{file}: hidden_act {value!r} is not one of {', '.join(ACTIVATIONS)}")
        elif name == "layer_norm_eps":
            if not isinstance(value, float) or not 0.0 < value < 1.0:
                raise WeightsError(f"{file}: layer_norm_eps must be a number between 0 and 1, got {value!r}")
        elif type(value) is not int or not (name not in MAY_BE_ZERO) <= value < MOST:
            raise WeightsError(f"{file}: {name} must be a positive integer below {MOST:,}, got {value!r}")


class BertWeights(Mapping[str, Array]):
    """Tensors by published name, less the model's prefix (`bert.`); `layer(3)` is the same less `encoder.layer.3.`."""

    def __init__(self, config: BertConfig, tensors: Mapping[str, Array], prefix: str = "") -> None:
        self.config = config
        self._tensors = tensors
        self._prefix = prefix

    @classmethod
    def load(cls, folder: str | Path, dtype: str = "float32") -> "BertWeights":
        """Map `folder`/model.safetensors and check every tensor; arithmetic will run in `dtype`, float32 or float64.

        Accepts float16, bfloat16, float32 and float64 files; the names gamma and beta; a `bert.`, `roberta.` or
        `model.` prefix; and beside the encoder a pooler, a masked-LM head and a classifier. Raises WeightsError naming
        every tensor that is missing, unknown, misshapen or not finite, and FileNotFoundError.
        """
        if dtype not in ("float32", "float64"):
            raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
        folder = Path(folder)
        config = BertConfig.load(folder)
        file = folder / "model.safetensors"
        stored = map_safetensors(file)
        check_names(file, list(stored))
        named = {canonical_name(name): tensor for name, tensor in stored.items()}
        check_shapes(file, config, {name: tensor.shape for name, tensor in named.items()})
        if whole := [name for name, tensor in named.items() if tensor.dtype.kind == "i" and name != POSITION_IDS]:
            raise WeightsError(f"{file}: weights must be floats, got integers in {_some(whole)}")
        tensors = {name: as_float(tensor, np.dtype(dtype)) for name, tensor in named.items()}
        if broken := [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]:
            raise WeightsError(f"{file}: NaN or infinity, read as {dtype}, in {_some(broken)}")
        return cls(config, tensors)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self["embeddings.LayerNorm.weight"].dtype if not self._prefix else next(iter(self.values())).dtype

    def layer(self, index: int) -> "BertWeights":
        """The view of one encoder layer, for example `layer(0)["output.dense.weight"]`."""
        return BertWeights(self.config, self._tensors, f"encoder.layer.{index}.")

    def affine(self, name: str) -> tuple[Array, Array]:
        """`name`.weight and `name`.bias."""
        return self[f"{name}.weight"], self[f"{name}.bias"]

    def __getitem__(self, name: str) -> Array:
        return self._tensors[self._prefix + name]

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self._prefix) for name in self._tensors if name.startswith(self._prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; WeightsError when it is not one, FileNotFoundError when there is none."""
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: {MODEL_FOLDER}")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, a number of thousands of digits, too deep
        raise WeightsError(f"{file} is not JSON that holds a configuration: {error}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{file} must hold a JSON object, got {type(content).__name__}")
    return content


def map_safetensors(file: Path) -> dict[str, Array]:
    """Every tensor of a safetensors file as a read-only view of the mapped file; bfloat16 as its uint16 bits.

    The library checks that the header is sound and covers the file exactly, so no shape can ask for more than is there.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: {MODEL_FOLDER}")
    try:
        with safe_open(str(file), framework="numpy"):
            pass
    except SafetensorError as error:
        raise WeightsError(f"{file} is not a whole safetensors file ({error}): fetch it again") from error
    mapped = np.memmap(file, dtype=np.uint8, mode="r")
    header_size = 8 + int.from_bytes(mapped[:8].tobytes(), "little")
    header = json.loads(mapped[8:header_size].tobytes())
    header.pop("__metadata__", None)
    return {name: _view(file, name, mapped[header_size:], entry) for name, entry in header.items()}


STORED = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4"}


def _view(file: Path, name: str, data: Array, entry: dict[str, Any]) -> Array:
    if entry["dtype"] not in STORED:
        raise WeightsError(f"{file}: {name} has dtype {entry['dtype']}, expected one of {', '.join(STORED)}")
    begin, end = entry["data_offsets"]
    if begin == end:
        raise WeightsError(f"{file}: {name} is empty, its shape is {tuple(entry['shape'])}")
    return np.asarray(data[begin:end]).view(STORED[entry["dtype"]]).reshape(entry["shape"])


def as_float(stored: Array, dtype: np.dtype[Any]) -> Array:
    """The stored numbers in `dtype`: the mapped array itself when it has that dtype, else a converted copy."""
    if stored.dtype == np.uint16:  # bfloat16 is the upper half of a float32
        stored = (stored.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused as that
        return stored.astype(dtype, copy=False)


def canonical_name(name: str) -> str:
    """A published tensor name without its model prefix, and with weight and bias for TensorFlow's gamma and beta."""
    for prefix in ("bert.", "roberta.", "model."):
        name = name.removeprefix(prefix)
    for old, new in ((".gamma", ".weight"), (".beta", ".bias")):
        if name.endswith(old):
            name = name.removesuffix(old) + new
    return name


def check_names(file: Path, stored: list[str]) -> None:
    """Raise WeightsError for two tensors that mean the same, as `bert.x.gamma` and `x.weight` do."""
    by_name: dict[str, list[str]] = {}
    for name in stored:
        by_name.setdefault(canonical_name(name), []).append(name)
    if doubled := [" and ".join(names) for names in by_name.values() if len(names) > 1]:
        raise WeightsError(f"{file} holds the same tensor under two names: {_some(doubled)}")


def check_shapes(file: Path, config: BertConfig, found: Shapes) -> None:
    """Raise WeightsError naming every tensor that is missing, unknown or misshapen for `config`."""
    if config.num_hidden_layers > len(found):  # before names are made up by the billion
        raise WeightsError(
            f"{file} holds {len(found)} tensors, and its config.json says num_hidden_layers {config.num_hidden_layers}"
        )
    required = encoder_shapes(config)
    known = {**required, **head_shapes(config, found)}
    missing = [name for name in known if name not in found and (name in required or _other_half(name) in found)]
    extra = [name for name in found if name not in known]
    misshapen = [
        f"{name} {found[name]}, expected {shape}"
        for name, shape in known.items()
        if name in found and found[name] != shape
    ]
    faults = {"missing": missing, "unknown": extra, "misshapen": misshapen}
    if told := [f"{fault}: {_some(names)}" for fault, names in faults.items() if names]:
        raise WeightsError(f"{file} does not fit its config.json; {'; '.join(told)}")


def encoder_shapes(config: BertConfig) -> Shapes:
    """Name and shape of each tensor that a BERT encoder must have."""
    hidden, wide = config.hidden_size, config.intermediate_size
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (config.vocab_size, hidden),
        "embeddings.position_embeddings.weight": (config.max_position_embeddings, hidden),
        "embeddings.token_type_embeddings.weight": (config.type_vocab_size, hidden),
        **_norm("embeddings.LayerNorm", hidden),
    }
    for i in range(config.num_hidden_layers):
        layer = f"encoder.layer.{i}."
        for name in ("query", "key", "value"):
            shapes |= _dense(f"{layer}attention.self.{name}", hidden, hidden)
        shapes |= _dense(f"{layer}attention.output.dense", hidden, hidden)
        shapes |= _norm(f"{layer}attention.output.LayerNorm", hidden)
        shapes |= _dense(f"{layer}intermediate.dense", wide, hidden)
        shapes |= _dense(f"{layer}output.dense", hidden, wide)
        shapes |= _norm(f"{layer}output.LayerNorm", hidden)
    return shapes


def head_shapes(config: BertConfig, found: Shapes) -> Shapes:
    """Name and shape of each tensor that may stand beside the encoder; the number of labels is the classifier's own."""
    hidden, vocab = config.hidden_size, config.vocab_size
    labels = found.get("classifier.weight", found.get("classifier.out_proj.weight", (1,)))[0]
    return {
        POSITION_IDS: (1, config.max_position_embeddings),
        **_dense("pooler.dense", hidden, hidden),
        **_dense("cls.predictions.transform.dense", hidden, hidden),
        **_norm("cls.predictions.transform.LayerNorm", hidden),
        **_dense("cls.predictions.decoder", vocab, hidden),
        "cls.predictions.bias": (vocab,),
        **_dense("cls.seq_relationship", 2, hidden),
        **_dense("classifier", labels, hidden),
        **_dense("classifier.dense", hidden, hidden),
        **_dense("classifier.out_proj", labels, hidden),
    }


def _other_half(name: str) -> str | None:
    """The bias that a head's weight needs, and the reverse; a masked-LM decoder may go without either."""
    stem, _, kind = name.rpartition(".")
    if stem == "cls.predictions.decoder":
        return None
    return f"{stem}.{'bias' if kind == 'weight' else 'weight'}"


def _dense(name: str, out_features: int, in_features: int) -> Shapes:
    return {f"{name}.weight": (out_features, in_features), f"{name}.bias": (out_features,)}


def _norm(name: str, features: int) -> Shapes:
    return {f"{name}.weight": (features,), f"{name}.bias": (features,)}


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
