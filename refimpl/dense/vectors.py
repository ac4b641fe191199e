"""Texts to vectors, in batches: tokenizer, encoder and head, with a warning for truncated texts."""

import numpy as np
from jaxtyping import Float

from refimpl.bert.encoder import Encoder, Head
from refimpl.common.progress import progress
from refimpl.common.types import Array
from refimpl.tokens import Tokenizer, warn_truncated

TEXTS_AT_A_TIME = 4096  # tokenised and sorted by length together; bounds memory whatever the number of texts


def encode_texts(
    texts: list[str],
    tokenizer: Tokenizer,
    encoder: Encoder,
    head: Head[Array],
    dim: int,
    *,
    show_progress: bool,
    stacklevel: int = 4,
) -> Float[Array, "texts dim"]:
    """Return the vectors that `head` computes from each text's hidden states, in the encoder's dtype and input order.

    Emits a TruncationWarning with the number of truncated texts; `stacklevel` is that of `warn_truncated`.
    """
    vectors = np.empty((len(texts), dim), dtype=encoder.weights.dtype)
    truncated = 0
    with progress("embedding", len(texts), show_progress) as advance:
        for start in range(0, len(texts), TEXTS_AT_A_TIME):
            tokens = tokenizer(texts[start : start + TEXTS_AT_A_TIME])
            truncated += int(tokens.truncated.sum())
            for rows, values in encoder.map(tokens, head):
                vectors[start + rows] = values
                advance(len(rows))
    warn_truncated(truncated, len(texts), tokenizer.max_length, stacklevel=stacklevel)
    return vectors
