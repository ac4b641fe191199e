"""What a right answer is: every document scored by the formula itself, in float64, for each library's own variant."""

from functools import cache

import numpy as np
from scipy.sparse import csc_array

from bench.bm25_peers import K1, B
from bench.race import Verdict
from bench.zipf import WORDS, ZipfCorpus
from refimpl.sparse.bm25 import VARIANTS
from refimpl.sparse.corpus import count_matrix

VARIANT = {"tantivy": "lucene-lossy", "rank_bm25": "rank_bm25"}  # the others compute "lucene"
TOLERANCE = {"tantivy": 2e-3}  # relative. Observed 2e-4: its float32 ln(1 + x) of a term in nearly all documents


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


def judged(name: str, ids: np.ndarray, scores: np.ndarray, queries: list[list[str]], corpus: ZipfCorpus) -> Verdict:
    """Each score is its document's own, and the scores are the best there are; ties may fall to any of the tied."""
    variant, worst = VARIANT.get(name, "lucene"), 0.0
    assert ids.shape == scores.shape == (len(queries), ids.shape[1]), f"shape {ids.shape}"
    allowed = TOLERANCE.get(name, 2e-5)
    for row, found, query in zip(ids, scores, queries, strict=True):
        everything = all_scores(corpus, query, variant)
        best = -np.sort(-np.partition(everything, -len(row))[-len(row) :])
        hits = int((best > 0).sum())  # behind them, some fill up with documents that score 0
        row, found, best = row[:hits], found[:hits], best[:hits]
        assert len(set(row.tolist())) == hits, "a document twice"
        for true in (everything[row], best):
            apart = float(np.abs(found / true - 1).max(initial=0.0))
            assert apart <= allowed, f"a score is {apart:.2g} off for {query}, allowed {allowed:.0e}"
            worst = max(worst, apart)
    return Verdict(f"top {ids.shape[1]} as by scoring everything ({variant}), scores within {worst:.1e}", recall=1.0)
