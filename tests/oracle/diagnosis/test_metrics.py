"""Metrics of other conventions are recognised; ir-measures' own values match."""

import math

import numpy as np
import pytest

from refimpl.evaluate import evaluate
from refimpl.oracle.diagnosis import diagnose_metrics

RANDOM = np.random.default_rng(3)
DOCS = [f"d{i}" for i in range(60)]
QRELS = {f"q{i}": {d: int(RANDOM.integers(0, 4)) for d in RANDOM.choice(DOCS, 14, replace=False)} for i in range(12)}
QRELS["q12"] = {"d1": 0}
RUN = {q: {d: float(RANDOM.integers(0, 9)) for d in RANDOM.choice(DOCS, 30, replace=False)} for q in [*QRELS][:-2]}


def ndcg(gain=lambda g: g, discount=lambda r: math.log2(r + 1), order=None, cut=10, pool=None, queries=QRELS):
    order = order or (lambda run: sorted(sorted(run, reverse=True), key=run.get, reverse=True))
    values = []
    for query in queries:
        judged, run = QRELS[query], RUN.get(query, {})
        ranked = order(run)
        ideal = sorted((judged.get(d, 0) for d in (ranked if pool == "retrieved" else judged)), reverse=True)
        found = [judged.get(d, 0) for d in ranked[:cut]]
        sums = [sum(gain(g) / discount(r) for r, g in enumerate(gs, 1) if g) for gs in (found, ideal[:cut])]
        values.append(sums[0] / sums[1] if sums[1] else 0.0)
    return sum(values) / len(values)


def by_id(run):
    return sorted(sorted(run), key=lambda d: -run[d])


FAULTS = {
    "gain 2^rel - 1": {"gain": lambda g: 2**g - 1},
    "gain 1": {"gain": lambda g: 1},
    "ties in the run's order": {"order": lambda run: sorted(run, key=lambda d: -run[d])},
    "ties by id, ascending": {"order": by_id},
    "no discount up to rank 2": {"discount": lambda r: max(1, math.log2(r))},
    "natural logarithm": {"discount": lambda r: max(1, math.log(r))},
    "discount off by one": {"discount": lambda r: math.log2(r + 2)},
    "discount by rank": {"discount": lambda r: r},
    "ideal of the retrieved": {"pool": "retrieved"},
    "cut one too late": {"cut": 11},
    "answered queries only": {"queries": [q for q in QRELS if q in RUN]},
    "queries with a relevant document only": {"queries": [q for q in QRELS if any(QRELS[q].values())]},
    "lowest score first": {"order": lambda run: sorted(sorted(run, reverse=True), key=run.get)},
}
PAIRS = [
    ("gain 2^rel - 1", "ties in the run's order"),
    ("gain 2^rel - 1", "answered queries only"),
    ("ties by id, ascending", "natural logarithm"),
    ("ideal of the retrieved", "discount by rank"),
]


def test_ir_measures_values_match():
    assert diagnose_metrics(evaluate(RUN, QRELS).mean, QRELS, RUN).matches


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_first(fault):
    changes = FAULTS[fault]
    given = {"nDCG@10": ndcg(**changes), "nDCG@5": ndcg(**changes | {"cut": changes.get("cut", 10) - 5})}
    diagnosis = diagnose_metrics(given, QRELS, RUN)
    assert diagnosis.causes, str(diagnosis)
    assert diagnosis.causes[0].names == (fault,), str(diagnosis)


@pytest.mark.parametrize("pair", PAIRS, ids=" + ".join)
def test_two_faults_are_named_first(pair):
    changes = FAULTS[pair[0]] | FAULTS[pair[1]]
    given = {f"nDCG@{cut}": ndcg(**changes | {"cut": cut}) for cut in (3, 5, 10, 20)}
    diagnosis = diagnose_metrics(given, QRELS, RUN)
    assert diagnosis.causes, str(diagnosis)
    assert set(diagnosis.causes[0].names) == set(pair), str(diagnosis)


def test_percent_is_seen():
    right = evaluate(RUN, QRELS).mean
    given = {name: 100 * right[name] for name in ("recall@100", "MRR@10")}
    assert diagnose_metrics(given, QRELS, RUN).causes[0].names == ("percent",)


def test_wrong_requests_are_refused():
    with pytest.raises(ValueError, match="'NDGC' is none of nDCG@k"):
        diagnose_metrics({"NDGC": 0.1}, QRELS, RUN)
    with pytest.raises(ValueError, match="give at least one metric's value"):
        diagnose_metrics({}, QRELS, RUN)
    with pytest.raises(ValueError, match="the score must be finite"):
        diagnose_metrics({"MAP": 0.1}, QRELS, {"q0": {"d1": math.nan}})
