"""An inverted index: for each term the documents that contain it, and its impact in each."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float64, Int, Int32, Int64, UInt, UInt16
from scipy.sparse import csr_array

from refimpl.sparse.bm25.formulas import Idf
from refimpl.sparse.bm25.weighting import Weighting

# For k up to a rank, the impact at that rank of any one list is a lower bound of the k-th best score.
RANKS = (10, 100, 1000)
SORTED_AT_ONCE = 1 << 19  # postings, so that sorting needs little memory
FEW_DOCS = 1 << 13  # a collection of at most so many documents is searched exhaustively
UINT16_DOCS = 1 << 16  # the ids of up to so many documents are stored in two bytes
ROW_SHARE = 2  # a term in at least one of so many documents has a dense row as well, in a small collection
CODE_ROW_SHARE = 6  # the same in a large collection, whose rows have two or four bytes per document


@dataclass(frozen=True)
class Postings:
    """Each term's documents by ascending id, and each posting's impact (its tf weight) as a code into `impacts`.

    Terms are numbered from the one in most documents to the one in fewest. `impacts` are the distinct impacts in
    descending order, so that a lower code is a larger impact, and two bytes per posting usually suffice for float64
    impacts. Term i's list is `start[i]` to `start[i + 1]`. `best_code (terms,)` is the lowest code of each
    list, `code_at_rank (ranks, terms)` the code at each of `RANKS`, or `len(impacts)` in a shorter list. `rows` are the
    scores (idf times impact) of the first terms in all documents of a small collection. `code_rows` are the codes of
    the first terms in all documents of a large one, `len(impacts)` where a document lacks the term.
    """

    start: Int64[np.ndarray, " terms_and_one"]
    docs: Int32[np.ndarray, " postings"] | UInt16[np.ndarray, " postings"]
    codes: UInt[np.ndarray, " postings"]
    impacts: Float64[np.ndarray, " codes"]
    best_code: UInt[np.ndarray, " terms"]
    code_at_rank: UInt[np.ndarray, "ranks terms"]
    rows: Float64[np.ndarray, "frequent few_docs"]
    code_rows: UInt[np.ndarray, "frequent_of_many many_docs"]


def build_postings(
    counts: csr_array,
    idf: Idf,
    doc_len: Int64[np.ndarray, " docs"],
    avgdl: float,
    weighting: Weighting,
) -> Postings:
    """Invert `counts (docs, terms)`, terms by descending df; the impacts are exactly `weighting.tf` of each count."""
    by_term = counts.tocsc()  # keeps the documents of each term in ascending order
    lengths, length_of_doc = np.unique(doc_len, return_inverse=True)
    tf = by_term.data
    most_pairs = (int(tf.max(initial=0)) + 1) * max(len(lengths), 1)
    wide = np.int32 if most_pairs < 1 << 31 else np.int64
    pair = length_of_doc.astype(wide)[by_term.indices]
    pair += tf.astype(wide) * wide(len(lengths))
    del tf
    code_of_pair, impacts = _coded(pair, lengths, lambda tf, n: weighting.tf(tf, n, avgdl))
    codes = code_of_pair.astype(np.uint16 if len(impacts) < 1 << 16 else np.uint32)[pair]
    start = by_term.indptr.astype(np.int64)
    docs = by_term.indices.astype(np.uint16 if len(doc_len) <= UINT16_DOCS else np.int32, copy=False)
    at_ranks = _codes_at_ranks(codes, start, len(impacts))
    postings = Postings(
        start, docs, codes, impacts, at_ranks[0], at_ranks[1:], np.empty((0, 0)), codes[:0].reshape(0, 0)
    )
    return replace(postings, **_rows(postings, idf, len(doc_len)))


def _coded(
    pair: Int[np.ndarray, " postings"],
    lengths: Int64[np.ndarray, " lengths"],
    weigh: Callable[[Int64[np.ndarray, " codes"], Int64[np.ndarray, " codes"]], Float64[np.ndarray, " codes"]],
) -> tuple[Int64[np.ndarray, " pairs"], Float64[np.ndarray, " codes"]]:
    """Number the (tf, length) pairs that occur by descending impact."""
    width = max(len(lengths), 1)
    occurs = np.zeros(int(pair.max()) + 1 if len(pair) else 0, bool)
    occurs[pair] = True
    pairs = np.flatnonzero(occurs)
    impacts = weigh(pairs // width, lengths[pairs % width]) if len(pairs) else np.zeros(0)
    order = np.argsort(-impacts, kind="stable")
    code_of_pair = np.zeros(len(occurs), np.int64)
    code_of_pair[pairs[order]] = np.arange(len(pairs))
    return code_of_pair, impacts[order]


def _codes_at_ranks(
    codes: UInt[np.ndarray, " postings"], start: Int64[np.ndarray, " terms_and_one"], none: int
) -> UInt[np.ndarray, "ranks terms"]:
    """The lowest code of each term, then those at `RANKS`; `none` where the list is shorter."""
    n_terms = len(start) - 1
    at_ranks = np.full((1 + len(RANKS), n_terms), none, codes.dtype)
    splits = np.unique(np.searchsorted(start, np.arange(0, start[-1] + SORTED_AT_ONCE, SORTED_AT_ONCE)))
    for begin, end in pairwise(np.unique(np.clip([0, *splits, n_terms], 0, n_terms)).tolist()):
        first = start[begin:end] - start[begin]
        df = np.diff(start[begin : end + 1])
        keys = np.repeat(np.arange(end - begin) << 32, df)
        keys |= codes[start[begin] : start[end]]
        keys.sort()
        for row, rank in enumerate((1, *RANKS)):
            long = np.flatnonzero(df >= rank)
            at_ranks[row, begin + long] = keys[first[long] + rank - 1] & 0xFFFFFFFF
    return at_ranks


def _rows(postings: Postings, idf: Idf, n_docs: int) -> dict[str, Any]:
    """`rows` or `code_rows`, of the terms that occur in a large share of the documents."""
    df, few = np.diff(postings.start), n_docs <= FEW_DOCS
    share = ROW_SHARE if few else CODE_ROW_SHARE
    shape = (int((df * share >= n_docs).sum()) if n_docs else 0, n_docs)
    rows = np.zeros(shape) if few else np.full(shape, len(postings.impacts), postings.codes.dtype)
    for term, row in enumerate(rows):
        span = slice(postings.start[term], postings.start[term + 1])
        codes = postings.codes[span]
        row[postings.docs[span]] = idf[term] * postings.impacts[codes] if few else codes
    return {"rows" if few else "code_rows": rows}
