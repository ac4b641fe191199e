"""all-MiniLM-L6-v2: tokens, the encoder, mean over tokens, unit length."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from refimpl import models
from refimpl.base import check_texts
from refimpl.bert.encoder import Encoder
from refimpl.bert.forward import forward
from refimpl.bert.heads import l2_normalize, mean_pool, mean_pool_packed
from refimpl.bert.weights import BertWeights
from refimpl.dense.vectors import encoded
from refimpl.tokens import Tokenizer

Array = np.ndarray


class MiniLMEmbeddingFunction:
    """Sentence vectors of all-MiniLM-L6-v2 (or a model folder of the same kind), 384 wide.

    Mean pooling over all real tokens, then unit length, as sentence-transformers publishes the model (Reimers and
    Gurevych 2019; model card of sentence-transformers/all-MiniLM-L6-v2). `max_length` counts [CLS] and [SEP]; a longer
    text is cut and a TruncationWarning says how many were.

    `dtype="float32"` runs the packed forward on `num_workers` threads (default: the cores this process may use);
    `dtype="float64"` runs the textbook forward, is the oracle, and gives float64 vectors. `batch_size` bounds the texts
    that go through the arithmetic together, and with it memory; it changes no vector beyond the last float32 digits.
    """

    def __init__(
        self,
        model_path: str | Path | None = None,
        *,
        dtype: str = "float32",
        max_length: int = 256,
        batch_size: int = 128,
        normalize: bool = True,
        show_progress: bool = False,
        num_workers: int | None = None,
    ) -> None:
        folder = models.path("all-MiniLM-L6-v2") if model_path is None else Path(model_path)
        self.weights = BertWeights.load(folder, dtype)
        self.tokenizer = Tokenizer(folder, max_length, positions=self.weights.config.longest_text)
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)
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

    def trace(self, text: str) -> dict[str, Array]:
        """Every intermediate of one text by its field name, from `input_ids (1, tokens)` to `normalized (1, dim)`.

        Computed by the textbook forward in this function's dtype; leading axis 1 is the batch.
        """
        batch = self.tokenizer([text]).padded()
        walk = forward(self.weights, batch.input_ids, batch.attention_mask, batch.token_type_ids, trace=True)
        pooled = mean_pool(walk.last_hidden_state, batch.attention_mask)
        ids = {"input_ids": batch.input_ids, "token_type_ids": batch.token_type_ids}
        return {**ids, **walk.trace, "pooled": pooled, "normalized": l2_normalize(pooled)}

    def _encode(self, texts: list[str]) -> Array:
        return encoded(texts, self.tokenizer, self.encoder, self._head, self.dim, show_progress=self.show_progress)

    def _head(self, hidden_states: Array, lengths: Array) -> Array:
        pooled = mean_pool_packed(hidden_states, lengths)
        return l2_normalize(pooled) if self.normalize else pooled


DefaultEmbeddingFunction = MiniLMEmbeddingFunction
"""pymilvus.model's name for its default embedding function."""
