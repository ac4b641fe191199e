"""Sparse embedding functions, under the names of `pymilvus.model.sparse`: analyzers, BM25 and its search, SPLADE."""

from typing import TYPE_CHECKING

from refimpl.common.lazy import lazy_exports

if TYPE_CHECKING:
    from refimpl.sparse.analyzers import Analyzer as Analyzer
    from refimpl.sparse.analyzers import build_analyzer as build_analyzer
    from refimpl.sparse.analyzers import build_analyzer_from_yaml as build_analyzer_from_yaml
    from refimpl.sparse.analyzers import build_default_analyzer as build_default_analyzer
    from refimpl.sparse.bm25 import BM25EmbeddingFunction as BM25EmbeddingFunction
    from refimpl.sparse.index import BM25Index as BM25Index
    from refimpl.sparse.splade import SpladeEmbeddingFunction as SpladeEmbeddingFunction
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "analyzers": ("Analyzer", "build_analyzer", "build_analyzer_from_yaml", "build_default_analyzer"),
            "bm25": ("BM25EmbeddingFunction",),
            "index": ("BM25Index",),
            "splade": ("SpladeEmbeddingFunction",),
            "utils": (),
        },
    )
