"""Embedding functions that give several kinds of vector at once."""
