"""all-MiniLM-L6-v2: tokens, the encoder, mean over tokens, unit length."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from refimpl import models
from refimpl.base import check_texts
from refimpl.bert.forward import forward
from refimpl.bert.heads import l2_normalize, mean_pool
from refimpl.bert.weights import BertWeights
from refimpl.progress import progress
from refimpl.tokens import Tokenizer, Tokens

Array = np.ndarray

TEXTS_AT_A_TIME = 4096  # tokenised and sorted by length together; bounds memory whatever the number of texts


class TruncationWarning(UserWarning):
    """Texts were longer than `max_length` tokens, and the rest of them did not enter their vectors."""


class MiniLMEmbeddingFunction:
    """Sentence vectors of all-MiniLM-L6-v2 (or a model folder of the same kind), 384 wide.

    Mean pooling over all real tokens, then unit length, as sentence-transformers publishes the model (Reimers and
    Gurevych 2019; model card of sentence-transformers/all-MiniLM-L6-v2). `max_length` counts [CLS] and [SEP]; a longer
    text is cut and a TruncationWarning says how many were. `dtype="float64"` is the oracle; its vectors are float64.
    """

    def __init__(
        self,
        model_path: str | Path | None = None,
        *,
        dtype: str = "float32",
        max_length: int = 256,
        batch_size: int = 32,
        normalize: bool = True,
        show_progress: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        folder = models.path("all-MiniLM-L6-v2") if model_path is None else Path(model_path)
        self.weights = BertWeights.load(folder, dtype)
        positions = self.weights.config.max_position_embeddings
        if max_length > positions:
            raise ValueError(f"max_length must be at most {positions}, the model's positions, got {max_length}")
        self.tokenizer = Tokenizer(folder, max_length)
        self.batch_size = batch_size
        self.normalize = normalize
        self.show_progress = show_progress

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.weights.config.hidden_size

    def encode_documents(self, documents: Sequence[str]) -> Float[Array, "texts dim"]:
        """Vectors `(texts, dim)` in input order; an empty list gives `(0, dim)`."""
        return self._encode(check_texts(documents, "documents"))

    def encode_queries(self, queries: Sequence[str]) -> Float[Array, "texts dim"]:
        """The same as `encode_documents`: the model knows no difference."""
        return self._encode(check_texts(queries, "queries"))

    def __call__(self, texts: Sequence[str]) -> Float[Array, "texts dim"]:
        """The same as `encode_documents`."""
        return self._encode(check_texts(texts, "texts"))

    def _encode(self, texts: list[str]) -> Array:
        vectors = np.empty((len(texts), self.dim), dtype=self.weights.dtype)
        truncated = 0
        with progress("embedding", len(texts), self.show_progress) as advance:
            for start in range(0, len(texts), TEXTS_AT_A_TIME):
                tokens = self.tokenizer(texts[start : start + TEXTS_AT_A_TIME])
                truncated += int(tokens.truncated.sum())
                for rows in batches_by_length(tokens, self.batch_size):
                    vectors[start + rows] = self._embed(tokens.select(rows))
                    advance(len(rows))
        if truncated:
            message = (
                f"{truncated} of {len(texts)} texts exceed max_length={self.tokenizer.max_length} tokens and were cut"
            )
            warnings.warn(message, TruncationWarning, stacklevel=3)
        return vectors

    def _embed(self, tokens: Tokens) -> Float[Array, "texts dim"]:
        batch = tokens.padded()
        hidden = forward(self.weights, batch.input_ids, batch.attention_mask, batch.token_type_ids).last_hidden_state
        pooled = mean_pool(hidden, batch.attention_mask)
        return l2_normalize(pooled) if self.normalize else pooled


DefaultEmbeddingFunction = MiniLMEmbeddingFunction
"""pymilvus.model's name for its default embedding function."""


def batches_by_length(tokens: Tokens, batch_size: int) -> Iterator[Array]:
    """Indices of texts of like length, longest first, `batch_size` at a time, so that little is spent on padding."""
    order = np.argsort(-tokens.lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
