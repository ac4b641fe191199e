"""The models of the server: a sentence encoder, a reranker and a SPLADE model."""

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from scipy.special import expit
from tokenizers import Encoding

from refimpl.base import RerankResult
from refimpl.bert.heads import l2_normalize
from refimpl.common.types import Array
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.providers.fields import Served
from refimpl.providers.requests import (
    DecodeRequest,
    EmbedRequest,
    RequestRefused,
    RerankRequest,
    Token,
    TokenizeRequest,
)
from refimpl.reranker.ranking import ranked
from refimpl.serve.batches import Rows
from refimpl.serve.limits import Limits
from refimpl.sparse.splade import SpladeEmbeddingFunction
from refimpl.tokens import Tokenizer, Tokens


@runtime_checkable
class Reranker(Protocol):
    """A local reranker in two steps, so that tokens can be counted."""

    gives_logits: bool

    def tokens(self, query: str, documents: list[str]) -> Tokens:
        """Tokens of the pairs of `query` and document."""
        ...

    def raw_scores(self, tokens: Tokens) -> Float[Array, "documents"]:
        """One score per document."""
        ...


@dataclass(frozen=True)
class Engine:
    """Computes for requests; responses state the models' names. Without `splade`, sparse requests are refused."""

    embedder: MiniLMEmbeddingFunction
    reranker: Reranker
    embed_name: str
    rerank_name: str
    splade: SpladeEmbeddingFunction | None = None

    def served(self, limits: Limits) -> Served:
        """What the models and the limits allow in a request."""
        embedder, texts, characters = self.embedder, limits.max_documents, limits.max_text_chars
        return Served(embedder.dim, embedder.tokenizer.max_length, embedder.tokenizer.vocab_size, texts, characters)

    def embed(self, texts: list[str]) -> Rows:
        """One vector per text, before normalisation."""
        return self._embedded(self.embedder.tokenizer(self._prompted(texts)))

    def embed_left(self, texts: list[str]) -> Rows:
        """As `embed`, of texts that are too long the end."""
        return self._embedded(self._left(self._prompted(texts)))

    def embed_ids(self, ids: list[tuple[int, ...]]) -> Rows:
        """As `embed`, for the token ids of texts."""
        packed = np.fromiter(chain.from_iterable(ids), np.int64)
        lengths = np.array([len(one) for one in ids], np.int64)
        tokens = Tokens(packed, np.zeros_like(packed), lengths, np.zeros(len(ids), bool))
        return self._embedded(tokens)

    def shaped(self, vectors: Float[Array, "texts dim"], request: EmbedRequest) -> Float[Array, "texts width"]:
        """The vectors that a request is for: shortened, then divided by their length."""
        shortened = vectors[:, : request.width]
        return l2_normalize(shortened) if request.normalize else shortened

    def check_ids(self, ids: Sequence[Sequence[int]], name: str) -> None:
        """Raise RequestRefused, 400, for token ids that are no text's of the encoder's tokenizer.

        Ids of another vocabulary, such as those that LangChain sends to OpenAI, would have vectors of other texts. A
        text's own ids are recognised by the special tokens at their ends, which `/tokenize` adds.
        """
        tokenizer = self.embedder.tokenizer
        begin, *_, end = tokenizer([""]).input_ids.tolist()
        most = tokenizer.max_length
        for index, text in enumerate(ids):
            own = max(text) < tokenizer.vocab_size and (text[0], text[-1]) == (begin, end)
            if not own or not 2 <= len(text) <= most:
                raise RequestRefused(
                    400,
                    f"{name}[{index}] must be 2 to {most} token ids of {self.embed_name}, from {begin} to {end} as "
                    f"/tokenize returns them, got {reprlib.repr(list(text))}: send texts instead of the ids of another "
                    "vocabulary, such as tiktoken's (LangChain: check_embedding_ctx_length=False)",
                )

    def tokenize(self, request: TokenizeRequest) -> list[list[Token]]:
        """The tokens of each text, not truncated."""
        encodings = self.embedder.tokenizer.spans(request.texts, special_tokens=request.special)
        return [_tokens(text, encoding) for text, encoding in zip(request.texts, encodings, strict=True)]

    def decode(self, request: DecodeRequest) -> list[str]:
        """The text of each list of token ids."""
        return self.embedder.tokenizer.decode(request.ids, special_tokens=request.special)

    def embed_sparse(self, texts: list[str]) -> Rows:
        """One sparse row per text."""
        assert self.splade is not None
        tokens = self.splade.tokenizer(texts)
        return Rows(self.splade.encode_documents(texts), tokens.lengths, tokens.truncated)

    def score(self, query: str, documents: list[str]) -> Rows:
        """One raw score per document; the query's own tokens, where it is not read in pairs, are shared."""
        tokens = self.reranker.tokens(query, documents)
        own = slice(len(tokens) - len(documents), None)
        shared = slice(0, len(tokens) - len(documents))
        truncated = tokens.truncated[own] | tokens.truncated[shared].any()
        return Rows(self.reranker.raw_scores(tokens), tokens.lengths[own], truncated, int(tokens.lengths[shared].sum()))

    def ranked(self, request: RerankRequest, raw_scores: Float[Array, "documents"]) -> list[RerankResult]:
        """The best documents, best first.

        Scores of a model of logits are their sigmoid, or with `raw_scores` of the request the logits themselves.
        """
        logits = self.reranker.gives_logits and not request.raw_scores
        scores = expit(raw_scores) if logits else raw_scores
        count = min(request.top_n or len(request.documents), len(request.documents))
        return ranked(scores.tolist(), request.documents, count)

    @cached_property
    def _left(self) -> Tokenizer:
        return self.embedder.tokenizer.truncating_left()

    def _prompted(self, texts: list[str]) -> list[str]:
        """The texts after the model's default prompt."""
        prompt = self.embedder.modules.prompt(None)
        return [prompt + text for text in texts]

    def _embedded(self, tokens: Tokens) -> Rows:
        return Rows(self.embedder.pooled(tokens), tokens.lengths, tokens.truncated)


def _tokens(text: str, encoding: Encoding) -> list[Token]:
    """The tokens of a text; a special token is spelled as in the vocabulary, another one as in the text."""
    tokens = []
    for number, (token_id, special) in enumerate(zip(encoding.ids, encoding.special_tokens_mask, strict=True)):
        start, stop = encoding.offsets[number]
        if special:
            tokens.append(Token(token_id, encoding.tokens[number], True, None, None))
        else:
            tokens.append(Token(token_id, text[start:stop], False, start, stop))
    return tokens


def check_sparse_model(engine: Engine) -> None:
    """Raise RequestRefused, as TEI with a model that is no SPLADE model, when none is served."""
    if engine.splade is None:
        raise RequestRefused(424, "no SPLADE model is served: start `refimpl serve` with --splade-model splade-tiny")


def check_truncation(rows: Rows, truncate: bool) -> None:
    """Raise RequestRefused when texts are longer than the model reads and may not be truncated."""
    if not truncate and rows.truncated.any():
        raise RequestRefused(
            413, f"text {int(rows.truncated.argmax())} is longer than the model reads: allow truncation"
        )
