"""Sentence embeddings of an encoder in an ONNX file: its weights are read and computed here, without onnxruntime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from refimpl import models
from refimpl.base import BaseEmbeddingFunction
from refimpl.bert.config import BertConfig
from refimpl.bert.encoder import Encoder
from refimpl.bert.forward import forward
from refimpl.bert.heads import l2_normalize, mean_pool_packed
from refimpl.bert.weights import BertWeights
from refimpl.common.texts import check_texts
from refimpl.common.types import Array
from refimpl.dense.vectors import encode_texts
from refimpl.pickling import ModelFunction
from refimpl.providers.client import check_choice
from refimpl.tokens import Tokenizer

FILE = "model.onnx"


class OnnxEmbeddingFunction(ModelFunction, BaseEmbeddingFunction):
    """Sentence embeddings of a model.onnx that has one of refimpl's encoders: the mean of its hidden states.

    Parameters
    ----------
    model_name
        A folder or a hub repository with model.onnx.
    tokenizer_name
        A folder or a hub repository with the model's config.json and its tokenizer.
    dtype
        "float32" computes with the packed forward; "float64" with the textbook forward, the reference.
    max_length
        Tokens per text, special tokens included; by default the tokenizer's. Longer texts are truncated, with a
        TruncationWarning.
    padding
        "none", or "max_length": each text alone, padded to `max_length`, as pymilvus.model computes it. Padding is
        masked, so it changes the last digits of a vector, and takes as long as the longest text for each.
    batch_size
        Texts per forward pass.
    num_workers
        Threads of the float32 forward; by default the cores that this process may use.

    Raises
    ------
    ModuleNotFoundError
        Without the package onnx, which the extra `onnx` installs.
    FileNotFoundError
        If a file of a folder is missing.
    WeightsError
        If the graph is quantised, has operators that are not standard or lacks a tensor, and if it computes other
        hidden states than the encoder of config.json; the message names what it is.
    ValueError
        If an argument is out of range.

    Notes
    -----
    The graph is not run to encode: its initialisers become the encoder's weights. Once, when the function is created,
    the onnx package's reference evaluator computes two short texts, and the hidden states are compared. Vectors have
    unit length. Reimers and Gurevych 2019, section 3.

    pymilvus.model's default model, GPTCache/paraphrase-albert-onnx, is an ALBERT. `refimpl.DefaultEmbeddingFunction` is
    all-MiniLM-L6-v2.

    Examples
    --------
    >>> from refimpl import OnnxEmbeddingFunction
    >>> embed = OnnxEmbeddingFunction("GPTCache/paraphrase-albert-onnx", "GPTCache/paraphrase-albert-small-v2")
    >>> embed.encode_documents(["Mars is red.", "Venus"]).shape
    (2, 32)
    """

    def __init__(
        self,
        model_name: str | Path = "GPTCache/paraphrase-albert-onnx",
        tokenizer_name: str | Path = "GPTCache/paraphrase-albert-small-v2",
        *,
        dtype: str = "float32",
        max_length: int | None = None,
        padding: str = "none",
        batch_size: int = 32,
        num_workers: int | None = None,
    ) -> None:
        from refimpl.bert.onnx_files import check, named_tensors, read_graph  # needs the extra

        check_choice("padding", padding, ("none", "max_length"))
        file = self._read_from(models.path(model_name)) / FILE
        folder = models.path(tokenizer_name)
        graph, config = read_graph(file), BertConfig.load(folder)
        self.weights = BertWeights.of(config, file, named_tensors(file, graph), dtype)
        check(file, graph, self.weights)
        self.tokenizer = Tokenizer(folder, max_length, positions=config.longest_text)
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)
        self.padding = padding

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self.weights.config.hidden_size

    def encode_documents(self, documents: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors of documents, `(texts, dim)` in input order; `(0, dim)` for an empty list."""
        return self._encode(check_texts(documents, "documents"))

    def encode_queries(self, queries: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors of queries, computed as those of documents."""
        return self._encode(check_texts(queries, "queries"))

    def __call__(self, texts: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors of texts, computed as those of documents."""
        return self._encode(check_texts(texts, "texts"))

    def _encode(self, texts: list[str]) -> Array:
        if self.padding == "max_length":
            vectors = [self._padded(text) for text in texts]
            return np.array(vectors, dtype=self.weights.dtype).reshape(len(texts), self.dim)
        return encode_texts(texts, self.tokenizer, self.encoder, _head, self.dim, show_progress=False)

    def _padded(self, text: str) -> Any:
        """The vector of one text that is padded to the maximum length."""
        tokens = self.tokenizer([text])
        length, longest = int(tokens.lengths[0]), self.tokenizer.max_length
        ids = np.full((1, longest), tokens.pad_token_id, dtype=np.int64)
        ids[0, :length] = tokens.input_ids
        states = forward(self.weights, ids, np.arange(longest)[None] < length, np.zeros_like(ids))
        return _head(states.last_hidden_state[0, :length], tokens.lengths)[0]


def _head(states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"]) -> Float[Array, "texts hidden"]:
    return l2_normalize(mean_pool_packed(states, lengths))
