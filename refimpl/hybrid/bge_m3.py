"""BGE-M3: dense, sparse and token vectors from one pass through XLM-RoBERTa (Chen et al. 2024, section 3.2)."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from refimpl import models
from refimpl.bert.encoder import Encoder
from refimpl.bert.files import WeightsError
from refimpl.bert.ops import linear, relu
from refimpl.bert.torch_files import map_torch
from refimpl.bert.weights import BertWeights
from refimpl.common.arguments import check_device, refuse_keywords
from refimpl.common.tensors import as_float
from refimpl.common.types import Array
from refimpl.hybrid.kinds import (
    HybridEmbeddingFunction,
    check_modules,
    check_precision,
    selected_kinds,
    unweighted_ids,
)
from refimpl.tokens import Tokenizer

Linear = tuple[Array, Array]
TokenVectors = Float[Array, "_ colbert_dim"]
"""One text's vectors, one row per token; texts differ in length, so the axis has no name."""

UNSUPPORTED = {  # parameters of FlagEmbedding's BGEM3FlagModel, which pymilvus.model passes on
    "cache_dir": "refimpl.models determines where files come from",
    "colbert_dim": "it is read from the model's folder",
    "passage_max_length": "max_length is the parameter here",
    "query_instruction_for_retrieval": "BGE-M3 has no instruction",
    "query_max_length": "max_length is the parameter here",
    "return_sparse_embedding": "return_sparse is the parameter here",
    "trust_remote_code": "code from a model's folder is never run",
}


class BGEM3EmbeddingFunction(HybridEmbeddingFunction):
    """Dense, sparse and token vectors of BAAI/bge-m3.

    Parameters
    ----------
    model_name
        A folder or a hub repository with model.safetensors or pytorch_model.bin, sparse_linear.pt and
        colbert_linear.pt. Nothing is unpickled.
    batch_size
        Texts per forward pass.
    device
        "cpu", "" or None.
    normalize_embeddings
        Whether dense and token vectors have unit length.
    use_fp16
        False: refimpl computes in float32 or float64.
    return_dense, return_sparse, return_colbert_vecs
        The kinds of vectors to compute, at least one.
    dtype
        "float32" computes with the packed forward; "float64" with the textbook forward, the reference.
    max_length
        Tokens per text, special tokens included; by default the model's (8192 for the published one; the library
        behind pymilvus.model truncates at 512). Longer texts are truncated, with a TruncationWarning.
    num_workers
        Threads of the float32 forward; by default the cores that this process may use.
    **kwargs
        `devices`, another name of `device`; further keywords of FlagEmbedding, accepted where they are None or False.

    Raises
    ------
    FileNotFoundError
        If a file of the model folder is missing.
    WeightsError
        If config.json or a tensor is invalid; the message names it.
    ValueError
        If an argument is out of range.
    TypeError
        If a keyword has no effect here.

    Notes
    -----
    Chen et al. 2024, "M3-Embedding", section 3.2. Encoding returns a dict with one entry per kind:

    - `dense`, `(texts, hidden)`: the last hidden state of the first token.
    - `sparse`, `csr_array (texts, vocab)`: for each token id the maximum over its occurrences of relu(w . h + b), h the
      last hidden state; without the ids of <s>, </s>, <pad> and <unk>.
    - `colbert_vecs`, a list of `(tokens - 1, colbert_dim)`: W h + b for every token but the first.

    Examples
    --------
    >>> from refimpl import BGEM3EmbeddingFunction
    >>> embed = BGEM3EmbeddingFunction("BAAI/bge-m3", return_colbert_vecs=True)
    >>> vectors = embed.encode_documents(["Mars is red.", "Venus"])
    >>> {kind: len(rows) if isinstance(rows, list) else rows.shape[0] for kind, rows in vectors.items()}
    {'dense': 2, 'sparse': 2, 'colbert_vecs': 2}
    """

    def __init__(
        self,
        model_name: str | Path = "BAAI/bge-m3",
        batch_size: int = 16,
        device: str | None = None,
        normalize_embeddings: bool = True,
        use_fp16: bool = False,
        return_dense: bool = True,
        return_sparse: bool = True,
        return_colbert_vecs: bool = False,
        *,
        dtype: str = "float32",
        max_length: int | None = None,
        num_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_device(device)
        check_device(kwargs.pop("devices", None), "devices")
        refuse_keywords(self, kwargs, UNSUPPORTED)
        check_precision(use_fp16)
        flags = {"dense": return_dense, "sparse": return_sparse, "colbert_vecs": return_colbert_vecs}
        self.kinds = selected_kinds(flags)
        folder = self._read_from(models.path(model_name))
        check_modules(folder)
        self.weights = BertWeights.load(folder, dtype)
        hidden = self.weights.config.hidden_size
        self.sparse_linear = _linear(folder / "sparse_linear.pt", hidden, dtype, rows=1)
        self.colbert_linear = _linear(folder / "colbert_linear.pt", hidden, dtype)
        self.tokenizer = Tokenizer(folder, max_length, positions=self.weights.config.longest_text)
        self.unweighted = unweighted_ids(self.tokenizer)
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)
        self.normalize_embeddings = normalize_embeddings

    @property
    def dim(self) -> dict[str, int]:
        """Dimensions of each kind of vector, computed or not."""
        config = self.weights.config
        dims = {"dense": config.hidden_size, "sparse": config.vocab_size}
        return dims | {"colbert_vecs": len(self.colbert_linear[0])}

    def _head(
        self, states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"]
    ) -> tuple[Float[Array, "texts hidden"], list[Array], list[Array]]:
        """Return the first states, and for each text the weights of its tokens and its token vectors."""
        ends = np.cumsum(lengths)
        first, weights = states[ends - lengths], np.empty(len(states), states.dtype)
        colbert_vecs = [states[:0]] * len(lengths)
        if "sparse" in self.kinds:
            weights = relu(linear(states, *self.sparse_linear))[:, 0]
        if "colbert_vecs" in self.kinds:
            mapped = self._unit(linear(states, *self.colbert_linear))
            colbert_vecs = [text[1:] for text in np.split(mapped, ends[:-1])]
        return self._unit(first), np.split(weights, ends[:-1]), colbert_vecs


def _linear(file: Path, hidden: int, dtype: str, rows: int | None = None) -> Linear:
    """Return weight and bias of an affine map of hidden states; WeightsError for anything else in the file."""
    stored = map_torch(file)
    shapes = {name: tensor.shape for name, tensor in stored.items()}
    out = rows or shapes.get("weight", (0,))[0]
    if shapes != {"weight": (out, hidden), "bias": (out,)}:
        raise WeightsError(f"{file}: expected weight ({rows or 'any'}, {hidden}) and its bias, got {shapes}")
    weight, bias = (as_float(stored[name], np.dtype(dtype)) for name in ("weight", "bias"))
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise WeightsError(f"{file}: NaN or infinity in weight or bias")
    return weight, bias
