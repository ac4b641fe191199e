"""BM25 statistics on a cluster: counted per part, merged in a tree."""

from collections.abc import Callable, Iterable

from refimpl.common.extras import importing
from refimpl.datasets import Document
from refimpl.distributed.tasks import reduce_in_order, share, shared
from refimpl.shards import ROWS, Part, split
from refimpl.sparse.bm25 import BM25EmbeddingFunction
from refimpl.sparse.bm25.statistics import CorpusStatistics

with importing("distributed"):
    from distributed import Client, Future


def fit_bm25(
    client: Client,
    function: BM25EmbeddingFunction,
    documents: Iterable[Document],
    *,
    rows: int = ROWS,
    advance: Callable[[int], None] = lambda n: None,
) -> BM25EmbeddingFunction:
    """Fit BM25 to a stream of documents; equal to `function.fit` of all their texts, to the last bit.

    Parameters
    ----------
    client
        Of `connect`.
    function
        The function to fit; its analyzer must be picklable by cloudpickle.
    documents
        The collection, read once; a few hundred parts of it are in memory at a time.
    rows
        Documents per part.
    advance
        Called with the number of documents of each part that is sent.

    Returns
    -------
    BM25EmbeddingFunction
        `function`, fitted.

    Raises
    ------
    ClusterError
        As `connect`.
    ValueError
        As `BM25EmbeddingFunction.fit`.
    """
    count = share(client, function.count)

    def submit(part: Part) -> Future:
        advance(len(part.texts))
        return client.submit(_count, count, part.texts, pure=False)

    return function.fit_counts(reduce_in_order(client, submit, merge, split(documents, rows)))


def merge(parts: list[CorpusStatistics]) -> CorpusStatistics:
    """The statistics of parts that follow each other, as one; the parts stay as they are."""
    total = CorpusStatistics()
    for part in parts:
        total.merge(part)
    return total


def _count(count: bytes, texts: list[str]) -> CorpusStatistics:
    """Count the terms of one part on a worker."""
    statistics: CorpusStatistics = shared(count)(texts)
    return statistics
