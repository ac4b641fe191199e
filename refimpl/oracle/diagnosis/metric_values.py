"""nDCG, recall, precision, reciprocal rank and average precision with what evaluators do differently as fields.

The defaults are ir-measures': trec_eval's, where gains are the judgements, ties fall to the greater document id, and
a judged query without answer counts as 0; and MS MARCO's for MRR with a cut-off, where ties fall to the smaller id.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Qrels = Mapping[str, Mapping[str, int]]
Run = Mapping[str, Mapping[str, float]]

NAMES = {"ndcg": "nDCG", "recall": "recall", "r": "recall", "p": "P", "precision": "P", "mrr": "MRR", "rr": "MRR"}
NAMES |= {"map": "MAP", "ap": "MAP", "hit": "hit", "success": "hit"}


@dataclass(frozen=True)
class MetricVariant:
    """What decides a metric; the defaults are the reference."""

    gain: str = "judgement"
    ties: str = "published"
    discount: str = "log2(rank + 1)"
    ideal: str = "judged"
    averaged: str = "judged"
    recall_of: str = "relevant"
    relevant_from: int = 1
    shift: int = 0
    cut: str = "published"
    percent: bool = False
    best_last: bool = False


@dataclass(frozen=True)
class Measure:
    """A metric's name, such as nDCG, and its cut-off; 0 for none."""

    name: str
    cut: int

    @classmethod
    def parse(cls, written: str) -> "Measure":
        """Read `nDCG@10`, `recall@100`, `MRR@10`, `MAP`, `P@5`; ValueError for any other."""
        found = re.fullmatch(r"([A-Za-z]+)(?:[@_](\d+))?", written)
        if found is None or found[1].lower() not in NAMES:
            raise ValueError(f"{written!r} is none of nDCG@k, recall@k, P@k, MRR@k, MAP@k, hit@k, with or without @k")
        return cls(NAMES[found[1].lower()], int(found[2] or 0))

    def value(self, qrels: Qrels, run: Run, variant: MetricVariant) -> float:
        """The mean over queries."""
        counted = AVERAGED[variant.averaged](qrels, run)
        values = [self._of_query(qrels[query], run.get(query, {}), variant) for query in counted]
        return (100.0 if variant.percent else 1.0) * math.fsum(values) / len(values) if values else 0.0

    def _of_query(self, judged: Mapping[str, int], scores: Mapping[str, float], variant: MetricVariant) -> float:
        published = "smaller id first" if self.name == "MRR" and self.cut else "greater id first"
        ranking = ranked(scores, published if variant.ties == "published" else variant.ties, variant.best_last)
        cut = 0 if variant.cut == "none" else max(self.cut + variant.shift, 1) if self.cut else 0
        found = [judged.get(doc, 0) for doc in (ranking[:cut] if cut else ranking)]
        if self.name == "nDCG":
            pool = [judged.get(doc, 0) for doc in ranking] if variant.ideal == "retrieved" else list(judged.values())
            return _ndcg(found, pool, len(pool) if variant.ideal == "not cut" else cut, variant)
        total = sum(gain >= variant.relevant_from for gain in judged.values())
        return BINARY[self.name]([gain >= variant.relevant_from for gain in found], total, cut, variant)


def ranked(scores: Mapping[str, float], ties: str, best_last: bool) -> list[str]:
    """Document ids by score, equal scores as `ties` has them."""
    given = list(scores)
    if ties == "run backwards":
        given.reverse()
    elif ties != "run":
        given.sort(reverse=ties == "greater id first")
    return sorted(given, key=lambda doc: scores[doc] if best_last else -scores[doc])


def _ndcg(found: list[int], pool: list[int], cut: int, variant: MetricVariant) -> float:
    ideal = sorted(pool, reverse=True)
    best = _dcg(ideal[:cut] if cut else ideal, variant)
    return _dcg(found, variant) / best if best > 0 else 0.0


def _dcg(gains: list[int], variant: MetricVariant) -> float:
    gain, discount = GAINS[variant.gain], DISCOUNTS[variant.discount]
    return math.fsum(gain(value) / discount(rank) for rank, value in enumerate(gains, 1) if value > 0)


def _recall(found: list[bool], total: int, cut: int, variant: MetricVariant) -> float:
    most = min(total, cut) if variant.recall_of == "attainable" and cut else total
    return sum(found) / most if most else 0.0


def _precision(found: list[bool], total: int, cut: int, variant: MetricVariant) -> float:
    size = len(found) if variant.recall_of == "attainable" or not cut else cut
    return sum(found) / size if size else 0.0


def _reciprocal_rank(found: list[bool], total: int, cut: int, variant: MetricVariant) -> float:
    return 1.0 / (found.index(True) + 1) if True in found else 0.0


def _average_precision(found: list[bool], total: int, cut: int, variant: MetricVariant) -> float:
    hits = [rank for rank, relevant in enumerate(found, 1) if relevant]
    of = {"relevant": total, "attainable": min(total, cut) if cut else total, "retrieved": len(hits)}[variant.recall_of]
    return math.fsum((i + 1) / rank for i, rank in enumerate(hits)) / of if of else 0.0


BINARY: dict[str, Callable[[list[bool], int, int, MetricVariant], float]] = {
    "recall": _recall,
    "P": _precision,
    "MRR": _reciprocal_rank,
    "MAP": _average_precision,
    "hit": lambda found, total, cut, variant: float(any(found)),
}
GAINS: dict[str, Callable[[int], float]] = {
    "judgement": float,
    "exponential": lambda value: 2.0**value - 1.0,
    "binary": lambda value: 1.0,
}
DISCOUNTS: dict[str, Callable[[int], float]] = {
    "log2(rank + 1)": lambda rank: math.log2(rank + 1),
    "log2(rank + 2)": lambda rank: math.log2(rank + 2),
    "ln(rank + 1)": lambda rank: math.log(rank + 1),
    "max(1, log2 rank)": lambda rank: max(1.0, math.log2(rank)),
    "max(1, ln rank)": lambda rank: max(1.0, math.log(rank)),
    "1 + ln rank": lambda rank: 1.0 + math.log(rank),
    "max(1, log10 rank)": lambda rank: max(1.0, math.log10(rank)),
    "rank": float,
    "none": lambda rank: 1.0,
}
AVERAGED: dict[str, Callable[[Qrels, Run], list[str]]] = {
    "judged": lambda qrels, run: list(qrels),
    "answered": lambda qrels, run: [query for query in qrels if run.get(query)],
    "with relevant": lambda qrels, run: [query for query in qrels if any(gain > 0 for gain in qrels[query].values())],
}
