"""Rerank over HTTP on loopback: what a client adds to a call, and HTTP to a reranker.

The client's own cost is measured beside a bare http.client exchange and a plain `requests.post` of the same body, at a
server that answers at once. `refimpl serve` with refimpl's client is raced against the same model called directly.
"""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from bench.checks import close, same
from bench.race import Race
from bench.servers import started
from bench.texts import fingerprint, texts
from refimpl.providers import PROVIDERS
from refimpl.reranker.jinaai import JinaRerankFunction
from refimpl.reranker.maxsim import MaxSimRerankFunction

SIZES = [10, 100, 1000]
TOP_K = 5
ATOL = 1e-6


@pytest.fixture(scope="module")
def instant_port() -> Iterator[int]:
    process, port = started(str(Path(__file__).with_name("rerank_server.py")))
    yield int(port)
    process.kill()
    process.wait()


@pytest.mark.parametrize("count", SIZES)
def test_rerank_client(race: Race, instant_port: int, count: int) -> None:
    query, documents = texts("short", 1)[0], texts("short", count)
    service = PROVIDERS["jina"].rerank_service()
    body = service.body("m", query, documents, TOP_K, {})
    url = f"http://127.0.0.1:{instant_port}"
    rf, session = JinaRerankFunction("m", base_url=url), requests.Session()
    connection = http.client.HTTPConnection("127.0.0.1", instant_port)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def bare() -> list[int]:
        connection.request("POST", service.path, json.dumps(body), {"Content-Type": "application/json"})
        return _indices(json.loads(connection.getresponse().read()))

    race(
        {
            "refimpl": lambda: [result.index for result in rf(query, documents, TOP_K)],
            "http.client": bare,
            "requests": lambda: _indices(session.post(url + service.path, json=body, timeout=60).json()),
        },
        stage="rerank client",
        case=f"{count} documents, an instant server",
        work=1,
        unit="calls",
        size=count,
        check=lambda _, answer: same(answer, list(range(TOP_K)), "indices"),
        data=fingerprint(documents),
    )
    connection.close()


@pytest.mark.parametrize("count", SIZES)
def test_rerank_latency(race: Race, reference_url: str, count: int) -> None:
    query, documents = texts("short", 1)[0], texts("short", count)
    local, remote = MaxSimRerankFunction(), JinaRerankFunction("m", base_url=reference_url, timeout_s=600.0)
    expected = [result.score for result in local(query, documents, TOP_K)]
    race(
        {
            "refimpl, local": lambda: [result.score for result in local(query, documents, TOP_K)],
            "refimpl, HTTP": lambda: [result.score for result in remote(query, documents, TOP_K)],
        },
        stage="rerank latency",
        case=f"MaxSim, {count} documents",
        work=count,
        unit="documents",
        size=count,
        check=lambda _, answer: close(answer, expected, ATOL),
        data=fingerprint(documents),
    )


def _indices(answer: Any) -> list[int]:
    return [entry["index"] for entry in answer["results"]]
