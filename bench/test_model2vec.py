"""Static embeddings: texts to the means of their tokens' vectors, against model2vec and sentence-transformers."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from bench import model_folders, peers
from bench.checks import close
from bench.race import Competitor, Race
from bench.texts import LENGTHS, fingerprint, texts
from refimpl.dense.model2vec_embed import Model2VecEmbeddingFunction

COUNTS = {"short": 1000, "long": 100, "mixed": 200}
UNKNOWN = "a vector 🙂 of a face"  # the words of bench/texts.py are all known
ATOL = 1e-6  # DESIGN.md: unit vectors in float32


@pytest.fixture(scope="module")
def folder() -> Path:
    return model_folders.model2vec()


@pytest.fixture(scope="module")
def encoders(request: pytest.FixtureRequest, folder: Path) -> dict[str, Any]:
    """Our function and the others', their tables loaded, by the competitor's name."""
    threads = request.config.getoption("--benchmark-threads")
    found: dict[str, Any] = {"refimpl": Model2VecEmbeddingFunction(folder).encode_documents}
    if (library := peers.get("model2vec")) is not None:
        found["model2vec"] = library.StaticModel.from_pretrained(folder).encode
    if (static := static_embedding(folder, threads)) is not None:
        found["sentence-transformers"] = static
    return found


def static_embedding(folder: Path, threads: int) -> Any:
    """sentence-transformers' StaticEmbedding; None where it is not installed.

    Its mean includes unknown tokens. With zeros as their vector, that changes a mean's length, not its direction.
    """
    library, torch = peers.get("sentence_transformers"), peers.get("torch")
    if library is None or torch is None:
        return None
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    torch.set_num_threads(threads)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    table = load_file(folder / "model.safetensors")["embeddings"]
    table[tokenizer.token_to_id(json.loads(tokenizer.to_str())["model"]["unk_token"])] = 0
    modules = [StaticEmbedding(tokenizer, embedding_weights=table)]
    model = library.SentenceTransformer(modules=modules, device="cpu")
    return partial(model.encode, normalize_embeddings=True, show_progress_bar=False)


def exact(folder: Path, documents: list[str]) -> np.ndarray:
    """The unit mean of each text's vectors in float64, unknown tokens left out: the model card's words in numpy."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    table = load_file(folder / "model.safetensors")["embeddings"].astype(np.float64)
    unknown = tokenizer.token_to_id(json.loads(tokenizer.to_str())["model"]["unk_token"])
    encodings = tokenizer.encode_batch(documents, add_special_tokens=False)
    means = np.stack([table[[i for i in encoding.ids if i != unknown]].mean(axis=0) for encoding in encodings])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


@pytest.mark.parametrize("kind", LENGTHS)
def test_model2vec(race: Race, folder: Path, encoders: dict[str, Any], kind: str) -> None:
    documents = [*texts(kind, COUNTS[kind]), UNKNOWN]
    expected = exact(folder, documents)
    race(
        {
            name: Competitor(lambda encode=encode: encode(documents), settings={"dtype": "float32"})
            for name, encode in encoders.items()
        },
        stage="model2vec",
        case=kind,
        work=len(documents),
        unit="texts",
        check=lambda _, answer: close(answer, expected, ATOL),
        data=fingerprint(documents),
    )
