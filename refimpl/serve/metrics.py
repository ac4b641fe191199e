"""Metrics in Prometheus' format, in a registry of the server's own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
COUNTS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters, gauges and histograms of one server."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        ProcessCollector(registry=own)
        self.requests = Counter(
            "refimpl_requests",
            "Responses, by route and status; 499: the client had left.",
            ["route", "status"],
            registry=own,
        )
        self.seconds = Histogram(
            "refimpl_request_seconds",
            "From a request's head to its response.",
            ["route"],
            buckets=SECONDS,
            registry=own,
        )
        self.waiting = Gauge("refimpl_waiting_requests", "Requests that wait or are being computed.", registry=own)
        self.held_bytes = Gauge("refimpl_held_bytes", "Bytes of bodies being received or computed.", registry=own)
        self.connections = Gauge("refimpl_connections", "Open connections.", registry=own)
        self.closed = Counter(
            "refimpl_connections_closed", "Connections that the server closed, by reason.", ["reason"], registry=own
        )
        self.step_requests = Histogram(
            "refimpl_step_requests", "Requests computed together.", buckets=COUNTS, registry=own
        )
        self.step_texts = Histogram("refimpl_step_texts", "Texts computed together.", buckets=COUNTS, registry=own)

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)
