"""A model folder's weights as checked arrays under BERT's published names.

The file is memory-mapped: float32 weights are used in place. Other precisions are converted to the requested dtype.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.bert.architectures import ARCHITECTURES, BERT, Architecture
from refimpl.bert.config import BertConfig
from refimpl.bert.files import MODEL_FOLDER, WeightsError, map_safetensors, map_shards
from refimpl.bert.lora import merge_task
from refimpl.bert.shapes import POSITION_IDS, TOKEN_TYPES, check_shapes, some
from refimpl.bert.torch_files import map_torch
from refimpl.common.tensors import as_float, release_pages
from refimpl.common.types import Array


class BertWeights(Mapping[str, Array]):
    """Tensors by published name without the model's prefix (`bert.`); `layer(3)` views those of `encoder.layer.3.`."""

    def __init__(self, config: BertConfig, tensors: Mapping[str, Array], prefix: str = "", index: int = 0) -> None:
        self.config = config
        self.index = index
        """Number of the layer, in a view of one."""
        self._tensors = tensors
        self._prefix = prefix

    @classmethod
    def load(cls, folder: str | Path, dtype: str = "float32", task: str | None = None) -> "BertWeights":
        """Map `folder`/model.safetensors or its shards, else pytorch_model.bin, and check every tensor.

        `dtype`, float32 or float64, is the arithmetic's precision. `task` is the LoRA adapter of a model that has some
        (`bert/lora.py`), None for its main parameters.

        Accepts float16, bfloat16, float32 and float64 files; the architectures of `bert/architectures` under their own
        names, with or without a prefix, with the old gamma and beta; and beside the encoder a pooler, a masked-LM head
        and a classifier. Raises WeightsError naming every tensor that is missing, unknown, misshapen or not finite,
        and FileNotFoundError.
        """
        if dtype not in ("float32", "float64"):
            raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
        folder = Path(folder)
        config = BertConfig.load(folder)
        if (folder / "adapter_config.json").is_file():
            raise WeightsError(f"{folder / 'adapter_config.json'}: expected no adapter: merge it into the weights")
        file, stored = map_weights(folder)
        unused = ARCHITECTURES[config.model_type].unused
        stored = {name: tensor for name, tensor in stored.items() if not name.startswith(unused)}
        stored = merge_task(folder / "config.json", file, stored, task, np.dtype(dtype))
        return cls.of(config, file, stored, dtype)

    @classmethod
    def of(cls, config: BertConfig, file: Path, stored: Mapping[str, Array], dtype: str) -> "BertWeights":
        """Check the tensors that are `stored` in `file` under their architecture's names; raises as `load`."""
        architecture = ARCHITECTURES[config.model_type]
        check_names(file, stored, architecture)
        named = architecture.split({architecture.canonical(name): tensor for name, tensor in stored.items()})
        check_shapes(file, config, {name: tensor.shape for name, tensor in named.items()})
        tensors = _converted(file, named, np.dtype(dtype))
        if not config.has_segments:
            tensors[TOKEN_TYPES] = np.zeros((config.type_vocab_size, config.embedding_width), dtype)
        if architecture.unit_offset_norms:
            tensors |= {name: tensor + 1 for name, tensor in tensors.items() if "LayerNorm" in name}
        return cls(config, tensors)

    def release_pages(self) -> None:
        """Release the mapped file's memory; pages that are used again are read again, from the page cache."""
        for tensor in self.values():
            release_pages(tensor)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._tensors["embeddings.word_embeddings.weight"].dtype

    def layer(self, index: int) -> "BertWeights":
        """The view of one encoder layer, for example `layer(0)["output.dense.weight"]`; ALBERT's share theirs."""
        return BertWeights(self.config, self._tensors, f"encoder.layer.{self.config.stored_layer(index)}.", index)

    def replaced(self, tensors: Mapping[str, Array]) -> "BertWeights":
        """The same view with some tensors replaced, by their names in it."""
        named = {self._prefix + name: tensor for name, tensor in tensors.items()}
        return BertWeights(self.config, {**self._tensors, **named}, self._prefix, self.index)

    def affine(self, name: str) -> tuple[Array, Array]:
        """`name`.weight and `name`.bias; zeros for a bias that the model lacks."""
        weight, bias = self[f"{name}.weight"], self.get(f"{name}.bias")
        return weight, np.zeros(len(weight), weight.dtype) if bias is None else bias

    def __getitem__(self, name: str) -> Array:
        return self._tensors[self._prefix + name]

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self._prefix) for name in self._tensors if name.startswith(self._prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def map_weights(folder: Path) -> tuple[Path, dict[str, Array]]:
    """The file with the weights of `folder`, and its tensors: the first of `WEIGHTS`, or of its shards."""
    for name, read in WEIGHTS.items():
        if (folder / name).is_file():
            return folder / name, read(folder / name)
        if (index := folder / f"{name}.index.json").is_file():
            return index, map_shards(index, read)
    raise FileNotFoundError(f"{folder / 'model.safetensors'} is missing: {MODEL_FOLDER}")


WEIGHTS: dict[str, Callable[[Path], dict[str, Array]]] = {
    "model.safetensors": map_safetensors,
    "pytorch_model.bin": map_torch,
}
"""Files with weights, in transformers' order; each may be in several files, listed in its *.index.json."""


def _converted(file: Path, named: Mapping[str, Array], dtype: np.dtype[Any]) -> dict[str, Array]:
    if integers := [name for name, tensor in named.items() if tensor.dtype.kind == "i" and name != POSITION_IDS]:
        raise WeightsError(f"{file}: weights must be floats, got integers in {some(integers)}")
    tensors, broken = dict[str, Array](), list[str]()
    for name, tensor in named.items():
        tensors[name] = as_float(tensor, dtype)
        if not np.isfinite(tensors[name]).all():
            broken.append(name)
        release_pages(tensor)
    if broken:
        raise WeightsError(f"{file}: NaN or infinity, read as {dtype}, in {some(broken)}")
    return tensors


def check_names(file: Path, stored: Mapping[str, Array], architecture: Architecture = BERT) -> None:
    """Raise WeightsError for two names of one tensor, as `bert.x.gamma` and `x.weight`, with different values."""
    by_name: dict[str, list[str]] = {}
    for name in stored:
        by_name.setdefault(architecture.canonical(name), []).append(name)
    doubled = [
        " and ".join(names)
        for names in by_name.values()
        if not all(np.array_equal(stored[names[0]], stored[other]) for other in names[1:])
    ]
    if doubled:
        raise WeightsError(f"{file} holds the same tensor under two names: {some(doubled)}")
