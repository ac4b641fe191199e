"""What BM25 must know of a corpus: how many documents, how long, and in how many of them each term stands."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64

from refimpl.sparse.bm25.formulas import Idf, Variant
from refimpl.sparse.corpus import TermIds, count_matrix


def _no_terms() -> Int64[np.ndarray, " terms"]:
    return np.zeros(0, np.int64)


@dataclass
class CorpusStatistics:
    """Whole numbers only, so that counting in parts and merging give exactly what counting at once gives.

    `vocabulary` numbers the terms by first occurrence, `df (terms,)` counts the documents that hold each.
    """

    n_docs: int = 0
    n_empty: int = 0
    total_len: int = 0
    vocabulary: dict[str, int] = field(default_factory=dict)
    df: Int64[np.ndarray, " terms"] = field(default_factory=_no_terms)

    def add(self, docs: TermIds) -> None:
        """Count further documents."""
        counts = count_matrix(docs.ids, docs.lengths, len(docs.terms))
        df = np.bincount(counts.indices, minlength=len(docs.terms))
        self._add_terms(docs.terms, df)
        self.n_docs += len(docs.lengths)
        self.n_empty += int((docs.lengths == 0).sum())
        self.total_len += int(docs.lengths.sum())

    def merge(self, other: "CorpusStatistics") -> None:
        """Count the documents that `other` has counted, as if they came after our own."""
        self._add_terms(list(other.vocabulary), other.df)
        self.n_docs += other.n_docs
        self.n_empty += other.n_empty
        self.total_len += other.total_len

    def counted_docs(self, variant: Variant) -> int:
        """N as `variant` counts documents."""
        return self.n_docs if variant.counts_empty else self.n_docs - self.n_empty

    def avgdl(self, variant: Variant) -> float:
        """Average length in tokens of the documents that `variant` counts."""
        return self.total_len / self.counted_docs(variant)

    def idf(self, variant: Variant, epsilon: float) -> Idf:
        """Each term's idf in vocabulary order."""
        return variant.idf(self.df, self.counted_docs(variant), epsilon)

    def _add_terms(self, terms: list[str], df: Int64[np.ndarray, " more_terms"]) -> None:
        vocabulary = self.vocabulary
        numbers = np.array([vocabulary.setdefault(term, len(vocabulary)) for term in terms], np.int64)
        grown = np.zeros(len(vocabulary), np.int64)
        grown[: len(self.df)] = self.df
        grown[numbers] += df  # each term stands once in `terms`
        self.df = grown
