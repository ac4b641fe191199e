"""llama.cpp's own server over HTTP: our clients talk to it, and our arithmetic agrees with it."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import small_models
from gguf_files import write_gguf

from refimpl import (
    CrossEncoderRerankFunction,
    JinaRerankFunction,
    MiniLMEmbeddingFunction,
    TEIRerankFunction,
    models,
)
from refimpl.http import AuthenticationError, BadRequestError, ServerError

pytestmark = pytest.mark.peer

KEY = "the-key"
QUERY = "which planet is red?"
DOCUMENTS = ["mars is red because its soil holds iron oxide", "the quick brown fox", "venus", "naïve café größer"]


@pytest.fixture(scope="module")
def llama() -> Iterator[Callable[..., str]]:
    """Starts llama.cpp's server on a GGUF file, and gives its address."""
    import xllamacpp

    servers: list[Any] = []

    def start(file: Path, *, pooling: str) -> str:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        params = xllamacpp.CommonParams()
        params.model.path = str(file)
        params.embedding = True
        params.pooling_type = getattr(xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{pooling}")
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED  # for its accuracy
        params.n_ctx = params.n_batch = params.n_ubatch = 512
        params.n_parallel = 1
        params.cpuparams.n_threads = 1
        params.cpuparams_batch.n_threads = 1
        params.warmup = False
        params.hostnames = ["127.0.0.1"]
        params.port = port
        params.api_keys = [KEY]
        servers.append(xllamacpp.Server(params))
        return servers[-1].listening_address

    yield start
    servers.clear()


@pytest.fixture(scope="module")
def embedding_url(llama: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("gguf") / "minilm.gguf"
    return llama(write_gguf(models.path("all-MiniLM-L6-v2"), file, rank=False), pooling="MEAN")


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cross-encoder")
    small_models.bert(folder, models.path("all-MiniLM-L6-v2") / "tokenizer.json")
    return folder


@pytest.fixture(scope="module")
def rerank_url(llama: Callable[..., str], cross_encoder: Path) -> str:
    return llama(write_gguf(cross_encoder, cross_encoder / "rank.gguf", rank=True), pooling="RANK")


@pytest.mark.parametrize(("hidden_act", "within"), [("gelu", 1e-6), ("gelu_new", 2e-7)])
def test_our_embeddings_are_its(embedding_url: str, hidden_act: str, within: float) -> None:
    """Observed 1 - cos at most 7e-7; 4e-8 when we take GELU's tanh approximation, as llama.cpp does for every BERT."""
    texts = [*DOCUMENTS, QUERY, "Artificial intelligence was founded as an academic discipline in 1956."]
    answer = requests.post(
        f"{embedding_url}/v1/embeddings",
        json={"input": texts, "model": "x"},
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=60,
    ).json()
    theirs = np.array([entry["embedding"] for entry in sorted(answer["data"], key=lambda entry: entry["index"])])
    embed = MiniLMEmbeddingFunction(dtype="float64")
    embed.weights.config = replace(embed.weights.config, hidden_act=hidden_act)
    ours = embed(texts)
    cosines = np.einsum("td,td->t", ours, theirs) / np.linalg.norm(theirs, axis=1)
    assert (1 - cosines).max() < 1e-6


@pytest.fixture(scope="module")
def expected(cross_encoder: Path) -> np.ndarray:
    """Our logits with the segment ids that llama.cpp has: 0 everywhere."""
    rf = CrossEncoderRerankFunction(cross_encoder, dtype="float64")
    tokens = rf.tokens(QUERY, DOCUMENTS)
    tokens.token_type_ids[:] = 0
    return rf.raw_scores(tokens)


@pytest.mark.parametrize("mode", ["documents", "texts"])
def test_our_clients_read_its_logits_and_our_cross_encoder_agrees(
    rerank_url: str, expected: np.ndarray, mode: str
) -> None:
    """Observed at most 4e-4."""
    rf: Any = JinaRerankFunction("x", KEY, base_url=rerank_url)
    if mode == "texts":
        rf = TEIRerankFunction(rerank_url, api_key=KEY)
    results = rf(QUERY, DOCUMENTS, top_k=None)
    assert [result.index for result in results] == np.argsort(-expected).tolist()
    assert [result.text for result in results] == [DOCUMENTS[result.index] for result in results]
    found = np.array([result.score for result in sorted(results, key=lambda result: result.index)])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
    assert np.ptp(expected) > 0.05  # else the tolerance would hide a wrong order
    assert [result.index for result in rf(QUERY, DOCUMENTS, top_k=2)] == np.argsort(-expected)[:2].tolist()


def test_its_errors_are_told(rerank_url: str, embedding_url: str) -> None:
    with pytest.raises(AuthenticationError, match="Invalid API Key"):
        JinaRerankFunction("x", "wrong", base_url=rerank_url)(QUERY, DOCUMENTS)
    with pytest.raises(ServerError, match=r"501.*does not support reranking") as caught:
        JinaRerankFunction("x", KEY, base_url=embedding_url)(QUERY, DOCUMENTS)
    assert caught.value.status == 501
    with pytest.raises((BadRequestError, ServerError), match=r"too large|exceeds|context"):
        JinaRerankFunction("x", KEY, base_url=rerank_url, max_retries=0)(QUERY, ["planet " * 2000])
