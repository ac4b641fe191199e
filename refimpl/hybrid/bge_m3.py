"""BGE-M3: one pass through XLM-RoBERTa, read off in three ways (Chen et al. 2024, M3-Embedding, section 3.2)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array, vstack

from refimpl import models
from refimpl.base import check_texts
from refimpl.bert.encoder import Encoder
from refimpl.bert.files import WeightsError, as_float
from refimpl.bert.heads import l2_normalize
from refimpl.bert.ops import Array, linear, relu
from refimpl.bert.torch_files import map_torch
from refimpl.bert.weights import BertWeights
from refimpl.tokens import Tokenizer, Tokens, warn_truncated

Linear = tuple[Array, Array]
TokenVectors = Float[Array, "_ colbert_dim"]
"""One text's vectors, one row a token; texts differ in length, so the axis has no name."""

TEXTS_AT_A_TIME = 1024
UNWEIGHTED = ("cls_token", "eos_token", "pad_token", "unk_token")


class BGEM3EmbeddingFunction:
    """Dense, sparse and token vectors of BAAI/bge-m3, each computed only where it is asked for.

    - `dense`, float32 `(texts, hidden)`: the state of the first token, of unit length.
    - `sparse`, `csr_array (texts, vocab)`: for each token id its largest weight relu(w . state + b) in the text; the
      ids of <s>, </s>, <pad> and <unk> are left out.
    - `colbert_vecs`, a list of `(tokens - 1, colbert_dim)`: an affine map of every state but the first, of unit length.

    `model_name` is a folder or a hub repository with model.safetensors or pytorch_model.bin, sparse_linear.pt and
    colbert_linear.pt; nothing is unpickled. `normalize_embeddings=False` leaves dense and token vectors as long as they
    are. Texts are cut at `max_length` tokens (default: what the folder states, 8192 for the published model; the
    library behind pymilvus.model cuts at 512), and a TruncationWarning says how many were. `dtype="float64"` is the
    oracle.
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
    ) -> None:
        if device not in (None, "", "cpu") or use_fp16:
            given = f"device={device!r}, use_fp16={use_fp16!r}"
            raise ValueError(f"refimpl computes in numpy, in float32 or float64: leave out {given}")
        wanted = {"dense": return_dense, "sparse": return_sparse, "colbert_vecs": return_colbert_vecs}
        self.kinds = [kind for kind, asked in wanted.items() if asked]
        if not self.kinds:
            raise ValueError("nothing is asked for: set return_dense, return_sparse or return_colbert_vecs")
        folder = models.path(model_name)
        self.weights = BertWeights.load(folder, dtype)
        hidden = self.weights.config.hidden_size
        self.sparse_linear = _linear(folder / "sparse_linear.pt", hidden, dtype, rows=1)
        self.colbert_linear = _linear(folder / "colbert_linear.pt", hidden, dtype)
        self.tokenizer = Tokenizer(folder, max_length, positions=self.weights.config.longest_text)
        self.unweighted = [i for i in map(self.tokenizer.special_id, UNWEIGHTED) if i is not None]
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)
        self.normalize_embeddings = normalize_embeddings

    @property
    def dim(self) -> dict[str, int]:
        """Width of each kind of vector."""
        config = self.weights.config
        widths = {"dense": config.hidden_size, "sparse": config.vocab_size}
        return widths | {"colbert_vecs": len(self.colbert_linear[0])}

    def encode_documents(self, documents: Sequence[str]) -> dict[str, Any]:
        """The kinds asked for, by name, each with one row or item a document in input order."""
        return self._encode(check_texts(documents, "documents"))

    def encode_queries(self, queries: Sequence[str]) -> dict[str, Any]:
        """The same as `encode_documents`: the model knows no difference."""
        return self._encode(check_texts(queries, "queries"))

    def __call__(self, texts: Sequence[str]) -> dict[str, Any]:
        """The same as `encode_documents`."""
        return self._encode(check_texts(texts, "texts"))

    def _encode(self, texts: list[str]) -> dict[str, Any]:
        parts, cut = list[dict[str, Any]](), 0
        for start in range(0, len(texts), TEXTS_AT_A_TIME):
            tokens = self.tokenizer(texts[start : start + TEXTS_AT_A_TIME])
            parts.append(self._part(tokens))
            cut += int(tokens.truncated.sum())
        warn_truncated(cut, len(texts), self.tokenizer.max_length, stacklevel=3)
        dtype = self.weights.dtype
        empty = {
            "dense": np.empty((0, self.dim["dense"]), dtype),
            "sparse": csr_array((0, self.dim["sparse"]), dtype=dtype),
            "colbert_vecs": [],
        }
        parts = parts or [{kind: empty[kind] for kind in self.kinds}]
        whole: dict[str, Any] = {}
        for kind in self.kinds:
            of_kind = [part[kind] for part in parts]
            if kind == "dense":
                whole[kind] = np.concatenate(of_kind)
            elif kind == "sparse":
                whole[kind] = csr_array(vstack(of_kind, format="csr"))
            else:
                whole[kind] = [vectors for part in of_kind for vectors in part]
        return whole

    def _part(self, tokens: Tokens) -> dict[str, Any]:
        """The kinds asked for, of texts that are held at once; token weights are gathered by text at the end."""
        dense = np.empty((len(tokens), self.dim["dense"]), self.weights.dtype)
        weights = np.empty(len(tokens.input_ids), self.weights.dtype)
        vectors: list[Any] = [None] * len(tokens)
        for rows, (first, of_tokens, late) in self.encoder.map(tokens, self._head):
            dense[rows] = first
            for row, some, states in zip(rows.tolist(), of_tokens, late, strict=True):
                weights[tokens.starts[row] : tokens.starts[row] + len(some)] = some
                vectors[row] = states
        part = {"dense": dense, "sparse": None, "colbert_vecs": vectors}
        if "sparse" in self.kinds:
            part["sparse"] = lexical_weights(tokens, weights, self.unweighted, self.dim["sparse"])
        return part

    def _head(
        self, states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"]
    ) -> tuple[Float[Array, "texts hidden"], list[Array], list[Array]]:
        """First states; then for each text the weights of its tokens, and its token vectors."""
        ends = np.cumsum(lengths)
        first, weights = states[ends - lengths], np.empty(len(states), states.dtype)
        late = [states[:0]] * len(lengths)
        if "sparse" in self.kinds:
            weights = relu(linear(states, *self.sparse_linear))[:, 0]
        if "colbert_vecs" in self.kinds:
            mapped = self._unit(linear(states, *self.colbert_linear))
            late = [text[1:] for text in np.split(mapped, ends[:-1])]
        return self._unit(first), np.split(weights, ends[:-1]), late

    def _unit(self, x: Float[Array, "rows features"]) -> Float[Array, "rows features"]:
        return l2_normalize(x) if self.normalize_embeddings else x


class BGEM3Kind:
    """One kind of vector, "dense" or "sparse", of a BGE-M3 function: an embedding function of its own."""

    def __init__(self, function: BGEM3EmbeddingFunction, kind: str) -> None:
        if kind not in function.kinds or kind == "colbert_vecs":
            raise ValueError(f"kind must be 'dense' or 'sparse' and asked for, got {kind!r}")
        self.function, self.kind = function, kind

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.function.dim[self.kind]

    def encode_documents(self, documents: Sequence[str]) -> Any:
        """One row a document, in input order."""
        return self.function.encode_documents(documents)[self.kind]

    def encode_queries(self, queries: Sequence[str]) -> Any:
        """One row a query, in input order."""
        return self.function.encode_queries(queries)[self.kind]


def lexical_weights(
    tokens: Tokens, weights: Float[Array, "tokens"], unweighted: Sequence[int], vocab: int
) -> csr_array:
    """For each text and token id the largest weight of that id in the text, where it is above 0; canonical CSR."""
    texts = np.repeat(np.arange(len(tokens)), tokens.lengths)
    kept = (weights > 0) & ~np.isin(tokens.input_ids, unweighted)
    texts, ids, weights = texts[kept], tokens.input_ids[kept], weights[kept]
    order = np.lexsort((ids, texts))
    cells = texts[order] * vocab + ids[order]
    cells, first = np.unique(cells, return_index=True)
    largest = np.maximum.reduceat(weights[order], first) if len(first) else weights
    indptr = np.searchsorted(cells, np.arange(len(tokens) + 1) * vocab)
    return csr_array((largest, cells % vocab, indptr), shape=(len(tokens), vocab))


def _linear(file: Path, hidden: int, dtype: str, rows: int | None = None) -> Linear:
    """The weight and bias of an affine map from the hidden size; WeightsError for anything else in the file."""
    stored = map_torch(file)
    shapes = {name: tensor.shape for name, tensor in stored.items()}
    width = rows or shapes.get("weight", (0,))[0]
    if shapes != {"weight": (width, hidden), "bias": (width,)}:
        raise WeightsError(f"{file} holds {shapes}, expected weight ({rows or 'any'}, {hidden}) and its bias")
    weight, bias = (as_float(stored[name], np.dtype(dtype)) for name in ("weight", "bias"))
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise WeightsError(f"{file} holds NaN or infinity")
    return weight, bias
