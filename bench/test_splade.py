"""SPLADE: texts to sparse vectors by splade-tiny, against transformers and sentence-transformers (torch)."""

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bench import splade_peers
from bench.race import Competitor, Correctness, Race
from bench.texts import LENGTHS, fingerprint, texts
from refimpl.sparse.splade import SpladeEmbeddingFunction

COUNTS = {"short": 64, "long": 6, "mixed": 16}
ATOL = 3e-5  # weights of up to 3 in float32

Encoders = dict[str, splade_peers.Encode]


@pytest.fixture(scope="module")
def oracle() -> SpladeEmbeddingFunction:
    """Refimpl in float64."""
    return SpladeEmbeddingFunction(splade_peers.MODEL, dtype="float64")


@pytest.fixture(scope="module")
def encoders(request: pytest.FixtureRequest) -> Encoders:
    """Every installed encoder, its weights loaded, by its name."""
    threads = request.config.getoption("--benchmark-threads")
    ours = SpladeEmbeddingFunction(splade_peers.MODEL, num_workers=threads)
    candidates = {
        "refimpl": ours.encode_documents,
        "transformers": splade_peers.transformers_encoder(threads, maximum_first=False),
        "transformers, maximum first": splade_peers.transformers_encoder(threads, maximum_first=True),
        "sentence-transformers": splade_peers.sentence_transformers_encoder(threads),
    }
    return {name: encode for name, encode in candidates.items() if encode is not None}


@pytest.mark.parametrize("kind", LENGTHS)
def test_splade(race: Race, encoders: Encoders, oracle: SpladeEmbeddingFunction, kind: str) -> None:
    documents = texts(kind, COUNTS[kind])
    with threadpool_limits(1):
        expected = oracle.encode_documents(documents)

    def check(_: str, result: Any) -> Correctness:
        rows = splade_peers.as_csr(result)
        assert rows.shape == expected.shape, f"expected shape {expected.shape}, got {rows.shape}"
        worst = float(np.abs((rows - expected).data).max(initial=0.0))
        assert worst <= ATOL, f"expected weights within {ATOL:.3g}, got a difference of {worst:.3g}"
        return Correctness(f"max |difference| {worst:.1e}, allowed {ATOL:.0e}")

    race(
        {
            name: Competitor(lambda encode=encode: encode(documents), settings={"dtype": "float32"})
            for name, encode in encoders.items()
        },
        stage="splade",
        case=kind,
        work=len(documents),
        unit="texts",
        check=check,
        data=fingerprint(documents),
    )
