"""The wire beneath a session: a deadline that holds even while bytes drip in, and the schedule of retries.

A read timeout starts anew with every byte received, so that a server may hold a client for ever. Here a watchdog shuts
the socket down when the deadline comes; whatever waits on it then returns at once.
"""

import heapq
import random
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Retry

from refimpl.http.safety import Secret


@dataclass(frozen=True)
class Deadline:
    """A moment of the monotonic clock, `total_s` seconds after its start."""

    total_s: float
    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The moment `seconds` from now; ValueError unless positive and finite."""
        if not 0 < seconds <= threading.TIMEOUT_MAX:
            raise ValueError(f"timeout_s must be a positive, finite number of seconds, got {seconds!r}")
        return cls(seconds, time.monotonic() + seconds)

    def remaining_s(self) -> float:
        """Seconds left; negative when it has passed."""
        return self.at - time.monotonic()


class Cut:
    """While open, shuts the calling thread's connection when the deadline comes; `fired` says whether it did."""

    _current = threading.local()

    def __init__(self, deadline: Deadline) -> None:
        self.at = deadline.at
        self.fired = False
        self.closed = False
        self._socket: socket.socket | None = None

    def __enter__(self) -> "Cut":
        Cut._current.cut = self
        _watchdog.watch(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        Cut._current.cut = None
        _watchdog.leave(self)
        self._socket = None

    @classmethod
    def hold(cls, connection: HTTPConnection) -> None:
        """Put this thread's open cut, if any, in charge of the connection's socket."""
        cut = getattr(cls._current, "cut", None)
        if cut is not None:
            cut._socket = connection.sock
            if cut.fired:
                raise TimeoutError("the deadline passed while connecting")

    def fire(self) -> None:
        """Shut the connection; whatever waits on it returns."""
        self.fired = True
        if self._socket is not None:
            try:
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:  # closed already: nothing waits on it
                return


class _Watchdog:
    """One thread for all cuts: a timer for each would cost every call the start of a thread."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._cuts: list[tuple[float, int, Cut]] = []  # a heap by time; closed ones stay until they are due or swept
        self._open = 0
        self._thread: threading.Thread | None = None

    def watch(self, cut: Cut) -> None:
        """Fire `cut` when its time comes, unless it leaves before."""
        with self._change:
            if self._thread is None or not self._thread.is_alive():  # after a fork there is none
                self._thread = threading.Thread(target=self._run, name="refimpl-deadlines", daemon=True)
                self._thread.start()
            heapq.heappush(self._cuts, (cut.at, id(cut), cut))
            self._open += 1
            if self._cuts[0][2] is cut:
                self._change.notify()
            if len(self._cuts) > 2 * self._open + 100:
                self._cuts = [entry for entry in self._cuts if not entry[2].closed]
                heapq.heapify(self._cuts)

    def leave(self, cut: Cut) -> None:
        """Forget `cut`: once this returns it does not fire, so that its connection may serve others."""
        with self._change:
            cut.closed = True
            self._open -= 1

    def _run(self) -> None:
        with self._change:
            while True:
                wait_s = self._cuts[0][0] - time.monotonic() if self._cuts else None
                if wait_s is None or wait_s > 0:
                    self._change.wait(wait_s)
                    continue
                cut = heapq.heappop(self._cuts)[2]
                if not cut.closed:
                    cut.fire()


_watchdog = _Watchdog()


class _CutConnection(HTTPConnection):
    def getresponse(self) -> Any:
        Cut.hold(self)
        return super().getresponse()


class _CutTLSConnection(HTTPSConnection):
    def getresponse(self) -> Any:
        Cut.hold(self)
        return super().getresponse()


class _CutPool(HTTPConnectionPool):
    ConnectionCls = _CutConnection


class _CutTLSPool(HTTPSConnectionPool):
    ConnectionCls = _CutTLSConnection


class CutAdapter(HTTPAdapter):
    """requests' adapter, its connections under `Cut`; it retries nothing itself."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Build the pool manager with our pools."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _CutPool, "https": _CutTLSPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Build a proxy's manager with our pools."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _CutPool, "https": _CutTLSPool}
        return manager


class Bearer(AuthBase):
    """Sets `Authorization: Bearer` at the last moment; without a key it sets nothing, and keeps netrc out."""

    def __init__(self, key: Secret | None) -> None:
        self._key = key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """The request with its header."""
        if self._key is not None:
            request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return request


class Schedule(Retry):
    """urllib3's count of retries, with waits of 0.5, 1, 2, 4, 8, 8... s, each shortened at random by up to a half."""

    def __init__(self, total: int = 3, **kwargs: Any) -> None:
        super().__init__(total, **{"backoff_factor": 0.5, "backoff_max": 8.0, **kwargs})

    def wait_s(self, asked_s: float | None) -> float:
        """Seconds to wait before the next try: what the server asked for, capped, or else the backoff."""
        if asked_s is not None:
            return min(asked_s, self.retry_after_max)
        backoff_s = min(self.backoff_max, self.backoff_factor * 2.0 ** max(0, len(self.history) - 1))
        return backoff_s * random.uniform(0.5, 1.0)
