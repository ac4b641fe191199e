"""The textbook encoder, with each known deviation of implementations as a field of a frozen variant."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from refimpl.bert.config import BertConfig
from refimpl.bert.forward import Block, Forward, encoder_layer, forward
from refimpl.bert.weights import BertWeights
from refimpl.common.tokenizer_file import TokenizerFileError
from refimpl.common.types import Array
from refimpl.diagnosis.faults import Fault, faulty_block, faulty_embedding
from refimpl.diagnosis.hypotheses import NotApplicable
from refimpl.diagnosis.rewriting import TextChange
from refimpl.diagnosis.tensors import Rewiring, Rounding
from refimpl.diagnosis.tokenizing import TokenizerChange, varied_tokenizer
from refimpl.diagnosis.truncating import LONGEST_FIRST, Truncation
from refimpl.diagnosis.unknown_words import IdChange, ListChange
from refimpl.tokens import Tokenizer, Tokens

WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"  # stays float32: it is large, and few of its rows are read
LONGEST = -1
TOKEN_BYTES = 1 << 26  # of token ids that are cached: a search of pairs has every tokenizer in turn
ROUNDED_BYTES = 1 << 30  # of rounded weights that are cached: eight roundings of all-MiniLM-L6-v2

Value = TypeVar("Value")
Averaged = Callable[[int], Sequence[int]]
"""Takes the number of layers; returns the hidden states whose mean is taken: 0 the embeddings, i after layer i."""


def identity(x: Array) -> Array:
    """`x` unchanged."""
    return x


def swap_segments(token_type_ids: Array) -> Array:
    """0 for 1 and 1 for 0."""
    return 1 - token_type_ids


@dataclass(frozen=True)
class EncoderVariant:
    """Everything that determines the hidden states; the defaults are the reference.

    `padded_to` is a number of tokens, `LONGEST` for the longest text, 0 for none. `max_length` 0, and None elsewhere,
    is the model's own value. `hidden_act` is a name of config.json, and `layers` the number of layers computed; if
    negative, the number left out. `averaged` None is the last hidden states alone.
    """

    tokenizer_changes: tuple[TokenizerChange, ...] = ()
    text_changes: tuple[TextChange, ...] = ()
    unknown_words: IdChange | None = None
    id_changes: tuple[ListChange, ...] = ()
    max_length: int = 0
    prefix: str = ""
    suffix: str = ""
    truncation: Truncation = LONGEST_FIRST
    swapped: bool = False
    token_types: Callable[[Array], Array] = identity
    first_position: int | None = None
    padded_to: int = 0
    attention_masked: bool = True
    hidden_act: str | None = None
    eps: float | None = None
    layers: int | None = None
    averaged: Averaged | None = None
    block: Block = encoder_layer
    rewirings: tuple[Rewiring, ...] = ()
    rounding: Rounding = identity
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class States:
    """The forward pass of some texts, with the mask of their tokens `(texts, seq)`."""

    result: Forward
    mask: Array
    input_ids: Array

    @property
    def hidden_states(self) -> Array:
        """`(texts, seq, hidden)`."""
        return self.result.last_hidden_state


class VariedEncoder:
    """The hidden states of texts, or of text pairs, by a model folder's encoder under any variant, in float64."""

    def __init__(
        self, folder: Path, firsts: Sequence[str], seconds: Sequence[str] | None = None, max_length: int | None = None
    ) -> None:
        self.folder = folder
        self.firsts, self.seconds = list(firsts), None if seconds is None else list(seconds)
        self.published = BertWeights.load(folder)
        self.max_length = min(max_length or Tokenizer(folder).max_length, self.published.config.longest_text)
        self._tokens = Cache[Tokens](TOKEN_BYTES, lambda tokens: tokens.input_ids.nbytes + tokens.token_type_ids.nbytes)
        self._rounded = Cache[dict[str, Array]](ROUNDED_BYTES, lambda tensors: sum(x.nbytes for x in tensors.values()))
        self._weights = Cache[BertWeights](4)
        self._states = Cache[States](256)

    def tokens(self, variant: EncoderVariant) -> Tokens:
        """The tokens of all texts; NotApplicable where the tokenizer cannot be changed like this."""
        length = variant.max_length or self.max_length
        texts = (variant.prefix, variant.suffix, variant.text_changes, variant.swapped)
        words = (variant.unknown_words, variant.id_changes)
        key = (variant.tokenizer_changes, length, variant.truncation, *words, *texts)
        tokens = self._tokens.get(key, lambda: self._tokenize(variant, length))
        return replace(tokens, token_type_ids=self._token_types(variant, tokens))

    def states(self, variant: EncoderVariant, rows: Array, *, trace: bool = False) -> States:
        """The hidden states of the texts `rows`; NotApplicable where the model cannot compute them."""
        tokens = self.tokens(variant)
        selected = tokens.select(rows)
        width = int(selected.lengths.max(initial=1))
        if variant.padded_to:
            width = max(width, int(tokens.lengths.max()) if variant.padded_to == LONGEST else variant.padded_to)
        inputs = (selected.input_ids.tobytes(), selected.token_type_ids.tobytes(), selected.lengths.tobytes(), width)
        return self._states.get(
            (arithmetic(variant), inputs, trace),
            lambda: self.forward(variant, self.weights(variant), selected, width, trace=trace),
        )

    def forward(
        self, variant: EncoderVariant, weights: BertWeights, selected: Tokens, width: int, *, trace: bool = False
    ) -> States:
        """The forward pass of the selected texts, padded to `width` tokens, with the weights under `variant`."""
        if width > weights.config.longest_text:
            raise NotApplicable(f"{width} tokens exceed the model's {weights.config.longest_text} positions")
        mask = np.arange(width) < selected.lengths[:, None]
        input_ids = np.full(mask.shape, selected.pad_token_id)
        token_types = np.zeros(mask.shape, dtype=np.int64)
        input_ids[mask], token_types[mask] = selected.input_ids, selected.token_type_ids
        attended = mask if variant.attention_masked else np.ones_like(mask)
        attended = attended | (np.arange(width) == 0)  # a text without a token attends to its first padding
        block, embedding = faulty_block(variant.block, variant.faults), faulty_embedding(variant.faults)
        kept = trace or variant.averaged is not None
        result = forward(weights, input_ids, attended, token_types, trace=kept, block=block, embedding=embedding)
        if variant.averaged is not None:
            result = _mean_of_layers(result, variant.averaged(weights.config.num_hidden_layers), trace)
        return States(result, mask, input_ids)

    def weights(self, variant: EncoderVariant) -> BertWeights:
        """The weights under `variant`."""
        return self._weights.get(weights_key(variant), lambda: self._vary(variant))

    def _tokenize(self, variant: EncoderVariant, max_length: int) -> Tokens:
        settings = (variant.tokenizer_changes, variant.truncation, variant.unknown_words, variant.id_changes)
        tokenizer = varied_tokenizer(self.folder, max_length, *settings)
        firsts = [_rewritten(variant, variant.prefix + text + variant.suffix) for text in self.firsts]
        try:
            if self.seconds is None:
                return tokenizer(firsts)
            seconds = [_rewritten(variant, text) for text in self.seconds]
            return tokenizer.pairs(seconds, firsts) if variant.swapped else tokenizer.pairs(firsts, seconds)
        except TokenizerFileError as error:
            if "Truncation error" in str(error):  # a text is too short to be truncated
                raise NotApplicable(str(error)) from error
            raise

    def _token_types(self, variant: EncoderVariant, tokens: Tokens) -> Array:
        if self.published.config.type_vocab_size > 1:
            return variant.token_types(tokens.token_type_ids)
        if variant.token_types is not identity:
            raise NotApplicable("the model has one token type")
        return np.zeros_like(tokens.token_type_ids)

    def _vary(self, variant: EncoderVariant) -> BertWeights:
        tensors = dict(self._rounded.get(variant.rounding, lambda: self._round(variant.rounding)))
        config = self.published.config
        for rewire in variant.rewirings:
            tensors |= rewire(tensors, config)
        config = replace(
            config,
            num_hidden_layers=_layers(variant, config),
            hidden_act=variant.hidden_act or config.hidden_act,
            layer_norm_eps=config.layer_norm_eps if variant.eps is None else variant.eps,
            first_position=config.first_position if variant.first_position is None else variant.first_position,
        )
        return BertWeights(config, tensors)

    def _round(self, rounding: Rounding) -> dict[str, Array]:
        kept = {name: np.asarray(tensor) for name, tensor in self.published.items() if tensor.dtype.kind == "f"}
        rounded = {name: rounding(tensor) for name, tensor in kept.items()}
        return {name: x if name == WORD_EMBEDDINGS else x.astype(np.float64) for name, x in rounded.items()}


class Cache(OrderedDict[Any, Value]):
    """The most recently used values, of a total `size` of at most that; each has size 1 unless `measure` is given."""

    def __init__(self, size: int, measure: Callable[[Value], int] = lambda value: 1) -> None:
        super().__init__()
        self._size, self._measure, self._used = size, measure, 0

    def get(self, key: Any, compute: Callable[[], Value]) -> Value:  # type: ignore[override]  # computes missing values
        """The value cached for `key`, computed first where it is missing."""
        if key in self:
            self.move_to_end(key)
            return self[key]
        value = compute()
        self[key] = value
        self._used += self._measure(value)
        while self._used > self._size and len(self) > 1:
            self._used -= self._measure(self.popitem(last=False)[1])
        return value


def _mean_of_layers(result: Forward, numbers: Sequence[int], trace: bool) -> Forward:
    """The mean of hidden states for the last ones; NotApplicable where a layer is missing."""
    names = [f"layer.{number - 1}.hidden_states" if number else "embeddings.hidden_states" for number in numbers]
    if not all(name in result.trace for name in names):
        raise NotApplicable("the model has fewer layers")
    mean = np.mean([result.trace[name] for name in names], axis=0)
    return Forward(mean, result.trace if trace else {})


def arithmetic(variant: EncoderVariant) -> tuple[object, ...]:
    """The fields that determine hidden states of the same tokens and padding."""
    return (*weights_key(variant), variant.attention_masked, variant.averaged, variant.block, variant.faults)


def weights_key(variant: EncoderVariant) -> tuple[object, ...]:
    """The fields that determine the weights and their configuration."""
    config = (variant.hidden_act, variant.eps, variant.layers, variant.first_position)
    return variant.rewirings, variant.rounding, *config


def _rewritten(variant: EncoderVariant, text: str) -> str:
    for change in variant.text_changes:
        text = change(text)
    return text


def _layers(variant: EncoderVariant, config: BertConfig) -> int:
    """The number of layers to compute; NotApplicable where it would reassign ALBERT's groups of layers."""
    if variant.layers is None:
        return config.num_hidden_layers
    layers = max(variant.layers if variant.layers >= 0 else config.num_hidden_layers + variant.layers, 0)
    if config.num_hidden_groups > 1 or layers % config.inner_group_num:
        raise NotApplicable("the layers are grouped")
    return layers
