"""Exact search over shards on a cluster: the best hits of each shard, merged in a tree."""

from collections.abc import Callable
from functools import partial, reduce
from itertools import accumulate
from pathlib import Path

from refimpl.common.extras import importing
from refimpl.common.hits import check_hits
from refimpl.distributed.errors import ClusterError, this_worker
from refimpl.distributed.tasks import reduce_in_order, share, shared
from refimpl.search.exact import search_block, search_blocks
from refimpl.search.fields import Metric
from refimpl.search.records import Vectors
from refimpl.search.scorers import Scorer, scorer_of
from refimpl.search.topk import TopK, merged
from refimpl.shards import Manifest, ShardEntry, read_shard, shard_paths

with importing("distributed"):
    from distributed import Client, Future


def search_shards(
    client: Client,
    folder: Path,
    field: str,
    queries: Vectors,
    k: int,
    metric: Metric = "IP",
    *,
    advance: Callable[[int], None] = lambda n: None,
) -> TopK:
    """The k best documents per query, as exact search over the whole collection finds them, to the last bit.

    Parameters
    ----------
    client
        Of `connect`.
    folder
        A complete folder of shards, which all machines share under the same path.
    field
        The vector column that is searched.
    queries
        `(queries, dim)`, dense or sparse as the column.
    k
        Hits per query.
    metric
        Of dense vectors; sparse ones are compared by inner product.
    advance
        Called with the number of documents of each shard that is sent to be searched.

    Returns
    -------
    TopK
        Row numbers in the collection and float64 scores; ties by ascending row.

    Raises
    ------
    ClusterError
        As `connect`; or if a worker does not see the folder.
    ShardError
        If the folder is not complete, or a file is damaged.
    ValueError
        As `refimpl.search.exact.search_dense` and `search_sparse`.
    """
    folder = folder.absolute()
    paths, manifest = list(shard_paths(folder)), Manifest.read(folder)
    scorer = scorer_of(queries, metric)
    k = check_hits(k, manifest.rows)
    shared_scorer = share(client, scorer)

    def submit(shard: tuple[Path, ShardEntry, int]) -> Future:
        path, entry, first_row = shard
        advance(entry.rows)
        return client.submit(_search, shared_scorer, path, field, k, first_row, pure=False)

    first_rows = accumulate((entry.rows for entry in manifest.shards), initial=0)
    shards = zip(paths, manifest.shards, first_rows, strict=False)
    return reduce_in_order(client, submit, partial(_merge, nothing=search_blocks(scorer, [], k)), shards)


def _search(scorer: bytes, path: Path, field: str, k: int, first_row: int) -> TopK:
    """Search one shard on a worker."""
    prepared: Scorer = shared(scorer)
    try:
        shard = read_shard(path, [field])
    except FileNotFoundError as error:
        raise ClusterError(f"{this_worker()} does not see the shard {path}: share its folder with all") from error
    return search_block(prepared, shard.vectors[field], k, first_row)


def _merge(parts: list[TopK], nothing: TopK) -> TopK:
    return reduce(merged, parts, nothing)
