"""Sparse embedding functions: analyzers, BM25 and its exact top-k, SPLADE."""

from importlib import import_module
from typing import Any

_ROOMS = {
    "Analyzer": "refimpl.sparse.analyzers",
    "BM25EmbeddingFunction": "refimpl.sparse.bm25",
    "BM25Index": "refimpl.sparse.maxscore",
    "SpladeEmbeddingFunction": "refimpl.sparse.splade",
    "build_analyzer": "refimpl.sparse.analyzers",
    "build_analyzer_from_yaml": "refimpl.sparse.analyzers",
    "build_default_analyzer": "refimpl.sparse.analyzers",
}

__all__ = sorted(_ROOMS)


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'refimpl.sparse' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return __all__
