"""mGTE: dense and sparse vectors from one pass through a GTE encoder (Zhang et al. 2024, section 3)."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from refimpl import models
from refimpl.bert.encoder import Encoder
from refimpl.bert.ops import linear, relu
from refimpl.bert.weights import BertWeights
from refimpl.common.arguments import check_device, refuse_keywords
from refimpl.common.types import Array
from refimpl.hybrid.kinds import (
    HybridEmbeddingFunction,
    check_modules,
    check_precision,
    selected_kinds,
    unweighted_ids,
)
from refimpl.tokens import Tokenizer

UNSUPPORTED = {"normalized": "normalize_embeddings is the parameter here"}
"""Parameters of pymilvus.model's private class of the model, which it passes keywords on to."""


class MGTEEmbeddingFunction(HybridEmbeddingFunction):
    """Dense and sparse vectors of Alibaba-NLP/gte-multilingual-base.

    Parameters
    ----------
    model_name
        A folder or a hub repository of a GTE encoder with a token classifier of one label.
    batch_size
        Texts per forward pass.
    device
        "cpu", "" or None.
    normalize_embeddings
        Whether dense vectors have unit length.
    dimensions
        Leading features of a dense vector to keep, before it is normalised; None keeps all.
    use_fp16
        False: refimpl computes in float32 or float64.
    return_dense, return_sparse
        The kinds of vectors to compute, at least one.
    dtype
        "float32" computes with the packed forward; "float64" with the textbook forward, the reference.
    max_length
        Tokens per text, special tokens included; by default the model's (8192 for the published one). Longer texts are
        truncated, with a TruncationWarning.
    num_workers
        Threads of the float32 forward; by default the cores that this process may use.
    **kwargs
        `dimension`, another name of `dimensions`, which it replaces.

    Raises
    ------
    FileNotFoundError
        If a file of the model folder is missing.
    WeightsError
        If config.json or a tensor is invalid; the message names it.
    ValueError
        If the model has no token classifier of one label, or an argument is out of range.
    TypeError
        If a keyword has no effect here.

    Notes
    -----
    Zhang et al. 2024, "mGTE", section 3, and the model's published code. Encoding returns a dict with one entry per
    kind:

    - `dense`, `(texts, dimensions)`: the last hidden state of the first token.
    - `sparse`, `csr_array (texts, vocab)`: for each token id the maximum over its occurrences of relu(w . h + b), h the
      last hidden state; without the ids of <s>, </s>, <pad> and <unk>.

    Examples
    --------
    >>> from refimpl import MGTEEmbeddingFunction
    >>> embed = MGTEEmbeddingFunction("Alibaba-NLP/gte-multilingual-base", dimensions=16)
    >>> vectors = embed.encode_documents(["Mars is red.", "Venus"])
    >>> vectors["dense"].shape, vectors["sparse"].shape[0]
    ((2, 16), 2)
    """

    def __init__(
        self,
        model_name: str | Path = "Alibaba-NLP/gte-multilingual-base",
        batch_size: int = 16,
        device: str | None = "",
        normalize_embeddings: bool = True,
        dimensions: int | None = None,
        use_fp16: bool = False,
        return_dense: bool = True,
        return_sparse: bool = True,
        *,
        dtype: str = "float32",
        max_length: int | None = None,
        num_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_device(device)
        dimensions = kwargs.pop("dimension", dimensions)
        refuse_keywords(self, kwargs, UNSUPPORTED)
        check_precision(use_fp16)
        self.kinds = selected_kinds({"dense": return_dense, "sparse": return_sparse})
        folder = self._read_from(models.path(model_name))
        check_modules(folder)
        self.weights = BertWeights.load(folder, dtype)
        hidden = self.weights.config.hidden_size
        labels = self.weights.get("classifier.weight")
        if labels is None or labels.shape != (1, hidden):
            actual = "none" if labels is None else f"one of shape {labels.shape}"
            raise ValueError(
                f"expected a token classifier with one label, got {actual} in {folder}: give an mGTE model"
            )
        if dimensions is not None and (type(dimensions) is not int or not 0 < dimensions <= hidden):
            raise ValueError(f"dimensions must be from 1 to {hidden}, or None for the model's own, got {dimensions!r}")
        self.dimensions = dimensions or hidden
        self.tokenizer = Tokenizer(folder, max_length, positions=self.weights.config.longest_text)
        self.unweighted = unweighted_ids(self.tokenizer)
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)
        self.normalize_embeddings = normalize_embeddings

    @property
    def dim(self) -> dict[str, int]:
        """Dimensions of each kind of vector, computed or not."""
        return {"dense": self.dimensions, "sparse": self.tokenizer.vocab_size}

    def _head(
        self, states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"]
    ) -> tuple[Float[Array, "texts dim"], list[Array], list[Array]]:
        """Return the dense vectors, and for each text the weights of its tokens and no token vectors."""
        ends = np.cumsum(lengths)
        weights = np.empty(len(states), states.dtype)
        if "sparse" in self.kinds:
            weights = relu(linear(states, *self.weights.affine("classifier")))[:, 0]
        first = states[ends - lengths, : self.dimensions]
        return self._unit(first), np.split(weights, ends[:-1]), [states[:0]] * len(lengths)
