"""nDCG, recall, precision, reciprocal rank and average precision, with each known deviation as a field.

The defaults are trec_eval's: gains are the judgements, scores are compared in float32, of equal ones the greater
document id is first, and a judged query missing in the run counts as 0.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Qrels = Mapping[str, Mapping[str, int]]
Run = Mapping[str, Mapping[str, float]]

NAMES = {"ndcg": "nDCG", "recall": "recall", "r": "recall", "p": "P", "precision": "P", "mrr": "MRR", "rr": "MRR"}
NAMES |= {"map": "MAP", "ap": "MAP", "hit": "hit", "success": "hit"}


class Counts(NamedTuple):
    """Of one query: relevant documents, those among the retrieved, retrieved documents, and the cut-off, 0 for none."""

    relevant: int
    relevant_retrieved: int
    retrieved: int
    cutoff: int


def relevant(counts: Counts) -> int:
    """All relevant documents."""
    return counts.relevant


def relevant_retrieved(counts: Counts) -> int:
    """The relevant documents retrieved."""
    return counts.relevant_retrieved


def retrieved(counts: Counts) -> int:
    """The documents retrieved."""
    return counts.retrieved


def attainable(counts: Counts) -> int:
    """min(k, relevant)."""
    return min(counts.relevant, counts.cutoff) if counts.cutoff else counts.relevant


def at_cutoff(counts: Counts) -> int:
    """The cut-off, also where fewer documents are retrieved; without one, the documents retrieved."""
    return counts.cutoff or counts.retrieved


def exponential(judgement: int) -> float:
    """2^rel - 1 (Burges et al. 2005)."""
    return 2.0**judgement - 1.0


def binary(judgement: int) -> float:
    """1 for every relevant document."""
    return 1.0


def log2_discount(rank: int) -> float:
    """log2(rank + 1), rank from 1 (Järvelin and Kekäläinen 2002, as in trec_eval)."""
    return math.log2(rank + 1)


def run_order(docs: list[str]) -> list[str]:
    """Equal scores in the order of the run."""
    return docs


def reverse_run_order(docs: list[str]) -> list[str]:
    """Equal scores in the reverse order of the run."""
    return docs[::-1]


def smaller_id_first(docs: list[str]) -> list[str]:
    """Equal scores by id, ascending."""
    return sorted(docs)


def greater_id_first(docs: list[str]) -> list[str]:
    """Equal scores by id, descending."""
    return sorted(docs, reverse=True)


def in_float32(score: float) -> float:
    """The score as trec_eval stores it."""
    with np.errstate(over="ignore"):
        return float(np.float32(score))


def ideal_of_judged(judged: list[int], ranking: list[int], cutoff: int) -> list[int]:
    """The best ranking of all judged documents, up to the cut-off."""
    return sorted(judged, reverse=True)[: cutoff or None]


def ideal_of_retrieved(judged: list[int], ranking: list[int], cutoff: int) -> list[int]:
    """The best ranking of the retrieved documents, up to the cut-off."""
    return sorted(ranking, reverse=True)[: cutoff or None]


def ideal_without_cutoff(judged: list[int], ranking: list[int], cutoff: int) -> list[int]:
    """The best ranking of all judged documents."""
    return sorted(judged, reverse=True)


def judged_queries(qrels: Qrels, run: Run) -> list[str]:
    """All queries with judgements."""
    return list(qrels)


def retrieved_queries(qrels: Qrels, run: Run) -> list[str]:
    """Queries with judgements that the run has documents for."""
    return [query for query in qrels if run.get(query)]


def queries_with_relevant(qrels: Qrels, run: Run) -> list[str]:
    """Queries with at least one relevant document."""
    return [query for query in qrels if any(judgement > 0 for judgement in qrels[query].values())]


@dataclass(frozen=True)
class MetricVariant:
    """Everything that determines a metric; the defaults are trec_eval's. `mrr_ties` None is `ties`."""

    gain: Callable[[int], float] = float
    ties: Callable[[list[str]], list[str]] = greater_id_first
    mrr_ties: Callable[[list[str]], list[str]] | None = None
    score: Callable[[float], float] = in_float32
    discount: Callable[[int], float] = log2_discount
    ideal: Callable[[list[int], list[int], int], list[int]] = ideal_of_judged
    averaged: Callable[[Qrels, Run], list[str]] = judged_queries
    recall_divisor: Callable[[Counts], int] = relevant
    precision_divisor: Callable[[Counts], int] = at_cutoff
    map_divisor: Callable[[Counts], int] = relevant
    relevant_from: int = 1
    shift: int = 0
    cutoff: bool = True
    percent: bool = False
    best_last: bool = False


@dataclass(frozen=True)
class Measure:
    """A metric's name, such as nDCG, and its cut-off; 0 for none."""

    name: str
    cutoff: int

    @classmethod
    def parse(cls, written: str) -> "Measure":
        """Read `nDCG@10`, `recall@100`, `MRR@10`, `MAP`, `P@5`; ValueError for any other."""
        match = re.fullmatch(r"([A-Za-z]+)(?:[@_](\d+))?", written)
        if match is None or match[1].lower() not in NAMES:
            raise ValueError(f"expected nDCG@k, recall@k, P@k, MRR@k, MAP@k or hit@k, k optional, got {written!r}")
        return cls(NAMES[match[1].lower()], int(match[2] or 0))

    def value(self, qrels: Qrels, run: Run, variant: MetricVariant) -> float:
        """The mean over queries."""
        values = [self._of_query(qrels[query], run.get(query, {}), variant) for query in variant.averaged(qrels, run)]
        return (100.0 if variant.percent else 1.0) * math.fsum(values) / len(values) if values else 0.0

    def _of_query(self, judged: Mapping[str, int], scores: Mapping[str, float], variant: MetricVariant) -> float:
        ties = variant.mrr_ties if variant.mrr_ties and self.name == "MRR" else variant.ties
        compared = {doc_id: variant.score(score) for doc_id, score in scores.items()}
        docs = ranked(compared, ties, variant.best_last)
        ranking = [judged.get(doc, 0) for doc in docs]
        cutoff = max(self.cutoff + variant.shift, 1) if self.cutoff and variant.cutoff else 0
        retrieved = ranking[: cutoff or None]
        if self.name == "nDCG":
            best = _dcg(variant.ideal(list(judged.values()), ranking, cutoff), variant)
            return _dcg(retrieved, variant) / best if best > 0 else 0.0
        hits = [judgement >= variant.relevant_from for judgement in retrieved]
        total = sum(judgement >= variant.relevant_from for judgement in judged.values())
        return BINARY[self.name](hits, Counts(total, sum(hits), len(hits), cutoff), variant)


def ranked(scores: Mapping[str, float], ties: Callable[[list[str]], list[str]], best_last: bool) -> list[str]:
    """Document ids by score, descending (ascending with `best_last`), equal scores in the order of `ties`."""
    return sorted(ties(list(scores)), key=lambda doc: scores[doc] if best_last else -scores[doc])


def _dcg(judgements: list[int], variant: MetricVariant) -> float:
    return math.fsum(
        variant.gain(judgement) / variant.discount(rank)
        for rank, judgement in enumerate(judgements, 1)
        if judgement > 0
    )


def _fraction(numerator: float, divisor: int) -> float:
    return numerator / divisor if divisor else 0.0


def _recall(hits: list[bool], counts: Counts, variant: MetricVariant) -> float:
    return _fraction(float(sum(hits)), variant.recall_divisor(counts))


def _precision(hits: list[bool], counts: Counts, variant: MetricVariant) -> float:
    return _fraction(float(sum(hits)), variant.precision_divisor(counts))


def _reciprocal_rank(hits: list[bool], counts: Counts, variant: MetricVariant) -> float:
    return 1.0 / (hits.index(True) + 1) if True in hits else 0.0


def _average_precision(hits: list[bool], counts: Counts, variant: MetricVariant) -> float:
    ranks = [rank for rank, hit in enumerate(hits, 1) if hit]
    return _fraction(math.fsum((i + 1) / rank for i, rank in enumerate(ranks)), variant.map_divisor(counts))


BINARY: dict[str, Callable[[list[bool], Counts, MetricVariant], float]] = {
    "recall": _recall,
    "P": _precision,
    "MRR": _reciprocal_rank,
    "MAP": _average_precision,
    "hit": lambda hits, counts, variant: float(any(hits)),
}
