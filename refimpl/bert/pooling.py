"""From a text's token states to one vector, by each of sentence-transformers' pooling modes.

States are packed, `(tokens, hidden)`, text after text, without padding. Every function takes the
states, each token's position in its text from 0, and `lengths (texts,)`, and returns float64 `(texts, hidden)`.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from refimpl.bert.heads import mean_pool_packed
from refimpl.common.types import Array

States = Float[Array, "tokens hidden"]
Positions = Int[Array, "tokens"]
Lengths = Int[Array, "texts"]
Pooled = Float[Array, "texts hidden"]


def cls(states: States, positions: Positions, lengths: Lengths) -> Pooled:
    """The first token."""
    return states[np.cumsum(lengths) - lengths].astype(np.float64)


def maximum(states: States, positions: Positions, lengths: Lengths) -> Pooled:
    """The maximum over tokens, feature by feature."""
    return np.maximum.reduceat(states, np.cumsum(lengths) - lengths, axis=0).astype(np.float64)


def mean(states: States, positions: Positions, lengths: Lengths) -> Pooled:
    """The mean over tokens (Reimers and Gurevych 2019, section 3)."""
    return mean_pool_packed(states, lengths)


def mean_sqrt_len(states: States, positions: Positions, lengths: Lengths) -> Pooled:
    """The sum over tokens, divided by the square root of their number."""
    return mean_pool_packed(states, lengths) * np.sqrt(lengths)[:, None]


def weighted_mean(states: States, positions: Positions, lengths: Lengths) -> Pooled:
    """The mean weighted by position, the text's first token counting 1, its second 2 (Muennighoff 2022, eq. 2)."""
    starts = np.cumsum(lengths) - lengths
    weights = (positions + 1).astype(np.float64)
    summed = np.add.reduceat(states * weights[:, None], starts, axis=0)
    return summed / np.add.reduceat(weights, starts)[:, None]


def last_token(states: States, positions: Positions, lengths: Lengths) -> Pooled:
    """The last token."""
    return states[np.cumsum(lengths) - 1].astype(np.float64)


POOLINGS: dict[str, Callable[[States, Positions, Lengths], Pooled]] = {
    "cls": cls,
    "max": maximum,
    "mean": mean,
    "mean_sqrt_len_tokens": mean_sqrt_len,
    "weightedmean": weighted_mean,
    "lasttoken": last_token,
}
"""By sentence-transformers' names, in the order in which it concatenates them."""


def pool(
    states: States, lengths: Lengths, modes: Sequence[str], prompt_tokens: int = 0
) -> Float[Array, "texts modes_times_hidden"]:
    """The vectors of every mode side by side, in float64; each text's first `prompt_tokens` tokens are excluded.

    Raises ValueError for a text without further tokens.
    """
    positions = np.arange(len(states)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    if prompt_tokens:
        if lengths.min(initial=prompt_tokens + 1) <= prompt_tokens:
            raise ValueError(f"a text of {lengths.min()} tokens has none after the {prompt_tokens} of its prompt")
        kept = positions >= prompt_tokens
        states, positions, lengths = states[kept], positions[kept], lengths - prompt_tokens
    return np.concatenate([POOLINGS[mode](states, positions, lengths) for mode in modes], axis=1)
