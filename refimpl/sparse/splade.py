"""SPLADE: a text's weight for each word piece of the vocabulary, read off a masked-LM head.

w_j = max over the text's tokens i of log(1 + relu(logit_ij)) (Formal et al. 2021, SPLADE v2, eq. 6: the maximum, not
the sum). The logarithm rises with the logit, so the maximum is taken over logits and the logarithm once for a column.
Only real tokens count, [CLS] and [SEP] among them; pymilvus.model also takes the maximum over padding.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array, sparray, vstack

from refimpl import models
from refimpl.base import check_text, check_texts
from refimpl.bert.encoder import Encoder
from refimpl.bert.heads import masked_lm_decoder, masked_lm_transform
from refimpl.bert.weights import BertWeights
from refimpl.tokens import Tokenizer, Tokens, warn_truncated

Array = np.ndarray
TILE_LOGITS = 1 << 18  # a tile of logits stays in the second-level cache: 1 MB in float32
TEXTS_AT_A_TIME = 1024


class SpladeEmbeddingFunction:
    """Sparse vectors `(texts, vocab)` of a SPLADE model, as canonical `csr_array` in float32.

    `model_name` is a folder, a hub repository or a name of `refimpl.models` ("splade-tiny" needs no hub). The
    instructions are put before each text; `k_tokens_*` keeps each row's largest weights only (ties: the lower column).
    Texts are cut at the model's positions, and a TruncationWarning says how many were. `dtype="float64"` is the oracle;
    its weights are float64.
    """

    def __init__(
        self,
        model_name: str = "naver/splade-cocondenser-ensembledistil",
        batch_size: int = 32,
        query_instruction: str = "",
        doc_instruction: str = "",
        k_tokens_query: int | None = None,
        k_tokens_document: int | None = None,
        *,
        dtype: str = "float32",
        num_workers: int | None = None,
    ) -> None:
        for name, k in (("k_tokens_query", k_tokens_query), ("k_tokens_document", k_tokens_document)):
            if k is not None and (not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1):
                raise ValueError(f"{name} must be a whole number, at least 1, or None for all, got {k!r}")
        check_text(query_instruction, "query_instruction")
        check_text(doc_instruction, "doc_instruction")
        folder = models.path(model_name)
        self.weights = BertWeights.load(folder, dtype)
        if "cls.predictions.bias" not in self.weights and "cls.predictions.decoder.bias" not in self.weights:
            raise ValueError(f"{model_name} has no masked-LM head, so it is no SPLADE model")
        self.tokenizer = Tokenizer(folder, positions=self.weights.config.longest_text)
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)
        self.query_instruction, self.doc_instruction = query_instruction, doc_instruction
        self.k_tokens_query, self.k_tokens_document = k_tokens_query, k_tokens_document

    @property
    def dim(self) -> int:
        """Width of a vector: the vocabulary's size."""
        return self.weights.config.vocab_size

    def encode_documents(self, documents: Sequence[str]) -> csr_array:
        """A row for each document, in input order; an empty list gives `(0, vocab)`."""
        texts = [self.doc_instruction + text for text in check_texts(documents, "documents")]
        return self._encode(texts, self.k_tokens_document)

    def encode_queries(self, queries: Sequence[str]) -> csr_array:
        """A row for each query, in input order."""
        texts = [self.query_instruction + text for text in check_texts(queries, "queries")]
        return self._encode(texts, self.k_tokens_query)

    def __call__(self, texts: Sequence[str]) -> csr_array:
        """A row for each text, without instruction or pruning."""
        return self._encode(check_texts(texts, "texts"), None)

    def decode(self, row: sparray) -> list[tuple[str, float]]:
        """Terms and weights of one row, the heaviest first, ties by column."""
        if not hasattr(row, "shape"):
            raise TypeError(f"decode takes one row of what encode_* gives, got {type(row).__name__}")
        if row.shape[-1] != self.dim or (row.ndim == 2 and row.shape[0] != 1):
            raise ValueError(f"decode takes one row of {self.dim} columns, got shape {row.shape}")
        single = csr_array(row.reshape(1, -1))
        columns, weights = single.indices, single.data
        order = np.lexsort((columns, -weights))
        return [(self.tokenizer.piece(int(columns[i])), float(weights[i])) for i in order]

    def _encode(self, texts: list[str], k_tokens: int | None) -> csr_array:
        parts, cut = list[csr_array](), 0
        for start in range(0, len(texts), TEXTS_AT_A_TIME):
            tokens = self.tokenizer(texts[start : start + TEXTS_AT_A_TIME])
            parts.append(self._rows(tokens, k_tokens))
            cut += int(tokens.truncated.sum())
        warn_truncated(cut, len(texts), self.tokenizer.max_length, stacklevel=3)
        if not parts:
            return csr_array((0, self.dim), dtype=self.weights.dtype)
        return csr_array(vstack(parts, format="csr"))

    def _rows(self, tokens: Tokens, k_tokens: int | None) -> csr_array:
        def head(hidden_states: Array, lengths: Array) -> csr_array:
            return pruned(activated(largest_logits(self.weights, hidden_states, lengths)), k_tokens)

        tiles = list(self.encoder.map(tokens, head))
        rows = np.concatenate([indices for indices, _ in tiles])
        return csr_array(vstack([part for _, part in tiles], format="csr")[np.argsort(rows)])


def largest_logits(
    weights: BertWeights, hidden_states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"]
) -> Float[Array, "texts vocab"]:
    """Each text's largest logit in each column; `TILE_LOGITS` logits exist at a time, in one buffer.

    The decoder's bias is one number a column, so it is added to the maximum and not to every token's logit.
    """
    transformed = masked_lm_transform(weights, hidden_states)
    decoder, bias = masked_lm_decoder(weights)
    ends = np.cumsum(lengths).tolist()
    starts = [0, *ends[:-1]]
    largest = np.empty((len(lengths), len(decoder)), dtype=transformed.dtype)
    width = max(1, TILE_LOGITS // len(transformed))
    for left in range(0, len(decoder), width):
        columns = slice(left, left + width)
        logits = transformed @ decoder[columns].T
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            logits[start:end].max(axis=0, out=largest[row, columns])
    largest += bias
    return largest


def activated(largest: Float[Array, "texts vocab"]) -> csr_array:
    """log(1 + relu(logit)) as canonical CSR: the logarithm is taken of what is above 0 alone."""
    texts, vocab = largest.shape
    places = np.flatnonzero(largest > 0)
    indptr = np.searchsorted(places, np.arange(texts + 1) * vocab)
    return csr_array((np.log1p(largest.ravel()[places]), places % vocab, indptr), shape=(texts, vocab))


def pruned(rows: csr_array, k_tokens: int | None) -> csr_array:
    """Of each row only the `k_tokens` largest weights, ties to the lower column; None keeps all."""
    if k_tokens is None or np.diff(rows.indptr).max(initial=0) <= k_tokens:
        return rows
    kept = [
        start + np.sort(np.argsort(-rows.data[start:end], kind="stable")[:k_tokens])
        for start, end in pairwise(rows.indptr.tolist())
    ]
    indptr = np.cumsum([0, *map(len, kept)])
    places = np.concatenate(kept)
    return csr_array((rows.data[places], rows.indices[places], indptr), shape=rows.shape)
