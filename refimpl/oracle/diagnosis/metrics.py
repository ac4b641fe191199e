"""Values of retrieval metrics that are not the reference's: which known change gives them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from refimpl.oracle.diagnosis.knobs import Knob, turned
from refimpl.oracle.diagnosis.metric_values import Measure, MetricVariant, Qrels, Run
from refimpl.oracle.diagnosis.search import Turned, explain
from refimpl.oracle.diagnosis.verdict import Diagnosis

Array = np.ndarray

METRICS = (
    Knob(
        "gain 2^rel - 1",
        "nDCG's gain is 2^rel - 1 (Burges et al. 2005), where trec_eval takes the judgement",
        {"gain": "exponential"},
    ),
    Knob("gain 1", "nDCG's gain is 1 for every relevant document", {"gain": "binary"}),
    Knob(
        "ties in the run's order",
        "equal scores stay in the order of the run; trec_eval puts the greater id first",
        {"ties": "run"},
    ),
    Knob(
        "ties in the run's reverse order", "equal scores are reversed, as by argsort()[::-1]", {"ties": "run backwards"}
    ),
    Knob(
        "ties by id, ascending",
        "of equal scores the smaller id comes first; trec_eval has the greater",
        {"ties": "smaller id first"},
    ),
    Knob(
        "ties by id, descending",
        "of equal scores the greater id comes first in MRR@k too, where MS MARCO's evaluator has the smaller",
        {"ties": "greater id first"},
    ),
    Knob(
        "no discount up to rank 2",
        "the discount is max(1, log2 rank) (Järvelin and Kekäläinen 2002, base 2)",
        {"discount": "max(1, log2 rank)"},
    ),
    Knob("natural logarithm", "the discount is max(1, ln rank)", {"discount": "max(1, ln rank)"}),
    Knob("discount 1 + ln rank", "the discount is 1 + ln rank", {"discount": "1 + ln rank"}),
    Knob("logarithm of base 10", "the discount is max(1, log10 rank)", {"discount": "max(1, log10 rank)"}),
    Knob("discount off by one", "the discount is log2(rank + 2), rank from 1", {"discount": "log2(rank + 2)"}),
    Knob("discount by rank", "gains are divided by the rank", {"discount": "rank"}),
    Knob("no discount", "gains are not discounted", {"discount": "none"}),
    Knob(
        "ideal of the retrieved",
        "the ideal ranking holds the retrieved documents only, not all that are judged",
        {"ideal": "retrieved"},
    ),
    Knob("ideal not cut", "the ideal ranking is not cut at k", {"ideal": "not cut"}),
    Knob(
        "answered queries only",
        "judged queries that the run leaves out are not averaged as 0",
        {"averaged": "answered"},
    ),
    Knob(
        "queries with a relevant document only",
        "queries without one are not averaged as 0",
        {"averaged": "with relevant"},
    ),
    Knob(
        "out of min(k, relevant)",
        "recall and MAP are divided by what k could hold; precision by what was found",
        {"recall_of": "attainable"},
    ),
    Knob(
        "average precision over the retrieved",
        "MAP is divided by the relevant documents found, not by all",
        {"recall_of": "retrieved"},
    ),
    Knob("relevant from 2", "a judgement of 1 does not count as relevant", {"relevant_from": 2}),
    Knob("unjudged counted relevant", "a judgement of 0 counts as relevant", {"relevant_from": 0}),
    Knob("cut one too late", "the first k + 1 documents are judged", {"shift": 1}),
    Knob("cut one too early", "the first k - 1 documents are judged", {"shift": -1}),
    Knob("no cut", "the whole run is judged, not the first k", {"cut": "none"}),
    Knob("percent", "values are in percent", {"percent": True}),
    Knob("lowest score first", "distances are taken for scores", {"best_last": True}),
)


class MetricProblem:
    """Given values, and the formulas with their knobs."""

    knobs: Sequence[Knob] = METRICS

    def __init__(self, given: Mapping[str, float], qrels: Qrels, run: Run) -> None:
        self.given, self.qrels, self.run = given, qrels, run
        self.measures = {name: Measure.parse(name) for name in given}

    def errors(self, turned_knobs: Turned, *, few: bool) -> Array:
        """Given less computed values."""
        variant = turned(MetricVariant(), turned_knobs)
        computed = [measure.value(self.qrels, self.run, variant) for measure in self.measures.values()]
        return np.array(list(self.given.values()), dtype=np.float64) - np.array(computed)

    def names(self, turned_knobs: Turned) -> tuple[str, ...]:
        """What the knobs are called."""
        return tuple(knob.name for knob in turned_knobs)


def diagnose_metrics(given: Mapping[str, float], qrels: Qrels, run: Run, *, tolerance: float = 1e-9) -> Diagnosis:
    """Hold metrics such as `{"nDCG@10": 0.31}`, averaged over the queries of `qrels`, against ir-measures' values.

    Names: nDCG, recall, P, MRR, MAP and hit, each with or without `@k`. More of them tell causes apart better.
    Raises ValueError for another name, for no values, and for empty qrels.
    """
    if not given or not qrels:
        raise ValueError("give at least one metric's value, and qrels with at least one query")
    problem = MetricProblem(given, qrels, run)
    for query, scores in run.items():
        for doc, score in scores.items():
            if not math.isfinite(score):
                raise ValueError(f"query {query!r}, document {doc!r}: the score must be finite, got {score!r}")
    errors = np.abs(problem.errors((), few=False))
    difference = float(errors.max())
    if not math.isfinite(difference):
        return Diagnosis(False, math.inf, tolerance, (), "a value is not finite")
    if difference <= tolerance:
        return Diagnosis(True, difference, tolerance, ())
    worst = list(given)[int(np.argmax(errors))]
    return Diagnosis(False, difference, tolerance, explain(problem, tolerance), f"{worst}, by {difference:.2g}")
