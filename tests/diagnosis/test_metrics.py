"""Metrics of other conventions are recognised; trec_eval's own values match."""

import math

import pytest
from metric_faults import FAULTS, QRELS, RUN, metrics

from refimpl.diagnosis import diagnose_metrics
from refimpl.evaluate import evaluate

PAIRS = [
    ("gain 2^rel - 1", "ties in the run's order"),
    ("gain 2^rel - 1", "queries missing in the run left out"),
    ("ties by id, ascending", "natural logarithm"),
    ("ideal of the retrieved", "discount by rank"),
]


def test_trec_evals_values_match():
    assert diagnose_metrics(evaluate(RUN, QRELS).mean, QRELS, RUN).matches


@pytest.mark.parametrize("pair", PAIRS, ids=" + ".join)
def test_two_faults_are_named_first(pair):
    changes = FAULTS[pair[0]] | FAULTS[pair[1]]
    actual = metrics([f"nDCG@{k}" for k in (3, 5, 10, 20)], **changes)
    diagnosis = diagnose_metrics(actual, QRELS, RUN)
    assert diagnosis.causes, str(diagnosis)
    assert set(diagnosis.causes[0].names) == set(pair), str(diagnosis)


def test_percent_is_named():
    right = evaluate(RUN, QRELS).mean
    actual = {name: 100 * right[name] for name in ("recall@100", "MRR@10")}
    assert diagnose_metrics(actual, QRELS, RUN).causes[0].names == ("percent",)


def test_wrong_requests_are_refused():
    with pytest.raises(ValueError, match=r"expected nDCG@k, .* got 'NDGC'"):
        diagnose_metrics({"NDGC": 0.1}, QRELS, RUN)
    with pytest.raises(ValueError, match="expected at least one value"):
        diagnose_metrics({}, QRELS, RUN)
    with pytest.raises(ValueError, match="expected a finite score"):
        diagnose_metrics({"MAP": 0.1}, QRELS, {"q0": {"d1": math.nan}})
