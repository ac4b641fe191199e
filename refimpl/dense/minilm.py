"""all-MiniLM-L6-v2: tokenizer, BERT encoder, mean pooling, L2 normalisation."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from refimpl import models
from refimpl.base import BaseEmbeddingFunction
from refimpl.bert.encoder import Encoder
from refimpl.bert.forward import forward
from refimpl.bert.heads import l2_normalize
from refimpl.bert.prompts import UnappliedSettings
from refimpl.bert.weights import BertWeights
from refimpl.common.texts import check_texts
from refimpl.common.types import Array
from refimpl.dense.modules import read_modules
from refimpl.dense.vectors import encode_texts
from refimpl.pickling import ModelFunction
from refimpl.tokens import Tokenizer, Tokens


class MiniLMEmbeddingFunction(ModelFunction, BaseEmbeddingFunction):
    """Sentence embeddings of all-MiniLM-L6-v2, 384 dimensions.

    Parameters
    ----------
    model_path
        A folder of a sentence-transformers model, its modules and default prompt included; by default
        all-MiniLM-L6-v2, see `refimpl.models.path`.
    dtype
        "float32" computes with the packed forward; "float64" with the textbook forward, the reference.
    max_length
        Tokens per text, [CLS] and [SEP] included; by default the folder's, 256 for all-MiniLM-L6-v2. Longer texts are
        truncated, with a TruncationWarning.
    batch_size
        Texts per forward pass. It bounds memory, and changes vectors by float32 rounding alone.
    normalize
        Whether vectors have unit length.
    show_progress
        Whether to show a progress bar on stderr.
    num_workers
        Threads of the float32 forward; by default the cores that this process may use.

    Raises
    ------
    FileNotFoundError
        If a file of the model folder is missing.
    WeightsError
        If config.json or the weights are not those of a BERT encoder.
    ValueError
        If `dtype`, `max_length`, `batch_size` or `num_workers` is out of range.

    Notes
    -----
    The mean of the last hidden states over all tokens, then L2 normalisation: Reimers and Gurevych 2019, section 3, and
    the model card of sentence-transformers/all-MiniLM-L6-v2.

    Examples
    --------
    >>> from refimpl import MiniLMEmbeddingFunction
    >>> embed = MiniLMEmbeddingFunction()
    >>> vectors = embed.encode_documents(["Alan Turing was born in London.", "Mars is red."])
    >>> vectors.shape, vectors.dtype.name
    ((2, 384), 'float32')
    >>> query = embed.encode_queries(["Where was Turing born?"])
    >>> int((query @ vectors.T).argmax())
    0
    """

    MODEL: ClassVar[str] = "model_path"

    def __init__(
        self,
        model_path: str | Path | None = None,
        *,
        dtype: str = "float32",
        max_length: int | None = None,
        batch_size: int = 128,
        normalize: bool = True,
        show_progress: bool = False,
        num_workers: int | None = None,
    ) -> None:
        folder = self._read_from(models.path("all-MiniLM-L6-v2") if model_path is None else Path(model_path))
        self.modules = read_modules(folder)
        transformer = self.modules.transformer
        self.weights = BertWeights.load(transformer, dtype)
        positions = self.weights.config.longest_text
        self.tokenizer = Tokenizer(transformer, max_length, positions=positions, lowercase=self.modules.lowercase)
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)
        prompts, default = self.modules.prompts, self.modules.prompt(None)
        self._unapplied = UnappliedSettings(prompts, dict.fromkeys(prompts, default), self.modules.lengths)
        self.normalize = normalize
        self.show_progress = show_progress

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self.modules.vector_dim

    def encode_documents(self, documents: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors of documents, `(texts, dim)` in input order; `(0, dim)` for an empty list.

        The model's prompt for documents is not applied; if it has one, a PromptWarning is emitted once.
        """
        texts = check_texts(documents, "documents")
        self._unapplied.warn("document")
        return self._encode(texts)

    def encode_queries(self, queries: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors of queries, computed as those of documents, without the model's prompt for queries."""
        texts = check_texts(queries, "queries")
        self._unapplied.warn("query")
        return self._encode(texts)

    def __call__(self, texts: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors of texts, computed as those of documents."""
        return self._encode(check_texts(texts, "texts"))

    def pooled(self, tokens: Tokens) -> Float[Array, "texts dim"]:
        """Return the vectors of token ids before normalisation, `(texts, dim)` in input order."""
        vectors = np.empty((len(tokens), self.dim), dtype=self.weights.dtype)
        for rows, values in self.encoder.map(tokens, self._pooled):
            vectors[rows] = values
        return vectors

    def trace(self, text: str) -> dict[str, Array]:
        """Return every intermediate of one text by name, from `input_ids (1, tokens)` to `normalized (1, dim)`.

        The textbook forward computes them in the function's dtype. The first axis, 1, is the batch.
        """
        batch = self.tokenizer([self.modules.prompt(None) + text]).padded()
        output = forward(self.weights, batch.input_ids, batch.attention_mask, batch.token_type_ids, trace=True)
        states = output.last_hidden_state[batch.attention_mask]
        pooled = self._pooled(states, batch.attention_mask.sum(axis=1)).astype(states.dtype)
        ids = {"input_ids": batch.input_ids, "token_type_ids": batch.token_type_ids}
        return {**ids, **output.trace, "pooled": pooled, "normalized": l2_normalize(pooled)}

    def _encode(self, texts: list[str]) -> Array:
        prompt = self.modules.prompt(None)
        texts = [prompt + text for text in texts]
        return encode_texts(texts, self.tokenizer, self.encoder, self._head, self.dim, show_progress=self.show_progress)

    def _head(self, hidden_states: Array, lengths: Array) -> Array:
        pooled = self._pooled(hidden_states, lengths)
        return l2_normalize(pooled) if self.normalize else pooled

    def _pooled(self, hidden_states: Array, lengths: Array) -> Array:
        """The vectors before the Normalize module at the end, if the folder has one."""
        prompt = self.modules.prompt(None)
        skipped = self.tokenizer.prompt_length(prompt) if prompt else 0
        return self.modules.unnormalized.vectors(hidden_states, lengths, skipped)


DefaultEmbeddingFunction = MiniLMEmbeddingFunction
"""pymilvus.model's name for its default embedding function."""
