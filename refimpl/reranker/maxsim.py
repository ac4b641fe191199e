"""Late interaction over a sentence encoder's token vectors: a reranker that needs no weights of its own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from refimpl import models
from refimpl.base import RerankResult
from refimpl.bert.encoder import Encoder
from refimpl.bert.heads import l2_normalize
from refimpl.bert.weights import BertWeights
from refimpl.reranker.ranking import check_request, ranked
from refimpl.tokens import Tokenizer, Tokens

Array = np.ndarray
TokenVectors = Float[Array, "_ hidden"]
"""One text's hidden states, one row a token; texts differ in length, so the axis has no name."""


class MaxSimRerankFunction:
    """Scores a document by `cosine_weight` cos(mean query, mean document) + (1 - `cosine_weight`) MaxSim.

    MaxSim is the mean over the query's tokens of each one's greatest cosine with a document token, [CLS] and [SEP] left
    out on both sides (Khattab and Zaharia 2020, section 3.3, there a sum over a model trained for it). The token
    vectors are the last hidden states of all-MiniLM-L6-v2, which was trained for their mean alone. Scores lie in
    [-1, 1]. `docs/rerankers.md` says what it is worth, measured.
    """

    gives_logits = False

    def __init__(
        self,
        model_path: str | Path | None = None,
        *,
        dtype: str = "float32",
        max_length: int = 256,
        cosine_weight: float = 0.25,
        batch_size: int = 32,
        num_workers: int | None = None,
    ) -> None:
        if not 0.0 <= cosine_weight <= 1.0:
            raise ValueError(f"cosine_weight must lie in [0, 1], got {cosine_weight!r}")
        folder = models.path("all-MiniLM-L6-v2") if model_path is None else Path(model_path)
        self.weights = BertWeights.load(folder, dtype)
        if max_length > self.weights.config.longest_text:
            longest = self.weights.config.longest_text
            raise ValueError(f"max_length must be at most {longest}, the model's positions, got {max_length}")
        self.tokenizer = Tokenizer(folder, max_length)
        self.cosine_weight = cosine_weight
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)

    def __call__(self, query: str, documents: Sequence[str], top_k: int | None = 5) -> list[RerankResult]:
        """The best `top_k` documents, best first; ValueError or TypeError for a wrong request."""
        query, texts, wanted = check_request(query, documents, top_k)
        return ranked(self.scores(query, texts).tolist(), texts, wanted)

    def scores(self, query: str, documents: Sequence[str]) -> Float[Array, "documents"]:
        """One score a document, in input order, in the dtype of the weights."""
        return self.raw_scores(self.tokens(query, documents))

    def tokens(self, query: str, documents: Sequence[str]) -> Tokens:
        """The query and then the documents, as the model reads them."""
        return self.tokenizer([query, *documents])

    def raw_scores(self, tokens: Tokens) -> Float[Array, "documents"]:
        """The score of each text after the first, which is the query; equal texts have equal ones, to the last bit."""
        query = next(self.encoder.map(tokens.select(np.array([0])), _split))[1][0]
        documents = tokens.select(np.arange(1, len(tokens)))
        first, place = documents.distinct()
        scores = np.empty(len(first), dtype=self.weights.dtype)
        for rows, texts in self.encoder.map(documents.select(first), _split):
            scores[rows] = [self.similarity(query, vectors) for vectors in texts]
        return scores[place]

    def encode(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Each text's token vectors, [CLS] and [SEP] included, to be kept and compared by `similarity` later."""
        tokens = self.tokenizer(texts)
        encoded = dict[int, TokenVectors]()
        for rows, vectors in self.encoder.map(tokens, _split):
            encoded.update(zip(rows.tolist(), vectors, strict=True))
        return [encoded[index] for index in range(len(tokens))]

    def similarity(self, query: TokenVectors, document: TokenVectors) -> float:
        """The score of a document by its token vectors and the query's."""
        cosine = float(l2_normalize(query.mean(axis=0)) @ l2_normalize(document.mean(axis=0)))
        late = max_sim(l2_normalize(query[1:-1]), l2_normalize(document[1:-1]))
        return self.cosine_weight * cosine + (1.0 - self.cosine_weight) * late


def max_sim(query: TokenVectors, document: TokenVectors) -> float:
    """Mean over query rows of the greatest dot product with a document row; 0 when either has no rows."""
    if not len(query) or not len(document):
        return 0.0
    return float((query @ document.T).max(axis=1).mean())


def _split(states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"]) -> list[TokenVectors]:
    return np.split(states, np.cumsum(lengths)[:-1])
