"""llama.cpp's own server over HTTP: our embedding clients talk to it, and our arithmetic agrees with it."""

from dataclasses import replace

import numpy as np
import pytest
import requests
from llama_server import KEY, embedding_url, llama

from refimpl import JinaEmbeddingFunction, MiniLMEmbeddingFunction, OpenAIEmbeddingFunction, TEIEmbeddingFunction
from refimpl.http import AuthenticationError, RemoteError

__all__ = ["embedding_url", "llama"]

pytestmark = pytest.mark.peer

TEXTS = [
    "mars is red because its soil holds iron oxide",
    "the quick brown fox",
    "venus",
    "naïve café größer",
    "which planet is red?",
    "Artificial intelligence was founded as an academic discipline in 1956.",
]


@pytest.fixture(scope="module")
def theirs(embedding_url: str) -> np.ndarray:
    """The vectors in the response to a plain HTTP request."""
    answer = requests.post(
        f"{embedding_url}/v1/embeddings",
        json={"input": TEXTS, "model": "x"},
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=60,
    ).json()
    return np.array([entry["embedding"] for entry in sorted(answer["data"], key=lambda entry: entry["index"])])


@pytest.mark.parametrize(("hidden_act", "within"), [("gelu", 1e-6), ("gelu_new", 2e-7)])
def test_our_embeddings_are_its(theirs: np.ndarray, hidden_act: str, within: float) -> None:
    """Observed 1 - cos at most 7e-7; 4e-8 when we take GELU's tanh approximation, as llama.cpp does for every BERT."""
    embed = MiniLMEmbeddingFunction(dtype="float64")
    embed.weights.config = replace(embed.weights.config, hidden_act=hidden_act)
    cosines = np.einsum("td,td->t", embed(TEXTS), theirs) / np.linalg.norm(theirs, axis=1)
    assert (1 - cosines).max() < within


@pytest.mark.parametrize("client", ["openai", "openai, float", "openai, one by one", "jina", "tei"])
def test_our_clients_read_its_vectors(embedding_url: str, theirs: np.ndarray, client: str) -> None:
    """llama.cpp computes a text's last digits by what it is batched with: observed at most 2e-7."""
    ef = {
        "openai": lambda: OpenAIEmbeddingFunction("x", KEY, embedding_url),
        "openai, float": lambda: OpenAIEmbeddingFunction("x", KEY, embedding_url, encoding_format="float"),
        "openai, one by one": lambda: OpenAIEmbeddingFunction("x", KEY, embedding_url, batch_size=1),
        "jina": lambda: JinaEmbeddingFunction("x", KEY, base_url=embedding_url),
        "tei": lambda: TEIEmbeddingFunction(embedding_url, api_key=KEY),
    }[client]()
    vectors = ef.encode_documents(TEXTS)
    np.testing.assert_allclose(vectors, theirs, rtol=0, atol=2e-6)
    assert ef.dim == 384
    assert ef.usage.tokens > 2 * len(TEXTS)
    assert ef.usage.unstated == 0


def test_its_errors_are_reported(embedding_url: str) -> None:
    with pytest.raises(AuthenticationError, match="Invalid API Key"):
        OpenAIEmbeddingFunction("x", "wrong", embedding_url)(TEXTS)
    with pytest.raises(RemoteError, match=r"too large|exceeds|context"):
        OpenAIEmbeddingFunction("x", KEY, embedding_url, max_retries=0)(["planet " * 2000])
