"""MaxSim: late interaction between the token vectors of a sentence encoder."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from refimpl import models
from refimpl.bert.encoder import Encoder
from refimpl.bert.heads import l2_normalize
from refimpl.bert.own_heads import read_encoder_folder
from refimpl.bert.weights import BertWeights
from refimpl.common.texts import check_texts
from refimpl.common.types import Array
from refimpl.reranker.local import LocalRerankFunction, rows_by_text
from refimpl.tokens import Tokenizer, Tokens

TokenVectors = Float[Array, "_ hidden"]
"""One text's hidden states, one row per token; texts differ in length, so the axis has no name."""


class MaxSimRerankFunction(LocalRerankFunction):
    """Reranker that scores documents by cosine and MaxSim of all-MiniLM-L6-v2's token vectors; scores in [-1, 1].

    Parameters
    ----------
    model_path
        A folder of a model with mean pooling, its default prompt included; by default all-MiniLM-L6-v2, see
        `refimpl.models.path`.
    dtype
        "float32" computes with the packed forward; "float64" with the textbook forward, the reference.
    max_length
        Tokens per text, [CLS] and [SEP] included; by default the folder's, 256 for all-MiniLM-L6-v2. Longer texts are
        truncated.
    cosine_weight
        Weight of the cosine, in [0, 1].
    batch_size
        Texts per forward pass.
    num_workers
        Threads of the float32 forward; by default the cores that this process may use.

    Raises
    ------
    FileNotFoundError
        If a file of the model folder is missing.
    WeightsError
        If the folder's modules, settings or weights are not supported, as those of late-interaction models (ColBERT).
    ValueError
        If an argument is out of range.

    Notes
    -----
    score = w cos(mean(q), mean(d)) + (1 - w) MaxSim(q, d), with w = `cosine_weight`. MaxSim is the mean over the
    query's tokens of each one's maximum cosine with a document token, without [CLS] and [SEP]; Khattab and Zaharia
    2020, section 3.3, have the sum, and a model trained for it. all-MiniLM-L6-v2 is trained for the mean of its token
    vectors alone. Measured on Cranfield in docs/rerankers.md.

    Examples
    --------
    >>> from refimpl import MaxSimRerankFunction
    >>> rerank = MaxSimRerankFunction()
    >>> documents = ["Venus is similar to Earth in size.", "Mars is the Red Planet.", "Jupiter"]
    >>> [result.index for result in rerank("Which planet is red?", documents, top_k=1)]
    [1]
    """

    MODEL: ClassVar[str] = "model_path"
    gives_logits = False

    def __init__(
        self,
        model_path: str | Path | None = None,
        *,
        dtype: str = "float32",
        max_length: int | None = None,
        cosine_weight: float = 0.25,
        batch_size: int = 32,
        num_workers: int | None = None,
    ) -> None:
        if not 0.0 <= cosine_weight <= 1.0:
            raise ValueError(f"cosine_weight must lie in [0, 1], got {cosine_weight!r}")
        folder = self._read_from(models.path("all-MiniLM-L6-v2") if model_path is None else Path(model_path))
        files = read_encoder_folder(folder, pooling="mean")
        self.weights = BertWeights.load(files.folder, dtype)
        positions = self.weights.config.longest_text
        self.tokenizer = Tokenizer(files.folder, max_length, positions=positions, lowercase=files.lowercase)
        self.prompt = files.prompt
        self.cosine_weight = cosine_weight
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)

    def scores(self, query: str, documents: Sequence[str]) -> Float[Array, "documents"]:
        """Return one score per document, in input order and the dtype of the weights."""
        return self.raw_scores(self.tokens(query, documents))

    def score_pairs(self, queries: Sequence[str], documents: Sequence[str]) -> Float[Array, "pairs"]:
        """Return one score per pair `queries[i]`, `documents[i]`; each distinct text is encoded once."""
        scores = np.empty(len(queries))
        distinct = list(rows_by_text(queries))
        query_vectors = dict(zip(distinct, self.encode(distinct), strict=True))
        rows_of = rows_by_text(documents)
        tokens = self.tokenizer([self.prompt + text for text in rows_of])
        index, inverse = tokens.distinct()
        texts_of: list[list[str]] = [[] for _ in index]
        for text, number in zip(rows_of, inverse.tolist(), strict=True):
            texts_of[number].append(text)
        for numbers, vectors in self.encoder.map(tokens.select(index), _split):
            for number, document in zip(numbers.tolist(), vectors, strict=True):
                for row in [row for text in texts_of[number] for row in rows_of[text]]:
                    scores[row] = self.similarity(query_vectors[queries[row]], document)
        return scores

    def tokens(self, query: str, documents: Sequence[str]) -> Tokens:
        """Return the token ids of the query and then of the documents."""
        return self.tokenizer([self.prompt + text for text in (query, *documents)])

    def raw_scores(self, tokens: Tokens) -> Float[Array, "documents"]:
        """Return the scores of all texts after the first, the query; equal texts have equal scores, to the last bit."""
        query = next(self.encoder.map(tokens.select(np.array([0])), _split))[1][0]
        documents = tokens.select(np.arange(1, len(tokens)))
        index, inverse = documents.distinct()
        scores = np.empty(len(index), dtype=self.weights.dtype)
        for rows, texts in self.encoder.map(documents.select(index), _split):
            scores[rows] = [self.similarity(query, vectors) for vectors in texts]
        return scores[inverse]

    def encode(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Return each text's token vectors, [CLS] and [SEP] included, as arguments of `similarity`."""
        tokens = self.tokenizer([self.prompt + text for text in check_texts(texts, "texts")])
        encoded = dict[int, TokenVectors]()
        for rows, vectors in self.encoder.map(tokens, _split):
            encoded.update(zip(rows.tolist(), vectors, strict=True))
        return [encoded[index] for index in range(len(tokens))]

    def similarity(self, query: TokenVectors, document: TokenVectors) -> float:
        """Return the score of a document from its token vectors and the query's."""
        cosine = float(l2_normalize(query.mean(axis=0)) @ l2_normalize(document.mean(axis=0)))
        maximum_similarity = max_sim(l2_normalize(query[1:-1]), l2_normalize(document[1:-1]))
        return self.cosine_weight * cosine + (1.0 - self.cosine_weight) * maximum_similarity


def max_sim(query: TokenVectors, document: TokenVectors) -> float:
    """Return the mean over query rows of the maximum dot product with a document row; 0 if either has no rows."""
    if not len(query) or not len(document):
        return 0.0
    return float((query @ document.T).max(axis=1).mean())


def _split(states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"]) -> list[TokenVectors]:
    return np.split(states, np.cumsum(lengths)[:-1])
