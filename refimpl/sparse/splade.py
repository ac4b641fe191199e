"""SPLADE: a text's weight for each word piece of the vocabulary, from the logits of a masked-LM head.

w_j = max over the text's tokens i of log(1 + relu(logit_ij)) (Formal et al. 2021, SPLADE v2, equation 6: the maximum,
not the sum). The logarithm is monotonic, so the maximum is taken over logits and the logarithm once per column. The
tokens include [CLS] and [SEP] but not padding; pymilvus.model takes the maximum over padding too.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array, sparray, vstack

from refimpl import models
from refimpl.base import BaseEmbeddingFunction
from refimpl.bert.encoder import Encoder
from refimpl.bert.heads import has_masked_lm_head, masked_lm_decoder, masked_lm_transform
from refimpl.bert.prompts import UnappliedSettings
from refimpl.bert.routes import each_once, task_modules
from refimpl.bert.weights import BertWeights
from refimpl.common.arguments import check_device, refuse_keywords
from refimpl.common.texts import check_text, check_texts
from refimpl.common.types import Array
from refimpl.pickling import ModelFunction
from refimpl.sparse.splade_folder import SpladeSettings, read_splade
from refimpl.sparse.static_weights import StaticWeights
from refimpl.tokens import Tokenizer, Tokens, warn_truncated

TILE_LOGITS = 1 << 18  # logits per tile, 1 MB in float32: fits in the second-level cache
TEXTS_PER_BLOCK = 1024
UNSUPPORTED = {  # of transformers' from_pretrained, to which pymilvus.model passes them
    "cache_dir": "refimpl.models decides where files come from",
    "revision": "refimpl.models decides where files come from",
    "token": "refimpl.models decides where files come from",
    "torch_dtype": "refimpl computes in numpy: use dtype",
    "trust_remote_code": "code from a model's folder is never run",
}


class SpladeEmbeddingFunction(ModelFunction, BaseEmbeddingFunction):
    """Sparse vectors `(texts, vocab)` of a SPLADE model, as canonical `csr_array` in float32.

    Parameters
    ----------
    model_name
        A folder, a hub repository or a name of `refimpl.models` ("splade-tiny" needs no hub).
    batch_size
        Number of texts per batch, at least 1.
    query_instruction, doc_instruction
        Prefix of each query and each document.
    device
        The CPU; any other is refused.
    k_tokens_query, k_tokens_document
        Number of weights to keep per row, the largest (ties: the lower column); None keeps all.
    dtype
        "float32", or "float64" for reference values.
    num_workers
        Number of threads; None is every usable core.
    **kwargs
        Keywords of transformers' `from_pretrained`, accepted where they are None or False.

    Raises
    ------
    TypeError, ValueError
        For parameters out of range, for a model without a masked-LM head, and for unsupported keywords, by name.

    Warns
    -----
    TruncationWarning
        When encoding texts that are longer than the model's positions: they are truncated.
    PromptWarning
        Once each, by `encode_queries` and `encode_documents` of a model with prompts for queries and documents: as in
        pymilvus.model they are not applied; `encode_query` and `encode_document` apply them.

    Notes
    -----
    w_j = max over the text's tokens i of log(1 + relu(logit_ij)): Formal et al. 2021, SPLADE v2, equation 6. The tokens
    include [CLS] and [SEP] but not padding, over which pymilvus.model takes the maximum too. SparseEncoder folders of
    sentence-transformers 6 may have a Router: queries take the query route, which may be a table of weights
    (SparseStaticEmbedding), and documents the document route. A SparseAutoEncoder has its latents as columns.

    Examples
    --------
    The weights are those that transformers computes:

    >>> from refimpl import SpladeEmbeddingFunction
    >>> embed = SpladeEmbeddingFunction("splade-tiny")
    >>> rows = embed.encode_queries(["does the fish purr like a cat?"])
    >>> rows.shape, rows.nnz
    ((1, 30522), 11)
    >>> [(piece, round(weight, 3)) for piece, weight in embed.decode(rows)[:3]]
    [('pu', 2.143), ('##rr', 2.099), ('cat', 2.026)]
    """

    def __init__(
        self,
        model_name: str = "naver/splade-cocondenser-ensembledistil",
        batch_size: int = 32,
        query_instruction: str = "",
        doc_instruction: str = "",
        device: str | None = "cpu",
        k_tokens_query: int | None = None,
        k_tokens_document: int | None = None,
        *,
        dtype: str = "float32",
        num_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_device(device)
        refuse_keywords(self, kwargs, UNSUPPORTED)
        for name, k in (("k_tokens_query", k_tokens_query), ("k_tokens_document", k_tokens_document)):
            if k is not None and (not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1):
                raise ValueError(f"{name} must be a whole number, at least 1, or None for all, got {k!r}")
        check_text(query_instruction, "query_instruction")
        check_text(doc_instruction, "doc_instruction")
        folder = self._read_from(models.path(model_name))
        settings = read_splade(folder)
        options = {"dtype": dtype, "batch_size": batch_size, "num_workers": num_workers}
        self._routes = each_once(settings, lambda each: _route(each, options, model_name))
        self._of_task = settings
        first = next(task for task in ("document", None, "query") if task in settings)
        self._main = self._routes[first]
        self.tokenizer, self._dim = self._main.tokenizer, self._main.dim
        self._prompts, self._prompt, self._dtype = settings[first].prompts, settings[first].prompt, np.dtype(dtype)
        applied = dict.fromkeys(self._prompts, self._prompt)
        lengths = {task: each.lengths.get(task) for task, each in settings.items() if task is not None}
        self._unapplied = UnappliedSettings(self._prompts, applied, lengths, function=type(self).__name__)
        self.query_instruction, self.doc_instruction = query_instruction, doc_instruction
        self.k_tokens_query, self.k_tokens_document = k_tokens_query, k_tokens_document

    @property
    def dim(self) -> int:
        """Number of columns: the size of the vocabulary."""
        return self._dim

    @property
    def weights(self) -> BertWeights:
        """Weights of the encoder of documents; AttributeError where documents have a table of weights."""
        if isinstance(self._main, StaticWeights):
            raise AttributeError("weights: expected an encoder of documents, got a SparseStaticEmbedding")
        return self._main.weights

    def encode_documents(self, documents: Sequence[str]) -> csr_array:
        """Encode documents to rows in input order; an empty list gives `(0, vocab)`."""
        texts = [self.doc_instruction + text for text in check_texts(documents, "documents")]
        self._unapplied.warn("document")
        return self._encode(texts, self.k_tokens_document, self._prompt, "document")

    def encode_queries(self, queries: Sequence[str]) -> csr_array:
        """Encode queries to rows in input order; an empty list gives `(0, vocab)`."""
        texts = [self.query_instruction + text for text in check_texts(queries, "queries")]
        self._unapplied.warn("query")
        return self._encode(texts, self.k_tokens_query, self._prompt, "query")

    def encode_document(self, documents: Sequence[str]) -> csr_array:
        """Encode documents as sentence-transformers' `encode_document`: prompt named document, `document_length`."""
        texts = [self.doc_instruction + text for text in check_texts(documents, "documents")]
        return self._encode(texts, self.k_tokens_document, self._prompts["document"], "document", length_of="document")

    def encode_query(self, queries: Sequence[str]) -> csr_array:
        """Encode queries as sentence-transformers' `encode_query`: the prompt named query, and `query_length`."""
        texts = [self.query_instruction + text for text in check_texts(queries, "queries")]
        return self._encode(texts, self.k_tokens_query, self._prompts["query"], "query", length_of="query")

    def __call__(self, texts: Sequence[str]) -> csr_array:
        """Encode texts to rows in input order, without instruction or pruning."""
        return self._encode(check_texts(texts, "texts"), None, self._prompt, None)

    def decode(self, row: sparray) -> list[tuple[str, float]]:
        """The word pieces and weights of one row, the largest weight first, ties by column."""
        if not hasattr(row, "shape"):
            raise TypeError(f"row must be one row that encode_* returned, got {type(row).__name__}")
        if row.shape[-1] != self.dim or (row.ndim == 2 and row.shape[0] != 1):
            raise ValueError(f"expected one row of {self.dim} columns, got shape {row.shape}")
        single = csr_array(row.reshape(1, -1))
        columns, weights = single.indices, single.data
        order = np.lexsort((columns, -weights))
        return [(self.tokenizer.piece(int(columns[i])), float(weights[i])) for i in order]

    def _encode(
        self, texts: list[str], k_tokens: int | None, prompt: str, task: str | None, length_of: str | None = None
    ) -> csr_array:
        """Encode by the route of a task; `length_of` is the task at whose own length the texts are truncated."""
        if task not in self._routes:
            task_modules(self._model.folder, task)  # raises RouteError, which names what the Router has
        route, settings = self._routes[task], self._of_task[task]
        tokenizer = route.tokenizers.get(length_of or "", route.tokenizer)
        parts, n_truncated = list[csr_array](), 0
        for start in range(0, len(texts), TEXTS_PER_BLOCK):
            tokens = tokenizer([prompt + text for text in texts[start : start + TEXTS_PER_BLOCK]])
            parts.append(pruned(route.rows(tokens), k_tokens or settings.max_active_dims))
            n_truncated += int(tokens.truncated.sum())
        warn_truncated(n_truncated, len(texts), tokenizer.max_length, stacklevel=3)
        if not parts:
            return csr_array((0, self.dim), dtype=self._dtype)
        return csr_array(vstack(parts, format="csr"))


class EncoderRoute:
    """A route whose first module is an encoder, with a masked-LM head or an auto-encoder after it."""

    def __init__(
        self, settings: SpladeSettings, name: object, *, dtype: str, batch_size: int, num_workers: int | None
    ) -> None:
        self.settings = settings
        self.weights = BertWeights.load(settings.folder, dtype)
        if settings.kind == "splade" and not has_masked_lm_head(self.weights):
            raise ValueError(f"{name} has no masked-LM head: give a SPLADE model")
        self.tokenizer = self._tokenizer(None)
        self.tokenizers = {task: self._tokenizer(n) for task, n in settings.lengths.items() if n is not None}
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)

    @property
    def dim(self) -> int:
        """Number of columns."""
        return self.settings.dim or self.weights.config.vocab_size

    def _tokenizer(self, max_length: int | None) -> Tokenizer:
        positions, lowercase = self.weights.config.longest_text, self.settings.lowercase
        return Tokenizer(self.settings.folder, max_length, positions=positions, lowercase=lowercase)

    def rows(self, tokens: Tokens) -> csr_array:
        """Return the weights of each text, canonical CSR `(texts, dim)`."""
        tiles = list(self.encoder.map(tokens, self._head))
        rows = np.concatenate([indices for indices, _ in tiles])
        return csr_array(vstack([part for _, part in tiles], format="csr")[np.argsort(rows)])

    def _head(self, hidden_states: Array, lengths: Array) -> csr_array:
        settings = self.settings
        if settings.latents is not None:
            return csr_array(settings.latents(hidden_states, lengths).astype(self.weights.dtype))
        if settings.strategy == "sum":
            return summed(self.weights, hidden_states, lengths, settings.activation)
        rows = activated(largest_logits(self.weights, hidden_states, lengths))
        if settings.activation == "log1p_relu":
            rows.data = np.log1p(rows.data)
        return rows


def _route(settings: SpladeSettings, options: dict[str, Any], name: object) -> EncoderRoute | StaticWeights:
    if settings.kind == "static":
        return StaticWeights(settings.folder, options["dtype"])
    return EncoderRoute(settings, name, **options)


def largest_logits(
    weights: BertWeights, hidden_states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"]
) -> Float[Array, "texts vocab"]:
    """The maximum over each text's tokens of the logits, per column; about `TILE_LOGITS` logits exist at a time.

    The decoder's bias is one number per column, so it is added to the maximum instead of to every token's logit.
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


def summed(
    weights: BertWeights, hidden_states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"], activation: str
) -> csr_array:
    """The sum over each text's tokens of log(1 + relu(logit)) (Formal et al. 2021, SPLADE, equation 2).

    log1p_relu takes the logarithm twice: log(1 + log(1 + relu(logit))).
    """
    transformed = masked_lm_transform(weights, hidden_states)
    decoder, bias = masked_lm_decoder(weights)
    rows = []
    for start, end in pairwise([0, *np.cumsum(lengths).tolist()]):
        token_weights = np.log1p(np.maximum(transformed[start:end] @ decoder.T + bias, 0))
        rows.append((np.log1p(token_weights) if activation == "log1p_relu" else token_weights).sum(axis=0))
    return csr_array(np.stack(rows))


def activated(largest: Float[Array, "texts vocab"]) -> csr_array:
    """log(1 + relu(logit)) as canonical CSR; the logarithm is computed for positive logits only."""
    texts, vocab = largest.shape
    places = np.flatnonzero(largest > 0)
    indptr = np.searchsorted(places, np.arange(texts + 1) * vocab)
    return csr_array((np.log1p(largest.ravel()[places]), places % vocab, indptr), shape=(texts, vocab))


def pruned(rows: csr_array, k_tokens: int | None) -> csr_array:
    """Keep the `k_tokens` weights of each row with the largest magnitude, ties by the lower column; None keeps all."""
    if k_tokens is None or np.diff(rows.indptr).max(initial=0) <= k_tokens:
        return rows
    kept = [
        start + np.sort(np.argsort(-np.abs(rows.data[start:end]), kind="stable")[:k_tokens])
        for start, end in pairwise(rows.indptr.tolist())
    ]
    indptr = np.cumsum([0, *map(len, kept)])
    places = np.concatenate(kept)
    return csr_array((rows.data[places], rows.indices[places], indptr), shape=rows.shape)
