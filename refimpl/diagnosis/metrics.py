"""The cause of a mismatch of retrieval metrics."""

from collections.abc import Mapping, Sequence
from functools import partial
from math import inf, isfinite, log, log2, log10

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis import metric_values as values
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, apply_all, change
from refimpl.diagnosis.metric_values import Measure, MetricVariant, Qrels, Run
from refimpl.diagnosis.result import Diagnosis
from refimpl.diagnosis.search import Problem, explain

metric = partial(change, MetricVariant)

METRICS = (
    Hypothesis(
        "gain 2^rel - 1",
        "nDCG's gain is 2^rel - 1 (Burges et al. 2005), where trec_eval has the judgement",
        metric(gain=values.exponential),
    ),
    Hypothesis("gain 1", "nDCG's gain is 1 for every relevant document", metric(gain=values.binary)),
    Hypothesis(
        "ties in the run's order",
        "equal scores keep the order of the run; in trec_eval the greater id is first",
        metric(ties=values.run_order),
    ),
    Hypothesis(
        "ties in the run's reverse order",
        "equal scores are reversed, as by argsort()[::-1]",
        metric(ties=values.reverse_run_order),
    ),
    Hypothesis(
        "ties by id, ascending",
        "of equal scores the smaller id is first; in trec_eval the greater",
        metric(ties=values.smaller_id_first),
    ),
    Hypothesis(
        "ties of MRR by id, ascending",
        "of equal scores the smaller id is first in MRR@k alone, as in MS MARCO's evaluator and ir-measures' RR@k; "
        "in trec_eval the greater",
        metric(mrr_ties=values.smaller_id_first),
    ),
    Hypothesis(
        "scores in float64",
        "scores that differ by less than float32 resolves are not tied; trec_eval stores scores in float32",
        metric(score=float),
    ),
    Hypothesis(
        "no discount up to rank 2",
        "the discount is max(1, log2 rank) (Järvelin and Kekäläinen 2002, base 2)",
        metric(discount=lambda rank: max(1.0, log2(rank))),
    ),
    Hypothesis(
        "natural logarithm", "the discount is max(1, ln rank)", metric(discount=lambda rank: max(1.0, log(rank)))
    ),
    Hypothesis("discount 1 + ln rank", "the discount is 1 + ln rank", metric(discount=lambda rank: 1.0 + log(rank))),
    Hypothesis(
        "logarithm of base 10",
        "the discount is max(1, log10 rank)",
        metric(discount=lambda rank: max(1.0, log10(rank))),
    ),
    Hypothesis(
        "discount off by one",
        "the discount is log2(rank + 2), rank from 1",
        metric(discount=lambda rank: log2(rank + 2)),
    ),
    Hypothesis("discount by rank", "gains are divided by the rank", metric(discount=float)),
    Hypothesis("no discount", "gains are not discounted", metric(discount=lambda rank: 1.0)),
    Hypothesis(
        "ideal of the retrieved",
        "the ideal ranking has the retrieved documents only, not all that are judged",
        metric(ideal=values.ideal_of_retrieved),
    ),
    Hypothesis(
        "ideal without cut-off", "the ideal ranking has no cut-off at k", metric(ideal=values.ideal_without_cutoff)
    ),
    Hypothesis(
        "queries missing in the run left out",
        "judged queries that the run lacks are not averaged as 0",
        metric(averaged=values.retrieved_queries),
    ),
    Hypothesis(
        "queries with a relevant document only",
        "queries without one are not averaged as 0",
        metric(averaged=values.queries_with_relevant),
    ),
    Hypothesis(
        "out of min(k, relevant)",
        "recall and MAP are divided by min(k, relevant); precision by the number of retrieved documents",
        metric(recall_divisor=values.attainable, precision_divisor=values.retrieved, map_divisor=values.attainable),
    ),
    Hypothesis(
        "average precision over the retrieved",
        "MAP is divided by the relevant documents retrieved, not by all",
        metric(map_divisor=values.relevant_retrieved),
    ),
    Hypothesis("relevant from 2", "a judgement of 1 does not count as relevant", metric(relevant_from=2)),
    Hypothesis("unjudged counted relevant", "a judgement of 0 counts as relevant", metric(relevant_from=0)),
    Hypothesis("cut-off one too late", "the cut-off is k + 1", metric(shift=1)),
    Hypothesis("cut-off one too early", "the cut-off is k - 1", metric(shift=-1)),
    Hypothesis("no cut-off", "the whole ranking counts, not the first k", metric(cutoff=False)),
    Hypothesis("percent", "values are in percent", metric(percent=True)),
    Hypothesis("lowest score first", "scores are sorted as distances", metric(best_last=True)),
)


class MetricProblem(Problem):
    """Values by measure, and the formulas that they are compared with."""

    hypotheses: Sequence[Hypothesis] = METRICS

    def __init__(self, actual: Mapping[str, float], qrels: Qrels, run: Run) -> None:
        self.actual, self.qrels, self.run = actual, qrels, run
        self.measures = {name: Measure.parse(name) for name in actual}

    def errors(self, combination: Combination, *, few: bool) -> Array:
        """Actual - computed values."""
        variant = apply_all(MetricVariant(), combination)
        computed = [measure.value(self.qrels, self.run, variant) for measure in self.measures.values()]
        return np.array(list(self.actual.values()), dtype=np.float64) - np.array(computed)


def diagnose_metrics(actual: Mapping[str, float], qrels: Qrels, run: Run, *, tolerance: float = 1e-9) -> Diagnosis:
    """Compare metrics, averaged over the queries of `qrels`, with trec_eval's values, and find why they differ.

    Parameters
    ----------
    actual
        Such as `{"nDCG@10": 0.31}`: nDCG, recall, P, MRR, MAP and hit, with or without `@k`. Several distinguish causes
        better than one.
    qrels
        `qrels[query_id][doc_id]`, judgements.
    run
        `run[query_id][doc_id]`, scores.
    tolerance
        Absolute.

    Raises
    ------
    ValueError
        For another name, without any value, for empty qrels, and for a score that is not finite.
    """
    if not actual or not qrels:
        raise ValueError("expected at least one value and one query in qrels, got none: give both")
    problem = MetricProblem(actual, qrels, run)
    for query, scores in run.items():
        for doc, score in scores.items():
            if not isfinite(score):
                raise ValueError(f"query {query!r}, document {doc!r}: expected a finite score, got {score!r}")
    errors = np.abs(problem.errors((), few=False))
    difference = float(errors.max())
    if not isfinite(difference):
        return Diagnosis(False, inf, tolerance, (), "a value is not finite")
    if difference <= tolerance:
        return Diagnosis(True, difference, tolerance, ())
    worst = list(actual)[int(np.argmax(errors))]
    return Diagnosis(False, difference, tolerance, explain(problem, tolerance), f"{worst}, by {difference:.2g}")
