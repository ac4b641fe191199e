"""A model folder's config.json: the settings that change what the encoder computes, under BERT's names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refimpl.bert.architectures import ARCHITECTURES, POSITION_BUCKETS, Architecture, architecture_name
from refimpl.bert.architectures.keys import unsupported
from refimpl.bert.architectures.record import BIASES, POST_NORM
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
    first_position: int = 0  # row of the position table of a text's first token; earlier rows are unused
    model_type: str = "bert"
    has_segments: bool = True  # False: the token type table is zeros, and in no file
    relative_attention_num_buckets: int = 0  # MPNet's, 0 for the others, which have no relative positions
    embedding_size: int = 0  # ALBERT's width of the embedding tables; 0: hidden_size
    num_hidden_groups: int = 0  # ALBERT's number of stored layer groups; 0: every layer is stored
    inner_group_num: int = 1  # layers in a group
    has_positions: bool = True  # False: no position table
    norm: str = "layer_norm"  # or rms_norm
    norms: tuple[str, ...] = POST_NORM  # where the model normalises, by the names of `architectures/record.py`
    absent: tuple[str, ...] = ()  # norms that single layers lack
    biases: tuple[str, ...] = BIASES  # maps that have a bias; up includes the gate
    head_act: str = ""  # activation of the masked-LM head; "": hidden_act
    classifier_pooling: str = "cls"  # or mean: the input of the classifier
    gated: bool = False  # feed-forward: activation(gate(x)) * up(x)
    head_size: int = 0  # features per head; 0: hidden_size / num_attention_heads
    num_key_value_heads: int = 0  # each is shared by a group of query heads; 0: num_attention_heads
    causal: bool = False
    alibi: bool = False
    windows: tuple[int, ...] = ()  # per layer, the largest distance that attends, 0 for no limit
    rope_thetas: tuple[float, ...] = ()  # per layer, the base of the rotary frequencies; (): no rotation
    rope_divisor: float = 1.0  # of the rotary frequencies
    attention_scale: float = 0.0  # factor of the attention scores; 0: 1 / sqrt(head_dim)
    embedding_scale: float = 1.0  # factor of the word embeddings

    @property
    def longest_text(self) -> int:
        """The number of tokens that the position table has rows for."""
        return self.max_position_embeddings - self.first_position

    @property
    def is_bert(self) -> bool:
        """Whether embeddings and layers are the BERT paper's; relative positions and shared layers are allowed."""
        return self.norms == POST_NORM and self.has_positions

    @property
    def head_dim(self) -> int:
        """Features per attention head."""
        return self.head_size or self.hidden_size // self.num_attention_heads

    @property
    def key_value_heads(self) -> int:
        """Heads of keys and values."""
        return self.num_key_value_heads or self.num_attention_heads

    @property
    def score_scale(self) -> float:
        """Factor of the products of queries and keys."""
        return self.attention_scale or self.head_dim**-0.5

    def window(self, layer: int) -> int:
        """The largest distance that attends in a layer, 0 for no limit."""
        return self.windows[layer] if self.windows else 0

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
        """Name of the stored layer that computes layer `index`; each of ALBERT's groups is repeated in turn."""
        if not self.num_hidden_groups:
            return str(index)
        repeat, inner = divmod(index, self.inner_group_num)
        repeats = self.num_hidden_layers // self.inner_group_num
        return f"{repeat * self.num_hidden_groups // repeats}.{inner}"

    @classmethod
    def load(cls, folder: Path) -> "BertConfig":
        """Read `folder`/config.json; WeightsError names missing keys, impossible values, or another architecture."""
        file = folder / "config.json"
        published = read_json(file)
        kind = architecture_name(published)
        if not isinstance(kind, str) or kind not in ARCHITECTURES:
            raise WeightsError(f"{file}: model_type is {kind!r}, and this encoder computes {', '.join(ARCHITECTURES)}")
        architecture = ARCHITECTURES[kind]
        values = _values(file, published, architecture)
        if (pad := published.get("pad_token_id")) is None:
            pad = architecture.default_pad
        _check_value(file, "pad_token_id", "pad_token_id", pad)
        values["num_hidden_layers"] *= values.get("inner_group_num", 1)
        config = cls(**values, pad_token_id=pad, model_type=kind, first_position=architecture.first_position(pad))
        config._check_sizes(file)
        return config

    def _check_sizes(self, file: Path) -> None:
        if self.longest_text < 1:
            raise WeightsError(f"{file}: max_position_embeddings {self.max_position_embeddings} leaves no position")
        if not self.head_size and self.hidden_size % self.num_attention_heads:
            heads = f"num_attention_heads {self.num_attention_heads}"
            raise WeightsError(f"{file}: {heads} does not divide hidden_size {self.hidden_size}")
        if self.num_attention_heads % self.key_value_heads or (self.rope_thetas and self.head_dim % 2):
            heads = f"{self.num_attention_heads} query heads, {self.key_value_heads} key heads of {self.head_dim}"
            raise WeightsError(f"{file}: {heads}, expected a multiple of the key heads, and an even size to rotate")
        if self.relative_attention_num_buckets not in (0, POSITION_BUCKETS):
            settings = f"relative_attention_num_buckets is {self.relative_attention_num_buckets}"
            raise WeightsError(f"{file}: {settings}, expected {POSITION_BUCKETS}, MPNet's")
        if self.num_hidden_groups * self.inner_group_num > self.num_hidden_layers:
            settings = f"num_hidden_groups {self.num_hidden_groups} times inner_group_num {self.inner_group_num}"
            raise WeightsError(f"{file}: {settings} is more than the {self.num_hidden_layers} layers")


def _values(file: Path, published: dict[str, Any], architecture: Architecture) -> dict[str, Any]:
    """Every setting by BERT's name; WeightsError for a key that is missing, unsupported, or has an impossible value."""
    derived = _derived(file, published, architecture)
    names = [*(name for name in REQUIRED if name not in architecture.fixed and name not in derived), *architecture.more]
    keys = {name: architecture.settings.get(name, name) for name in names}
    if missing := [key for key in keys.values() if key not in published]:
        raise WeightsError(f"{file} lacks {', '.join(missing)}")
    if faults := list(unsupported(published, architecture, {*keys.values(), *architecture.settings.values()})):
        raise WeightsError(f"{file}: {'; '.join(faults)}")
    for name, key in keys.items():
        _check_value(file, name, key, published[key])
    return {name: published[key] for name, key in keys.items()} | dict(architecture.fixed) | derived


def _derived(file: Path, published: dict[str, Any], architecture: Architecture) -> dict[str, Any]:
    try:
        derived = architecture.derive(published)
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise WeightsError(f"{file}: {error}") from error
    for name in ("hidden_act", "head_act"):
        if derived.get(name) or name == "hidden_act" in derived:
            _check_value(file, "hidden_act", name, derived[name])
    return derived


def _check_value(file: Path, name: str, key: str, value: Any) -> None:
    """Raise WeightsError for an impossible value, before memory is allocated by it."""
    if name == "hidden_act":
        if not isinstance(value, str) or value not in ACTIVATIONS:
            raise WeightsError(f"{file}: {key} {value!r} is not one of {', '.join(ACTIVATIONS)}")
    elif name == "layer_norm_eps":
        if not isinstance(value, float) or not 0.0 < value < 1.0:
            raise WeightsError(f"{file}: {key} must be a number between 0 and 1, got {value!r}")
    elif type(value) is not int or not (name not in MAY_BE_ZERO) <= value < MOST:
        raise WeightsError(f"{file}: {key} must be a positive integer below {MOST:,}, got {value!r}")
