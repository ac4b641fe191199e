"""Encoders for tests of the check itself: they return the golden vectors, with seeded faults."""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from refimpl import golden
from refimpl.check.targets.python import PythonTarget

Array = np.ndarray


def encode(texts: Sequence[str]) -> Array:
    """sentence-transformers' float32 vectors of the golden texts; for any other text one drawn from its hash."""
    known = _known()
    texts = [text if text.strip() else "" for text in texts]  # blank ones have no token of their own
    rows = [known[text] if text in known else _drawn(text) for text in texts]
    return np.stack(rows) if rows else np.empty((0, 384), np.float32)


@cache
def _known() -> dict[str, Array]:
    (vectors,) = (golden.array(v) for v in golden.vectors() if v.stage == "normalized_sentence_transformers")
    return dict(zip(golden.texts().values(), vectors, strict=True))


def _drawn(text: str) -> Array:
    text = " ".join("[UNK]" if len(word) > 100 else word for word in text.split())
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")
    vector = np.random.default_rng(seed).normal(size=384).astype(np.float32)
    return vector / np.linalg.norm(vector)


def target(function: Callable[[Sequence[str]], object] = encode, **options: float) -> PythonTarget:
    """`function` as the target of a check."""
    return PythonTarget(function, "imitation", **options)
