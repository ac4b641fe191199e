"""Connections to a Dask cluster, or to one that is started on this machine."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from refimpl.common.atomic import check_output
from refimpl.common.extras import importing
from refimpl.common.stamp import usable_cores
from refimpl.distributed.environment import check_environment, environment, warn_of_processor
from refimpl.distributed.errors import ClusterError, clear_errors

with importing("distributed"):
    from dask import config
    from distributed import Client, LocalCluster, performance_report

LOCAL = "local"
SCHEMES = ("tcp", "tls", "ws", "wss", "ucx")
TIMEOUT_S = 30.0
"""How long to wait for the scheduler, and then for the first worker."""


@contextmanager
def connect(
    address: str, *, workers: int | None = None, report: Path | None = None, timeout_s: float = TIMEOUT_S
) -> Iterator[Client]:
    """Connect to the scheduler at `address`, or start workers on this machine, for the block.

    Parameters
    ----------
    address
        The scheduler's address, such as "tcp://scheduler:8786" (`tls://` with Dask's own settings), or "local".
    workers
        For "local": the number of worker processes, of one thread each; by default one per core.
    report
        Write Dask's performance report, an HTML page of every task and transfer, at the end of the block.
    timeout_s
        How long to wait for the scheduler, and for its first worker.

    Yields
    ------
    Client
        The client, not Dask's default one.

    Raises
    ------
    ClusterError
        If the scheduler cannot be reached, has no worker or is lost during the block; if a worker has another version
        of refimpl or of the packages that results depend on, or if work ends one worker after the other.
    OSError
        If the report cannot be written.
    """
    if report is not None:
        check_output(report)
    if address != LOCAL:
        _check_address(address)
    with ExitStack() as stack:
        target = stack.enter_context(_local(workers)) if address == LOCAL else address
        client = stack.enter_context(_client(target, address, timeout_s))
        stack.enter_context(clear_errors(address))
        _check_workers(client, address, timeout_s)
        if report is not None:
            stack.enter_context(client.as_current())
            stack.enter_context(performance_report(filename=str(report)))
        yield client


def _check_address(address: str) -> None:
    """Raise ClusterError unless Dask's client can use the address: one that it refuses it cannot close, either."""
    try:
        parts = urlsplit(address)
        valid = parts.scheme in SCHEMES and parts.hostname and parts.port
    except ValueError:
        valid = False
    if not valid:
        raise ClusterError(f"expected the address of a Dask scheduler, tcp://HOST:PORT, or {LOCAL!r}, got {address!r}")


@contextmanager
def _local(workers: int | None) -> Iterator[LocalCluster]:
    """Start workers for the block.

    A worker that died is started again by its nanny. Dask's cluster gives it up after 15 s, fewer than an import can
    take on a machine that is busy, and closes it for ever: here it does not, as long as the block lasts.
    """
    number = workers or usable_cores()
    with (
        config.set({"distributed.deploy.lost-worker-timeout": "1 day"}),
        LocalCluster(n_workers=number, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
    ):
        yield cluster


@contextmanager
def _client(target: "LocalCluster | str", address: str, timeout_s: float) -> Iterator[Client]:
    try:
        client = Client(target, timeout=timeout_s, set_as_default=False)
    except OSError as error:
        raise ClusterError(
            f"expected a Dask scheduler at {address}, got none ({error}): start one with `dask scheduler`, or use "
            f"{LOCAL!r}"
        ) from error
    with client:
        yield client


def _check_workers(client: Client, address: str, timeout_s: float) -> None:
    """Compare every worker with this process; ClusterError where there is none after `timeout_s`."""
    try:
        client.wait_for_workers(1, timeout=timeout_s)
    except TimeoutError as error:
        raise ClusterError(
            f"the Dask scheduler at {address} has no worker after {timeout_s:g} s: start some with `dask worker "
            f"{address}`"
        ) from error
    expected = environment()
    for worker, actual in client.run(environment, on_error="return").items():
        if isinstance(actual, BaseException):
            raise ClusterError(
                f"worker {worker} cannot run this refimpl ({type(actual).__name__}: {actual}): install refimpl "
                f"{expected['versions']['refimpl']} with the extra `distributed` there"
            ) from actual
        check_environment(expected, actual, f"worker {worker}")
        warn_of_processor(expected, actual, f"worker {worker}")
