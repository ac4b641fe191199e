"""Static embeddings by hand, and against model2vec on small random models."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from refimpl import Model2VecEmbeddingFunction

WORDS = ["[UNK]", "cat", "dog", "bird", "fish", "##s", "naïve", "東"]
TABLE = np.random.default_rng(0).normal(0, 1, (len(WORDS), 5)).astype(np.float32)
TEXTS = ["cat dog", "cats", "Cat bird unheard", "", "unheard", "fish " * 40, "naïve 東 dogs", "x" * 3000 + " cat"]


def write(folder: Path, settings: dict[str, Any], table: np.ndarray = TABLE, **tensors: np.ndarray) -> Path:
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file({"embeddings": table, **tensors}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


QUANTISED = {"mapping": np.array([0, 1, 1, 2, 2, 3, 0, 3]), "weights": np.linspace(0.5, 2, len(WORDS))}
FOLDERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "unit length": ({"normalize": True}, {}),
    "short": ({"max_length": 3}, {}),
    "endless": ({"max_length": None, "normalize": True}, {}),
    "quantised": ({"normalize": True}, {"table": TABLE[:4], **QUANTISED}),
}


def test_a_mean_by_hand(tmp_path: Path) -> None:
    ef = Model2VecEmbeddingFunction(write(tmp_path, {}))
    vectors = ef.encode_documents(["cat dog", "Cat bird unheard", "cats", "", "unheard"])
    expected = [
        (TABLE[1] + TABLE[2]) / 2,
        (TABLE[1] + TABLE[3]) / 2,
        (TABLE[1] + TABLE[5]) / 2,
        TABLE[0] * 0,
        TABLE[0] * 0,
    ]
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert (vectors.dtype, ef.dim) == (np.float32, 5)
    assert ef.encode_queries([]).shape == (0, 5)


SETTINGS = [("normalize", "no"), ("normalize", 1), ("max_length", 0), ("max_length", "512"), ("max_length", 10**30)]


@pytest.mark.parametrize(("key", "value"), [*SETTINGS, ("max_length", True), ("max_length", 2.5)])
def test_settings_of_other_types_are_an_error_with_the_file(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"config\.json: expected {key} .*, got '?{value}"):
        Model2VecEmbeddingFunction(write(tmp_path, {key: value}))


def test_unit_length_and_truncation(tmp_path: Path) -> None:
    """The median token has 3.5 characters, floored to 3: two tokens allow 6 characters, `cat do` of `cat dog`."""
    ef = Model2VecEmbeddingFunction(write(tmp_path, {"normalize": True, "max_length": 2}))
    lengths = np.linalg.norm(ef(["cat dog bird", "", "unheard"]), axis=1)
    np.testing.assert_allclose(lengths, [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(ef(["cat dog bird"])[0], TABLE[1] / np.linalg.norm(TABLE[1]), atol=1e-6)
    two = TABLE[1] + TABLE[7]
    np.testing.assert_allclose(ef(["cat 東 東"])[0], two / np.linalg.norm(two), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": TABLE[:4]}, "expected 8 vectors, one per token, or a mapping, got 4"),
        ({"table": TABLE[:2], **QUANTISED}, "expected mapping and weights of 8 tokens, got"),
        ({"weights": np.ones(3)}, "expected mapping and weights of 8 tokens, got"),
    ],
)
def test_shapes_that_do_not_match_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Model2VecEmbeddingFunction(write(tmp_path, {}, **change))


def test_another_folder_is_refused(tmp_path: Path, minilm_folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected a Model2Vec folder with config\.json"):
        Model2VecEmbeddingFunction(tmp_path)
    with pytest.raises(ValueError, match=r"model\.safetensors: expected the embedding table 'embedding.*', got"):
        Model2VecEmbeddingFunction(minilm_folder)


@pytest.mark.peer
@pytest.mark.parametrize("kind", FOLDERS)
def test_equals_model2vec(tmp_path: Path, kind: str) -> None:
    """pymilvus.model's function calls StaticModel too, for a folder by a method that 0.10 lacks."""
    from model2vec import StaticModel

    settings, tensors = FOLDERS[kind]
    folder = write(tmp_path, settings, **tensors)
    ours = Model2VecEmbeddingFunction(folder)
    np.testing.assert_allclose(ours(TEXTS), StaticModel.from_pretrained(folder).encode(TEXTS), rtol=0, atol=1e-6)
