"""Large synthetic corpora: words drawn from a Zipf-Mandelbrot distribution, p ~ 1 / (rank + 2.7) ** 1.05, seeded."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256

import numpy as np

from bench.race import SEED

WORDS, SHIFT, EXPONENT = 100_000, 2.7, 1.05
LENGTHS = {"short": (5, 40), "long": (500, 3000)}  # words per document
# Queries are drawn from the words of a document: any (mostly frequent ones), or none of the 50 most frequent.
QUERIES = {"any words": 0, "content words": 50}


@dataclass(frozen=True)
class ZipfCorpus:
    """`count` documents of a kind in LENGTHS; `ids` are the ranks of their words, in one array."""

    kind: str
    count: int

    @cached_property
    def lengths(self) -> np.ndarray:
        least, most = LENGTHS[self.kind]
        return self._rng("lengths").integers(least, most, self.count)

    @cached_property
    def ids(self) -> np.ndarray:
        return drawn(self._rng("words"), int(self.lengths.sum()))

    @cached_property
    def tokens(self) -> list[list[str]]:
        """Each document as its list of words."""
        names = [f"w{rank}" for rank in range(WORDS)]
        words = [names[i] for i in self.ids.tolist()]
        ends = np.cumsum(self.lengths).tolist()
        return [words[end - length : end] for end, length in zip(ends, self.lengths.tolist(), strict=True)]

    def queries(self, kind: str, count: int) -> list[list[str]]:
        """Queries of two to five distinct words of one document."""
        rng = self._rng(kind)
        ends = np.cumsum(self.lengths)
        queries: list[list[str]] = []
        while len(queries) < count:
            doc = int(rng.integers(self.count))
            words = np.unique(self.ids[ends[doc] - self.lengths[doc] : ends[doc]])
            words = words[words >= QUERIES[kind]]
            wanted = int(rng.integers(2, 6))
            if len(words) >= wanted:
                queries.append([f"w{rank}" for rank in rng.choice(words, wanted, replace=False)])
        return queries

    @property
    def fingerprint(self) -> str:
        """Sha256 of all words and lengths."""
        return sha256(self.ids.tobytes() + self.lengths.tobytes()).hexdigest()

    def _rng(self, what: str) -> np.random.Generator:
        return np.random.default_rng([SEED, self.count, *self.kind.encode(), *what.encode()])


@cache
def _cumulative() -> np.ndarray:
    weights = 1 / (np.arange(WORDS) + SHIFT) ** EXPONENT
    return np.cumsum(weights / weights.sum())


def drawn(rng: np.random.Generator, count: int) -> np.ndarray:
    """Ranks of `count` words."""
    return np.minimum(np.searchsorted(_cumulative(), rng.random(count)), WORDS - 1).astype(np.int32)


def streamed(count: int, part: int = 4096) -> Iterator[str]:
    """Texts of `count` short documents, drawn part by part, so that any number of them takes the same memory."""
    names = np.array([f"w{rank}" for rank in range(WORDS)])
    least, most = LENGTHS["short"]
    for start in range(0, count, part):
        rng = np.random.default_rng([SEED, start])
        lengths = rng.integers(least, most, min(part, count - start))
        ends = np.cumsum(lengths)
        words = names[drawn(rng, int(ends[-1]))]
        for length, end in zip(lengths.tolist(), ends.tolist(), strict=True):
            yield " ".join(words[end - length : end])
