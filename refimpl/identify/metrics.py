"""Which nDCG, recall, MRR and MAP an evaluator computes."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from refimpl.identify.questions import Question

Judged = Mapping[str, Mapping[str, int]]
GAINS: Mapping[str, Callable[[int], float]] = {
    "linear": float,
    "exponential (2^rel - 1)": lambda rel: 2.0**rel - 1,
    "binary": lambda rel: float(rel > 0),
}
DISCOUNTS: Mapping[str, Callable[[int], float]] = {
    "log2(rank + 1)": lambda rank: math.log2(rank + 1),
    "log2(rank), none at the first two ranks": lambda rank: math.log2(max(rank, 2)),
    "rank": float,
}
SECOND = 1 / math.log2(3)  # the discount of rank 2


def _ranked(*docs: str) -> dict[str, float]:
    """Scores that rank `docs` in this order."""
    return {doc: float(len(docs) - position) for position, doc in enumerate(docs)}


def _first_at(rank: int) -> dict[str, Any]:
    """One query whose only relevant document is at `rank`."""
    docs = [f"n{number:04}" for number in range(rank - 1)]
    return {"qrels": {"q": {"r": 1}}, "run": {"q": _ranked(*docs, "r")}}


def _read(measure: str) -> Callable[[Any], float | None]:
    return lambda answer: None if measure not in answer else float(answer[measure])


def _gains() -> dict[str, float]:
    rels = (1, 0, 3, 2)
    return {
        f"gain {gain}, discount {discount}": _dcg(rels, g, d) / _dcg(sorted(rels, reverse=True), g, d)
        for gain, g in GAINS.items()
        for discount, d in DISCOUNTS.items()
    }


def _dcg(rels: Sequence[int], gain: Callable[[int], float], discount: Callable[[int], float]) -> float:
    return sum(gain(rel) / discount(rank) for rank, rel in enumerate(rels, 1))


def _question(measure: str, factor: str, qrels: Judged, run: Mapping[str, Any], options: dict[str, float]) -> Question:
    return Question(f"{measure}, {factor}", {"qrels": qrels, "run": run}, _read(measure), options)


def _cut(measure: str, value: Callable[[int], float], *cuts: int) -> list[Question]:
    """One question per cut-off: whether a document at the rank after it counts."""
    return [
        Question(
            f"{measure}, beyond rank {cut}",
            _first_at(cut + 1),
            _read(measure),
            {"not counted": 0.0, "counted": value(cut + 1)},
        )
        for cut in cuts
    ]


def questions() -> list[Question]:
    """Every question."""
    return [*_gain_questions(), *_tie_questions(), *_query_questions(), *_denominator_questions()]


def _gain_questions() -> list[Question]:
    return [
        _question(
            "nDCG@10", "gain and discount", {"q": {"a": 1, "b": 0, "c": 3, "d": 2}}, {"q": _ranked(*"abcd")}, _gains()
        ),
        _question(
            "nDCG@10",
            "ideal ranking",
            {"q": {"a": 1, "z": 1}},
            {"q": _ranked("a")},
            {"of all judged documents": 1 / (1 + SECOND), "of the retrieved ones": 1.0},
        ),
        _question(
            "nDCG@10",
            "documents without judgement",
            {"q": {"a": 1}},
            {"q": _ranked("u", "a")},
            {"not relevant": SECOND, "left out": 1.0},
        ),
    ]


def _tie_questions() -> list[Question]:
    ties = {"q": {"m": 1.0, "z": 1.0, "a": 1.0, "k": 1.0}}
    by_rank = {rank: 1 / rank for rank in (1, 2, 3, 4)}
    discounted = [1 / math.log2(rank + 1) for rank in by_rank]
    orders = ("the run's order", "document id, descending", "document id, ascending", "the run's order, reversed")
    return [
        _question("nDCG@10", "ties", {"q": {"m": 1}}, ties, dict(zip(orders, discounted, strict=True))),
        _question("MRR@10", "ties", {"q": {"m": 1}}, ties, dict(zip(orders, by_rank.values(), strict=True))),
        _question(
            "MRR@10",
            "relevant from",
            {"q": {"a": 1, "b": 2}},
            {"q": _ranked("a", "b")},
            {"judgement 1": 1.0, "judgement 2": 0.5},
        ),
    ]


def _query_questions() -> list[Question]:
    two = {"q1": {"a": 1}, "q2": {"b": 1}}
    second = {"q1": _ranked("u", "a"), "q2": _ranked("b")}
    return [
        _question("MRR@10", "queries without hits", two, {"q1": second["q1"]}, {"count as 0": 0.25, "left out": 0.5}),
        _question(
            "MRR@10", "queries without judgement", {"q1": {"a": 1}}, second, {"left out": 0.5, "count as 0": 0.25}
        ),
        _question(
            "MRR@10",
            "queries without a relevant document",
            {"q1": {"a": 1}, "q2": {"b": 0}},
            second,
            {"count as 0": 0.25, "left out": 0.5, "count as 1": 0.75},
        ),
    ]


def _denominator_questions() -> list[Question]:
    many = {f"r{number:03}": 1 for number in range(150)}
    return [
        _question(
            "recall@100",
            "divided by",
            {"q": many},
            {"q": _ranked(*sorted(many))},
            {"all relevant documents": 100 / 150, "the smaller of these and the cut-off, or no cut-off": 1.0},
        ),
        _question(
            "MAP",
            "divided by",
            {"q": {"a": 1, "z": 1}},
            {"q": _ranked("a")},
            {"all relevant documents": 0.5, "the retrieved relevant documents": 1.0},
        ),
        *_cut("nDCG@10", lambda rank: 1 / math.log2(rank + 1), 10),
        *_cut("MRR@10", lambda rank: 1 / rank, 10),
        *_cut("recall@100", lambda rank: 1.0, 100),
        *_cut("MAP", lambda rank: 1 / rank, 10, 100),
    ]
