"""The textbook encoder with everything that a faulty one does differently as a field of a frozen variant."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from refimpl.bert.forward import Forward, forward
from refimpl.bert.weights import BertWeights
from refimpl.oracle.diagnosis.blocks import BLOCKS
from refimpl.oracle.diagnosis.tensors import PRECISIONS, REWIRINGS
from refimpl.oracle.diagnosis.tokenizing import varied_tokenizer
from refimpl.tokens import Tokenizer, Tokens

Array = np.ndarray
WORDS = "embeddings.word_embeddings.weight"  # stays float32: it is large, and few of its rows are read
LONGEST = -1

Value = TypeVar("Value")


@dataclass(frozen=True)
class EncoderVariant:
    """What decides the hidden states; the defaults are the reference.

    `padded_to` is a number of tokens, `LONGEST` for the longest text, 0 for none. `max_length` 0 is the model's own.
    """

    tokenizing: tuple[str, ...] = ()
    max_length: int = 0
    prefix: str = ""
    truncation: str = "right"
    swapped: bool = False
    token_types: str = "published"
    first_position: int | None = None
    padded_to: int = 0
    attention_masked: bool = True
    hidden_act: str | None = None
    eps: float | None = None
    layers: int | None = None
    """Layers that are computed; a negative number leaves that many out."""
    block: str = "post-norm"
    rewirings: tuple[str, ...] = ()
    precision: str = ""


@dataclass(frozen=True)
class States:
    """The hidden states of some texts, which of them are tokens, and how the walk went."""

    walk: Forward
    mask: Array
    input_ids: Array

    @property
    def hidden_states(self) -> Array:
        """`(texts, seq, hidden)`."""
        return self.walk.last_hidden_state


class VariedEncoder:
    """The hidden states of a model folder's encoder under any variant, in float64."""

    def __init__(
        self, folder: Path, firsts: Sequence[str], seconds: Sequence[str] | None = None, max_length: int | None = None
    ) -> None:
        self.folder = folder
        self.firsts, self.seconds = list(firsts), None if seconds is None else list(seconds)
        self.published = BertWeights.load(folder)
        self.max_length = min(max_length or Tokenizer(folder).max_length, self.published.config.longest_text)
        self._tokens = Cache[Tokens](64)
        self._rounded = Cache[dict[str, Array]](8)
        self._weights = Cache[BertWeights](4)
        self._states = Cache[States](256)

    def tokens(self, variant: EncoderVariant) -> Tokens:
        """All texts' tokens."""
        length = variant.max_length or self.max_length
        key = (variant.tokenizing, length, variant.prefix, variant.truncation, variant.swapped)
        tokens = self._tokens.get(key, lambda: self._tokenize(variant, length))
        return replace(tokens, token_type_ids=_token_types(variant, tokens, self.published.config.type_vocab_size))

    def states(self, variant: EncoderVariant, rows: Array, *, trace: bool = False) -> States:
        """The hidden states of the texts `rows`; ValueError where the model cannot be run like this."""
        tokens = self.tokens(variant)
        chosen = tokens.select(rows)
        width = int(chosen.lengths.max(initial=1))
        if variant.padded_to:
            width = max(width, int(tokens.lengths.max()) if variant.padded_to == LONGEST else variant.padded_to)
        arithmetic = (*_of_weights(variant), variant.attention_masked, variant.block)
        inputs = (chosen.input_ids.tobytes(), chosen.token_type_ids.tobytes(), chosen.lengths.tobytes(), width)
        return self._states.get((arithmetic, inputs, trace), lambda: self._forward(variant, chosen, width, trace))

    def weights(self, variant: EncoderVariant) -> BertWeights:
        """The weights as `variant` has them."""
        return self._weights.get(_of_weights(variant), lambda: self._vary(variant))

    def _tokenize(self, variant: EncoderVariant, max_length: int) -> Tokens:
        try:
            return self._encode(variant, max_length)
        except (TypeError, ValueError, AttributeError):
            raise
        except Exception as error:  # the library raises nothing more specific: a text too short to be cut so far
            raise ValueError(str(error)) from error

    def _encode(self, variant: EncoderVariant, max_length: int) -> Tokens:
        tokenizer = varied_tokenizer(self.folder, max_length, variant.tokenizing, variant.truncation)
        firsts = [variant.prefix + text for text in self.firsts]
        if self.seconds is None:
            return tokenizer(firsts)
        return tokenizer.pairs(self.seconds, firsts) if variant.swapped else tokenizer.pairs(firsts, self.seconds)

    def _forward(self, variant: EncoderVariant, chosen: Tokens, width: int, trace: bool) -> States:
        mask = np.arange(width) < chosen.lengths[:, None]
        input_ids = np.full(mask.shape, chosen.pad_token_id)
        token_types = np.zeros(mask.shape, dtype=np.int64)
        input_ids[mask], token_types[mask] = chosen.input_ids, chosen.token_type_ids
        attended = mask if variant.attention_masked else np.ones_like(mask)
        attended = attended | (np.arange(width) == 0)  # a text without a token attends to its first padding
        weights, block = self.weights(variant), BLOCKS[variant.block]
        return States(forward(weights, input_ids, attended, token_types, trace=trace, block=block), mask, input_ids)

    def _vary(self, variant: EncoderVariant) -> BertWeights:
        tensors = dict(self._rounded.get(variant.precision, lambda: self._round(variant.precision)))
        config = self.published.config
        for name in variant.rewirings:
            tensors |= REWIRINGS[name](tensors, config)
        if variant.layers is not None:
            layers = variant.layers if variant.layers >= 0 else config.num_hidden_layers + variant.layers
            config = replace(config, num_hidden_layers=max(layers, 0))
        config = replace(
            config,
            hidden_act=variant.hidden_act or config.hidden_act,
            layer_norm_eps=config.layer_norm_eps if variant.eps is None else variant.eps,
            first_position=config.first_position if variant.first_position is None else variant.first_position,
        )
        return BertWeights(config, tensors)

    def _round(self, precision: str) -> dict[str, Array]:
        kept = {name: np.asarray(tensor) for name, tensor in self.published.items() if tensor.dtype.kind == "f"}
        if precision:
            kept = {name: PRECISIONS[precision](tensor) for name, tensor in kept.items()}
        return {name: tensor if name == WORDS else tensor.astype(np.float64) for name, tensor in kept.items()}


class Cache(OrderedDict[Any, Value]):
    """The values used last, at most `size` of them."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def get(self, key: Any, compute: Callable[[], Value]) -> Value:  # type: ignore[override]  # computes what is absent
        """The value kept for `key`, computed first where there is none."""
        if key not in self:
            self[key] = compute()
            if len(self) > self._size:
                self.popitem(last=False)
        self.move_to_end(key)
        return self[key]


def _of_weights(variant: EncoderVariant) -> tuple[object, ...]:
    """What the weights and their configuration depend on."""
    config = (variant.hidden_act, variant.eps, variant.layers, variant.first_position)
    return variant.rewirings, variant.precision, *config


def _token_types(variant: EncoderVariant, tokens: Tokens, kinds: int) -> Array:
    if variant.token_types == "published" or kinds == 1:
        return np.zeros_like(tokens.token_type_ids) if kinds == 1 else tokens.token_type_ids
    if variant.token_types == "swapped":
        return 1 - tokens.token_type_ids
    return np.full_like(tokens.token_type_ids, {"zeros": 0, "ones": 1}[variant.token_types])
