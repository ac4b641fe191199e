"""Sentence vectors of each architecture's folder, against sentence-transformers (torch) on the same folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bench import model_folders, peers
from bench.checks import close
from bench.race import Competitor, Race
from bench.texts import fingerprint, texts
from refimpl.dense.sentence_transformer import SentenceTransformerEmbeddingFunction

ARCHITECTURES = ("bert", *(kind for kind in model_folders.CONFIGS if kind != "xlm-roberta"))  # raced as BGE-M3
COUNTS = {"short": 32, "mixed": 8}
BATCH_SIZE = 32  # sentence-transformers' own default
ATOL = 1e-6  # DESIGN.md: unit vectors in float32
ATOL_OF = {"t5": 1e-5}  # torch in float32 is seen at 1.06e-6 from float64


@pytest.fixture(scope="module", params=ARCHITECTURES)
def folder(request: pytest.FixtureRequest) -> Path:
    if (written := model_folders.sentence_transformer(request.param)) is None:
        pytest.skip("torch and transformers write the model: `make peers` installs them")
    return written


@pytest.fixture(scope="module")
def oracle(folder: Path) -> SentenceTransformerEmbeddingFunction:
    """The textbook forward in float64."""
    return SentenceTransformerEmbeddingFunction(folder, dtype="float64", max_length=model_folders.MAX_LENGTH)


@pytest.fixture(scope="module")
def encoders(folder: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Every encoder that is installed, its weights loaded, by its competitor's name."""
    threads = request.config.getoption("--benchmark-threads")
    limit = model_folders.MAX_LENGTH
    ours = SentenceTransformerEmbeddingFunction(folder, max_length=limit, num_workers=threads)
    loaded: dict[str, Any] = {"refimpl": ours.encode_documents}
    library, torch = peers.get("sentence_transformers"), peers.get("torch")
    if library is not None and torch is not None:
        torch.set_num_threads(threads)
        model = library.SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        model.max_seq_length = limit
        options = {"batch_size": BATCH_SIZE, "normalize_embeddings": True, "show_progress_bar": False}
        loaded["sentence-transformers"] = lambda documents: model.encode(documents, **options)
    return loaded


@pytest.mark.parametrize("kind", COUNTS)
def test_sentence_transformer(
    race: Race,
    encoders: dict[str, Any],
    oracle: SentenceTransformerEmbeddingFunction,
    kind: str,
) -> None:
    documents, architecture = texts(kind, COUNTS[kind]), oracle.weights.config.model_type
    with threadpool_limits(1):
        expected = oracle.encode_documents(documents)
    race(
        {
            name: Competitor(lambda encode=encode: np.asarray(encode(documents)), settings={"dtype": "float32"})
            for name, encode in encoders.items()
        },
        stage="sentence vectors",
        case=f"{architecture}, {kind}",
        work=len(documents),
        unit="texts",
        check=lambda _, answer: close(answer, expected, ATOL_OF.get(architecture, ATOL)),
        data=fingerprint(documents),
    )
