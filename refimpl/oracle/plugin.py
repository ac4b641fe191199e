"""The pytest plugin: fixtures that import nothing until a test uses one."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from refimpl.oracle.fixtures import BM25Oracle, GoldenVectors, MiniLMOracle


@pytest.fixture(scope="session")
def minilm_oracle() -> "MiniLMOracle":
    """all-MiniLM-L6-v2 in float64, with assert_embeddings_match and assert_trace_match."""
    from refimpl.oracle.fixtures import MiniLMOracle

    return MiniLMOracle()


@pytest.fixture(scope="session")
def bm25_oracle() -> "BM25Oracle":
    """BM25 in float64, with assert_match."""
    from refimpl.oracle.fixtures import BM25Oracle

    return BM25Oracle()


@pytest.fixture(scope="session")
def golden_vectors() -> "GoldenVectors":
    """What transformers, sentence-transformers and ONNX Runtime computed for the golden texts."""
    from refimpl.oracle.fixtures import GoldenVectors

    return GoldenVectors()
