"""BM25s with mistakes that programmers make, written anew: each changes one part of a plain Lucene BM25."""

import math
from collections import Counter
from collections.abc import Callable

import numpy as np


def lucene(n: float, size: float) -> float:
    return math.log(1 + (size - n + 0.5) / (n + 0.5))


def okapi(n: float, size: float) -> float:
    return math.log((size - n + 0.5) / (n + 0.5))


def usual(f: float, length: float, average: float, k1: float, b: float) -> float:
    return f * (k1 + 1) / (f + k1 * (1 - b + b * length / average))


class Bm25:
    """A BM25 of whitespace-separated terms; every part can be another one."""

    def __init__(
        self,
        *,
        idf: Callable = lucene,
        weight: Callable = usual,
        split: Callable = str.split,
        split_query: Callable = str.split,
        size: Callable = len,
        length: Callable = len,
        average: Callable = lambda lengths, documents: sum(lengths) / len(lengths),
        row: Callable = lambda scores: scores,
        combine: Callable = sum,
    ) -> None:
        self.idf, self.weight, self.split, self.split_query = idf, weight, split, split_query
        self.size, self.length, self.average, self.row, self.combine = size, length, average, row, combine

    def __call__(self, corpus: list[str], queries: list[str], k1: float, b: float) -> list[list[float]]:
        documents = [self.split(text) for text in corpus]
        counts = [Counter(document) for document in documents]
        df = Counter(term for count in counts for term in count)
        lengths = [self.length(document) for document in documents]
        size, average = self.size(documents), self.average(lengths, documents) or 1

        def score(query: str, count: Counter, length: float) -> float:
            return self.combine(
                [
                    self.idf(df[term], size) * self.weight(count[term], length, average, k1, b)
                    for term in self.split_query(query)
                    if count[term]
                ]
                or [0.0]
            )

        rows = [[score(query, *pair) for pair in zip(counts, lengths, strict=True)] for query in queries]
        return [list(self.row(np.array(row))) for row in rows]


def top(k: int) -> Callable:
    """Only the `k` best documents are returned."""

    def cut(row: np.ndarray) -> np.ndarray:
        kept = np.zeros_like(row)
        best = np.argsort(-row, kind="stable")[:k]
        kept[best] = row[best]
        return kept

    return cut


def softmax(row: np.ndarray) -> np.ndarray:
    powers = np.exp(row - row.max())
    return powers / powers.sum()


def min_max(row: np.ndarray) -> np.ndarray:
    return (row - row.min()) / (np.ptp(row) or 1)


def z_score(row: np.ndarray) -> np.ndarray:
    return (row - row.mean()) / (row.std() or 1)


def over_sum(row: np.ndarray) -> np.ndarray:
    return row / (row.sum() or 1)


def unit_length(row: np.ndarray) -> np.ndarray:
    return row / (np.linalg.norm(row) or 1)
