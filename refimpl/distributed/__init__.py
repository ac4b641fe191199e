"""Encoding, BM25 statistics and exact search on a Dask cluster, with the results of one process to the last bit.

    connect("tcp://scheduler:8786")                       a dask.distributed.Client; "local" starts workers here
    encode_shards(client, documents, encoders, folder, settings)    as `refimpl.shards.encode_shards`
    fit_bm25(client, function, documents)                 as `function.fit`: counts per part, merged in a tree
    search_shards(client, folder, field, queries, k)      as `refimpl.search.exact` over the vectors of all shards
    ClusterEngine(client)                                 of `refimpl run`: all of these
    in_order(client, function, items)                     as `map(function, items)`

dask.distributed schedules the work, moves the data and repeats what a lost worker was doing. Its scheduler and workers
run anywhere; every worker needs the same refimpl, numpy and pyarrow as the client, the model's files (by the same path,
or from the hub), and for shards a folder that all machines share. What is missing or differs is one `ClusterError`.
"""

from refimpl.distributed.bm25 import fit_bm25
from refimpl.distributed.cluster import LOCAL, connect
from refimpl.distributed.encode import encode_shards
from refimpl.distributed.engine import ClusterEngine
from refimpl.distributed.errors import ClusterError, ClusterWarning
from refimpl.distributed.search import search_shards
from refimpl.distributed.tasks import in_order

__all__ = [
    "LOCAL",
    "ClusterEngine",
    "ClusterError",
    "ClusterWarning",
    "connect",
    "encode_shards",
    "fit_bm25",
    "in_order",
    "search_shards",
]
