"""BM25's published variants: one function per idf and per tf formula, and a table of the variants that combine them.

A document's score is the sum over the query's terms, repeated ones counted each time, of `idf(term) * tf(term,
document)` for the terms that the document contains. Where a variant has a value even for an absent term (BM25L, BM25+),
the papers sum over the terms present, and so does this module; `docs/bm25-variants.md` lists libraries that differ.
The explainer page has the same functions, under the same names, in `explain/templates/numbers.js`.

Sources: [RZ] Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009. [T] Trotman, Jia and Crane, Towards
an Efficient and Effective Search Engine, 2012. [LZ] Lv and Zhai, When Documents Are Very Long, BM25 Fails!, SIGIR 2011
(BM25L), and Lower-Bounding Term Frequency Normalization, CIKM 2011 (BM25+). [K] Kamphuis, de Vries, Boytsov and Lin,
Which BM25 Do You Mean?, ECIR 2020, table 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from refimpl.sparse.bm25.lengths import lossy_lengths

Df = Int[np.ndarray, " terms"]
Idf = Float64[np.ndarray, " terms"]
Tf = Int[np.ndarray, "*shape"] | Float[np.ndarray, "*shape"]
Weight = Float64[np.ndarray, "*shape"]


def idf_robertson(df: Df, n_docs: int, epsilon: float = 0.0) -> Idf:
    """Robertson's idf, ln((N - df + 0.5) / (df + 0.5)): negative for a term in more than half of the documents.

    `epsilon` is not used. [RZ] equation 3.3; [K] table 1, row 1.
    """
    return _by_df(df, lambda f: math.log(n_docs - f + 0.5) - math.log(f + 0.5))


def idf_floored(df: Df, n_docs: int, epsilon: float = 0.25) -> Idf:
    """Robertson's idf, where each negative one is replaced by `epsilon` times the average of all (unreplaced) idfs.

    The average may itself be negative, and then the "floor" is. As rank_bm25's BM25Okapi and pymilvus.model compute it,
    summed in vocabulary order.
    """
    idf = idf_robertson(df, n_docs)
    if len(idf) == 0:
        return idf
    average = float(np.cumsum(idf)[-1]) / len(idf)  # cumsum adds one by one, as their loop does; np.sum adds in pairs
    return np.where(idf < 0, epsilon * average, idf)


def idf_atire(df: Df, n_docs: int, epsilon: float = 0.0) -> Idf:
    """ATIRE's idf, ln(N / df): zero for a term in all documents; `epsilon` is not used. [T] equation 3."""
    return _by_df(df, lambda f: math.log(n_docs / f))


def idf_bm25l(df: Df, n_docs: int, epsilon: float = 0.0) -> Idf:
    """BM25L's idf, ln((N + 1) / (df + 0.5)), always positive; `epsilon` is not used. [LZ] SIGIR, section 2."""
    return _by_df(df, lambda f: math.log((n_docs + 1) / (f + 0.5)))


def idf_bm25plus(df: Df, n_docs: int, epsilon: float = 0.0) -> Idf:
    """BM25+'s idf, ln((N + 1) / df), always positive; `epsilon` is not used. [LZ] CIKM, equation 13."""
    return _by_df(df, lambda f: math.log((n_docs + 1) / f))


def idf_lucene(df: Df, n_docs: int, epsilon: float = 0.0) -> Idf:
    """Lucene's idf, ln(1 + (N - df + 0.5) / (df + 0.5)), always positive; `epsilon` is not used. BM25Similarity.idf."""
    return _by_df(df, lambda f: math.log(1 + (n_docs - f + 0.5) / (f + 0.5)))


def tf_robertson(tf: Tf, doc_len: Tf, avgdl: float, k1: float, b: float, delta: float = 0.0) -> Weight:
    """Saturation without (k1 + 1): tf / (tf + k1 (1 - b + b doc_len / avgdl)), in [0, 1).

    `delta` is not used. [K] table 1, row 1.
    """
    return tf / (tf + k1 * (1 - b + b * doc_len / avgdl))


def tf_okapi(tf: Tf, doc_len: Tf, avgdl: float, k1: float, b: float, delta: float = 0.0) -> Weight:
    """Saturation with (k1 + 1): tf (k1 + 1) / (tf + k1 (1 - b + b doc_len / avgdl)), in [0, k1 + 1).

    `delta` is not used. [RZ] equation 3.15; as ATIRE, rank_bm25's BM25Okapi and pymilvus.model have it.
    """
    return tf * (k1 + 1) / (tf + k1 * (1 - b + b * doc_len / avgdl))


def tf_bm25l(tf: Tf, doc_len: Tf, avgdl: float, k1: float, b: float, delta: float = 0.5) -> Weight:
    """BM25L: (k1 + 1) (c + delta) / (k1 + c + delta), c = tf / (1 - b + b doc_len / avgdl). [LZ] SIGIR, equation 8."""
    c = tf / (1 - b + b * doc_len / avgdl)
    return (k1 + 1) * (c + delta) / (k1 + c + delta)


def tf_bm25plus(tf: Tf, doc_len: Tf, avgdl: float, k1: float, b: float, delta: float = 1.0) -> Weight:
    """BM25+: delta + tf (k1 + 1) / (tf + k1 (1 - b + b doc_len / avgdl)). [LZ] CIKM, equation 13."""
    return delta + tf_okapi(tf, doc_len, avgdl, k1, b)


def tf_lucene_lossy(tf: Tf, doc_len: Tf, avgdl: float, k1: float, b: float, delta: float = 0.0) -> Weight:
    """`tf_robertson` on lengths as Lucene stores them in one byte; `avgdl` is exact. BM25Similarity.score."""
    return tf_robertson(tf, lossy_lengths(doc_len), avgdl, k1, b)


@dataclass(frozen=True)
class Variant:
    """A published BM25: its idf, its tf, its published delta, and whether empty documents count.

    `counts_empty` False: N and avgdl exclude documents without a term, as Lucene's do.
    """

    name: str
    idf: Callable[[Df, int, float], Idf]
    tf: Callable[[Tf, Tf, float, float, float, float], Weight]
    delta: float = 0.0
    counts_empty: bool = True


VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("robertson", idf_robertson, tf_robertson),
        Variant("pymilvus", idf_floored, tf_okapi),
        Variant("rank_bm25", idf_floored, tf_okapi),
        Variant("atire", idf_atire, tf_okapi),
        Variant("bm25l", idf_bm25l, tf_bm25l, delta=0.5),
        Variant("bm25+", idf_bm25plus, tf_bm25plus, delta=1.0),
        Variant("lucene", idf_lucene, tf_robertson, counts_empty=False),
        Variant("lucene-lossy", idf_lucene, tf_lucene_lossy, counts_empty=False),
    )
}


def _by_df(df: Df, formula: Callable[[int], float]) -> Idf:
    """`formula` of each df, computed once per distinct df; with math.log, as np.log may differ in the last bit."""
    distinct, inverse = np.unique(df, return_inverse=True)
    return np.array([formula(int(f)) for f in distinct], np.float64)[inverse]
