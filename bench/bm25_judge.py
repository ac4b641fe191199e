"""The expected results: every document scored by the formula in float64, for each library's own variant."""

from functools import cache

import numpy as np
from scipy.sparse import csc_array

from bench.bm25_peers import K1, B
from bench.race import Correctness
from bench.zipf import WORDS, ZipfCorpus
from refimpl.sparse.bm25 import VARIANTS
from refimpl.sparse.term_counts import count_matrix

VARIANT = {"tantivy": "lucene-lossy", "rank_bm25": "rank_bm25"}  # the others compute "lucene"
TOLERANCE = {"tantivy": 2e-3}  # relative; observed 2e-4, from its float32 ln(1 + x) for a term in nearly all documents


@cache
def _counts(corpus: ZipfCorpus) -> csc_array:
    return count_matrix(corpus.ids, corpus.lengths, WORDS).tocsc()


@cache
def _average_idf(corpus: ZipfCorpus) -> np.ndarray:
    df = np.diff(_counts(corpus).indptr)
    idf = np.zeros(WORDS)
    idf[df > 0] = VARIANTS["rank_bm25"].idf(df[df > 0], corpus.count, 0.25)
    return idf


def all_scores(corpus: ZipfCorpus, query: list[str], variant: str) -> np.ndarray:
    """The score of every document for `query`, words w0, w1, ..."""
    counts, formula = _counts(corpus), VARIANTS[variant]
    average = corpus.lengths.sum() / corpus.count
    scores = np.zeros(corpus.count)
    for word in query:
        column = int(word[1:])
        span = slice(counts.indptr[column], counts.indptr[column + 1])
        docs, tf = counts.indices[span], counts.data[span]
        if variant == "rank_bm25":
            idf = _average_idf(corpus)[column]
        else:
            idf = formula.idf(np.array([len(docs)]), corpus.count, 0.25)[0]
        scores[docs] += idf * formula.tf(tf, corpus.lengths[docs], float(average), K1, B, 0.0)
    return scores


def judged(name: str, ids: np.ndarray, scores: np.ndarray, queries: list[list[str]], corpus: ZipfCorpus) -> Correctness:
    """Check that each score is its document's, and that the scores are the k largest; ties in any order."""
    variant, worst = VARIANT.get(name, "lucene"), 0.0
    assert ids.shape == scores.shape == (len(queries), ids.shape[1]), f"got shapes {ids.shape} and {scores.shape}"
    allowed = TOLERANCE.get(name, 2e-5)
    for row, row_scores, query in zip(ids, scores, queries, strict=True):
        expected = all_scores(corpus, query, variant)
        best = -np.sort(-np.partition(expected, -len(row))[-len(row) :])
        hits = int((best > 0).sum())  # after them, some libraries return documents of score 0
        row, row_scores, best = row[:hits], row_scores[:hits], best[:hits]
        assert len(set(row.tolist())) == hits, "a document occurs twice"
        for true in (expected[row], best):
            error = float(np.abs(row_scores / true - 1).max(initial=0.0))
            assert error <= allowed, f"relative error {error:.2g} of a score for {query}, allowed {allowed:.0e}"
            worst = max(worst, error)
    return Correctness(
        f"top {ids.shape[1]} equal to exhaustive scoring ({variant}), scores within {worst:.1e}", recall=1.0
    )
