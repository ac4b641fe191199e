"""A model folder's config.json and model.safetensors as checked arrays under their published names.

The file is memory-mapped: float32 weights are used where they lie. Other precisions are converted to the dtype asked
for. The `safetensors` library validates the header; we map what it vouches for.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

Array = np.ndarray
Shapes = dict[str, tuple[int, ...]]


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

    @classmethod
    def load(cls, folder: Path) -> "BertConfig":
        """Read `folder`/config.json; WeightsError names what is missing, absurd, or another architecture than BERT."""
        file = folder / "config.json"
        published = read_json(file)
        if (kind := published.get("model_type")) != "bert":
            raise WeightsError(f"{file}: model_type is {kind!r}, and this encoder computes 'bert'")
        if (positions := published.get("position_embedding_type", "absolute")) != "absolute":
            raise WeightsError(
                f"{file}: position_embedding_type is {positions!r}, and this encoder computes 'absolute'"
            )
        names = [field.name for field in fields(cls)]
        if missing := [name for name in names if name not in published and name != "pad_token_id"]:
            raise WeightsError(f"{file} lacks {', '.join(missing)}")
        config = cls(**{name: published[name] for name in names if name in published})
        config.check(file)
        return config

    def check(self, file: Path) -> None:
        """Raise WeightsError for sizes that no encoder has, before anything is allocated by them."""
        for name in [field.name for field in fields(self) if field.type is int]:
            value = getattr(self, name)
            if not isinstance(value, int) or value < 0 or (value == 0 and name != "pad_token_id"):
                raise WeightsError(f"{file}: {name} must be a positive integer, got {value!r}")
        if self.hidden_size % self.num_attention_heads:
            raise WeightsError(f"{file}: {self.num_attention_heads} heads do not divide hidden_size {self.hidden_size}")
        if not 0.0 < self.layer_norm_eps < 1.0:
            raise WeightsError(f"{file}: layer_norm_eps must lie between 0 and 1, got {self.layer_norm_eps!r}")
        from refimpl.bert.ops import ACTIVATIONS

        if self.hidden_act not in ACTIVATIONS:
            raise WeightsError(f"{file}: hidden_act {self.hidden_act!r} is not one of {', '.join(ACTIVATIONS)}")


class BertWeights(Mapping[str, Array]):
    """Tensors by published name, less the `bert.` prefix; `layer(3)` is the same less `encoder.layer.3.`."""

    def __init__(self, config: BertConfig, tensors: Mapping[str, Array], prefix: str = "") -> None:
        self.config = config
        self._tensors = tensors
        self._prefix = prefix

    @classmethod
    def load(cls, folder: str | Path, dtype: str = "float32") -> "BertWeights":
        """Map `folder`/model.safetensors and check every tensor; arithmetic will run in `dtype`, float32 or float64.

        Accepts float16, bfloat16, float32 and float64 files; the names gamma and beta; a `bert.` or `model.` prefix;
        and beside the encoder a pooler, a masked-LM head and a classifier. Raises WeightsError naming every tensor that
        is missing, unknown, misshapen or not finite, and FileNotFoundError.
        """
        if dtype not in ("float32", "float64"):
            raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
        folder = Path(folder)
        config = BertConfig.load(folder)
        file = folder / "model.safetensors"
        stored = map_safetensors(file)
        named = {canonical_name(name): tensor for name, tensor in stored.items()}
        check_shapes(file, config, {name: tensor.shape for name, tensor in named.items()})
        tensors = {name: as_float(tensor, np.dtype(dtype)) for name, tensor in named.items()}
        if broken := [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]:
            raise WeightsError(f"{file}: NaN or infinity in {_some(broken)}")
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
    """The object in a JSON file; WeightsError when it is not one."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise WeightsError(f"{file} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{file} must hold a JSON object, got {type(content).__name__}")
    return content


def map_safetensors(file: Path) -> dict[str, Array]:
    """Every tensor of a safetensors file as a read-only view of the mapped file; bfloat16 as its uint16 bits.

    The library checks that the header is sound and covers the file exactly, so no shape can ask for more than is there.
    """
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} is missing: a model folder holds config.json, model.safetensors and tokenizer.json"
        )
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
    return np.asarray(data[begin:end]).view(STORED[entry["dtype"]]).reshape(entry["shape"])


def as_float(stored: Array, dtype: np.dtype[Any]) -> Array:
    """The stored numbers in `dtype`: the mapped array itself when it has that dtype, else a converted copy."""
    if stored.dtype == np.uint16:  # bfloat16 is the upper half of a float32
        stored = (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(dtype, copy=False)


def canonical_name(name: str) -> str:
    """A published tensor name without its model prefix, and with weight and bias for TensorFlow's gamma and beta."""
    for prefix in ("bert.", "model."):
        name = name.removeprefix(prefix)
    for old, new in ((".gamma", ".weight"), (".beta", ".bias")):
        if name.endswith(old):
            name = name.removesuffix(old) + new
    return name


def check_shapes(file: Path, config: BertConfig, found: Shapes) -> None:
    """Raise WeightsError naming every tensor that is missing, unknown or misshapen for `config`."""
    required = encoder_shapes(config)
    known = {**required, **head_shapes(config, found)}
    missing = [name for name in required if name not in found]
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
    labels = found.get("classifier.weight", (1,))[0]
    return {
        "embeddings.position_ids": (1, config.max_position_embeddings),
        **_dense("pooler.dense", hidden, hidden),
        **_dense("cls.predictions.transform.dense", hidden, hidden),
        **_norm("cls.predictions.transform.LayerNorm", hidden),
        **_dense("cls.predictions.decoder", vocab, hidden),
        "cls.predictions.bias": (vocab,),
        **_dense("cls.seq_relationship", 2, hidden),
        **_dense("classifier", labels, hidden),
    }


def _dense(name: str, out_features: int, in_features: int) -> Shapes:
    return {f"{name}.weight": (out_features, in_features), f"{name}.bias": (out_features,)}


def _norm(name: str, features: int) -> Shapes:
    return {f"{name}.weight": (features,), f"{name}.bias": (features,)}


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
