"""BM25 as sparse vectors: a document's tf weights, a query's idfs, and their inner product is the score."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from refimpl.base import check_texts
from refimpl.sparse.bm25.checks import BM25WeightWarning, check_count, check_number, check_variant
from refimpl.sparse.bm25.formulas import VARIANTS, Idf
from refimpl.sparse.bm25.parameters import BM25Parameters, read_parameters, write_parameters
from refimpl.sparse.bm25.statistics import CorpusStatistics
from refimpl.sparse.corpus import Analyze, count_matrix, tokenize

MSMARCO = "https://github.com/milvus-io/pymilvus-assets/releases/download/v0.1-bm25v1/bm25_msmarco_v1.json"


@dataclass(frozen=True)
class _Fitted:
    corpus_size: int
    avgdl: float
    vocabulary: dict[str, int]
    idf: Idf
    statistics: CorpusStatistics | None


class BM25EmbeddingFunction:
    """BM25 weights as sparse vectors, one column a term; by default pymilvus.model's to the last bit.

    `analyzer` turns a text into tokens (None: `build_default_analyzer("en")`); `corpus`, when given, is fitted at once.
    `k1` >= 0, `b` in [0, 1]; `epsilon` >= 0 scales the floor under negative idfs (variants `pymilvus` and `rank_bm25`
    only). `num_workers` processes tokenise. `variant` is a key of `VARIANTS`; `delta` >= 0 that of BM25L and BM25+
    (None: the published one). Source: [RZ] and the others named in `formulas.py`; the default is pymilvus.model 0.3.4's
    formula.

    Raises TypeError or ValueError for parameters outside these ranges.
    """

    def __init__(
        self,
        analyzer: Analyze | None = None,
        corpus: Sequence[str] | None = None,
        k1: float = 1.5,
        b: float = 0.75,
        epsilon: float = 0.25,
        num_workers: int = 1,
        variant: str = "pymilvus",
        delta: float | None = None,
    ) -> None:
        if analyzer is not None and not callable(analyzer):
            raise TypeError(f"analyzer must be callable, from a text to tokens; got {type(analyzer).__name__}")
        self.variant = check_variant(variant).name
        self.k1 = check_number(k1, "k1")
        self.b = check_number(b, "b", most=1.0)
        self.epsilon = check_number(epsilon, "epsilon")
        self.delta = VARIANTS[self.variant].delta if delta is None else check_number(delta, "delta")
        self.num_workers = check_count(num_workers, "num_workers")
        self.analyzer = _default_analyzer() if analyzer is None else analyzer
        self._fitted: _Fitted | None = None
        if corpus is not None:
            self.fit(corpus)

    def fit(self, corpus: Sequence[str]) -> "BM25EmbeddingFunction":
        """Forget what was fitted, and take N, average length, vocabulary and idfs from `corpus`.

        Raises ValueError when `corpus` is empty or no text of it has a token. Terms are numbered by first occurrence.
        """
        statistics = CorpusStatistics()
        self._count(statistics, corpus)
        self._fitted = self._weighed(statistics)
        return self

    def partial_fit(self, corpus: Sequence[str]) -> "BM25EmbeddingFunction":
        """Add `corpus` to what was fitted: the outcome is exactly that of one `fit` on all texts in this order."""
        statistics = CorpusStatistics()
        if self._fitted is not None:
            statistics.merge(self._statistics())
        self._count(statistics, corpus)
        self._fitted = self._weighed(statistics)
        return self

    def merge(self, other: "BM25EmbeddingFunction") -> "BM25EmbeddingFunction":
        """Add the statistics of `other`: the outcome is exactly that of one `fit` on our texts and then its texts.

        Raises ValueError when the two were made with different analyzers, or one of them was loaded from a file by
        pymilvus.model, which keeps no document frequencies.
        """
        if not isinstance(other, BM25EmbeddingFunction):
            raise TypeError(f"merge needs another BM25EmbeddingFunction, got {type(other).__name__}")
        ours, theirs = _fingerprint(self.analyzer), _fingerprint(other.analyzer)
        if ours != theirs:
            raise ValueError(f"analyzers differ ({ours} and {theirs}): fit both with the same one")
        statistics = CorpusStatistics()
        if self._fitted is not None:
            statistics.merge(self._statistics())
        statistics.merge(other._statistics())
        self._fitted = self._weighed(statistics)
        return self

    @property
    def dim(self) -> int:
        """Number of columns, one a term; 0 before `fit`."""
        return len(self._fitted.vocabulary) if self._fitted is not None else 0

    @property
    def corpus_size(self) -> int:
        """Number of documents that the idfs count; 0 before `fit`."""
        return self._fitted.corpus_size if self._fitted is not None else 0

    @property
    def avgdl(self) -> float:
        """Average document length in tokens; 0 before `fit`."""
        return self._fitted.avgdl if self._fitted is not None else 0.0

    @property
    def idf(self) -> dict[str, list[Any]]:
        """Each term's `[idf, column]`, in column order; empty before `fit`."""
        if self._fitted is None:
            return {}
        return {
            term: [value, i]
            for i, (term, value) in enumerate(zip(self._fitted.vocabulary, self._fitted.idf.tolist(), strict=True))
        }

    def encode_documents(self, documents: Sequence[str]) -> csr_array:
        """The tf weights of each document's known terms: canonical `float32 (documents, dim)`.

        Tokens outside the fitted vocabulary have no column but count in the document's length.
        """
        fitted = self._ready()
        docs = tokenize(check_texts(documents, "documents"), self.analyzer, self.num_workers)
        counts = count_matrix(docs.renumbered(fitted.vocabulary), docs.lengths, len(fitted.vocabulary))
        doc_len = np.repeat(docs.lengths, np.diff(counts.indptr))
        weigh = VARIANTS[self.variant].tf
        weights = weigh(counts.data, doc_len, fitted.avgdl, self.k1, self.b, self.delta)
        return _as_float32(csr_array((weights, counts.indices, counts.indptr), shape=counts.shape))

    def encode_queries(self, queries: Sequence[str]) -> csr_array:
        """The idf of each query's known terms, as often as the query has it: canonical `float32 (queries, dim)`."""
        fitted = self._ready()
        texts = tokenize(check_texts(queries, "queries"), self.analyzer, self.num_workers)
        ids = texts.renumbered(fitted.vocabulary)
        query = np.repeat(np.arange(len(texts.lengths)), texts.lengths)[ids >= 0]
        ids = ids[ids >= 0]
        indptr = np.searchsorted(query, np.arange(len(texts.lengths) + 1))
        weights = csr_array((fitted.idf[ids], ids, indptr), shape=(len(texts.lengths), len(fitted.vocabulary)))
        weights.sum_duplicates()  # in float64, one after the other, as pymilvus.model's conversion does
        return _as_float32(weights)

    def __call__(self, texts: Sequence[str]) -> csr_array:
        """Not defined for BM25, whose documents and queries are weighed differently: raises TypeError."""
        raise TypeError("BM25 weighs documents and queries differently: call encode_documents or encode_queries")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted numbers as JSON that pymilvus.model loads too; killed at any instant, an old file is whole.

        Raises ValueError before `fit`, OSError where the file cannot be written.
        """
        fitted = self._ready()
        write_parameters(
            path,
            BM25Parameters(
                corpus_size=fitted.corpus_size,
                avgdl=fitted.avgdl,
                vocabulary=fitted.vocabulary,
                idf=fitted.idf,
                k1=self.k1,
                b=self.b,
                epsilon=self.epsilon,
                delta=self.delta,
                variant=self.variant,
                statistics=fitted.statistics,
                analyzer_fingerprint=_fingerprint(self.analyzer),
            ),
        )

    def load(self, path: str | os.PathLike[str] | None = None) -> "BM25EmbeddingFunction":
        """Take everything but the analyzer from a file that `save` here or in pymilvus.model wrote.

        None: `bm25_msmarco_v1.json` in the working folder, which pymilvus.model downloads there and this does not.
        Warns when the file was made with another analyzer. Raises FileNotFoundError, or BM25FileError for a file that
        is damaged, foreign or of another version; this object then stays as it was.
        """
        if path is None:
            path = MSMARCO.rpartition("/")[2]
            if not os.path.exists(path):
                raise FileNotFoundError(
                    f"{path} is not in the working folder: download it from {MSMARCO}, or give a path"
                )
        loaded = read_parameters(path)
        ours = _fingerprint(self.analyzer)
        if loaded.analyzer_fingerprint is not None and loaded.analyzer_fingerprint != ours:
            warnings.warn(
                f"{path} was made with {loaded.analyzer_fingerprint}, this one is {ours}; terms may not match. "
                "Build this function with that analyzer, or fit again",
                stacklevel=2,
            )
        self.k1, self.b, self.epsilon, self.delta = loaded.k1, loaded.b, loaded.epsilon, loaded.delta
        self.variant = loaded.variant
        self._fitted = _Fitted(loaded.corpus_size, loaded.avgdl, loaded.vocabulary, loaded.idf, loaded.statistics)
        return self

    def _count(self, statistics: CorpusStatistics, corpus: Sequence[str]) -> None:
        statistics.add(tokenize(check_texts(corpus, "corpus"), self.analyzer, self.num_workers))

    def _weighed(self, statistics: CorpusStatistics) -> _Fitted:
        if not statistics.vocabulary:
            raise ValueError(
                f"the corpus has no term: {statistics.n_docs} documents, none with a token after analysis. "
                "Give documents that are more than stop words and punctuation"
            )
        variant = VARIANTS[self.variant]
        idf = statistics.idf(variant, self.epsilon)
        _warn_of_weightless(idf, list(statistics.vocabulary), self.variant)
        return _Fitted(
            statistics.counted_docs(variant), statistics.avgdl(variant), statistics.vocabulary, idf, statistics
        )

    def _ready(self) -> _Fitted:
        if self._fitted is None:
            raise ValueError("BM25EmbeddingFunction is not fitted: call fit(corpus) or load(path) first")
        return self._fitted

    def _statistics(self) -> CorpusStatistics:
        statistics = self._ready().statistics
        if statistics is None:
            raise ValueError("the loaded file keeps no document frequencies, as pymilvus.model writes it: fit anew")
        return statistics


def _default_analyzer() -> Analyze:
    from refimpl.sparse.analyzers import build_default_analyzer

    return build_default_analyzer("en")


def _fingerprint(analyzer: Analyze) -> str | None:
    """The analyzer's fingerprint; None for a callable that has none."""
    found = getattr(analyzer, "fingerprint", None)
    return found if isinstance(found, str) else None


def _as_float32(weights: csr_array) -> csr_array:
    narrow = weights.astype(np.float32)
    narrow.eliminate_zeros()
    return narrow


def _warn_of_weightless(idf: Idf, terms: list[str], variant: str) -> None:
    """Tell of idfs of zero and below, once a fit: Milvus rejects negative sparse values, and zeros find nothing."""
    negative, zero = np.flatnonzero(idf < 0), np.flatnonzero(idf == 0)
    if not len(negative) and not len(zero):
        return
    found = []
    if len(negative):
        example = f"{terms[negative[0]]!r}: {idf[negative[0]]:.4g}"
        found.append(f"{len(negative)} of {len(idf)} terms have a negative idf ({example}), which Milvus rejects")
    if len(zero):
        found.append(f"{len(zero)} of {len(idf)} terms have an idf of zero ({terms[zero[0]]!r}) and find nothing")
    text = f"variant {variant!r}: {'; '.join(found)}. variant='lucene' has none of either"
    warnings.warn(text, BM25WeightWarning, stacklevel=4)
