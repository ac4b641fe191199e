"""Sparse embedding functions: analyzers, BM25 and its exact top-k."""
