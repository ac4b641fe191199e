"""A model folder's config.json: the settings that change what the encoder computes, under BERT's names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refimpl.bert.architectures import ARCHITECTURES, POSITION_BUCKETS, Architecture
from refimpl.bert.files import WeightsError, read_json
from refimpl.bert.ops import ACTIVATIONS

REQUIRED = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
    "hidden_act",
)
MAY_BE_ZERO = ("pad_token_id",)
MOST = 2**31


@dataclass(frozen=True)
class BertConfig:
    """The settings that change what the encoder computes, under BERT's names for them."""

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
    model_type: str = "bert"
    has_segments: bool = True  # without, the token type table is zeros that no file holds
    relative_attention_num_buckets: int = 0  # MPNet's, 0 for the others, which know no relative positions
    embedding_size: int = 0  # ALBERT's width of the embedding tables; 0: hidden_size
    num_hidden_groups: int = 0  # ALBERT's number of layer groups that are stored; 0: every layer is
    inner_group_num: int = 1  # layers in a group

    @property
    def longest_text(self) -> int:
        """The number of tokens that the position table has rows for."""
        return self.max_position_embeddings - self.first_position

    @property
    def embedding_width(self) -> int:
        """Features of a row of the embedding tables."""
        return self.embedding_size or self.hidden_size

    @property
    def stored_layers(self) -> list[str]:
        """Each stored layer's name after `encoder.layer.`: a number, in ALBERT a group's and a number in it."""
        if not self.num_hidden_groups:
            return [str(i) for i in range(self.num_hidden_layers)]
        return [f"{group}.{i}" for group in range(self.num_hidden_groups) for i in range(self.inner_group_num)]

    def stored_layer(self, index: int) -> str:
        """Name of the layer that is walked through as number `index`; ALBERT's groups are each repeated in turn."""
        if not self.num_hidden_groups:
            return str(index)
        repeat, inner = divmod(index, self.inner_group_num)
        repeats = self.num_hidden_layers // self.inner_group_num
        return f"{repeat * self.num_hidden_groups // repeats}.{inner}"

    @classmethod
    def load(cls, folder: Path) -> "BertConfig":
        """Read `folder`/config.json; WeightsError names what is missing, absurd, or another architecture."""
        file = folder / "config.json"
        published = read_json(file)
        kind = published.get("model_type")
        if not isinstance(kind, str) or kind not in ARCHITECTURES:
            raise WeightsError(f"{file}: model_type is {kind!r}, and this encoder computes {', '.join(ARCHITECTURES)}")
        architecture = ARCHITECTURES[kind]
        _check_kind(file, published)
        values = _values(file, published, architecture)
        pad = values.setdefault("pad_token_id", architecture.default_pad)
        values["num_hidden_layers"] *= values.get("inner_group_num", 1)
        config = cls(**values, model_type=kind, first_position=architecture.first_position(pad))
        config._check_sizes(file)
        return config

    def _check_sizes(self, file: Path) -> None:
        if self.longest_text < 1:
            raise WeightsError(f"{file}: max_position_embeddings {self.max_position_embeddings} leaves no position")
        if self.hidden_size % self.num_attention_heads:
            heads = f"num_attention_heads {self.num_attention_heads}"
            raise WeightsError(f"{file}: {heads} does not divide hidden_size {self.hidden_size}")
        if self.relative_attention_num_buckets not in (0, POSITION_BUCKETS):
            told = f"relative_attention_num_buckets is {self.relative_attention_num_buckets}"
            raise WeightsError(f"{file}: {told}, and MPNet's arithmetic knows {POSITION_BUCKETS}")
        if self.num_hidden_groups * self.inner_group_num > self.num_hidden_layers:
            told = f"num_hidden_groups {self.num_hidden_groups} times inner_group_num {self.inner_group_num}"
            raise WeightsError(f"{file}: {told} is more than the {self.num_hidden_layers} layers walked through")


def _check_kind(file: Path, published: dict[str, Any]) -> None:
    if (positions := published.get("position_embedding_type", "absolute")) != "absolute":
        raise WeightsError(f"{file}: position_embedding_type is {positions!r}, and this encoder computes 'absolute'")
    if published.get("is_decoder"):
        raise WeightsError(f"{file}: is_decoder is set, and this encoder looks both ways")


def _values(file: Path, published: dict[str, Any], architecture: Architecture) -> dict[str, Any]:
    """Every setting by BERT's name; WeightsError for what is missing, and for what no encoder has."""
    wanted = [*(name for name in REQUIRED if name not in architecture.fixed), *architecture.more]
    keys = {name: architecture.settings.get(name, name) for name in wanted}
    if missing := [key for key in keys.values() if key not in published]:
        raise WeightsError(f"{file} lacks {', '.join(missing)}")
    if "pad_token_id" in published:
        keys["pad_token_id"] = "pad_token_id"
    for name, key in keys.items():
        _check_value(file, name, key, published[key])
    return {name: published[key] for name, key in keys.items()} | dict(architecture.fixed)


def _check_value(file: Path, name: str, key: str, value: Any) -> None:
    """Raise WeightsError for what no encoder has, before anything is allocated by it."""
    if name == "hidden_act":
        if not isinstance(value, str) or value not in ACTIVATIONS:
            raise WeightsError(f"{file}: {key} {value!r} is not one of {', '.join(ACTIVATIONS)}")
    elif name == "layer_norm_eps":
        if not isinstance(value, float) or not 0.0 < value < 1.0:
            raise WeightsError(f"{file}: {key} must be a number between 0 and 1, got {value!r}")
    elif type(value) is not int or not (name not in MAY_BE_ZERO) <= value < MOST:
        raise WeightsError(f"{file}: {key} must be a positive integer below {MOST:,}, got {value!r}")
