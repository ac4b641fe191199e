"""A corpus's statistics for BM25: number of documents, total length, and each term's document frequency."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64

from refimpl.sparse.bm25.formulas import Idf, Variant
from refimpl.sparse.term_counts import TermIds, count_matrix


def _no_terms() -> Int64[np.ndarray, " terms"]:
    return np.zeros(0, np.int64)


@dataclass
class CorpusStatistics:
    """Integer counts, so that counting in parts and merging equals counting at once exactly.

    `vocabulary` numbers the terms by first occurrence, `df (terms,)` is the number of documents that contain each.
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
        """Add the counts of `other`, as if its documents followed these."""
        self._add_terms(list(other.vocabulary), other.df)
        self.n_docs += other.n_docs
        self.n_empty += other.n_empty
        self.total_len += other.total_len

    def counted_docs(self, variant: Variant) -> int:
        """N by `variant`: with or without empty documents."""
        return self.n_docs if variant.counts_empty else self.n_docs - self.n_empty

    def avgdl(self, variant: Variant) -> float:
        """Average length, in tokens, of the `counted_docs`."""
        return self.total_len / self.counted_docs(variant)

    def idf(self, variant: Variant, epsilon: float) -> Idf:
        """The idf of each term, in vocabulary order."""
        return variant.idf(self.df, self.counted_docs(variant), epsilon)

    def _add_terms(self, terms: list[str], df: Int64[np.ndarray, " more_terms"]) -> None:
        vocabulary = self.vocabulary
        ids = np.array([vocabulary.setdefault(term, len(vocabulary)) for term in terms], np.int64)
        total_df = np.zeros(len(vocabulary), np.int64)
        total_df[: len(self.df)] = self.df
        total_df[ids] += df  # `terms` are distinct
        self.df = total_df
