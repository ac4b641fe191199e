"""Large corpora by rule: words drawn as Zipf and Mandelbrot have them, p ~ 1 / (rank + 2.7) ** 1.05, from a seed."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np

from bench.race import SEED

WORDS, SHIFT, EXPONENT = 100_000, 2.7, 1.05
LENGTHS = {"short": (5, 40), "long": (500, 3000)}  # words a document
# What queries are made of: any words of a document, most of them frequent, or none of the 50 most frequent.
QUERIES = {"any words": 0, "content words": 50}


@dataclass(frozen=True)
class ZipfCorpus:
    """`count` documents of one kind of LENGTHS; `ids` number their words by rank, all in one array."""

    kind: str
    count: int

    @cached_property
    def lengths(self) -> np.ndarray:
        least, most = LENGTHS[self.kind]
        return self._rng("lengths").integers(least, most, self.count)

    @cached_property
    def ids(self) -> np.ndarray:
        weights = 1 / (np.arange(WORDS) + SHIFT) ** EXPONENT
        cumulative = np.cumsum(weights / weights.sum())
        drawn = np.searchsorted(cumulative, self._rng("words").random(int(self.lengths.sum())))
        return np.minimum(drawn, WORDS - 1).astype(np.int32)

    @cached_property
    def tokens(self) -> list[list[str]]:
        """Each document as its list of words."""
        names = [f"w{rank}" for rank in range(WORDS)]
        words = [names[i] for i in self.ids.tolist()]
        ends = np.cumsum(self.lengths).tolist()
        return [words[end - length : end] for end, length in zip(ends, self.lengths.tolist(), strict=True)]

    def queries(self, kind: str, count: int) -> list[list[str]]:
        """Two to five different words of one document each."""
        rng = self._rng(kind)
        ends = np.cumsum(self.lengths)
        found: list[list[str]] = []
        while len(found) < count:
            doc = int(rng.integers(self.count))
            words = np.unique(self.ids[ends[doc] - self.lengths[doc] : ends[doc]])
            words = words[words >= QUERIES[kind]]
            wanted = int(rng.integers(2, 6))
            if len(words) >= wanted:
                found.append([f"w{rank}" for rank in rng.choice(words, wanted, replace=False)])
        return found

    @property
    def fingerprint(self) -> str:
        """Sha256 of all words and lengths."""
        return sha256(self.ids.tobytes() + self.lengths.tobytes()).hexdigest()

    def _rng(self, what: str) -> np.random.Generator:
        return np.random.default_rng([SEED, self.count, *self.kind.encode(), *what.encode()])
