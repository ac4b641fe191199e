"""Each mistake of a fusion, written by hand, is named; Milvus Lite's own scores match."""

import math

import pytest

from refimpl import golden
from refimpl.diagnosis import diagnose_fusion
from refimpl.diagnosis.fusion import FUSION

CALLS = {name: case.input for name, case in golden.cases("fusion").items()}
LISTED = {each.name for each in FUSION}


def mine(call, rank=1, k=None, merge=sum, absent=False, weights="given", norm="Milvus", always=None):
    """Fused scores in plain Python, with faults."""
    values = {}
    used = call.get("weights")
    if weights == "ones":
        used = [1.0 for _ in used or ()]
    if weights == "sum" and used:
        used = [w / sum(used) for w in used]
    for number, route in enumerate(call["routes"]):
        for place, (doc, score) in enumerate(route):
            if call["method"] == "rrf":
                value = 1 / ((k or call["k"]) + place + rank)
            else:
                metric = call["metrics"][number]
                scores = [s for _, s in route]
                forms = {
                    "Milvus": {"COSINE": (1 + score) / 2, "L2": 1 - 2 * math.atan(-score) / math.pi}.get(
                        metric, 0.5 + math.atan(score) / math.pi
                    ),
                    "arctangent": 0.5 + math.atan(score) / math.pi,
                    "range": (score - min(scores)) / (max(scores) - min(scores)),
                    "sigmoid": 1 / (1 + math.exp(-score)),
                    "best": score / max(scores),
                }
                normalised = call["norm_score"] if always is None else always
                value = used[number] * (forms[norm] if normalised else score)
            values.setdefault(doc, []).append(value)
        if absent and call["method"] == "rrf":
            others = {doc for other in call["routes"] for doc, _ in other} - {doc for doc, _ in route}
            for doc in others:
                values.setdefault(doc, []).append(1 / (call["k"] + len(route) + rank))
    return {doc: merge(each) for doc, each in values.items()}


FAULTS = {
    "ranks from 0": {"rank": 0},
    "ranks from 2": {"rank": 2},
    "k fixed at 60": {"k": 60},
    "the better of two routes": {"merge": max},
    "mean of routes": {"merge": lambda values: sum(values) / len(values)},
    "last rank where absent": {"absent": True},
    "weights ignored": {"weights": "ones"},
    "weights of sum 1": {"weights": "sum"},
    "never normalised": {"always": False},
    "always normalised": {"always": True},
    "arctangent for every metric": {"norm": "arctangent"},
    "minimum to maximum": {"norm": "range"},
    "sigmoid": {"norm": "sigmoid"},
    "divided by the maximum": {"norm": "best"},
}
BESIDES = {**CALLS["weighted"], "weights": [0.5, 2.0]}


def answered(**faults):
    calls = [*CALLS.values(), BESIDES]
    return [(call, mine(call, **faults)) for call in calls]


def test_milvus_lite_matches():
    cases = [(case.input, dict(case.expected)) for case in golden.cases("fusion").values()]
    assert diagnose_fusion(cases).matches
    assert diagnose_fusion(answered()).matches


def test_every_hypothesis_has_a_fault():
    assert FAULTS.keys() == LISTED


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_alone(name):
    diagnosis = diagnose_fusion(answered(**FAULTS[name]))
    exact = [cause.names for cause in diagnosis.causes if cause.explains_all]
    assert exact == [(name,)], str(diagnosis)


def test_two_faults_are_named_together():
    diagnosis = diagnose_fusion(answered(rank=0, norm="range"))
    assert set(diagnosis.causes[0].names) == {"ranks from 0", "minimum to maximum"}
    assert diagnosis.explained


def test_another_fusion_has_no_cause():
    cases = [(call, {doc: 1 / len(doc) for doc in scores}) for call, scores in answered()]
    assert not diagnose_fusion(cases).explained
    with pytest.raises(ValueError, match="at least one call"):
        diagnose_fusion([])
