"""Each embedding protocol's clients, all on one server: ours, the provider's own SDK, and a plain `requests.post`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import requests

from bench import peers
from refimpl.dense.cohere import CohereEmbeddingFunction
from refimpl.dense.jinaai import JinaEmbeddingFunction
from refimpl.dense.openai import OpenAIEmbeddingFunction
from refimpl.dense.remote import RemoteEmbeddingFunction
from refimpl.dense.tei import TEIEmbeddingFunction
from refimpl.dense.voyageai import VoyageEmbeddingFunction

Encode = Callable[[list[str]], Any]


@dataclass(frozen=True)
class Protocol:
    """One protocol: its path, the body that asks for decimal numbers, where they stand in the answer, its clients."""

    path: str
    body: Callable[[list[str]], dict[str, Any]]
    vectors: Callable[[Any], Any]
    ours: Callable[[str], RemoteEmbeddingFunction]
    sdk: str | None = None
    """The SDK's module; None where the provider has none."""
    by_sdk: Callable[[Any, str], Encode] | None = None


def clients(protocol: Protocol, url: str) -> dict[str, Encode]:
    """Every client that is installed, by its competitor's name."""
    session = requests.Session()

    def by_requests(texts: list[str]) -> np.ndarray:
        answer = session.post(url + protocol.path, json=protocol.body(texts), timeout=60).json()
        return np.array(protocol.vectors(answer), dtype=np.float32)

    found: dict[str, Encode] = {"refimpl, HTTP": protocol.ours(url).encode_documents, "requests": by_requests}
    if protocol.sdk is not None and protocol.by_sdk is not None and (sdk := peers.get(protocol.sdk)) is not None:
        found[protocol.sdk] = protocol.by_sdk(sdk, url)
    return found


def _openai(sdk: Any, url: str) -> Encode:
    client = sdk.OpenAI(api_key="none", base_url=f"{url}/v1")
    return lambda texts: [each.embedding for each in client.embeddings.create(model="m", input=texts).data]


def _voyage(sdk: Any, url: str) -> Encode:
    embed = sdk.Client(api_key="none", base_url=f"{url}/v1").embed
    return lambda texts: embed(texts, model="m", input_type="document").embeddings


def _cohere(sdk: Any, url: str) -> Encode:
    embed = partial(sdk.ClientV2("none", base_url=url).embed, model="m", input_type="search_document")
    return lambda texts: embed(texts=texts, embedding_types=["float"]).embeddings.float_


def _hub(sdk: Any, url: str) -> Encode:
    return sdk.InferenceClient(f"{url}/embed").feature_extraction


def _data(answer: Any) -> list[Any]:
    return [entry["embedding"] for entry in answer["data"]]


PROTOCOLS = {
    "OpenAI": Protocol(
        "/v1/embeddings",
        lambda texts: {"model": "m", "input": texts},
        _data,
        lambda url: OpenAIEmbeddingFunction("m", base_url=url),
        "openai",
        _openai,
    ),
    "Jina": Protocol(
        "/v1/embeddings",
        lambda texts: {"model": "m", "input": texts, "task": "retrieval.passage"},
        _data,
        lambda url: JinaEmbeddingFunction("m", base_url=url),
    ),
    "Voyage": Protocol(
        "/v1/embeddings",
        lambda texts: {"model": "m", "input": texts, "input_type": "document"},
        _data,
        lambda url: VoyageEmbeddingFunction("m", base_url=url),
        "voyageai",
        _voyage,
    ),
    "Cohere": Protocol(
        "/v2/embed",
        lambda texts: {
            "model": "m",
            "texts": texts,
            "input_type": "search_document",
            "embedding_types": ["float"],
        },
        lambda answer: answer["embeddings"]["float"],
        lambda url: CohereEmbeddingFunction("m", base_url=url),
        "cohere",
        _cohere,
    ),
    "TEI": Protocol(
        "/embed",
        lambda texts: {"inputs": texts},
        lambda answer: answer,
        lambda url: TEIEmbeddingFunction(f"{url}/embed"),
        "huggingface_hub",
        _hub,
    ),
}
