"""The interface of embedding functions and rerankers: protocols, base classes and `RerankResult`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class EmbeddingFunction(Protocol):
    """Map texts to vectors, with pymilvus.model's method names.

    Dense functions return `float32 (texts, dim)`; sparse ones a canonical `scipy.sparse.csr_array (texts, dim)`.
    """

    @property
    def dim(self) -> int:
        """Number of columns of every vector."""
        ...

    def encode_documents(self, documents: Sequence[str]) -> Any:
        """Return one row per document, in input order."""
        ...

    def encode_queries(self, queries: Sequence[str]) -> Any:
        """Return one row per query, in input order."""
        ...


@dataclass(frozen=True)
class Usage:
    """Sums over a client's requests: responses, tokens that they state, and responses that state none."""

    requests: int = 0
    tokens: int = 0
    unstated: int = 0

    def plus(self, tokens: int | None) -> "Usage":
        """The sums with one more response."""
        unstated = self.unstated + (tokens is None)
        return replace(self, requests=self.requests + 1, tokens=self.tokens + (tokens or 0), unstated=unstated)

    def tokens_since(self, earlier: "Usage") -> int | None:
        """Tokens of the responses after `earlier`; None where one of them states none."""
        return self.tokens - earlier.tokens if self.unstated == earlier.unstated else None


@runtime_checkable
class Metered(Protocol):
    """A client of a provider that charges by token."""

    @property
    def usage(self) -> Usage:
        """Requests so far."""
        ...


class BaseEmbeddingFunction:
    """Base class of every embedding function, as in `pymilvus.model.base`; derive your own from it.

    Notes
    -----
    As in pymilvus.model, it has no constructor and a subclass may leave methods out. Calling one that was left out
    raises NotImplementedError; in pymilvus.model it returns None.

    Examples
    --------
    >>> import numpy as np
    >>> from refimpl import BaseEmbeddingFunction
    >>> class Lengths(BaseEmbeddingFunction):
    ...     def encode_queries(self, queries):
    ...         return np.array([[len(query)] for query in queries], dtype=np.float32)
    >>> Lengths().encode_queries(["red", "planet"]).tolist()
    [[3.0], [6.0]]
    """

    def __call__(self, texts: Sequence[str]) -> Any:
        """Return one vector per text, for texts that are neither documents nor queries, in input order."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def encode_queries(self, queries: Sequence[str]) -> Any:
        """Return one vector per query, in input order."""
        raise NotImplementedError(f"{type(self).__name__} does not define encode_queries")


@dataclass(frozen=True)
class RerankResult:
    """One document in a reranker's output.

    Parameters
    ----------
    text
        The document.
    score
        Its relevance to the query; higher is better. The range depends on the reranker.
    index
        Its index in the input, from 0.

    Examples
    --------
    >>> from refimpl import RerankResult
    >>> RerankResult("Mars is red.", score=0.5, index=3).to_dict()
    {'text': 'Mars is red.', 'score': 0.5, 'index': 3}
    """

    text: str
    score: float
    index: int

    def to_dict(self) -> dict[str, Any]:
        """Return the three fields as a dict."""
        return {"text": self.text, "score": self.score, "index": self.index}


@runtime_checkable
class RerankFunction(Protocol):
    """Rank candidate documents by their relevance to a query."""

    def __call__(self, query: str, documents: Sequence[str], top_k: int | None = 5) -> list[RerankResult]:
        """Return the best `top_k` by score descending, then index ascending; `top_k=None` returns all."""
        ...


@runtime_checkable
class PairScorer(Protocol):
    """A reranker whose score of a document does not depend on the other documents, such as a cross-encoder."""

    def score_pairs(self, queries: Sequence[str], documents: Sequence[str]) -> Any:
        """Return one score per pair `queries[i]`, `documents[i]`: float, shape (pairs,)."""
        ...


class BaseRerankFunction:
    """Base class of every reranker, as in `pymilvus.model.base`; derive your own from it.

    Examples
    --------
    >>> from refimpl import BaseRerankFunction, RerankResult
    >>> class Shortest(BaseRerankFunction):
    ...     def __call__(self, query, documents, top_k):
    ...         ranked = sorted((len(text), index, text) for index, text in enumerate(documents))
    ...         return [RerankResult(text, -float(length), index) for length, index, text in ranked[:top_k]]
    >>> Shortest()("planets", ["Jupiter", "Mars", "Venus"], top_k=1)
    [RerankResult(text='Mars', score=-4.0, index=1)]
    """

    def __call__(self, query: str, documents: Sequence[str], top_k: int) -> list[RerankResult]:
        """Return the best `top_k` documents, by score descending."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")
