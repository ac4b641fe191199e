"""Embedding functions that return several kinds of vector, with the names of `pymilvus.model.hybrid`."""

from typing import TYPE_CHECKING

from refimpl.common.lazy import lazy_exports

if TYPE_CHECKING:
    from refimpl.hybrid.bge_m3 import BGEM3EmbeddingFunction as BGEM3EmbeddingFunction
    from refimpl.hybrid.mgte import MGTEEmbeddingFunction as MGTEEmbeddingFunction
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {"bge_m3": ("BGEM3EmbeddingFunction",), "mgte": ("MGTEEmbeddingFunction",)},
    )
