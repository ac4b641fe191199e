"""The options `--dask` and `--dask-report`, of the commands that can run on a cluster."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from refimpl.dense.stream import Map
    from refimpl.search.engine import Engine
    from refimpl.shards import Manifest

Dask = Annotated[
    str | None,
    typer.Option(help="Compute on the Dask cluster of this scheduler, tcp://HOST:PORT; local: a process per core."),
]
DaskReport = Annotated[Path | None, typer.Option(help="With --dask: write Dask's performance report, an HTML page.")]


class Computer(NamedTuple):
    """A map, and `refimpl.shards.encode_shards`, of this process or of a cluster."""

    map: "Map"
    encode_shards: "Callable[..., Manifest]"


@contextmanager
def computer_of(dask: str | None, report: Path | None) -> Iterator[Computer]:
    """Yield the functions of this process, or of the cluster."""
    with _client(dask, report) as client:
        if client is None:
            yield Computer(map, _encode_shards)
        else:
            from refimpl import distributed

            yield Computer(partial(distributed.in_order, client), partial(distributed.encode_shards, client))


def _encode_shards(*arguments: Any, **options: Any) -> "Manifest":
    from refimpl.shards import encode_shards  # needs pyarrow, which a .npy file does not

    return encode_shards(*arguments, **options)


@contextmanager
def engine_of(dask: str | None, report: Path | None) -> "Iterator[Engine | None]":
    """Yield None, for this process, or the engine of the cluster."""
    with _client(dask, report) as client:
        if client is None:
            yield None
        else:
            from refimpl.distributed import ClusterEngine

            yield ClusterEngine(client)


@contextmanager
def _client(dask: str | None, report: Path | None) -> Iterator[Any]:
    """Yield the client of a cluster, or None; BadParameter for a report without a cluster."""
    if dask is None:
        if report is not None:
            raise typer.BadParameter("--dask-report needs --dask")
        yield None
        return
    from refimpl.distributed import connect

    with connect(dask, report=report) as client:
        yield client
