"""The models behind the server: a sentence encoder and a reranker, asked one request at a time."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.special import expit

from refimpl.base import RerankResult
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.reranker.ranking import ranked
from refimpl.serve.bodies import EmbedRequest, Refused, RerankRequest
from refimpl.sparse.splade import SpladeEmbeddingFunction
from refimpl.tokens import Tokens

Array = np.ndarray


@runtime_checkable
class Reranker(Protocol):
    """A local reranker in two steps, so that its tokens can be counted."""

    gives_logits: bool

    def tokens(self, query: str, documents: list[str]) -> Tokens:
        """What the model reads."""
        ...

    def raw_scores(self, tokens: Tokens) -> Float[Array, "documents"]:
        """One score a document."""
        ...


@dataclass(frozen=True)
class Engine:
    """Numbers for requests; the names are what answers call the models. No `splade`, no sparse vectors."""

    embedder: MiniLMEmbeddingFunction
    reranker: Reranker
    embed_name: str
    rerank_name: str
    splade: SpladeEmbeddingFunction | None = None

    def rerank(self, request: RerankRequest) -> tuple[list[RerankResult], int]:
        """The best documents, best first, and the number of tokens read.

        A model of logits answers with their sigmoid unless `raw_scores` asks for the logits themselves.
        """
        tokens = self.reranker.tokens(request.query, request.documents)
        _check_length(tokens, request.truncate)
        scores = self.reranker.raw_scores(tokens)
        if self.reranker.gives_logits and not request.raw_scores:
            scores = expit(scores)
        most = min(request.top_n or len(request.documents), len(request.documents))
        return ranked(scores.tolist(), request.documents, most), int(tokens.lengths.sum())

    def embed(self, request: EmbedRequest) -> tuple[Float[Array, "texts dim"], int]:
        """One vector a text, and the number of tokens read."""
        tokens = self.embedder.tokenizer(request.texts)
        _check_length(tokens, request.truncate)
        vectors = self.embedder.encode_documents(request.texts)
        if not request.normalize:
            raise Refused(422, "normalize must be true: the reference's vectors have unit length")
        return vectors, int(tokens.lengths.sum())

    def embed_sparse(self, request: EmbedRequest) -> csr_array:
        """One sparse row a text."""
        if self.splade is None:  # as TEI says it of a model that is no SPLADE model
            raise Refused(424, "no SPLADE model is served: start `refimpl serve` with --splade-model splade-tiny")
        _check_length(self.splade.tokenizer(request.texts), request.truncate)
        return self.splade.encode_documents(request.texts)


def _check_length(tokens: Tokens, truncate: bool) -> None:
    if not truncate and tokens.truncated.any():
        raise Refused(413, f"text {int(tokens.truncated.argmax())} is longer than the model reads: allow truncation")
