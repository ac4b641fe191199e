"""Model2Vec: a text's vector is the mean of its tokens' fixed vectors, looked up in a table.

Facts of the format and of the arithmetic: model2vec 0.10's documentation and model cards (Tulkens and van Dongen 2024).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from jaxtyping import Float
from scipy.sparse import csr_array

from refimpl import models
from refimpl.base import check_encodable, check_texts
from refimpl.bert.files import as_float, map_safetensors, read_json

Array = np.ndarray
LAYOUTS = (  # settings, folder of the rest, and the table's name in it
    ("config.json", ".", "embeddings"),
    ("config_sentence_transformers.json", ".", "embedding.weight"),
    ("config_sentence_transformers.json", "0_StaticEmbedding", "embedding.weight"),
)
MAX_LENGTH = 512
TEXTS_AT_A_TIME = 1024
SMALLEST = np.float32(1e-32)  # keeps a text without tokens at zero


class Model2VecEmbeddingFunction:
    """Vectors of a Model2Vec model, float32; `model_source` is its folder or a hub repository.

    No special tokens; unknown tokens are left out of the mean; a text without any other has a vector of zeros. A text
    is cut as model2vec cuts it: to `max_length` times the median letters of a token, then to `max_length` tokens,
    unknown ones counted. `max_length` and unit length are the folder's own (512 and no, where it does not say).
    Models with a quantised vocabulary (`mapping`, `weights`) are read as well.
    """

    def __init__(self, model_source: str | Path = "minishlab/potion-base-8M") -> None:
        settings_file, folder, name = _layout(models.path(model_source))
        settings = read_json(settings_file)
        tensors = map_safetensors(folder / "model.safetensors")
        if name not in tensors:
            raise ValueError(f"{folder} holds no Model2Vec table: model.safetensors lacks {name!r}")
        table = tensors[name]
        self.vectors = table.astype(np.float32) if table.dtype.kind == "i" else as_float(table, np.dtype(np.float32))
        self.normalize = bool(settings.get("normalize", False))
        self.max_length: int | None = settings.get("max_length", MAX_LENGTH)
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if self.max_length is not None:
            self._tokenizer.enable_truncation(self.max_length)
        vocabulary = self._tokenizer.get_vocab()
        self._median_letters = int(np.median([len(token) for token in vocabulary]))
        self._unknown = _unknown_id(self._tokenizer)
        self._rows, self._weights = _rows_and_weights(tensors, max(vocabulary.values()) + 1, len(self.vectors), folder)

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self.vectors.shape[1])

    def encode_documents(self, documents: Sequence[str]) -> Float[Array, "texts dim"]:
        """Vectors `(texts, dim)` in input order; an empty list gives `(0, dim)`."""
        return self._encode(check_texts(documents, "documents"))

    def encode_queries(self, queries: Sequence[str]) -> Float[Array, "texts dim"]:
        """The same as `encode_documents`: the model knows no difference."""
        return self._encode(check_texts(queries, "queries"))

    def __call__(self, texts: Sequence[str]) -> Float[Array, "texts dim"]:
        """The same as `encode_documents`."""
        return self._encode(check_texts(texts, "texts"))

    def _encode(self, texts: list[str]) -> Array:
        check_encodable(texts, lambda index: f"texts[{index}]")
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), TEXTS_AT_A_TIME):
            batch = texts[start : start + TEXTS_AT_A_TIME]
            vectors[start : start + len(batch)] = self._means(batch) @ self.vectors
        if self.normalize:
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + SMALLEST
        return vectors

    def _means(self, texts: list[str]) -> csr_array:
        """`(texts, rows)`: each token's share in its text's mean, in the column of its vector."""
        if self.max_length is not None:
            texts = [text[: self.max_length * self._median_letters] for text in texts]
        encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ids = [[token for token in encoding.ids if token != self._unknown] for encoding in encodings]
        lengths = np.array([len(tokens) for tokens in ids])
        packed = np.array([token for tokens in ids for token in tokens], dtype=np.int64)
        shares = self._weights[packed] / np.repeat(lengths, lengths).astype(np.float32)
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        return csr_array((shares, self._rows[packed], indptr), shape=(len(texts), len(self.vectors)))


def _layout(root: Path) -> tuple[Path, Path, str]:
    for settings, folder, name in LAYOUTS:
        needed = (root / settings, root / folder / "model.safetensors", root / folder / "tokenizer.json")
        if all(file.is_file() for file in needed):
            return root / settings, root / folder, name
    raise FileNotFoundError(f"{root} is no Model2Vec folder: it wants config.json, model.safetensors, tokenizer.json")


def _unknown_id(tokenizer: tokenizers.Tokenizer) -> int | None:
    """The id that stands for what is not in the vocabulary; None where the tokenizer has none."""
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_token") is not None:
        return tokenizer.token_to_id(model["unk_token"])
    return model.get("unk_id")


def _rows_and_weights(tensors: dict[str, Array], tokens: int, rows: int, folder: Path) -> tuple[Array, Array]:
    """For each token its row of the table and its weight; ValueError where the tensors do not fit together."""
    mapping = tensors.get("mapping", np.arange(tokens)).astype(np.int64)
    weights = tensors.get("weights", np.ones(tokens)).astype(np.float32)
    if "mapping" not in tensors and rows != tokens:
        raise ValueError(f"{folder}: the tokenizer has {tokens} tokens, the table {rows} vectors, and no mapping")
    if len(mapping) < tokens or len(weights) < tokens or mapping.min() < 0 or mapping.max() >= rows:
        raise ValueError(f"{folder}: mapping ({len(mapping)}) and weights ({len(weights)}) do not fit {tokens} tokens")
    return mapping, weights
