"""The last hidden states of single texts under variants of an encoder; equal tokens are computed once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.diagnosis.encoder import LONGEST, Cache, EncoderVariant, VariedEncoder, arithmetic, weights_key
from refimpl.tokens import Tokens

SHORT = 64  # tokens up to which a text is always computed in float64
CACHE_BYTES = 1 << 28
SIMILAR = 1.3  # ratio of the lengths of texts that are computed together
TINY = 24  # tokens up to which the number of calls counts, not that of tokens
CALL = 4e7  # operations that the Python code of a forward pass amounts to


@dataclass(frozen=True)
class TextState:
    """Last hidden states `(seq, hidden)` of one text; `mask` `(seq,)` is False for padding."""

    hidden_states: Array
    mask: Array


class _Key(NamedTuple):
    arithmetic: tuple[object, ...]
    input_ids: bytes
    token_type_ids: bytes
    width: int


class TextStates:
    """Hidden states of the texts of `encoder`, text by text.

    Parameters
    ----------
    encoder
        The texts and the model.
    single
        Whether texts of more than `SHORT` tokens are computed in float32, in half the time.
    """

    def __init__(self, encoder: VariedEncoder, *, single: bool) -> None:
        self.encoder, self.single = encoder, single
        self.work = 0.0
        """Floating-point operations so far."""
        self._cache = Cache[TextState](CACHE_BYTES, lambda state: state.hidden_states.nbytes)
        self._single_weights = Cache[BertWeights](2)

    def __call__(self, variant: EncoderVariant, rows: Sequence[int]) -> list[TextState]:
        """The states of the texts `rows`, each as if alone; NotApplicable where the model cannot compute them."""
        tokens = self.encoder.tokens(variant)
        keys = [_key(variant, tokens, row) for row in rows]
        states = {key: self._cache[key] for key in keys if key in self._cache}
        missing = {key: row for key, row in zip(keys, rows, strict=True) if key not in states}
        for batch in _batches(missing, equal=bool(variant.padded_to or variant.faults)):
            states |= self._computed(variant, tokens, batch)
        for key, state in states.items():
            self._cache.get(key, lambda state=state: state)  # type: ignore[misc]  # the default binds the loop's value
        return [states[key] for key in keys]

    def single_weights(self, variant: EncoderVariant) -> BertWeights:
        """The weights under `variant` in float32."""
        return self._single_weights.get(weights_key(variant), lambda: _single(self.encoder.weights(variant)))

    def _computed(self, variant: EncoderVariant, tokens: Tokens, batch: dict[_Key, int]) -> dict[_Key, TextState]:
        width = max(key.width for key in batch)
        weights = self.encoder.weights(variant)
        if self.single and width > SHORT:
            weights = self.single_weights(variant)
        selected = tokens.select(np.array(list(batch.values())))
        result = self.encoder.forward(variant, weights, selected, width)
        self.work += _operations(weights, len(batch), width)
        return {
            key: TextState(result.hidden_states[i, : key.width].copy(), result.mask[i, : key.width])
            for i, key in enumerate(batch)
        }


def _key(variant: EncoderVariant, tokens: Tokens, row: int) -> _Key:
    padded_to = int(tokens.lengths.max()) if variant.padded_to == LONGEST else variant.padded_to
    span = slice(int(tokens.starts[row]), int(tokens.starts[row] + tokens.lengths[row]))
    width = max(int(tokens.lengths[row]), padded_to, 1)
    ids, types = tokens.input_ids[span], tokens.token_type_ids[span]
    return _Key(arithmetic(variant), ids.tobytes(), types.tobytes(), width)


def _batches(rows: dict[_Key, int], *, equal: bool) -> Iterator[dict[_Key, int]]:
    """Texts of similar width, at most 16 at once; of `equal` width where padding changes the states."""
    batch: dict[_Key, int] = {}
    for key in sorted(rows, key=lambda key: key.width):
        shortest = next(iter(batch)).width if batch else key.width
        widest = shortest if equal else max(TINY, shortest * SIMILAR)
        if len(batch) == 16 or key.width > widest:
            yield batch
            batch = {}
        batch[key] = rows[key]
    if batch:
        yield batch


def _single(weights: BertWeights) -> BertWeights:
    return BertWeights(weights.config, {name: tensor.astype(np.float32) for name, tensor in weights.items()})


def _operations(weights: BertWeights, texts: int, width: int) -> float:
    """Two per weight and token, and those of attention."""
    config = weights.config
    hidden, wide = config.hidden_size, config.intermediate_size
    per_token = 8 * hidden * hidden + 4 * hidden * wide + 4 * width * hidden
    return CALL + float(config.num_hidden_layers * texts * width * per_token)
