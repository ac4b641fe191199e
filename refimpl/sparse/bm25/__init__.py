"""BM25: formulas, corpus statistics, and the embedding function under pymilvus.model's names."""

from refimpl.sparse.bm25.bm25 import BM25EmbeddingFunction
from refimpl.sparse.bm25.checks import BM25WeightWarning
from refimpl.sparse.bm25.formulas import VARIANTS, Variant
from refimpl.sparse.bm25.parameters import BM25FileError
from refimpl.sparse.bm25.tokenizers import Analyzer, build_analyzer_from_yaml, build_default_analyzer

__all__ = [
    "VARIANTS",
    "Analyzer",
    "BM25EmbeddingFunction",
    "BM25FileError",
    "BM25WeightWarning",
    "Variant",
    "build_analyzer_from_yaml",
    "build_default_analyzer",
]
