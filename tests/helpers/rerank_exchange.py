"""The rerank request of the clients' tests, with a right response."""

from typing import Any

from refimpl import JinaRerankFunction

QUERY = "which planet is red?"
DOCUMENTS = ["Venus is hot.", "Mars is red.", "Jupiter is large."]
GOOD = {
    "results": [
        {"index": 1, "relevance_score": 0.9},
        {"index": 0, "relevance_score": 0.2},
        {"index": 2, "relevance_score": 0.1},
    ]
}
RIGHT = [(1, 0.9, "Mars is red."), (0, 0.2, "Venus is hot."), (2, 0.1, "Jupiter is large.")]


def plain(results: Any) -> list[tuple[int, float, str]]:
    return [(result.index, result.score, result.text) for result in results]


def jina(url: str, **options: Any) -> JinaRerankFunction:
    return JinaRerankFunction("m", base_url=url, **{"timeout_s": 10.0, **options})
