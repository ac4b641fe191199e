"""HTTP/1.1 connections: uvicorn's, with a cap on their number and deadlines for a request's head and the response.

uvicorn (0.54) has a timeout for idle connections alone: one that has sent half a head stays open for ever, and with as
many of them as the process may open files, none is accepted.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from refimpl.serve.limits import Limits
from refimpl.serve.metrics import Metrics

FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Connections:
    """All open connections of a server; those that have no whole request head yet, oldest first."""

    def __init__(self, limits: Limits, metrics: Metrics, most: int) -> None:
        self.limits = limits
        self.metrics = metrics
        self.most = most
        self.open = 0
        self.without_head: dict[Connection, None] = {}

    def protocol(self, **options: Any) -> "Connection":
        """A protocol for a new connection, with uvicorn's arguments."""
        return Connection(self, **options)


class Connection(H11Protocol):
    """One connection, counted and bounded in time."""

    def __init__(self, connections: Connections, **options: Any) -> None:
        super().__init__(**options)
        self._all = connections
        self._head_timer: asyncio.TimerHandle | None = None
        self._abort_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection; where there are too many, close the one that has waited longest for its head."""
        super().connection_made(transport)
        everyone = self._all
        everyone.open += 1
        everyone.metrics.connections.set(everyone.open)
        self._await_head()
        if everyone.open > everyone.most:
            oldest = next(iter(everyone.without_head))
            if oldest is self:
                transport.write(FULL)
            oldest.end("full" if oldest is self else "displaced")

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection no more."""
        super().connection_lost(exc)
        self._head_arrived()
        self._stop_abort_timer()
        self._all.open -= 1
        self._all.metrics.connections.set(self._all.open)

    def handle_events(self) -> None:
        """Handle what was received; the deadline for a head runs from its first byte, or from the connection."""
        super().handle_events()
        if self.cycle is None or self.cycle.response_complete:
            self._await_head()
        else:
            self._head_arrived()

    def send_400_response(self, msg: str) -> None:
        """Count and refuse what is no HTTP."""
        self._all.metrics.closed.labels("malformed").inc()
        super().send_400_response(msg)
        self._start_abort_timer()

    def on_response_complete(self) -> None:
        """After a response, a connection that is being closed has a deadline, too."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_abort_timer()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that is idle."""
        super().timeout_keep_alive_handler()
        self._start_abort_timer()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is sent to: it has a deadline."""
        super().pause_writing()
        self._start_abort_timer()

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_abort_timer()

    def end(self, reason: str) -> None:
        """Close the connection, at the latest when the time to read the response is over."""
        self._head_arrived()
        self._all.metrics.closed.labels(reason).inc()
        self.transport.close()
        self._start_abort_timer()

    def _await_head(self) -> None:
        if self._head_timer is None and not self.transport.is_closing():
            seconds = self._all.limits.header_timeout_s
            self._head_timer = self.loop.call_later(seconds, self.end, "header timeout")
            self._all.without_head[self] = None

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        self._all.without_head.pop(self, None)

    def _start_abort_timer(self) -> None:
        if self._abort_timer is None:
            self._abort_timer = self.loop.call_later(self._all.limits.response_timeout_s, self._abort)

    def _stop_abort_timer(self) -> None:
        if self._abort_timer is not None:
            self._abort_timer.cancel()
            self._abort_timer = None

    def _abort(self) -> None:
        self._all.metrics.closed.labels("response timeout").inc()
        self.transport.abort()
