"""Encode: texts to unit vectors by all-MiniLM-L6-v2, against sentence-transformers (torch) and onnxruntime."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bench import minilm_peers
from bench.checks import close
from bench.race import Competitor, Race
from bench.texts import LENGTHS, fingerprint, texts
from refimpl.dense.minilm import MiniLMEmbeddingFunction

COUNTS = {"short": 64, "long": 6, "mixed": 16}
ATOL = 1e-6  # DESIGN.md: unit vectors in float32

Encoders = dict[str, minilm_peers.Encode]
Oracle = Callable[[list[str]], np.ndarray]


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    """float64 vectors by the textbook forward, each text computed once."""
    textbook = MiniLMEmbeddingFunction(dtype="float64", max_length=minilm_peers.MAX_LENGTH)
    known: dict[str, np.ndarray] = {}

    def vectors(documents: list[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(documents) if text not in known]
        with threadpool_limits(1):  # not timed, and two BLAS threads on a busy machine mostly wait on each other
            known.update(zip(new, textbook.encode_documents(new), strict=True))
        return np.stack([known[text] for text in documents])

    return vectors


@pytest.fixture(scope="module")
def encoders(request: pytest.FixtureRequest) -> Encoders:
    """Every encoder that is installed, its weights loaded, by its competitor's name."""
    threads = request.config.getoption("--benchmark-threads")
    ours = MiniLMEmbeddingFunction(max_length=minilm_peers.MAX_LENGTH, num_workers=threads)
    found = {
        "refimpl": ours.encode_documents,
        "sentence-transformers": minilm_peers.sentence_transformers_encoder(threads),
        "onnxruntime": minilm_peers.onnxruntime_encoder(threads),
    }
    return {name: encode for name, encode in found.items() if encode is not None}


@pytest.mark.parametrize("kind", LENGTHS)
def test_encode(race: Race, encoders: Encoders, oracle: Oracle, kind: str) -> None:
    _race(race, encoders, oracle, texts(kind, COUNTS[kind]), case=kind)


@pytest.mark.parametrize("size", [1, 8, 32])
def test_encode_cost_by_batch(race: Race, encoders: Encoders, oracle: Oracle, size: int) -> None:
    _race(race, encoders, oracle, texts("short", size), case=f"batch of {size}", series="batch", size=size)


def _race(race: Race, encoders: Encoders, oracle: Oracle, documents: list[str], **facts: Any) -> None:
    sides = {
        name: Competitor(lambda encode=encode: np.asarray(encode(documents)), settings={"dtype": "float32"})
        for name, encode in encoders.items()
    }
    expected = oracle(documents)
    facts |= {"stage": "encode", "work": len(documents), "unit": "texts", "data": fingerprint(documents)}
    race(sides, check=lambda _, answer: close(answer, expected, ATOL), **facts)
