"""Clients of embedding APIs, servers that answer them, and the right vectors."""

import base64
import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from werkzeug import Request, Response

from refimpl import (
    CohereEmbeddingFunction,
    GeminiEmbeddingFunction,
    JinaEmbeddingFunction,
    MistralAIEmbeddingFunction,
    NomicEmbeddingFunction,
    OpenAIEmbeddingFunction,
    TEIEmbeddingFunction,
    VoyageEmbeddingFunction,
)

TEXTS = ["Venus 1", "Mars 2", "Jupiter 3"]
RIGHT = np.array([[1, 0.5, -1], [2, 1, -2], [3, 1.5, -3]], dtype=np.float32)  # `numbers` of TEXTS

Make = Callable[..., Any]
CLIENTS: dict[str, tuple[Make, str]] = {
    "openai": (lambda url, **o: OpenAIEmbeddingFunction("m", base_url=url, **o), "/v1/embeddings"),
    "openai, float": (
        lambda url, **o: OpenAIEmbeddingFunction("m", base_url=f"{url}/v1", encoding_format="float", **o),
        "/v1/embeddings",
    ),
    "jina": (lambda url, **o: JinaEmbeddingFunction("m", base_url=url, **o), "/v1/embeddings"),
    "voyage": (lambda url, **o: VoyageEmbeddingFunction("m", base_url=url, **o), "/v1/embeddings"),
    "mistral": (
        lambda url, **o: MistralAIEmbeddingFunction(**{"api_key": None, "model_name": "m", "base_url": url, **o}),
        "/v1/embeddings",
    ),
    "nomic": (lambda url, **o: NomicEmbeddingFunction("m", dimensions=None, base_url=url, **o), "/v1/embedding/text"),
    "tei": (lambda url, **o: TEIEmbeddingFunction(url, **o), "/v1/embeddings"),
    "tei, own": (lambda url, **o: TEIEmbeddingFunction(f"{url}/embed", **o), "/embed"),
    "cohere": (lambda url, **o: CohereEmbeddingFunction("m", base_url=url, **o), "/v2/embed"),
    "cohere, base64": (
        lambda url, **o: CohereEmbeddingFunction("m", base_url=url, embedding_types=["base64"], **o),
        "/v2/embed",
    ),
    "cohere v1": (lambda url, **o: CohereEmbeddingFunction("m", base_url=url, api_version="v1", **o), "/v1/embed"),
}
GEMINI = "/v1beta/models/m:batchEmbedContents"
CLIENTS["gemini"] = (lambda url, **o: GeminiEmbeddingFunction("m", base_url=url, **o), GEMINI)
INDEXED = ["openai", "openai, float", "jina", "voyage", "mistral", "tei"]
every_client = pytest.mark.parametrize("client", CLIENTS)


def openai(url: str, **options: Any) -> OpenAIEmbeddingFunction:
    return OpenAIEmbeddingFunction("m", base_url=url, **options)


def mistral(model: str = "mistral-embed", **options: Any) -> MistralAIEmbeddingFunction:
    return MistralAIEmbeddingFunction(None, model, **options)


def nomic(model: str = "nomic-embed-text-v1.5", **options: Any) -> NomicEmbeddingFunction:
    return NomicEmbeddingFunction(model, **options)


def numbers(text: str) -> list[float]:
    last = float(text.split()[-1]) if text[-1].isdigit() else 0.0
    return [last, last / 2, -last]


def packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def texts_in(body: dict[str, Any]) -> list[str]:
    """The texts of a request."""
    if "requests" in body:
        return [one["content"]["parts"][0]["text"] for one in body["requests"]]
    return next(body[name] for name in ("input", "inputs", "texts") if name in body)


def answer_to(path: str, body: dict[str, Any]) -> Any:
    """The response of the route's server, entries with an index in reversed order; 7 tokens per text."""
    texts = texts_in(body)
    encodings = [body.get("encoding_format"), body.get("embedding_type"), *(body.get("embedding_types") or [])]
    vectors: list[Any] = [packed(numbers(t)) if "base64" in encodings else numbers(t) for t in texts]
    if path == "/embed":
        return vectors
    if path == GEMINI:
        values = [{"values": vector} for vector in vectors]
        return {"embeddings": values, "usageMetadata": {"promptTokenCount": 7 * len(texts)}}
    if path == "/v1/embedding/text":
        return {"embeddings": vectors, "usage": {"total_tokens": 7 * len(texts)}, "model": body["model"]}
    if path.endswith("/embed"):
        kind = "base64" if "base64" in encodings else "float"
        return {"embeddings": {kind: vectors}, "meta": {"billed_units": {"input_tokens": 7 * len(texts)}}}
    data = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return {"data": data[::-1], "usage": {"prompt_tokens": 0, "total_tokens": 7 * len(texts)}}


def embedding_server(httpserver: Any, path: str) -> list[dict[str, Any]]:
    """Responds by `answer_to`, and records the requests."""
    requests: list[dict[str, Any]] = []

    def answer(request: Request) -> Response:
        requests.append(request.get_json())
        return Response(json.dumps(answer_to(path, requests[-1])))

    httpserver.expect_request(path, method="POST").respond_with_handler(answer)
    return requests
