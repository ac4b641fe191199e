"""Encode: texts to unit vectors by all-MiniLM-L6-v2, against sentence-transformers (torch) and onnxruntime.

The session ends with a table of what was aimed at and what this machine gave (bench/encode_table.py).
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bench import minilm_peers
from bench.checks import close
from bench.encode_table import A_CORE, ONNX, OURS, PADDED, PRODUCTS, READING, TORCH
from bench.minilm_limit import FLOP_A_TOKEN, products_alone, weights_read_once
from bench.race import Competitor, Race, Verdict
from bench.texts import LENGTHS, fingerprint, texts
from refimpl.dense.minilm import MiniLMEmbeddingFunction

COUNTS = {"short": 192, "long": 64, "mixed": 64}  # whole batches of 32 for each of two sessions, and many tiles for us
PADDED_COUNTS = {"short": 32, "mixed": 8}
ONE_QUERY = "where was Alan Turing born?"  # 8 tokens
ATOL = 1e-6  # DESIGN.md: unit vectors in float32
WEIGHT_BYTES = 4 * 6 * (4 * 384 * 384 + 2 * 384 * 1536)  # the layers' matrices
FLOAT32 = {"dtype": "float32"}
START = Path(__file__).with_name("encode_start.py")

Encoders = dict[str, minilm_peers.Encode]
Oracle = Callable[[list[str]], np.ndarray]
Limit = Callable[[list[str]], Competitor]


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
    }
    return {name: encode for name, encode in found.items() if encode is not None}


@pytest.fixture
def products(request: pytest.FixtureRequest, ours: MiniLMEmbeddingFunction) -> Limit:
    """The matrix products of some documents as a side of their race."""

    def side(documents: list[str]) -> Competitor:
        tokens = int(ours.tokenizer(documents).lengths.sum())
        run = products_alone(tokens, request.config.getoption("--benchmark-threads"))
        return Competitor(run, settings=FLOAT32 | {"expected": FLOP_A_TOKEN * tokens, "unit": "FLOP"})

    return side


@pytest.mark.parametrize("kind", LENGTHS)
def test_encode(race: Race, encoders: Encoders, oracle: Oracle, products: Limit, kind: str) -> None:
    documents = texts(kind, COUNTS[kind])
    raced = {name: encode for name, encode in encoders.items() if name != PADDED}
    _race(race, raced, oracle, documents, {PRODUCTS: products(documents)}, case=kind)


@pytest.mark.parametrize("kind", PADDED_COUNTS)
def test_encode_padded_to_the_window(
    race: Race, encoders: Encoders, oracle: Oracle, products: Limit, kind: str
) -> None:
    documents = texts(kind, PADDED_COUNTS[kind])
    raced = {name: encode for name, encode in encoders.items() if name in (OURS, PADDED)}
    _race(race, raced, oracle, documents, {PRODUCTS: products(documents)}, case=f"{kind}, as commonly used")


def test_encode_one_query(race: Race, encoders: Encoders, oracle: Oracle, ours: MiniLMEmbeddingFunction) -> None:
    raced = {name: encode for name, encode in encoders.items() if name in (OURS, TORCH, ONNX)}
    reading = Competitor(weights_read_once(ours.weights), settings={"expected": WEIGHT_BYTES, "unit": "bytes"})
    _race(race, raced, oracle, [ONE_QUERY], {READING: reading}, case="one query")


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
    limits: Mapping[str, Competitor] = {},
    **facts: Any,
) -> None:
    sides = {name: Competitor(partial(encode, documents), settings=FLOAT32) for name, encode in encoders.items()}
    sides = {name: replace(side, before=settle) for name, side in {**sides, **limits}.items()}
    expected = oracle(documents)

    def check(name: str, answer: Any) -> Verdict:
        if name not in limits:
            return close(answer, expected, ATOL)
        settings = limits[name].settings
        assert answer == settings["expected"], f"{name}: {answer} {settings['unit']}"
        return Verdict(f"no vectors, {name}")

    facts |= {"stage": "encode", "work": len(documents), "unit": "texts", "data": fingerprint(documents)}
    race(sides, check=check, **facts)


def settle() -> None:
    """Let threads of the side before come to rest: torch's and onnxruntime's go on spinning for some milliseconds."""
    time.sleep(0.02)
