"""How work reaches the workers: values that many tasks share, maps and reductions with a bounded number in flight.

The scheduler has the texts of those tasks alone that are in flight, so its memory does not grow with the collection.
"""

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

from refimpl import pickling
from refimpl.bert.encoder import one_thread
from refimpl.common.extras import importing
from refimpl.distributed.environment import check_environment, environment
from refimpl.distributed.errors import ClusterError, this_worker

with importing("distributed"):
    from distributed import Client, Future, as_completed
    from distributed.comm import CommClosedError

Item = TypeVar("Item")
Result = TypeVar("Result")
Submit = Callable[[Item], Future]

PER_THREAD = 3
"""Tasks in flight per thread of the cluster: one that runs, and what it needs not to wait for the next."""
GROUP = 64
"""Parts whose results are reduced on the cluster, in a tree, before the client receives one result."""
FAN_IN = 8


def share(client: Client, value: object) -> Future:
    """Place a value on the cluster, for `shared` in tasks that have this future as an argument.

    It is pickled here and unpickled once per worker process, after its environment was compared with this one's.
    """
    return client.submit(bytes, pickling.dumps((environment(), pickling.dumps(value))), pure=False)


@lru_cache(maxsize=4)
def shared(content: bytes) -> Any:
    """Return the value of `share`; ClusterError, with the worker's address, where it cannot be the same here."""
    expected, value = pickle.loads(content)
    check_environment(expected, environment(), this_worker())
    try:
        return pickle.loads(value)
    except (OSError, ValueError, ImportError, AttributeError) as error:
        raise ClusterError(f"{this_worker()}: {error}") from error


def as_they_complete(client: Client, submit: Submit[Item], items: Iterable[Item]) -> Iterator[Any]:
    """Yield the results of `submit(item)` in any order; `items` are read as results arrive."""
    running = as_completed(loop=client.loop)
    most = _most_in_flight(client)
    for item in items:
        running.add(submit(item))
        while running.count() >= most:
            yield next(running).result()
            most = _most_in_flight(client)
    for future in running:
        yield future.result()


def in_order(client: Client, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Map on the cluster: yield `function(item)` in the order of the items, which are read as results are taken.

    Parameters
    ----------
    client
        Of `connect`.
    function
        Such as the method of an embedding function; it is sent once per worker.
    items
        Any iterable; only those in flight are in memory.

    Yields
    ------
    Result
        As `map(function, items)`, to the last bit.

    Raises
    ------
    ClusterError
        As `connect`; or if the function's model is missing on a worker, or has other files there.
    """
    callee = share(client, function)
    return _in_order(client, lambda item: [client.submit(_call, callee, item, pure=False)], items)


def reduce_in_order(
    client: Client, submit: Submit[Item], merge: Callable[[list[Result]], Result], items: Iterable[Item]
) -> Result:
    """Merge the results of `submit(item)`, neighbours with neighbours: `merge` must be associative.

    `merge([])` is the result without items.
    """

    def tree(members: tuple[Item, ...]) -> list[Future]:
        level = [submit(item) for item in members]
        futures = level
        while len(level) > 1:
            level = [client.submit(merge, list(some), pure=False) for some in _groups(level, FAN_IN)]
            futures = futures + level
        return futures

    total = merge([])
    for result in _in_order(client, tree, _groups(items, GROUP), GROUP):
        total = merge([total, result])
    return total


def _call(callee: bytes, item: Any) -> Any:
    with one_thread():
        return shared(callee)(item)


def _in_order(
    client: Client, submit: Callable[[Item], list[Future]], items: Iterable[Item], size: int = 1
) -> Iterator[Any]:
    """Yield the result of the last future of `submit(item)`, in the order of the items; an item has `size` tasks.

    The others are kept until then: Dask may forget a result that nobody keeps before a task that needs it arrives.
    """
    running: deque[list[Future]] = deque()
    most = _most_in_flight(client) + size
    for item in items:
        running.append(submit(item))
        while len(running) * size > most:
            yield running.popleft()[-1].result()
            most = _most_in_flight(client) + size
    while running:
        yield running.popleft()[-1].result()


def _groups(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    remaining = iter(items)
    while group := tuple(islice(remaining, size)):
        yield group


def _most_in_flight(client: Client) -> int:
    """Workers come and go, so this is computed again when a result has arrived."""
    try:
        return PER_THREAD * max(1, sum(client.nthreads().values()))
    except OSError as error:
        raise CommClosedError(str(error)) from error
