"""What functions that return several kinds of vector from one pass have in common: batches, lexical weights, checks."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array, vstack

from refimpl.base import BaseEmbeddingFunction
from refimpl.bert.encoder import Encoder
from refimpl.bert.files import WeightsError
from refimpl.bert.heads import l2_normalize
from refimpl.bert.own_heads import read_encoder_folder
from refimpl.bert.weights import BertWeights
from refimpl.common.texts import check_texts
from refimpl.common.types import Array
from refimpl.pickling import ModelFunction
from refimpl.tokens import Tokenizer, Tokens, warn_truncated

TEXTS_AT_A_TIME = 1024
UNWEIGHTED = ("cls_token", "eos_token", "pad_token", "unk_token")


class HybridEmbeddingFunction(ModelFunction, BaseEmbeddingFunction):
    """Base class of functions whose encoding is a dict of vectors by kind.

    A subclass sets the attributes below in its constructor.
    """

    kinds: list[str]
    weights: BertWeights
    tokenizer: Tokenizer
    encoder: Encoder
    unweighted: list[int]
    """Ids without a lexical weight."""
    normalize_embeddings: bool

    @property
    @abstractmethod
    def dim(self) -> dict[str, int]:
        """Dimensions of each kind of vector, computed or not."""

    @abstractmethod
    def _head(
        self, states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"]
    ) -> tuple[Float[Array, "texts dim"], list[Array], list[Array]]:
        """Return the dense vectors, and for each text the weights of its tokens and its token vectors."""

    def encode_documents(self, documents: Sequence[str]) -> dict[str, Any]:
        """Return the vectors of documents by kind, one row or list item per document in input order."""
        return self._encode(check_texts(documents, "documents"))

    def encode_queries(self, queries: Sequence[str]) -> dict[str, Any]:
        """Return the vectors of queries, computed as those of documents."""
        return self._encode(check_texts(queries, "queries"))

    def __call__(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return the vectors of texts, computed as those of documents."""
        return self._encode(check_texts(texts, "texts"))

    def _encode(self, texts: list[str]) -> dict[str, Any]:
        parts, truncated = list[dict[str, Any]](), 0
        for start in range(0, len(texts), TEXTS_AT_A_TIME):
            tokens = self.tokenizer(texts[start : start + TEXTS_AT_A_TIME])
            parts.append(self._encode_tokens(tokens))
            truncated += int(tokens.truncated.sum())
        warn_truncated(truncated, len(texts), self.tokenizer.max_length, stacklevel=3)
        dtype = self.weights.dtype
        empty = {
            "dense": np.empty((0, self.dim["dense"]), dtype),
            "sparse": csr_array((0, self.dim["sparse"]), dtype=dtype),
            "colbert_vecs": [],
        }
        parts = parts or [{kind: empty[kind] for kind in self.kinds}]
        join: dict[str, Callable[[list[Any]], Any]] = {
            "dense": np.concatenate,
            "sparse": lambda matrices: csr_array(vstack(matrices, format="csr")),
            "colbert_vecs": lambda lists: [vectors for texts in lists for vectors in texts],
        }
        return {kind: join[kind]([part[kind] for part in parts]) for kind in self.kinds}

    def _encode_tokens(self, tokens: Tokens) -> dict[str, Any]:
        """Return the vectors by kind, some None, of texts that are in memory at once."""
        dense = np.empty((len(tokens), self.dim["dense"]), self.weights.dtype)
        weights = np.empty(len(tokens.input_ids), self.weights.dtype)
        vectors: list[Any] = [None] * len(tokens)
        for rows, (first, token_weights, colbert_vecs) in self.encoder.map(tokens, self._head):
            dense[rows] = first
            for row, of_text, vecs in zip(rows.tolist(), token_weights, colbert_vecs, strict=True):
                weights[tokens.starts[row] : tokens.starts[row] + len(of_text)] = of_text
                vectors[row] = vecs
        part = {"dense": dense, "sparse": None, "colbert_vecs": vectors}
        if "sparse" in self.kinds:
            part["sparse"] = lexical_weights(tokens, weights, self.unweighted, self.dim["sparse"])
        return part

    def _unit(self, x: Float[Array, "rows features"]) -> Float[Array, "rows features"]:
        return l2_normalize(x) if self.normalize_embeddings else x


class OneKind:
    """An embedding function for one kind of vector, "dense" or "sparse", of a hybrid function."""

    def __init__(self, function: HybridEmbeddingFunction, kind: str) -> None:
        if kind not in function.kinds or kind == "colbert_vecs":
            raise ValueError(f"kind must be 'dense' or 'sparse', and computed by the function, got {kind!r}")
        self.function, self.kind = function, kind

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self.function.dim[self.kind]

    def encode_documents(self, documents: Sequence[str]) -> Any:
        """Return one row per document, in input order."""
        return self.function.encode_documents(documents)[self.kind]

    def encode_queries(self, queries: Sequence[str]) -> Any:
        """Return one row per query, in input order."""
        return self.function.encode_queries(queries)[self.kind]


def lexical_weights(
    tokens: Tokens, weights: Float[Array, "tokens"], unweighted: Sequence[int], vocab: int
) -> csr_array:
    """Return each token id's largest weight per text, where it is above 0: canonical CSR `(texts, vocab)`."""
    texts = np.repeat(np.arange(len(tokens)), tokens.lengths)
    weighted = (weights > 0) & ~np.isin(tokens.input_ids, unweighted)
    texts, ids, weights = texts[weighted], tokens.input_ids[weighted], weights[weighted]
    order = np.lexsort((ids, texts))
    cells = texts[order] * vocab + ids[order]
    cells, first = np.unique(cells, return_index=True)
    largest = np.maximum.reduceat(weights[order], first) if len(first) else weights
    indptr = np.searchsorted(cells, np.arange(len(tokens) + 1) * vocab)
    return csr_array((largest, cells % vocab, indptr), shape=(len(tokens), vocab))


def unweighted_ids(tokenizer: Tokenizer) -> list[int]:
    """Return the ids of the special tokens that have no lexical weight."""
    return [i for i in map(tokenizer.special_id, UNWEIGHTED) if i is not None]


def selected_kinds(flags: Mapping[str, bool]) -> list[str]:
    """Return the kinds whose flag is set; ValueError for none."""
    kinds = [kind for kind, flag in flags.items() if flag]
    if not kinds:
        names = [f"return_{kind}" for kind in flags]
        raise ValueError(f"expected a kind of vector, got none: set {', '.join(names[:-1])} or {names[-1]}")
    return kinds


def check_precision(use_fp16: bool) -> None:
    """Raise ValueError unless float16 is off."""
    if use_fp16:
        raise ValueError(f"use_fp16 must be False, got {use_fp16!r}: refimpl computes in float32 or float64")


def check_modules(folder: Path) -> None:
    """Raise WeightsError, which names file and key, for settings that sentence-transformers alone would apply."""
    files = read_encoder_folder(folder, pooling="cls")
    if files.prompt:
        file = folder / "config_sentence_transformers.json"
        raise WeightsError(f"{file}: expected default_prompt_name None, got the prompt {files.prompt!r}")
    if files.lowercase:
        raise WeightsError(f"{folder / 'sentence_bert_config.json'}: expected do_lower_case False, got True")
    if files.folder != folder:
        file = folder / "modules.json"
        raise WeightsError(f"{file}: expected the Transformer in the folder itself, got {files.folder.name}")
