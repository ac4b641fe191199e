"""Seeded documents for the tests of the BM25 index."""

from collections import Counter

import numpy as np

from refimpl.sparse.bm25 import VARIANTS


def zipf_texts(n: int, seed: int, words: int = 3000, longest: int = 30) -> list[list[str]]:
    """Documents of 0 to `longest` words, the word of rank r with probability ~ 1 / (r + 2)."""
    rng = np.random.default_rng(seed)
    weight = 1 / (np.arange(words) + 2.0)
    names = np.array([f"w{i}" for i in range(words)])
    return [rng.choice(names, int(rng.integers(0, longest)), p=weight / weight.sum()).tolist() for _ in range(n)]


class BruteForce:
    """The formulas applied to every document that contains a term of the query, and a full sort.

    Terms are summed in BM25Index's documented order: from the one in most documents to the one in fewest.
    """

    def __init__(self, docs: list[list[str]], variant: str, k1: float, b: float) -> None:
        self.variant, self.k1, self.b = VARIANTS[variant], k1, b
        self.lengths = np.array([len(doc) for doc in docs])
        n = len(docs) if self.variant.counts_empty else int((self.lengths > 0).sum())
        self.avgdl = self.lengths.sum() / n
        self.term_id: dict[str, int] = {}
        for doc in docs:
            for word in doc:
                self.term_id.setdefault(word, len(self.term_id))
        self.tf = np.zeros((len(self.term_id), len(docs)), np.int64)
        for i, doc in enumerate(docs):
            for word in doc:
                self.tf[self.term_id[word], i] += 1
        df = (self.tf > 0).sum(axis=1)
        idf = self.variant.idf(df, n, 0.25)
        self.place = {word: (-df[term_id], term_id) for word, term_id in self.term_id.items()}
        self.idf = dict(zip(self.term_id, idf.tolist(), strict=True))

    def top(self, query: list[str], k: int) -> list[tuple[int, float]]:
        counts = Counter(word for word in query if word in self.term_id)
        scores = np.zeros(len(self.lengths))
        is_hit = np.zeros(len(self.lengths), bool)
        for word in sorted(counts, key=self.place.__getitem__):
            tf = self.tf[self.term_id[word]]
            docs = np.flatnonzero(tf)
            weights = self.variant.tf(
                tf[docs], self.lengths[docs], float(self.avgdl), self.k1, self.b, self.variant.delta
            )
            scores[docs] += self.idf[word] * counts[word] * weights
            is_hit[docs] = True
        hits = np.flatnonzero(is_hit)
        order = hits[np.lexsort((hits, -scores[hits]))][:k]
        return list(zip(order.tolist(), scores[order].tolist(), strict=True))


def queries_for(docs: list[list[str]], n: int, seed: int) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    full = [doc for doc in docs if doc]
    picked = [full[i] for i in rng.integers(0, len(full), n)]
    return [[str(word) for word in rng.choice(doc, int(rng.integers(1, 7)))] for doc in picked]
