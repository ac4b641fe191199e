"""Encode: texts to unit vectors by all-MiniLM-L6-v2, against sentence-transformers (torch), onnxruntime and fastembed.

The session ends with a table of what was aimed at and what this machine gave (bench/encode_table.py).
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bench import minilm_peers
from bench.checks import close
from bench.encode_table import A_CORE, FASTEMBED, ONNX, OURS, PADDED, PRODUCTS, READING, TORCH
from bench.minilm_limit import FLOP_A_TOKEN, WEIGHT_BYTES, products_alone, weights_read_once
from bench.race import Competitor, Correctness, Race
from bench.texts import LENGTHS, fingerprint, texts
from refimpl.dense.minilm import MiniLMEmbeddingFunction

COUNTS = {"short": 192, "long": 64, "mixed": 64}  # whole batches of 32 for each of two sessions, and many tiles for us
PADDED_COUNTS = {"short": 32, "mixed": 8}
ONE_QUERY = "where was Alan Turing born?"  # 8 tokens
ATOL = 1e-6  # DESIGN.md: unit vectors in float32
START = Path(__file__).with_name("encode_start.py")

Encoders = dict[str, minilm_peers.Encode]
Oracle = Callable[[list[str]], np.ndarray]
Bound = tuple[Callable[[], int], int]
"""A side that makes no vectors, and the number that it returns: FLOP or bytes."""
Products = Callable[[int], dict[str, Bound]]


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
def ours(request: pytest.FixtureRequest) -> MiniLMEmbeddingFunction:
    threads = request.config.getoption("--benchmark-threads")
    return MiniLMEmbeddingFunction(max_length=minilm_peers.MAX_LENGTH, num_workers=threads)


@pytest.fixture(scope="module")
def encoders(request: pytest.FixtureRequest, ours: MiniLMEmbeddingFunction) -> Encoders:
    """Every encoder that is installed, its weights loaded, by its competitor's name."""
    threads = request.config.getoption("--benchmark-threads")
    found = {
        OURS: ours.encode_documents,
        TORCH: minilm_peers.sentence_transformers_encoder(threads),
        ONNX: minilm_peers.onnxruntime_encoder(threads),
        A_CORE: minilm_peers.onnxruntime_encoder_a_core(threads),
        PADDED: minilm_peers.onnxruntime_encoder_padded(threads),
        FASTEMBED: minilm_peers.fastembed_encoder(threads),
    }
    return {name: encode for name, encode in found.items() if encode is not None}


@pytest.fixture
def products(request: pytest.FixtureRequest) -> Products:
    """The matrix products of so many tokens as a side of their race."""
    threads = request.config.getoption("--benchmark-threads")
    return lambda tokens: {PRODUCTS: (products_alone(tokens, threads), FLOP_A_TOKEN * tokens)}


@pytest.mark.parametrize("kind", LENGTHS)
def test_encode(
    race: Race, encoders: Encoders, oracle: Oracle, ours: MiniLMEmbeddingFunction, products: Products, kind: str
) -> None:
    documents = texts(kind, COUNTS[kind])
    tokens = int(ours.tokenizer(documents).lengths.sum())
    raced = {name: encode for name, encode in encoders.items() if name != PADDED}
    _race(race, raced, oracle, documents, products(tokens), tokens=tokens, case=kind)


@pytest.mark.parametrize("kind", PADDED_COUNTS)
def test_encode_padded_to_the_window(
    race: Race, encoders: Encoders, oracle: Oracle, ours: MiniLMEmbeddingFunction, products: Products, kind: str
) -> None:
    documents = texts(kind, PADDED_COUNTS[kind])
    tokens = int(ours.tokenizer(documents).lengths.sum())
    raced = {name: encode for name, encode in encoders.items() if name in (OURS, PADDED)}
    _race(race, raced, oracle, documents, products(tokens), tokens=tokens, case=f"{kind}, as commonly used")


def test_encode_one_query(race: Race, encoders: Encoders, oracle: Oracle, ours: MiniLMEmbeddingFunction) -> None:
    raced = {name: encode for name, encode in encoders.items() if name in (OURS, TORCH, ONNX)}
    bounds = {READING: (weights_read_once(ours.weights), WEIGHT_BYTES)}
    _race(race, raced, oracle, [ONE_QUERY], bounds, case="one query")


@pytest.mark.parametrize("size", [8, 32])
def test_encode_cost_by_batch(race: Race, encoders: Encoders, oracle: Oracle, size: int) -> None:
    raced = {name: encode for name, encode in encoders.items() if name in (OURS, TORCH, ONNX)}
    _race(race, raced, oracle, texts("short", size), case=f"batch of {size}", series="batch", size=size)


def test_start_to_first_vector(race: Race, encoders: Encoders, oracle: Oracle) -> None:
    """A fresh process imports, loads the weights and embeds one query."""
    expected = oracle([ONE_QUERY])[0, :4]

    def start(name: str) -> np.ndarray:
        done = subprocess.run([sys.executable, START, name, ONE_QUERY], capture_output=True, text=True, check=True)
        return np.array(done.stdout.split()[-4:], dtype=np.float64)

    race(
        {name: partial(start, name) for name in encoders if name in (OURS, TORCH)},
        stage="encode start",
        case="start to first vector",
        work=1,
        unit="starts",
        check=lambda _, answer: close(answer, expected, ATOL),
        data=fingerprint([ONE_QUERY]),
    )


def _race(
    race: Race,
    encoders: Encoders,
    oracle: Oracle,
    documents: list[str],
    bounds: Mapping[str, Bound] = {},
    **facts: Any,
) -> None:
    runs: dict[str, Callable[[], Any]] = {name: partial(encode, documents) for name, encode in encoders.items()}
    runs |= {name: run for name, (run, _) in bounds.items()}
    sides = {name: Competitor(run, before=settle, settings={"dtype": "float32"}) for name, run in runs.items()}
    expected = oracle(documents)

    def check(name: str, answer: Any) -> Correctness:
        if name not in bounds:
            return close(answer, expected, ATOL)
        assert answer == bounds[name][1], f"{name}: {answer} FLOP or bytes, expected {bounds[name][1]}"
        return Correctness(f"no vectors, {name}")

    facts |= {"stage": "encode", "work": len(documents), "unit": "texts", "data": fingerprint(documents)}
    race(sides, check=check, **facts)


def settle() -> None:
    """Wait until the previous competitor's threads are idle: torch's and onnxruntime's spin for some milliseconds."""
    time.sleep(0.02)
