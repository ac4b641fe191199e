"""Exact top-k search, by comparing every query with every document.

Scores are computed in float64 whatever the vectors' dtype, and higher is better: IP and COSINE as they are, L2 as the
negated squared Euclidean distance (Milvus' L2 is the squared one). The documents can be one array, or arrive in blocks,
as from the shards of `refimpl.shards`: hits and scores are equal to the last bit.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from refimpl.common.hits import check_hits
from refimpl.common.types import Array
from refimpl.search.fields import Metric
from refimpl.search.records import Vectors
from refimpl.search.scorers import DenseScorer, Scorer, SparseScorer
from refimpl.search.topk import TopK, best, empty, merged, stack

ROWS = 8192  # documents of an array that are converted to float64 together


def search_dense(
    queries: Float[Array, "queries dim"], documents: Float[Array, "docs dim"], k: int, metric: Metric = "IP"
) -> TopK:
    """The k best documents per query; the cosine with a zero vector is 0.

    Raises ValueError for an unknown metric, a vector that is not finite, or a k that `check_hits` refuses.
    """
    return search_blocks(DenseScorer(queries, metric), _blocks(documents), check_hits(k, len(documents)))


def search_sparse(queries: csr_array, documents: csr_array, k: int) -> TopK:
    """The k documents with the largest inner product per query; one that shares no column with it is never a hit.

    Raises ValueError when the numbers of columns differ, or for a k that `check_hits` refuses.
    """
    return search_blocks(SparseScorer(queries), _blocks(documents), check_hits(k, documents.shape[0]))


def search_blocks(scorer: Scorer, blocks: Iterable[Vectors], k: int) -> TopK:
    """The k best documents per query, of blocks that follow each other; only one block is in memory.

    Parameters
    ----------
    scorer
        The queries: `DenseScorer(queries, metric)` or `SparseScorer(queries)`.
    blocks
        Vectors of consecutive documents, such as a column of each shard.
    k
        Hits per query; a query with fewer is padded.

    Raises
    ------
    ValueError
        As `search_dense` and `search_sparse`.
    """
    top = empty(scorer.queries, k)
    first_row = 0
    for block in blocks:
        top = merged(top, search_block(scorer, block, k, first_row, top.scores[:, -1]))
        first_row += block.shape[0]
    return top


def search_block(
    scorer: Scorer, block: Vectors, k: int, first_row: int = 0, least: Float[Array, " queries"] | None = None
) -> TopK:
    """The k best documents of one block per query; ids count from `first_row`.

    Documents with a score below `least` may be missing. `refimpl.search.topk.merged` joins the results of blocks.
    """
    hits = []
    for query, (row, error) in enumerate(scorer.rows(block, first_row)):
        candidates = np.flatnonzero(row > -np.inf)
        threshold = -np.inf if least is None else float(least[query])
        if error and len(candidates) > k:  # without an error, `best` has nothing to compute but the same threshold
            threshold = max(threshold, float(np.partition(row, len(row) - k)[len(row) - k]))
        if threshold > -np.inf:
            candidates = candidates[row[candidates] >= threshold - 2 * error]
        hits.append(best(candidates + first_row, scorer.exact(query, block, candidates, row), k))
    return stack(hits, k)


def dense_scores(
    queries: Float[Array, "queries dim"], documents: Float[Array, "docs dim"], metric: Metric = "IP"
) -> Iterator[Float[Array, " docs"]]:
    """The score of every document, float64, query by query; within rounding of those of `search_dense`."""
    for row, _ in DenseScorer(queries, metric).rows(documents):
        yield row


def sparse_scores(queries: csr_array, documents: csr_array) -> Iterator[Float[Array, " docs"]]:
    """The inner product with every document, float64, query by query; -inf where they share no column."""
    for row, _ in SparseScorer(queries).rows(documents):
        yield row


def _blocks(documents: Vectors) -> Iterator[Vectors]:
    """Blocks of `ROWS` documents; of none, one that is empty."""
    for start in range(0, max(documents.shape[0], 1), ROWS):
        yield documents[start : start + ROWS]
