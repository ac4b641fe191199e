"""Which nDCG, recall, MRR and MAP an evaluator computes."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from refimpl.identify.metric_ties import few_ties, tie_questions
from refimpl.identify.questions import Question, Round, number_of

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
UNJUDGED = tuple(f"u{number:02}" for number in range(12))  # more than ten: what is ranked after them is beyond rank 10


def _ranked(*docs: str) -> dict[str, float]:
    """Scores that rank `docs` in this order."""
    return {doc: float(len(docs) - position) for position, doc in enumerate(docs)}


def _first_at(rank: int) -> dict[str, Any]:
    """One query whose only relevant document is at `rank`."""
    docs = [f"n{number:04}" for number in range(rank - 1)]
    return {"qrels": {"q": {"r": 1}}, "run": {"q": _ranked(*docs, "r")}}


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
    return Question(f"{measure}, {factor}", {"qrels": qrels, "run": run}, partial(number_of, measure), options)


def _cut(measure: str, value: Callable[[int], float], *cuts: int) -> list[Question]:
    """One question per cut-off: whether a document at the rank after it counts."""
    return [
        Question(
            f"{measure}, beyond rank {cut}",
            _first_at(cut + 1),
            partial(number_of, measure),
            {"not counted": 0.0, "counted": value(cut + 1)},
        )
        for cut in cuts
    ]


def rounds() -> tuple[Round, ...]:
    """Every question but those of ties, whose options follow from the cut-offs that are found."""
    return (lambda found: questions(), tie_questions, few_ties)


def questions() -> list[Question]:
    """The questions of the first round."""
    return [*_gain_questions(), *_query_questions(), *_denominator_questions(), *_score_questions()]


def _gain_questions() -> list[Question]:
    return [
        _question(
            "nDCG@10", "gain and discount", {"q": {"a": 1, "b": 0, "c": 3, "d": 2}}, {"q": _ranked(*"abcd")}, _gains()
        ),
        _question(
            "nDCG@10",
            "ideal ranking",
            {"q": {"a": 1, "z": 1}},
            {"q": _ranked("a", *UNJUDGED)},
            {"of all judged documents": 1 / (1 + SECOND), "of the retrieved ones": 1.0},
        ),
        _question(
            "nDCG@10",
            "relevant documents that are not retrieved",
            {"q": {"a": 1, "z": 1}},
            {"q": _ranked("a", "u")},
            {
                "are in the ideal ranking alone": 1 / (1 + SECOND),
                "are ranked as the last ones": (1 + 1 / math.log2(4)) / (1 + SECOND),
                "are left out": 1.0,
            },
        ),
        _question(
            "nDCG@10",
            "documents without judgement",
            {"q": {"a": 1}},
            {"q": _ranked("u", "a")},
            {"not relevant": SECOND, "left out": 1.0},
        ),
    ]


def _query_questions() -> list[Question]:
    two = {"q1": {"a": 1}, "q2": {"b": 1}}
    second = {"q1": _ranked("u", "a"), "q2": _ranked("b")}
    return [
        _question(
            "MRR@10",
            "relevant from",
            {"q": {"a": 1, "b": 2}},
            {"q": _ranked("a", "b")},
            {"judgement 1": 1.0, "judgement 2": 0.5},
        ),
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
            {"q": _ranked("a", *UNJUDGED)},
            {
                "all relevant documents": 0.5,
                "the retrieved relevant documents": 1.0,
                "all relevant documents, those not retrieved as the last ones": (1 + 2 / (2 + len(UNJUDGED))) / 2,
            },
        ),
        *_cut("nDCG@10", lambda rank: 1 / math.log2(rank + 1), 10),
        *_cut("MRR@10", lambda rank: 1 / rank, 10),
        *_cut("recall@100", lambda rank: 1.0, 100),
        *_cut("MAP", lambda rank: 1 / rank, 10, 100),
    ]


def _score_questions() -> list[Question]:
    """One query with a relevant document of score 0 at rank 2, and one of score -1 at rank 3."""
    run = {"q1": {"u": 1.0, "a": 0.0}, "q2": {"v": 1.0, "w": 0.5, "b": -1.0}}
    at: dict[str, Callable[[int], float]] = {
        "nDCG@10": lambda rank: 1 / math.log2(rank + 1),
        "MRR@10": lambda rank: 1 / rank,
        "MAP": lambda rank: 1 / rank,
    }
    one = {"q1": {"a": 1}, "q2": {"b": 1}}
    found = [_scores(measure, one, run, value(2) / 2, value(3) / 2, 0.0) for measure, value in at.items()]
    two = {"q1": {"a": 1}, "q2": {"b": 1, "v": 1}}
    return [*found, _scores("recall@100", two, run, 0.5, 0.25, 0.25)]


def _scores(measure: str, qrels: Judged, run: Mapping[str, Any], zero: float, negative: float, rest: float) -> Question:
    options = {
        "count": zero + negative + rest,
        "do not count": rest,
        "those below 0 do not count": zero + rest,
        "those of 0 do not count": negative + rest,
    }
    return _question(measure, "documents with a score of 0 or less", qrels, run, options)
