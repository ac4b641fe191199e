"""The golden vectors: what other libraries computed, read, verified and exported."""

from refimpl.golden.reader import (
    SCHEMA,
    GoldenCase,
    GoldenError,
    GoldenVector,
    array,
    cases,
    manifest,
    reasons,
    texts,
    vectors,
)

__all__ = [
    "SCHEMA",
    "GoldenCase",
    "GoldenError",
    "GoldenVector",
    "array",
    "cases",
    "manifest",
    "reasons",
    "texts",
    "vectors",
]
