"""Texts through a tokenizer, the encoder and a head, some at a time, in input order; said aloud when any were cut."""

import numpy as np
from jaxtyping import Float

from refimpl.bert.encoder import Encoder, Head
from refimpl.progress import progress
from refimpl.tokens import Tokenizer, warn_truncated

Array = np.ndarray

TEXTS_AT_A_TIME = 4096  # tokenised and sorted by length together; bounds memory whatever the number of texts


def encoded(
    texts: list[str], tokenizer: Tokenizer, encoder: Encoder, head: Head[Array], dim: int, *, show_progress: bool
) -> Float[Array, "texts dim"]:
    """What `head` makes of each text, in the encoder's dtype; a TruncationWarning says how many were cut."""
    vectors = np.empty((len(texts), dim), dtype=encoder.weights.dtype)
    truncated = 0
    with progress("embedding", len(texts), show_progress) as advance:
        for start in range(0, len(texts), TEXTS_AT_A_TIME):
            tokens = tokenizer(texts[start : start + TEXTS_AT_A_TIME])
            truncated += int(tokens.truncated.sum())
            for rows, values in encoder.map(tokens, head):
                vectors[start + rows] = values
                advance(len(rows))
    warn_truncated(truncated, len(texts), tokenizer.max_length, stacklevel=4)
    return vectors
