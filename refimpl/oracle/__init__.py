"""Assertions, fixtures and a pytest plugin for tests that compare an implementation with the reference."""

from importlib import import_module
from typing import Any

__all__ = ["assert_bm25_match", "assert_embeddings_match", "assert_ranking_match", "assert_trace_match"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'refimpl.oracle' has no attribute {name!r}")
    return getattr(import_module("refimpl.oracle.assertions"), name)
