"""Writes data/vectors/metrics from pytrec_eval, which is trec_eval's own code.

    make peers && .venv/bin/python data/regenerate/metrics.py

A measure of a run is the mean over the judged queries, 0 for those that the run does not have (trec_eval -c). MRR@10 is
trec_eval's recip_rank where the first relevant document is among the first ten, else 0.
"""

import math

import numpy as np
import pytrec_eval
from cases import source, write

MEASURES = {"nDCG@10": "ndcg_cut_10", "recall@100": "recall_100", "MRR@10": "recip_rank", "MAP": "map"}


def measured(qrels: dict, run: dict) -> dict[str, float]:
    found = pytrec_eval.RelevanceEvaluator(qrels, set(MEASURES.values())).evaluate(run)
    for values in found.values():
        values["recip_rank"] *= values["recip_rank"] >= 0.1
    return {
        name: math.fsum(values[measure] for values in found.values()) / len(qrels) for name, measure in MEASURES.items()
    }


def drawn() -> tuple[dict, dict]:
    random = np.random.default_rng(11)
    docs = [f"d{i}" for i in range(150)]
    qrels = {f"q{q}": {str(d): int(random.integers(0, 4)) for d in random.choice(docs, 30, False)} for q in range(6)}
    run = {
        f"q{q}": {str(d): float(random.integers(0, 40)) / 4 for d in random.choice(docs, 120, False)} for q in range(6)
    }
    return qrels, run


def ladder(n: int, start: float = 100.0) -> dict[str, float]:
    return {f"d{i}": start - i for i in range(n)}


CASES = [
    ("perfect", "the ideal order scores 1", "", {"q": {"d0": 2, "d1": 1, "d2": 0}}, {"q": ladder(3)}),
    ("reversed", "the worst order does not", "", {"q": {"d0": 0, "d1": 1, "d2": 3}}, {"q": ladder(3)}),
    (
        "graded",
        "the gain is the judgement itself, as trec_eval has it, not 2^judgement - 1",
        "sklearn-style and Kaggle-style nDCG, which take 2^judgement - 1",
        {"q": {"d0": 1, "d1": 3, "d2": 0, "d3": 2}},
        {"q": ladder(5)},
    ),
    (
        "ties",
        "equal scores are ordered by document id, descending, as trec_eval does, not as the run lists them",
        "evaluators that keep the run's order",
        {"q": {"a": 1, "c": 1}},
        {"q": {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0}},
    ),
    (
        "nearly-tied",
        "trec_eval stores scores in float32: what differs by less is tied",
        "evaluators that compare scores in float64",
        {"q": {"a": 1}},
        {"q": {"a": 1.0 + 1e-9, "b": 1.0}},
    ),
    (
        "all-tied",
        "a run of one score throughout",
        "constant rerankers that look perfect",
        {"q": {"d3": 1}},
        {"q": dict.fromkeys([f"d{i}" for i in range(9)], 0.5)},
    ),
    (
        "unjudged",
        "documents without a judgement are not relevant, and hold their rank",
        "condensed lists",
        {"q": {"d5": 1, "d7": 1}},
        {"q": ladder(12)},
    ),
    (
        "missing-query",
        "a judged query that the run leaves out counts as 0",
        "means over the queries of the run",
        {"q1": {"d0": 1}, "q2": {"d0": 1}},
        {"q1": ladder(3)},
    ),
    (
        "unjudged-query",
        "a query without judgements does not count",
        "means over the queries of the run",
        {"q1": {"d1": 1}},
        {"q1": ladder(3), "q9": ladder(3)},
    ),
    (
        "nothing-relevant",
        "a judged query without a relevant document counts as 0",
        "0 / 0",
        {"q1": {"d0": 0}, "q2": {"d1": 1}},
        {"q1": ladder(3), "q2": ladder(3)},
    ),
    (
        "empty-run-query",
        "a query that found nothing",
        "0 / 0",
        {"q1": {"d0": 1}, "q2": {"d0": 1}},
        {"q1": {}, "q2": ladder(2)},
    ),
    ("eleventh", "@10 ends at rank 10", "off by one", {"q": {"d10": 1}}, {"q": ladder(20)}),
    ("tenth", "and rank 10 is in it", "off by one", {"q": {"d9": 1}}, {"q": ladder(20)}),
    (
        "hundred-first",
        "recall@100 ends at rank 100",
        "off by one",
        {"q": {"d99": 1, "d100": 1}},
        {"q": ladder(150)},
    ),
    (
        "few-hits",
        "fewer hits than k: the ideal is not cut with them",
        "ideal lists cut at the hits",
        {"q": {f"d{i}": 1 for i in range(5)}},
        {"q": ladder(2)},
    ),
    (
        "many-relevant",
        "more relevant documents than k: the ideal is cut at k",
        "ideal lists left whole",
        {"q": {f"d{i}": 1 for i in range(30)}},
        {"q": ladder(10)},
    ),
    (
        "negative-scores",
        "scores may be below 0: logits",
        "filters of scores above 0",
        {"q": {"d1": 1}},
        {"q": {"d0": -9.0, "d1": -1.5, "d2": -3.0}},
    ),
    ("unicode-ids", "ids are any text", "", {"q é": {"文1": 1}}, {"q é": {"文1": 1.0, "文2": 2.0}}),
    ("drawn", "six drawn queries with graded judgements and ties", "", *drawn()),
]


def main() -> None:
    written = [
        {
            "name": name,
            "reason": reason,
            "who": who,
            "input": {"qrels": qrels, "run": run},
            "expected": measured(qrels, run),
            "source": source("pytrec-eval-terrier"),
        }
        for name, reason, who, qrels, run in CASES
    ]
    write("metrics", "metrics.py", written)


if __name__ == "__main__":
    main()
