"""BM25s with 1 to 5 unusual factors, drawn at random from those met in the field; nothing of refimpl in it."""

import math
import random
from collections import Counter
from collections.abc import Callable

import numpy as np

GROUPS: dict[str, tuple[str, ...]] = {
    "idf": (
        "robertson floored at 1e-6",
        "robertson floored at a quarter of the mean",
        "robertson, everything below a tenth of the mean raised to it",
        "robertson, exact zeros raised to 0.2",
        "robertson clamped at 0",
        "robertson",
        "xapian",
        "ln(N/(n+1)) + 1",
        "ln((N+1)/(n+1)) + 1",
        "ln(1 + N/n)",
        "ln(N/n)",
        "ln((N+1)/n)",
        "no logarithm",
        "none",
        "base 10",
        "base 2",
    ),
    "df": ("occurrences",),
    "tf": (
        "without k1 + 1",
        "delta outside",
        "delta inside",
        "BM25L",
        "binary",
        "share of the length",
        "root",
        "1 + ln",
        "root, saturated",
        "1 + ln, saturated",
        "multiplied by f again",
    ),
    "length": ("distinct", "distinct average", "one byte", "at least half", "average 256", "none", "integer average"),
    "query": ("set", "saturated", "all terms", "coordination", "norm", "times matched"),
    "scores": ("negated", "3 decimals", "4 decimals", "float32", "sigmoid", "times 2.5", "best", "top 10", "top 100"),
    "parameters": ("fixed 1.2, 0.75", "fixed 0.9, 0.4", "zero becomes the default"),
    "empty": ("not counted", "not in the average"),
}


def draw(seed: int) -> dict[str, str]:
    """1 to 5 factors, at most one of each group."""
    random_ = random.Random(seed)
    groups = random_.sample(sorted(GROUPS), random_.randint(1, 5))
    factors = {group: random_.choice(GROUPS[group]) for group in groups}
    if factors.get("idf", "").startswith(("robertson", "xapian")):
        factors.pop("df", None)  # occurrences above N: the logarithm of a negative number
    return factors


class Zoo:
    """An implementation with the given factors; the others: Lucene's idf, factor k1 + 1, exact lengths, multiset."""

    def __init__(self, factors: dict[str, str]) -> None:
        self.factors = factors

    def __call__(self, corpus: list[str], queries: list[str], k1: float, b: float) -> list[list[float]]:
        """Scores of every document for every query."""
        docs = [text.split() for text in corpus]
        k1, b = self.parameters(k1, b)
        n_docs, average = self.statistics(docs)
        df = Counter(t for d in docs for t in (d if self.factors.get("df") else set(d)))
        idf = self.idf(df, n_docs)
        norms = [self.norm(d, average, b) for d in docs]
        counts = [Counter(d) for d in docs]
        rows = []
        for text in queries:
            query_counts = Counter(text.split())
            row = []
            for doc, count, norm in zip(docs, counts, norms, strict=True):
                hit = {t: q for t, q in query_counts.items() if count[t]}
                parts = [
                    self.repeat(q) * self.part(idf[t] * self.tf(count[t], len(doc), norm, k1)) for t, q in hit.items()
                ]
                row.append(self.combine(sum(parts), query_counts, hit) if hit else 0.0)
            rows.append(self.finish(row))
        return rows

    def parameters(self, k1: float, b: float) -> tuple[float, float]:
        kind = self.factors.get("parameters", "")
        if kind.startswith("fixed"):
            k1, b = map(float, kind.removeprefix("fixed ").split(","))
        if kind.startswith("zero"):
            return k1 or 1.2, b or 0.75
        return k1, b

    def statistics(self, docs: list[list[str]]) -> tuple[int, float]:
        filled = [d for d in docs if d]
        empty, kind = self.factors.get("empty", ""), self.factors.get("length", "")
        n_docs = len(filled) if empty == "not counted" else len(docs)
        sizes = [len(set(d)) if kind.startswith("distinct") else len(d) for d in (filled if empty else docs)]
        average = sum(sizes) / len(sizes)
        return n_docs, {"average 256": 256.0, "integer average": float(int(average))}.get(kind, average)

    def norm(self, doc: list[str], average: float, b: float) -> float:
        kind = self.factors.get("length", "")
        if kind == "none":
            return 1.0
        size = float(len(set(doc)) if kind == "distinct" else len(doc))
        if kind == "one byte" and size >= 40:
            shift = (len(doc) - 24).bit_length() - 4
            size = float(24 + ((len(doc) - 24) >> shift << shift))
        share = size / average
        return 1 - b + b * (max(share, 0.5) if kind == "at least half" else share)

    def idf(self, df: Counter, n_docs: int) -> dict[str, float]:
        kind = self.factors.get("idf", "")
        of: Callable[[float], float] = {
            "xapian": lambda n: xapian((n_docs - n + 0.5) / (n + 0.5)),
            "ln(N/(n+1)) + 1": lambda n: math.log(n_docs / (n + 1)) + 1,
            "ln((N+1)/(n+1)) + 1": lambda n: math.log((n_docs + 1) / (n + 1)) + 1,
            "ln(1 + N/n)": lambda n: math.log(1 + n_docs / n),
            "ln(N/n)": lambda n: math.log(n_docs / n),
            "ln((N+1)/n)": lambda n: math.log((n_docs + 1) / n),
            "no logarithm": lambda n: n_docs / n,
            "none": lambda n: 1.0,
            "base 10": lambda n: math.log10(1 + (n_docs - n + 0.5) / (n + 0.5)),
            "base 2": lambda n: math.log2(1 + (n_docs - n + 0.5) / (n + 0.5)),
        }.get(kind, lambda n: math.log(1 + (n_docs - n + 0.5) / (n + 0.5)))
        if not kind.startswith("robertson"):
            return {t: of(n) for t, n in df.items()}
        plain = {t: math.log((n_docs - n + 0.5) / (n + 0.5)) for t, n in df.items()}
        return {t: floored(kind, value, sum(plain.values()) / len(plain)) for t, value in plain.items()}

    def tf(self, f: int, size: int, norm: float, k1: float) -> float:
        kind = self.factors.get("tf", "")
        k = k1 * norm
        if kind in ("binary", "share of the length", "root", "1 + ln"):
            return {"binary": 1.0, "share of the length": f / size, "root": math.sqrt(f), "1 + ln": 1 + math.log(f)}[
                kind
            ]
        if kind == "delta inside":
            return (0.5 + (k1 + 1) * f) / (f + k)
        if kind == "BM25L":
            return (k1 + 1) * (f / norm + 0.5) / (k1 + f / norm + 0.5)
        t = {"root, saturated": math.sqrt(f), "1 + ln, saturated": 1 + math.log(f)}.get(kind, float(f))
        saturated = t * (1.0 if kind == "without k1 + 1" else k1 + 1) / (t + k)
        return {"delta outside": saturated + 1, "multiplied by f again": saturated * f}.get(kind, saturated)

    def part(self, value: float) -> float:
        return round(value, 3) if self.factors.get("scores") == "3 decimals" else value

    def repeat(self, q: int) -> float:
        return {"set": 1.0, "saturated": q * 2.2 / (q + 1.2)}.get(self.factors.get("query", ""), float(q))

    def combine(self, total: float, query_counts: Counter, hit: dict[str, int]) -> float:
        kind = self.factors.get("query", "")
        return total * {
            "all terms": float(len(hit) == len(query_counts)),
            "coordination": len(hit) / len(query_counts),
            "norm": 1 / math.sqrt(sum(q * q for q in query_counts.values())),
            "times matched": float(len(hit)),
        }.get(kind, 1.0)

    def finish(self, row: list[float]) -> list[float]:
        kind = self.factors.get("scores", "")
        if kind == "best":
            best = max(row)
            return [one / best if best > 0 else 0.0 for one in row]
        if kind.startswith("top"):
            kept = sorted(range(len(row)), key=lambda i: (-row[i], i))[: int(kind.split()[1])]
            return [one if i in kept else 0.0 for i, one in enumerate(row)]
        finish: Callable[[float], float] = {
            "negated": lambda x: -x,
            "4 decimals": lambda x: round(x, 4),
            "float32": lambda x: float(np.float32(x)),
            "sigmoid": lambda x: 1 / (1 + math.exp(-x / 8)) if x else 0.0,
            "times 2.5": lambda x: 2.5 * x,
        }.get(kind, lambda x: x)
        return [finish(one) for one in row]


def xapian(x: float) -> float:
    return math.log(x) if x >= 2 else math.log(1 + max(x, 0.0) / 2)


def floored(kind: str, idf: float, mean: float) -> float:
    if kind == "robertson floored at 1e-6":
        return idf if idf > 0 else 1e-6
    if kind == "robertson floored at a quarter of the mean":
        return 0.25 * mean if idf < 0 else idf
    if kind == "robertson, everything below a tenth of the mean raised to it":
        return max(idf, 0.1 * mean)
    if kind == "robertson, exact zeros raised to 0.2":
        return 0.2 if abs(idf) < 1e-12 else idf
    return max(idf, 0.0) if kind == "robertson clamped at 0" else idf
