"""Retrieval metrics in plain Python, with faults by the hypothesis that names them; nothing of refimpl in it."""

import math
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(3)
DOCS = [f"d{i}" for i in range(60)]
QRELS = {f"q{i}": {d: int(RANDOM.integers(0, 4)) for d in RANDOM.choice(DOCS, 14, replace=False)} for i in range(12)}
QRELS["q12"] = {"d1": 0}
RUN = {q: {d: float(RANDOM.integers(0, 9)) for d in RANDOM.choice(DOCS, 30, replace=False)} for q in [*QRELS][:-2]}
RUN = {q: {d: score + 1e-9 * (i % 3) for i, (d, score) in enumerate(run.items())} for q, run in RUN.items()}


def by_score(docs: list[str], run: dict[str, float], sign: int = -1) -> list[str]:
    return sorted(docs, key=lambda d: sign * np.float32(run[d]))


def by_id(run: dict[str, float]) -> list[str]:
    return by_score(sorted(run), run)


def by_id_descending(run: dict[str, float], sign: int = -1) -> list[str]:
    return by_score(sorted(run, reverse=True), run, sign)


def in_float64(run: dict[str, float]) -> list[str]:
    return sorted(sorted(run, reverse=True), key=lambda d: -run[d])


PUBLISHED = {"gain": lambda g: g, "discount": lambda r: math.log2(r + 1), "order": None, "pool": "judged"}
PUBLISHED |= {"queries": QRELS, "relevant": 1, "k": lambda k: k, "divisor": "published", "factor": 1, "sign": -1}
PUBLISHED |= {"mrr_order": None}


def metrics(names: list[str], **faults: Any) -> dict[str, float]:
    """Means over queries of nDCG@k, recall@k, P@k, MRR@k and MAP@k: trec_eval's values, or those with `faults`."""
    f = PUBLISHED | faults
    values = {}
    for name in names:
        kind, _, k = name.partition("@")
        per_query = [_of_query(kind, f["k"](int(k)), QRELS[query], RUN.get(query, {}), f) for query in f["queries"]]
        values[name] = f["factor"] * sum(per_query) / len(per_query)
    return values


def _of_query(kind: str, k: int | None, judged: dict[str, int], run: dict[str, float], f: dict[str, Any]) -> float:
    order = (f["mrr_order"] if kind == "MRR" else None) or f["order"]
    docs = order(run) if order else by_id_descending(run, f["sign"])
    ranking = [judged.get(d, 0) for d in docs]
    if kind == "nDCG":
        ideal = sorted(ranking if f["pool"] == "retrieved" else judged.values(), reverse=True)
        ideal = ideal if f["pool"] == "whole" else ideal[:k]
        sums = [sum(f["gain"](g) / f["discount"](r) for r, g in enumerate(gs, 1) if g) for gs in (ranking[:k], ideal)]
        return sums[0] / sums[1] if sums[1] else 0.0
    total = sum(g >= f["relevant"] for g in judged.values())
    hits = [g >= f["relevant"] for g in ranking[:k]]
    if kind == "MRR":
        return next((1 / rank for rank, hit in enumerate(hits, 1) if hit), 0.0)
    precisions = [sum(hits[:rank]) / rank for rank, hit in enumerate(hits, 1) if hit]
    numerator = sum(precisions) if kind == "MAP" else sum(hits)
    divisor = {
        "published": (k or len(hits)) if kind == "P" else total,
        "attainable": len(hits) if kind == "P" else min(k or total, total),
        "retrieved": {"P": k, "recall": total, "MAP": sum(hits)}[kind],
    }[f["divisor"]]
    return numerator / divisor if divisor else 0.0


FAULTS = {
    "gain 2^rel - 1": {"gain": lambda g: 2**g - 1},
    "gain 1": {"gain": lambda g: 1},
    "ties in the run's order": {"order": lambda run: by_score(list(run), run)},
    "ties in the run's reverse order": {"order": lambda run: by_score(list(run)[::-1], run)},
    "ties by id, ascending": {"order": by_id},
    "ties of MRR by id, ascending": {"mrr_order": by_id},
    "scores in float64": {"order": in_float64},
    "no discount up to rank 2": {"discount": lambda r: max(1, math.log2(r))},
    "natural logarithm": {"discount": lambda r: max(1, math.log(r))},
    "discount 1 + ln rank": {"discount": lambda r: 1 + math.log(r)},
    "logarithm of base 10": {"discount": lambda r: max(1, math.log(r, 10))},
    "discount off by one": {"discount": lambda r: math.log2(r + 2)},
    "discount by rank": {"discount": lambda r: r},
    "no discount": {"discount": lambda r: 1},
    "ideal of the retrieved": {"pool": "retrieved"},
    "ideal without cut-off": {"pool": "whole"},
    "queries missing in the run left out": {"queries": [q for q in QRELS if q in RUN]},
    "queries with a relevant document only": {"queries": [q for q in QRELS if any(QRELS[q].values())]},
    "out of min(k, relevant)": {"divisor": "attainable"},
    "average precision over the retrieved": {"divisor": "retrieved"},
    "relevant from 2": {"relevant": 2},
    "unjudged counted relevant": {"relevant": 0},
    "cut-off one too late": {"k": lambda k: k + 1},
    "cut-off one too early": {"k": lambda k: k - 1},
    "no cut-off": {"k": lambda k: None},
    "percent": {"factor": 100},
    "lowest score first": {"sign": 1},
}
