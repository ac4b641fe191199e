"""Sparse rows stacked; under pymilvus.model's module name."""

from collections.abc import Iterable

from scipy.sparse import csr_array, sparray, vstack


def stack_sparse_embeddings(sparse_embs: Iterable[sparray]) -> csr_array:
    """Stack rows of shape `(dim,)` or `(1, dim)` as one `csr_array (rows, dim)`; ValueError for no row."""
    return csr_array(vstack([row.reshape((1, -1)) for row in sparse_embs], format="csr"))
