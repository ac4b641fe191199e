"""Static embeddings: a text's vector is the mean of its tokens' vectors in an embedding table.

The StaticEmbedding module of sentence-transformers 6: every token of tokenizer.json without special tokens, the unknown
one included; zero for a text without tokens. Tables of Model2Vec have a row and a weight for each token.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from refimpl.bert.files import WeightsError
from refimpl.bert.weights import map_weights
from refimpl.common.tensors import as_float
from refimpl.common.texts import check_encodable
from refimpl.common.tokenizer_file import panics_as_errors, read_tokenizer
from refimpl.common.types import Array

TABLES = ("embedding.weight", "embeddings")
"""Names of the embedding table, sentence-transformers' and Model2Vec's."""
MODEL2VEC = ("mapping", "weights")
TEXTS_AT_A_TIME = 1024


class StaticEmbedding:
    """The tokenizer and the embedding table of a StaticEmbedding module, in float32 or float64.

    Raises WeightsError, which names the file, for a missing, unknown or misshapen tensor, and FileNotFoundError.
    """

    def __init__(self, folder: Path, dtype: str) -> None:
        file, tensors = map_weights(folder)
        name = _table_name(file, tensors)
        table, self.dtype = tensors[name], np.dtype(dtype)
        self.vectors = table.astype(dtype) if table.dtype.kind == "i" else as_float(table, self.dtype)
        if not np.isfinite(self.vectors).all():
            raise WeightsError(f"{file}: NaN or infinity in {name}")
        self._file = folder / "tokenizer.json"
        self.tokenizer = load_tokenizer(folder)
        tokens = max(self.tokenizer.get_vocab().values()) + 1
        quantised = {key: tensor for key, tensor in tensors.items() if key in MODEL2VEC and name == TABLES[1]}
        self.rows, self.weights = rows_and_weights(quantised, tokens, len(self.vectors), folder)

    def __call__(self, texts: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the mean of each text's token vectors, `(texts, dim)`."""
        check_encodable(list(texts), "texts")
        means = np.zeros((len(texts), self.vectors.shape[1]), self.dtype)
        for start in range(0, len(texts), TEXTS_AT_A_TIME):
            batch = list(texts[start : start + TEXTS_AT_A_TIME])
            with panics_as_errors(self._file):
                encodings = self.tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            ids = [encoding.ids for encoding in encodings]
            shares = mean_shares(ids, self.rows, self.weights.astype(self.dtype), len(self.vectors))
            means[start : start + len(ids)] = shares @ self.vectors
        return means


def static_width(folder: Path) -> int:
    """Return the dimensions of the vectors of a StaticEmbedding module."""
    file, tensors = map_weights(folder)
    return int(tensors[_table_name(file, tensors)].shape[1])


def load_tokenizer(folder: Path) -> tokenizers.Tokenizer:
    """Return tokenizer.json as it is, but without padding; its truncation is kept.

    Raises FileNotFoundError, and ValueError for a file that is not a tokenizer.
    """
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: a static embedding needs its fast tokenizer")
    tokenizer = read_tokenizer(file)
    tokenizer.no_padding()
    return tokenizer


def mean_shares(
    ids: list[list[int]], rows: Int[Array, "vocab"], weights: Float[Array, "vocab"], count: int
) -> csr_array:
    """Return a matrix `(texts, count)` whose product with an embedding table of `count` rows is each text's mean.

    The mean is of the tokens' rows of the table, each times its weight, over the number of tokens.
    """
    lengths = np.array([len(tokens) for tokens in ids], dtype=np.int64)
    packed = np.array([token for tokens in ids for token in tokens], dtype=np.int64)
    shares = weights[packed] / np.repeat(lengths, lengths).astype(weights.dtype)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return csr_array((shares, rows[packed], indptr), shape=(len(ids), count))


def rows_and_weights(tensors: dict[str, Array], tokens: int, rows: int, folder: Path) -> tuple[Array, Array]:
    """Return each token's row of the embedding table and its weight; ValueError where the shapes do not match."""
    mapping = tensors.get("mapping", np.arange(tokens)).astype(np.int64)
    weights = tensors.get("weights", np.ones(tokens))
    if "mapping" not in tensors and rows != tokens:
        raise ValueError(f"{folder}: expected {tokens} vectors, one per token, or a mapping, got {rows} vectors")
    if len(mapping) < tokens or len(weights) < tokens or mapping.min() < 0 or mapping.max() >= rows:
        raise ValueError(
            f"{folder}: expected mapping and weights of {tokens} tokens, got {len(mapping)} and {len(weights)}"
        )
    return mapping, weights


def _table_name(file: Path, tensors: dict[str, Any]) -> str:
    """Return the name of the embedding table; WeightsError for further tensors, which would not be used."""
    name = next((name for name in TABLES if name in tensors), TABLES[0])
    allowed = {name, *(MODEL2VEC if name == TABLES[1] else ())}
    if name not in tensors or tensors[name].ndim != 2 or set(tensors) - allowed:
        shapes = ", ".join(f"{key} {tensor.shape}" for key, tensor in tensors.items())[:120]
        raise WeightsError(f"{file}: expected an embedding table {name} (tokens, dimensions), got {shapes}")
    return name
