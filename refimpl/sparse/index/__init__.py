"""BM25Index: an inverted index in memory or in a memory-mapped file, searched exactly."""

from refimpl.sparse.index.index import BM25Index

__all__ = ["BM25Index"]
