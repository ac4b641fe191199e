"""A deadline that applies even while bytes arrive one by one, and a bound on all bytes of an exchange.

A read timeout starts anew with every byte received, so a server may keep a client waiting for ever. Here every read
checks the deadline, and a watchdog thread shuts the socket down at the deadline; whatever waits on it, a TLS handshake
or a proxy's CONNECT included, then returns at once.
"""

import heapq
import os
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Deadline:
    """A time `at` on the monotonic clock, `total_s` seconds after its creation."""

    total_s: float
    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """`seconds` from now; ValueError unless positive and finite."""
        if not 0 < seconds <= threading.TIMEOUT_MAX:
            raise ValueError(f"timeout_s must be a positive, finite number of seconds, got {seconds!r}")
        return cls(seconds, time.monotonic() + seconds)

    def remaining_s(self) -> float:
        """Seconds left; negative when it has passed."""
        return self.at - time.monotonic()


class Cut:
    """While open, ends the calling thread's exchange at the deadline, or after `max_bytes` have been received.

    `fired` is whether the deadline passed, `overflowed` whether more was received.
    """

    _current = threading.local()

    def __init__(self, deadline: Deadline, max_bytes: int) -> None:
        self.at = deadline.at
        self.fired = False
        self.overflowed = False
        self.closed = False
        self._bytes_left = max_bytes
        self._socket: socket.socket | None = None

    def __enter__(self) -> "Cut":
        Cut._current.cut = self
        _watchdog.watch(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        Cut._current.cut = None
        _watchdog.release(self)
        if self._socket is not None:
            self._socket.close()

    @classmethod
    def current(cls) -> "Cut | None":
        """The open cut of the calling thread; None without one."""
        return getattr(cls._current, "cut", None)

    @classmethod
    def attach(cls, connection: Any) -> None:
        """Register a connection's socket with this thread's open cut, if any; TimeoutError when it has fired.

        A duplicate of the socket's descriptor is kept, since TLS replaces the socket object before its handshake.
        """
        if (cut := cls.current()) is not None:
            _watchdog.guard(cut, socket.socket(fileno=socket.dup(connection.fileno())))
            cut.check()

    def remaining_s(self) -> float:
        """Seconds left until the deadline."""
        return self.at - time.monotonic()

    def check(self) -> None:
        """Raise TimeoutError after the deadline."""
        if self.fired or self.remaining_s() <= 0:
            self.fired = True
            raise TimeoutError("the deadline passed")

    def received(self, number: int) -> None:
        """Count received bytes; TimeoutError after the deadline, OSError beyond the bound."""
        self.check()
        self._bytes_left -= number
        if self._bytes_left < 0:
            self.overflowed = True
            raise OSError("the response is too large")

    def guard(self, connection: socket.socket) -> None:
        """Replace the socket that `fire` shuts; called under the watchdog's lock."""
        if self._socket is not None:
            self._socket.close()
        self._socket = connection

    def fire(self) -> None:
        """Shut the connection, so that whatever waits on it returns."""
        self.fired = True
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:  # closed already: nothing waits on it
                return


class _Watchdog:
    """One thread for all cuts, since a timer for each would start a thread per request."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        # a heap by time; closed cuts remain until they are due or removed
        self._cuts: list[tuple[float, int, Cut]] = []
        self._open = 0
        self._thread: threading.Thread | None = None

    def watch(self, cut: Cut) -> None:
        """Fire `cut` at its time unless it is closed before."""
        with self._change:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="refimpl-deadlines", daemon=True)
                self._thread.start()
            heapq.heappush(self._cuts, (cut.at, id(cut), cut))
            self._open += 1
            if self._cuts[0][2] is cut:
                self._change.notify()
            if len(self._cuts) > 2 * self._open + 100:
                self._cuts = [entry for entry in self._cuts if not entry[2].closed]
                heapq.heapify(self._cuts)

    def guard(self, cut: Cut, connection: socket.socket) -> None:
        """Give `cut` the socket to shut, not while it fires."""
        with self._change:
            cut.guard(connection)

    def release(self, cut: Cut) -> None:
        """Close `cut`: after the return it does not fire, so that its connection may be reused."""
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


def _after_fork() -> None:
    """A child has neither the thread nor a share in the parent's cuts, whose sockets are the parent's."""
    global _watchdog
    _watchdog = _Watchdog()
    Cut._current = threading.local()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
