"""Errors of a cluster, each in one sentence: what failed, where, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from refimpl.common.extras import importing

with importing("distributed"):
    from distributed import CancelledError, get_worker
    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker


class ClusterError(OSError):
    """A cluster that cannot be reached, lost its scheduler, or has a worker that cannot compute the same."""


class ClusterWarning(UserWarning):
    """A cluster whose results can differ from those of this process in their last bits."""


def this_worker() -> str:
    """Return the address of the worker that this is computed on, or "this process"."""
    try:
        return f"worker {get_worker().address}"
    except ValueError:
        return "this process"


@contextmanager
def clear_errors(address: str) -> Iterator[None]:
    """Raise ClusterError for the errors that dask.distributed raises when it loses its scheduler or its workers."""
    try:
        yield
    except KilledWorker as error:
        raise ClusterError(
            f"{error.task} ended {error.allowed_failures + 1} workers, {error.last_worker.address} last: see that "
            "worker's log, often for its memory; give workers more of it (--memory-limit), or use smaller shards"
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise ClusterError(
            f"the connection to the Dask scheduler at {address} was lost: start it again, with workers, and run "
            "again; shards that are complete are kept"
        ) from error
