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
    found = ef.encode_documents(["cat dog", "Cat bird unheard", "cats", "", "unheard"])
    expected = [
        (TABLE[1] + TABLE[2]) / 2,
        (TABLE[1] + TABLE[3]) / 2,
        (TABLE[1] + TABLE[5]) / 2,
        TABLE[0] * 0,
        TABLE[0] * 0,
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (found.dtype, ef.dim) == (np.float32, 5)
    assert ef.encode_queries([]).shape == (0, 5)


def test_unit_length_and_the_cut(tmp_path: Path) -> None:
    """The words have 3.5 letters in the median, cut to 3: of two tokens 6 letters are read, of `cat dog` `cat do`."""
    ef = Model2VecEmbeddingFunction(write(tmp_path, {"normalize": True, "max_length": 2}))
    lengths = np.linalg.norm(ef(["cat dog bird", "", "unheard"]), axis=1)
    np.testing.assert_allclose(lengths, [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(ef(["cat dog bird"])[0], TABLE[1] / np.linalg.norm(TABLE[1]), atol=1e-6)
    two = TABLE[1] + TABLE[7]
    np.testing.assert_allclose(ef(["cat 東 東"])[0], two / np.linalg.norm(two), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"table": TABLE[:4]}, "8 tokens, the table 4 vectors"),
        ({"table": TABLE[:2], **QUANTISED}, "do not fit 8 tokens"),
        ({"weights": np.ones(3)}, "do not fit 8 tokens"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Model2VecEmbeddingFunction(write(tmp_path, {}, **change))


def test_another_folder_is_refused(tmp_path: Path, minilm_folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no Model2Vec folder"):
        Model2VecEmbeddingFunction(tmp_path)
    with pytest.raises(ValueError, match="holds no Model2Vec table"):
        Model2VecEmbeddingFunction(minilm_folder)


@pytest.mark.peer
@pytest.mark.parametrize("kind", FOLDERS)
def test_equals_model2vec(tmp_path: Path, kind: str) -> None:
    """pymilvus.model's function of the same name calls this class, but for a folder by a method that 0.10 has not."""
    from model2vec import StaticModel

    settings, tensors = FOLDERS[kind]
    folder = write(tmp_path, settings, **tensors)
    ours = Model2VecEmbeddingFunction(folder)
    np.testing.assert_allclose(ours(TEXTS), StaticModel.from_pretrained(folder).encode(TEXTS), rtol=0, atol=1e-6)
