"""The description of an architecture: BERT's names for its tensors and settings, and the settings that BERT lacks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from refimpl.common.types import Array

Published = Mapping[str, Any]


def words(text: str) -> frozenset[str]:
    """The whitespace-separated words."""
    return frozenset(text.split())


@dataclass(frozen=True)
class Architecture:
    """A published model's names for BERT's tensors and settings, and its additional or missing ones."""

    prefixes: tuple[str, ...]
    tensors: Mapping[str, str] = field(default_factory=dict)
    """Its dotted parts of tensor names -> BERT's."""
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """A stored matrix (canonical name without .weight) -> the equal parts that its rows are."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """BERT's settings -> its keys in config.json."""
    more: tuple[str, ...] = ()
    """Settings that BERT does not have."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Settings that are not in its config.json."""
    derive: Callable[[Published], dict[str, Any]] = lambda published: {}
    """Settings computed from config.json; raises ValueError for a value that is not supported."""
    derived_keys: frozenset[str] = frozenset()
    """Keys of config.json that `derive` reads."""
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Keys of config.json whose other values are not supported."""
    irrelevant: frozenset[str] = frozenset()
    """Further keys of config.json that do not change a number."""
    default_pad: int = 0
    first_position: Callable[[int], int] = lambda pad_token_id: 0
    """Row of the position table of a text's first token, by the model's pad_token_id."""
    unused: tuple[str, ...] = ()
    """Prefixes of stored tensors that the encoder's states do not depend on."""
    unit_offset_norms: bool = False
    """Stored norm weights are less 1 (Gemma)."""

    def canonical(self, name: str) -> str:
        """BERT's name for a tensor that this architecture calls `name`, in any of the spellings in use."""
        for prefix in self.prefixes:
            name = name.removeprefix(prefix)
        for old, new in ((".gamma", ".weight"), (".beta", ".bias")):  # TensorFlow's
            if name.endswith(old):
                name = name.removesuffix(old) + new
        dotted = f".{name}."
        for theirs, ours in self.tensors.items():
            dotted = dotted.replace(f".{theirs}.", f".{ours}." if ours else ".")
        return dotted[1:-1]

    def split(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """The tensors by name, fused ones as views of their parts."""
        parts: dict[str, Array] = {}
        for name, tensor in tensors.items():
            stem, _, kind = name.rpartition(".")
            layer, fused = next(((stem.removesuffix(key), key) for key in self.fused if _ends(stem, key)), ("", ""))
            if not fused or len(tensor) % len(self.fused[fused]):
                parts[name] = tensor
                continue
            rows = len(tensor) // len(self.fused[fused])
            for i, part in enumerate(self.fused[fused]):
                parts[f"{layer}{part}.{kind}"] = tensor[i * rows : (i + 1) * rows]
        return parts


def _ends(stem: str, key: str) -> bool:
    return stem == key or stem.endswith(f".{key}")


BIASES = ("attention", "up", "down", "norm", "head", "decoder")
"""Maps of BERT that have a bias: of attention, feed-forward, norms, the masked-LM head's dense map and decoder."""
POSITION_BUCKETS = 32
RELATIVE_TABLE = "encoder.relative_attention_bias.weight"
PRE_ATTENTION = "attention.input.LayerNorm"
POST_ATTENTION = "attention.branch.LayerNorm"
AFTER_ATTENTION = "attention.output.LayerNorm"
PRE_FEED_FORWARD = "intermediate.input.LayerNorm"
POST_FEED_FORWARD = "output.branch.LayerNorm"
AFTER_FEED_FORWARD = "output.LayerNorm"
HEAD_NORMS = ("attention.self.query.LayerNorm", "attention.self.key.LayerNorm")
FINAL = "encoder.final.LayerNorm"
EMBEDDED = "embeddings.LayerNorm"
POST_NORM = (EMBEDDED, AFTER_ATTENTION, AFTER_FEED_FORWARD)
"""BERT's norms: of the embeddings, and of each sum of a block's input and output."""
PRE_NORM = (PRE_ATTENTION, PRE_FEED_FORWARD, FINAL)
"""Norms of each block's input, and of the last hidden state."""
