"""A model folder's weights as checked arrays under BERT's published names.

The file is memory-mapped: float32 weights are used where they lie. Other precisions are converted to the dtype asked
for.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.bert.architectures import ARCHITECTURES, BERT, PROJECTION, RELATIVE_TABLE, Architecture
from refimpl.bert.config import BertConfig
from refimpl.bert.files import WeightsError, as_float, let_go, map_safetensors
from refimpl.bert.torch_files import map_torch

Array = np.ndarray
Shapes = dict[str, tuple[int, ...]]

POSITION_IDS = "embeddings.position_ids"
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"
MOST_LAYERS = 1000  # of layers that share their weights, and so are not bounded by the number of tensors


class BertWeights(Mapping[str, Array]):
    """Tensors by published name, less the model's prefix (`bert.`); `layer(3)` is the same less `encoder.layer.3.`."""

    def __init__(self, config: BertConfig, tensors: Mapping[str, Array], prefix: str = "") -> None:
        self.config = config
        self._tensors = tensors
        self._prefix = prefix

    @classmethod
    def load(cls, folder: str | Path, dtype: str = "float32") -> "BertWeights":
        """Map `folder`/model.safetensors, else pytorch_model.bin, and check every tensor.

        `dtype`, float32 or float64, is what the arithmetic will run in.

        Accepts float16, bfloat16, float32 and float64 files; the models of `bert/architectures.py` under their own
        names, with or without a prefix, with the old gamma and beta; and beside the encoder a pooler, a masked-LM head
        and a classifier. Raises WeightsError naming every tensor that is missing, unknown, misshapen or not finite,
        and FileNotFoundError.
        """
        if dtype not in ("float32", "float64"):
            raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
        folder = Path(folder)
        config = BertConfig.load(folder)
        file, stored = map_weights(folder)
        architecture = ARCHITECTURES[config.model_type]
        check_names(file, list(stored), architecture)
        named = {architecture.canonical(name): tensor for name, tensor in stored.items()}
        check_shapes(file, config, {name: tensor.shape for name, tensor in named.items()})
        if whole := [name for name, tensor in named.items() if tensor.dtype.kind == "i" and name != POSITION_IDS]:
            raise WeightsError(f"{file}: weights must be floats, got integers in {_some(whole)}")
        tensors, broken = dict[str, Array](), list[str]()
        for name, tensor in named.items():
            tensors[name] = as_float(tensor, np.dtype(dtype))
            if not np.isfinite(tensors[name]).all():
                broken.append(name)
            let_go(tensor)
        if broken:
            raise WeightsError(f"{file}: NaN or infinity, read as {dtype}, in {_some(broken)}")
        if not config.has_segments:
            tensors[TOKEN_TYPES] = np.zeros((config.type_vocab_size, config.embedding_width), dtype)
        return cls(config, tensors)

    def let_go(self) -> None:
        """Give the mapped file's memory back to the system; what is used again is read again, from the page cache."""
        for tensor in self.values():
            let_go(tensor)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self["embeddings.LayerNorm.weight"].dtype if not self._prefix else next(iter(self.values())).dtype

    def layer(self, index: int) -> "BertWeights":
        """The view of one encoder layer, for example `layer(0)["output.dense.weight"]`; ALBERT's share theirs."""
        return self.stored_layer(self.config.stored_layer(index))

    def stored_layer(self, name: str) -> "BertWeights":
        """The same by the layer's name of `config.stored_layers`."""
        return BertWeights(self.config, self._tensors, f"encoder.layer.{name}.")

    def affine(self, name: str) -> tuple[Array, Array]:
        """`name`.weight and `name`.bias."""
        return self[f"{name}.weight"], self[f"{name}.bias"]

    def __getitem__(self, name: str) -> Array:
        return self._tensors[self._prefix + name]

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self._prefix) for name in self._tensors if name.startswith(self._prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def map_weights(folder: Path) -> tuple[Path, dict[str, Array]]:
    """The file of `folder` that holds its weights, and its tensors: model.safetensors, else pytorch_model.bin."""
    if (folder / "pytorch_model.bin").is_file() and not (folder / "model.safetensors").is_file():
        return folder / "pytorch_model.bin", map_torch(folder / "pytorch_model.bin")
    return folder / "model.safetensors", map_safetensors(folder / "model.safetensors")


def check_names(file: Path, stored: list[str], architecture: Architecture = BERT) -> None:
    """Raise WeightsError for two tensors that mean the same, as `bert.x.gamma` and `x.weight` do."""
    by_name: dict[str, list[str]] = {}
    for name in stored:
        by_name.setdefault(architecture.canonical(name), []).append(name)
    if doubled := [" and ".join(names) for names in by_name.values() if len(names) > 1]:
        raise WeightsError(f"{file} holds the same tensor under two names: {_some(doubled)}")


def check_shapes(file: Path, config: BertConfig, found: Shapes) -> None:
    """Raise WeightsError naming every tensor that is missing, unknown or misshapen for `config`."""
    if config.num_hidden_layers > max(len(found), MOST_LAYERS):  # before names are made up by the billion
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
    """Name and shape of each tensor that the encoder must have."""
    hidden, wide, narrow = config.hidden_size, config.intermediate_size, config.embedding_width
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (config.vocab_size, narrow),
        "embeddings.position_embeddings.weight": (config.max_position_embeddings, narrow),
        **({TOKEN_TYPES: (config.type_vocab_size, narrow)} if config.has_segments else {}),
        **_norm("embeddings.LayerNorm", narrow),
        **(_dense(PROJECTION, hidden, narrow) if config.embedding_size else {}),
    }
    if buckets := config.relative_attention_num_buckets:
        shapes[RELATIVE_TABLE] = (buckets, config.num_attention_heads)
    for name in config.stored_layers:
        layer = f"encoder.layer.{name}."
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
    hidden, vocab, narrow = config.hidden_size, config.vocab_size, config.embedding_width
    labels = found.get("classifier.weight", found.get("classifier.out_proj.weight", (1,)))[0]
    return {
        POSITION_IDS: (1, config.max_position_embeddings),
        **_dense("pooler.dense", hidden, hidden),
        **_dense("cls.predictions.transform.dense", narrow, hidden),
        **_norm("cls.predictions.transform.LayerNorm", narrow),
        **_dense("cls.predictions.decoder", vocab, narrow),
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
