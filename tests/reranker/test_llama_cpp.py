"""llama.cpp's own server over HTTP: our clients talk to it, and our arithmetic agrees with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_models
from gguf_files import write_gguf
from llama_server import KEY, embedding_url, llama

from refimpl import (
    CrossEncoderRerankFunction,
    JinaRerankFunction,
    TEIRerankFunction,
    models,
)
from refimpl.http import AuthenticationError, BadRequestError, ServerError

__all__ = ["embedding_url", "llama"]

pytestmark = pytest.mark.peer

QUERY = "which planet is red?"
DOCUMENTS = ["mars is red because its soil holds iron oxide", "the quick brown fox", "venus", "naïve café größer"]


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cross-encoder")
    small_models.bert(folder, models.path("all-MiniLM-L6-v2") / "tokenizer.json")
    return folder


@pytest.fixture(scope="module")
def rerank_url(llama: Callable[..., str], cross_encoder: Path) -> str:
    return llama(write_gguf(cross_encoder, cross_encoder / "rank.gguf", rank=True), pooling="RANK")


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
    scores = np.array([result.score for result in sorted(results, key=lambda result: result.index)])
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-3)
    assert np.ptp(expected) > 0.05  # else the tolerance would hide a wrong order
    assert [result.index for result in rf(QUERY, DOCUMENTS, top_k=2)] == np.argsort(-expected)[:2].tolist()


def test_its_errors_are_reported(rerank_url: str, embedding_url: str) -> None:
    with pytest.raises(AuthenticationError, match="Invalid API Key"):
        JinaRerankFunction("x", "wrong", base_url=rerank_url)(QUERY, DOCUMENTS)
    with pytest.raises(ServerError, match=r"501.*does not support reranking") as caught:
        JinaRerankFunction("x", KEY, base_url=embedding_url)(QUERY, DOCUMENTS)
    assert caught.value.status == 501
    with pytest.raises((BadRequestError, ServerError), match=r"too large|exceeds|context"):
        JinaRerankFunction("x", KEY, base_url=rerank_url, max_retries=0)(QUERY, ["planet " * 2000])
