"""Exact search over shards on a cluster: the best hits of each shard, merged in a tree."""

from collections.abc import Callable
from functools import partial, reduce
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

from refimpl.common.extras import importing
from refimpl.common.hits import check_hits
from refimpl.distributed.errors import ClusterError, this_worker
from refimpl.distributed.tasks import reduce_in_order, share, shared
from refimpl.search.exact import search_block, search_blocks
from refimpl.search.fields import Metric
from refimpl.search.records import Vectors
from refimpl.search.scorers import Scorer, scorer_of
from refimpl.search.topk import TopK, merged
from refimpl.search.truth import Truth, joined, largest_norm, part_of_truth
from refimpl.shards import Manifest, ShardEntry, read_shard, shard_paths

with importing("distributed"):
    from distributed import Client, Future

Result = TypeVar("Result")


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
    scorer = scorer_of(queries, metric)
    k = check_hits(k, Manifest.read(folder).rows)
    search = partial(_search, k=k)
    merge = partial(_merge, nothing=search_blocks(scorer, [], k))
    return _over_shards(client, folder, field, search, scorer, merge, advance)


def truth_over_shards(client: Client, scorer: Scorer, folder: Path, field: str, hits: TopK) -> Truth:
    """What decides about these hits: `refimpl.search.truth.truth_of` all shards of a folder that all machines share.

    Raises as `search_shards`.
    """
    scales = scorer.scales(_over_shards(client, folder, field, _largest_norm, scorer, _largest))
    part = partial(_part_of_truth, hits=hits, scales=scales)
    return _over_shards(client, folder, field, part, scorer, partial(joined, hits=hits, scales=scales))


def _over_shards(
    client: Client,
    folder: Path,
    field: str,
    function: Callable[[Scorer, Vectors, int], Result],
    scorer: Scorer,
    merge: Callable[[list[Result]], Result],
    advance: Callable[[int], None] = lambda n: None,
) -> Result:
    """Merge the results of `function(scorer, vectors, first_row)` for each shard."""
    folder = folder.absolute()
    paths, entries = list(shard_paths(folder)), Manifest.read(folder).shards
    prepared = share(client, partial(function, scorer))

    def submit(shard: tuple[Path, ShardEntry, int]) -> Future:
        path, entry, first_row = shard
        advance(entry.rows)
        return client.submit(_on_shard, prepared, path, field, first_row, pure=False)

    first_rows = accumulate((entry.rows for entry in entries), initial=0)
    return reduce_in_order(client, submit, merge, zip(paths, entries, first_rows, strict=False))


def _on_shard(prepared: bytes, path: Path, field: str, first_row: int) -> Any:
    """Apply a function to the vectors of one shard, on a worker."""
    function = shared(prepared)
    try:
        shard = read_shard(path, [field])
    except FileNotFoundError as error:
        raise ClusterError(f"{this_worker()} does not see the shard {path}: share its folder with all") from error
    return function(shard.vectors[field], first_row)


def _search(scorer: Scorer, block: Vectors, first_row: int, k: int) -> TopK:
    return search_block(scorer, block, k, first_row)


def _largest_norm(scorer: Scorer, block: Vectors, first_row: int) -> float:
    return largest_norm(scorer, [block])


def _largest(norms: list[float]) -> float:
    return max(norms, default=0.0)


def _part_of_truth(
    scorer: Scorer, block: Vectors, first_row: int, hits: TopK, scales: Float[np.ndarray, " queries"]
) -> Truth:
    return part_of_truth(scorer, [block], hits, scales, first_row)


def _merge(parts: list[TopK], nothing: TopK) -> TopK:
    return reduce(merged, parts, nothing)
