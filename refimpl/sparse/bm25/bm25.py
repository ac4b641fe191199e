"""BM25 as sparse vectors: tf weights for documents, idfs for queries; their inner product is the score."""

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from refimpl.base import BaseEmbeddingFunction
from refimpl.common.texts import check_texts
from refimpl.common.warning import warn
from refimpl.sparse.bm25.checks import BM25WeightWarning, check_count
from refimpl.sparse.bm25.formulas import VARIANTS, Idf
from refimpl.sparse.bm25.parameters import BM25Parameters, read_parameters, write_parameters
from refimpl.sparse.bm25.statistics import CorpusStatistics
from refimpl.sparse.bm25.weighting import Weighting
from refimpl.sparse.term_counts import Analyze, count_matrix, tokenize

MSMARCO_URL = "https://github.com/milvus-io/pymilvus-assets/releases/download/v0.1-bm25v1/bm25_msmarco_v1.json"


@dataclass(frozen=True)
class _Fitted:
    corpus_size: int
    avgdl: float
    vocabulary: dict[str, int]
    idf: Idf
    statistics: CorpusStatistics | None


class BM25EmbeddingFunction(BaseEmbeddingFunction):
    """BM25 weights as sparse vectors with one column per term; by default equal to pymilvus.model's to the last bit.

    Parameters
    ----------
    analyzer
        A function from a text to an iterable of its tokens; None is `build_default_analyzer("en")`.
    corpus
        Texts to `fit`, if any.
    k1
        Saturation of tf, at least 0.
    b
        Length normalisation, in [0, 1].
    epsilon
        At least 0; negative idfs are replaced by `epsilon` times the average idf (variants `pymilvus` and `rank_bm25`).
    num_workers
        Number of processes that tokenise, at least 1; above 1 the analyzer must be picklable by cloudpickle, as
        functions and lambdas are.
    variant
        A key of `VARIANTS`.
    delta
        The constant delta of BM25L and BM25+, at least 0; None is the published value.

    Raises
    ------
    TypeError, ValueError
        for parameters outside these ranges.

    Notes
    -----
    Sources: Robertson and Zaragoza 2009, and the papers cited by each function of `formulas.py`; the default is the
    formula of pymilvus.model 0.3.4.

    Examples
    --------
    >>> from refimpl import BM25EmbeddingFunction
    >>> bm25 = BM25EmbeddingFunction(str.split, ["the cat sat", "a dog", "a bird"], variant="lucene")
    >>> (bm25.encode_documents(["the cat"]) @ bm25.encode_queries(["cat"]).T).shape
    (1, 1)
    """

    def __init__(
        self,
        analyzer: Analyze | None = None,
        corpus: Sequence[str] | None = None,
        k1: float = 1.5,
        b: float = 0.75,
        epsilon: float = 0.25,
        num_workers: int = 1,
        *,
        variant: str = "pymilvus",
        delta: float | None = None,
    ) -> None:
        if analyzer is not None and not callable(analyzer):
            raise TypeError(f"analyzer must be callable, from a text to tokens; got {type(analyzer).__name__}")
        weighting = Weighting.checked(variant, k1, b, epsilon, delta)
        self.variant = weighting.variant.name
        self.k1, self.b, self.epsilon, self.delta = weighting.k1, weighting.b, weighting.epsilon, weighting.delta
        self.num_workers = check_count(num_workers, "num_workers")
        self.analyzer = _default_analyzer() if analyzer is None else analyzer
        self._fitted: _Fitted | None = None
        if corpus is not None:
            self.fit(corpus)

    def fit(self, corpus: Sequence[str]) -> "BM25EmbeddingFunction":
        """Compute N, average length, vocabulary and idfs of `corpus`; those of an earlier fit are dropped.

        Terms are numbered by first occurrence. Raises ValueError if `corpus` is empty or none of its texts has a token.
        """
        self._fitted = self._with_idf(self.count(corpus))
        return self

    def count(self, corpus: Sequence[str]) -> CorpusStatistics:
        """Count the terms of `corpus`, a part of a collection, without changing this function; see `fit_counts`."""
        statistics = CorpusStatistics()
        self._count(statistics, corpus)
        return statistics

    def fit_counts(self, statistics: CorpusStatistics) -> "BM25EmbeddingFunction":
        """Fit to counted texts: the result is exactly that of `fit` where they were counted, or merged, in order."""
        self._fitted = self._with_idf(statistics)
        return self

    def fit_parts(self, parts: Iterable[Sequence[str]]) -> "BM25EmbeddingFunction":
        """Fit the texts of all parts, one part in memory at a time: the result is exactly that of one `fit`.

        Raises ValueError as `fit`.
        """
        statistics = CorpusStatistics()
        for part in parts:
            self._count(statistics, part)
        self._fitted = self._with_idf(statistics)
        return self

    def partial_fit(self, corpus: Sequence[str]) -> "BM25EmbeddingFunction":
        """Add `corpus` to the fitted texts: the result is exactly that of one `fit` on all texts in this order."""
        statistics = CorpusStatistics()
        if self._fitted is not None:
            statistics.merge(self._statistics())
        self._count(statistics, corpus)
        self._fitted = self._with_idf(statistics)
        return self

    def merge(self, other: "BM25EmbeddingFunction") -> "BM25EmbeddingFunction":
        """Add the statistics of `other`: the result is exactly that of one `fit` on these texts followed by its texts.

        Raises ValueError if the analyzers differ, or if one of the two was loaded from a file of pymilvus.model, which
        stores no document frequencies.
        """
        if not isinstance(other, BM25EmbeddingFunction):
            raise TypeError(f"merge needs another BM25EmbeddingFunction, got {type(other).__name__}")
        fingerprints = _fingerprint(self.analyzer), _fingerprint(other.analyzer)
        if fingerprints[0] != fingerprints[1]:
            raise ValueError(f"analyzers differ ({' and '.join(map(str, fingerprints))}): fit both with the same one")
        statistics = CorpusStatistics()
        if self._fitted is not None:
            statistics.merge(self._statistics())
        statistics.merge(other._statistics())
        self._fitted = self._with_idf(statistics)
        return self

    @property
    def dim(self) -> int:
        """Number of columns, one per term; 0 before `fit`."""
        return len(self._fitted.vocabulary) if self._fitted is not None else 0

    @property
    def corpus_size(self) -> int:
        """N, the number of documents from which the idfs are computed; 0 before `fit`."""
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
        """The tf weights of each document's terms: canonical `float32 (documents, dim)`.

        Tokens outside the fitted vocabulary have no column but count in the document's length.
        """
        fitted = self._require_fitted()
        docs = tokenize(check_texts(documents, "documents"), self.analyzer, self.num_workers)
        counts = count_matrix(docs.renumbered(fitted.vocabulary), docs.lengths, len(fitted.vocabulary))
        doc_len = np.repeat(docs.lengths, np.diff(counts.indptr))
        tf = VARIANTS[self.variant].tf
        weights = tf(counts.data, doc_len, fitted.avgdl, self.k1, self.b, self.delta)
        return _as_float32(csr_array((weights, counts.indices, counts.indptr), shape=counts.shape))

    def encode_queries(self, queries: Sequence[str]) -> csr_array:
        """The idf of each query's terms times their count in the query: canonical `float32 (queries, dim)`."""
        fitted = self._require_fitted()
        texts = tokenize(check_texts(queries, "queries"), self.analyzer, self.num_workers)
        ids = texts.renumbered(fitted.vocabulary)
        query = np.repeat(np.arange(len(texts.lengths)), texts.lengths)[ids >= 0]
        ids = ids[ids >= 0]
        indptr = np.searchsorted(query, np.arange(len(texts.lengths) + 1))
        weights = csr_array((fitted.idf[ids], ids, indptr), shape=(len(texts.lengths), len(fitted.vocabulary)))
        weights.sum_duplicates()  # in float64 and in order, as pymilvus.model's conversion does
        return _as_float32(weights)

    def __call__(self, texts: Sequence[str]) -> csr_array:
        """Not defined for BM25, whose documents and queries have different weights: raises TypeError."""
        raise TypeError("BM25 weights documents and queries differently: call encode_documents or encode_queries")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the parameters and statistics as JSON that pymilvus.model loads too.

        The write is atomic. Raises ValueError before `fit`, OSError if the file cannot be written.
        """
        fitted = self._require_fitted()
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
        """Read everything but the analyzer from a file written by `save`, here or in pymilvus.model.

        `path` None is `bm25_msmarco_v1.json` in the working folder; pymilvus.model downloads it, this method does not.
        Warns if the file was written with another analyzer. Raises FileNotFoundError, or BM25FileError for a file that
        is damaged or of another format or version; this object is then unchanged.
        """
        if path is None:
            path = MSMARCO_URL.rpartition("/")[2]
            if not os.path.exists(path):
                raise FileNotFoundError(
                    f"{path} is not in the working folder: download it from {MSMARCO_URL}, or give a path"
                )
        loaded = read_parameters(path)
        actual = _fingerprint(self.analyzer)
        if loaded.analyzer_fingerprint is not None and loaded.analyzer_fingerprint != actual:
            warnings.warn(
                f"{path} was written with {loaded.analyzer_fingerprint}, this analyzer is {actual}; terms may not "
                "match. Build this function with that analyzer, or fit again",
                stacklevel=2,
            )
        self.k1, self.b, self.epsilon, self.delta = loaded.k1, loaded.b, loaded.epsilon, loaded.delta
        self.variant = loaded.variant
        self._fitted = _Fitted(loaded.corpus_size, loaded.avgdl, loaded.vocabulary, loaded.idf, loaded.statistics)
        return self

    def _count(self, statistics: CorpusStatistics, corpus: Sequence[str]) -> None:
        statistics.add(tokenize(check_texts(corpus, "corpus"), self.analyzer, self.num_workers))

    def _with_idf(self, statistics: CorpusStatistics) -> _Fitted:
        if not statistics.vocabulary:
            raise ValueError(
                f"the corpus has no term: {statistics.n_docs} documents, none with a token after analysis. "
                "Give documents that are more than stop words and punctuation"
            )
        variant = VARIANTS[self.variant]
        idf = statistics.idf(variant, self.epsilon)
        _warn_of_non_positive_idfs(idf, list(statistics.vocabulary), self.variant)
        return _Fitted(
            statistics.counted_docs(variant), statistics.avgdl(variant), statistics.vocabulary, idf, statistics
        )

    def _require_fitted(self) -> _Fitted:
        if self._fitted is None:
            raise ValueError("BM25EmbeddingFunction is not fitted: call fit(corpus) or load(path) first")
        return self._fitted

    def _statistics(self) -> CorpusStatistics:
        statistics = self._require_fitted().statistics
        if statistics is None:
            raise ValueError("the loaded file has no document frequencies, as pymilvus.model stores none: fit again")
        return statistics


def _default_analyzer() -> Analyze:
    from refimpl.sparse.analyzers import build_default_analyzer

    return build_default_analyzer("en")


def _fingerprint(analyzer: Analyze) -> str | None:
    """The analyzer's fingerprint; None for a callable that has none."""
    fingerprint = getattr(analyzer, "fingerprint", None)
    return fingerprint if isinstance(fingerprint, str) else None


def _as_float32(weights: csr_array) -> csr_array:
    converted = weights.astype(np.float32)
    converted.eliminate_zeros()
    return converted


def _warn_of_non_positive_idfs(idf: Idf, terms: list[str], variant: str) -> None:
    """Warn, once per fit, of negative idfs, which Milvus rejects, and of zeros, which match nothing."""
    negative, zero = np.flatnonzero(idf < 0), np.flatnonzero(idf == 0)
    if not len(negative) and not len(zero):
        return
    counts = []
    if len(negative):
        example = f"{terms[negative[0]]!r}: {idf[negative[0]]:.4g}"
        counts.append(f"{len(negative)} of {len(idf)} terms have a negative idf ({example}), which Milvus rejects")
    if len(zero):
        counts.append(f"{len(zero)} of {len(idf)} terms have an idf of zero ({terms[zero[0]]!r}) and match nothing")
    text = f"variant {variant!r}: {'; '.join(counts)}. variant='lucene' has neither"
    warn(text, BM25WeightWarning, stacklevel=4)
