"""Embed over HTTP on loopback: `refimpl serve` and our client on it, beside the same model called here.

Raced against OpenAI's SDK and a plain `requests.post` on the same server: the difference is what a client adds.
"""

import numpy as np
import pytest
import requests

from bench import peers
from bench.checks import close
from bench.race import Competitor, Race
from bench.texts import fingerprint, texts
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.dense.openai import OpenAIEmbeddingFunction

COUNTS = [1, 64]
ATOL = 1e-6


@pytest.mark.parametrize("count", COUNTS)
def test_embed_http(race: Race, reference_url: str, count: int) -> None:
    documents = texts("short", count)
    local = MiniLMEmbeddingFunction()
    packed = OpenAIEmbeddingFunction("m", base_url=reference_url)
    plain = OpenAIEmbeddingFunction("m", base_url=reference_url, encoding_format="float")
    session, body = requests.Session(), {"model": "m", "input": documents}

    def by_requests() -> np.ndarray:
        answer = session.post(f"{reference_url}/v1/embeddings", json=body, timeout=60).json()
        return np.array([entry["embedding"] for entry in answer["data"]], dtype=np.float32)

    sides = {
        "refimpl, local": Competitor(lambda: local.encode_documents(documents)),
        "refimpl, HTTP": Competitor(lambda: packed.encode_documents(documents), settings={"encoding": "base64"}),
        "refimpl, HTTP as text": Competitor(lambda: plain.encode_documents(documents), settings={"encoding": "float"}),
        "requests": Competitor(by_requests, settings={"encoding": "float"}),
    }
    if (sdk := peers.get("openai")) is not None:
        client = sdk.OpenAI(api_key="none", base_url=f"{reference_url}/v1")

        def by_sdk() -> np.ndarray:
            answer = client.embeddings.create(model="m", input=documents)
            return np.array([item.embedding for item in answer.data], dtype=np.float32)

        sides["openai"] = Competitor(by_sdk, settings={"encoding": "base64"})
    expected = local.encode_documents(documents)
    race(
        sides,
        stage="embed over HTTP",
        case=f"{count} texts",
        work=count,
        unit="texts",
        size=count,
        check=lambda _, answer: close(answer, expected, ATOL),
        data=fingerprint(documents),
    )
