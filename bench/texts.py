"""The texts that the suites run on: made from words by a seeded rule, so no download and no licence."""

import hashlib
from collections.abc import Sequence

import numpy as np

from bench.race import SEED

VOCABULARY = """
vector search index query document embedding sparse dense retrieval ranking token model score collection
the of and to in a is that for with as on by from this are be or an at which not can has have it its was were
computer learning network language memory storage cluster database partition segment replica shard latency
throughput benchmark quantisation approximate neighbour distance cosine inner product normalise transformer
attention layer hidden state pooling tokenizer vocabulary subword punctuation accent naïve café Zürich résumé
artificial intelligence founded academic discipline researcher conference Turing Maida Vale England Alan
photosynthesis mitochondria thermodynamics electromagnetism crystallography immunotherapy neurotransmitter
"""
WORDS = VOCABULARY.split()

LENGTHS = {"short": (3, 15), "long": (55, 125), "mixed": (1, 120)}  # words a text, of about two tokens each


def texts(kind: str, count: int) -> list[str]:
    """The first `count` texts of a kind of LENGTHS; word frequencies fall as 1/rank, as they do in language."""
    rng = np.random.default_rng([SEED, *kind.encode()])
    least, most = LENGTHS[kind]
    weights = 1.0 / np.arange(1, len(WORDS) + 1)
    shuffled, weights = rng.permutation(WORDS), weights / weights.sum()
    return [
        " ".join(rng.choice(shuffled, size=rng.integers(least, most, endpoint=True), p=weights)) + "."
        for _ in range(count)
    ]


def fingerprint(items: Sequence[str]) -> str:
    """Sha256 of the texts, in order: the data set's hash that a result is stamped with."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(item.encode() + b"\0")
    return digest.hexdigest()
