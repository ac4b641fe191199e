"""BGE-M3: texts to dense, sparse and token vectors in one pass, against the published arithmetic in torch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bench import bge_m3_peers, model_folders
from bench.checks import close
from bench.race import Competitor, Correctness, Race
from bench.texts import fingerprint, texts
from refimpl.hybrid.bge_m3 import BGEM3EmbeddingFunction

COUNTS = {"short": 32, "long": 4, "mixed": 8}
KINDS = {"return_dense": True, "return_sparse": True, "return_colbert_vecs": True}
UNIT_ATOL = 1e-6  # DESIGN.md: unit vectors in float32
WEIGHT_ATOL = 1e-5


@pytest.fixture(scope="module")
def folder() -> Path:
    if (found := model_folders.bge_m3()) is None:
        pytest.skip("torch and transformers write the model: `make peers` installs them")
    return found


@pytest.fixture(scope="module")
def encoders(folder: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Our function and torch's, their weights loaded, by the competitor's name."""
    threads = request.config.getoption("--benchmark-threads")
    ours = BGEM3EmbeddingFunction(folder, max_length=model_folders.MAX_LENGTH, num_workers=threads, **KINDS)
    theirs = bge_m3_peers.torch_encoder(folder, threads, model_folders.MAX_LENGTH)
    return {"refimpl": ours.encode_documents} | ({} if theirs is None else {"torch": theirs})


@pytest.mark.parametrize("kind", COUNTS)
def test_bge_m3(race: Race, folder: Path, encoders: dict[str, Any], kind: str) -> None:
    documents = texts(kind, COUNTS[kind])
    oracle = BGEM3EmbeddingFunction(folder, dtype="float64", max_length=model_folders.MAX_LENGTH, **KINDS)
    with threadpool_limits(1):
        expected = oracle.encode_documents(documents)

    def check(_: str, answer: Any) -> Correctness:
        lengths = [len(vectors) for vectors in answer["colbert_vecs"]]
        assert lengths == [len(vectors) for vectors in expected["colbert_vecs"]], "token vectors of other lengths"
        found = [
            close(answer["dense"], expected["dense"], UNIT_ATOL),
            close(np.concatenate(answer["colbert_vecs"]), np.concatenate(expected["colbert_vecs"]), UNIT_ATOL),
            close(answer["sparse"].toarray(), expected["sparse"].toarray(), WEIGHT_ATOL),
        ]
        kinds = ("dense", "token vectors", "sparse")
        return Correctness("; ".join(f"{kind}: {each.description}" for kind, each in zip(kinds, found, strict=True)))

    race(
        {
            name: Competitor(lambda encode=encode: encode(documents), settings={"dtype": "float32"})
            for name, encode in encoders.items()
        },
        stage="BGE-M3",
        case=kind,
        work=len(documents),
        unit="texts",
        check=check,
        data=fingerprint(documents),
    )
