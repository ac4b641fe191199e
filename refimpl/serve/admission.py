"""Which requests are read and computed: limits on how many wait and how much they hold, and the end of the server."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from refimpl.providers.requests import RequestRefused
from refimpl.serve.batches import Batches
from refimpl.serve.limits import Limits
from refimpl.serve.metrics import Metrics

SMALL_BYTES = 64 << 10  # bodies up to this are not counted in `max_held_bytes`: the cap on connections bounds them


class Admission:
    """Refuses requests beyond the limits, and all of them once the server is stopping."""

    def __init__(self, batches: Batches, limits: Limits, metrics: Metrics) -> None:
        self._batches = batches
        self._limits = limits
        self._metrics = metrics
        self._reading: set[asyncio.Timeout] = set()
        self._held_bytes = 0
        self._stopping = False

    def check(self) -> None:
        """Raise RequestRefused, 503 or 429, for a request that may not wait now."""
        if self._stopping:
            raise _stopping()
        if len(self._batches) > self._limits.max_waiting:
            raise _too_many("too many requests are waiting")

    @contextmanager
    def body(self) -> Iterator["Body"]:
        """An empty body, whose bytes count as held until the block ends."""
        body = Body(self)
        try:
            yield body
        finally:
            self._hold(-body.held)

    async def read(self, request: Request, body: "Body") -> None:
        """Receive the request's body within the limits; RequestRefused beyond them."""
        limits = self._limits
        if int(request.headers.get("Content-Length", 0)) > limits.max_bytes:
            raise _too_large(limits)
        try:
            async with asyncio.timeout(limits.body_timeout_s) as timeout:
                self._reading.add(timeout)
                async for chunk in request.stream():
                    if len(body.data) + len(chunk) > limits.max_bytes:
                        raise _too_large(limits)
                    body.add(chunk)
        except TimeoutError:
            if self._stopping:
                raise _stopping() from None
            raise RequestRefused(408, f"the body did not arrive within {limits.body_timeout_s:g} s") from None
        finally:
            self._reading.discard(timeout)

    def stop(self) -> None:
        """Refuse with 503 every request that is being received or waits, now, and what is computed when it must end."""
        self._stopping = True
        loop = asyncio.get_running_loop()
        for timeout in self._reading:
            if not timeout.expired():
                timeout.reschedule(loop.time())
        self._batches.refuse_waiting(_stopping)
        loop.call_later(0.8 * self._limits.grace_s, self._batches.refuse_all, _stopping)

    def _hold(self, number: int) -> None:
        if number > 0 and self._held_bytes + number > self._limits.max_held_bytes:
            raise _too_many("the requests being received and computed hold too many bytes")
        self._held_bytes += number
        self._metrics.held_bytes.set(self._held_bytes)


class Body:
    """A body that is being received; `held` is the number of its bytes that count."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.data = bytearray()
        self.held = 0

    def add(self, chunk: bytes) -> None:
        """Append `chunk`; RequestRefused when all bodies together hold too much."""
        counted = len(self.data) + len(chunk)
        if counted > SMALL_BYTES:
            self._admission._hold(counted - self.held)
            self.held = counted
        self.data += chunk


def _stopping() -> RequestRefused:
    return RequestRefused(503, "the server is stopping: send the request again", {"Retry-After": "10"})


def _too_many(message: str) -> RequestRefused:
    return RequestRefused(429, message, {"Retry-After": "1"})


def _too_large(limits: Limits) -> RequestRefused:
    return RequestRefused(413, f"the body may hold {limits.max_bytes} bytes: send fewer texts per request")
