"""Inference-free sparse vectors: the weight of each token id that occurs in a text, from a table (Geng et al. 2024).

The SparseStaticEmbedding module of sentence-transformers 6, the query side of inference-free SPLADE models; the weights
are often the tokens' idf. No special tokens are added, and a token that occurs twice counts once.
"""

from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from refimpl.bert.files import WeightsError
from refimpl.bert.weights import map_weights
from refimpl.common.tensors import as_float
from refimpl.tokens import NO_LIMIT, Tokenizer, Tokens


class StaticWeights:
    """The tokenizer and the weights of a SparseStaticEmbedding module, in float32 or float64.

    Raises WeightsError, which names the file, unless it has one finite weight per token, and FileNotFoundError.
    """

    def __init__(self, folder: Path, dtype: str) -> None:
        self.tokenizer = Tokenizer(folder, positions=NO_LIMIT, special_tokens=False)
        file, tensors = map_weights(folder)
        shapes, tokens = {name: tensor.shape for name, tensor in tensors.items()}, self.tokenizer.vocab_size
        if shapes != {"weight": (tokens,)}:
            raise WeightsError(f"{file}: expected weight ({tokens},), one per token of the vocabulary, got {shapes}")
        self.weight = as_float(tensors["weight"], np.dtype(dtype))
        if not np.isfinite(self.weight).all():
            raise WeightsError(f"{file}: NaN or infinity in weight")

        self.tokenizers = dict[str, Tokenizer]()

    @property
    def dim(self) -> int:
        """Number of columns: the size of the vocabulary."""
        return len(self.weight)

    def rows(self, tokens: Tokens) -> csr_array:
        """Return the weights of each text's tokens, canonical CSR `(texts, vocab)` without zeros."""
        texts = np.repeat(np.arange(len(tokens)), tokens.lengths)
        cells = np.unique(texts * self.dim + tokens.input_ids)
        cells = cells[self.weight[cells % self.dim] != 0]
        indptr = np.searchsorted(cells, np.arange(len(tokens) + 1) * self.dim)
        columns = cells % self.dim
        return csr_array((self.weight[columns], columns, indptr), shape=(len(tokens), self.dim))
