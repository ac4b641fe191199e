"""Evaluators and rank fusions with other rules, each named; expected options are written down by hand."""

import math

import ir_measures
import pytest
from trec_eval import trec_eval

from refimpl.check.targets.python import PythonTarget
from refimpl.identify import identify_fusion, identify_metrics


def evaluator(gain=float, tie="id descending", counted=True, all_queries=True, unjudged=True, cut=10):
    """nDCG@10, MRR@10, recall@100 and MAP, as trec_eval computes them but for the rules given."""

    def ranked(run):
        reverse = tie == "id descending"
        order = list(run) if tie == "run" else sorted(run, reverse=reverse)
        return sorted(order, key=lambda doc: -run[doc])

    def measure(qrels, run):
        values = []
        for query, judged in qrels.items():
            relevant = [doc for doc, rel in judged.items() if rel > 0]
            if (query not in run and not all_queries) or (not relevant and not counted):
                continue
            docs = [doc for doc in ranked(run.get(query, {})) if unjudged or doc in judged]
            gains = [gain(max(judged.get(doc, 0), 0)) for doc in docs]
            ideal = sorted((gain(max(rel, 0)) for rel in judged.values()), reverse=True)
            dcg, best = (sum(g / math.log2(i + 2) for i, g in enumerate(some[:cut])) for some in (gains, ideal))
            hits = [i for i, doc in enumerate(docs) if doc in relevant]
            precision = sum((number + 1) / (i + 1) for number, i in enumerate(hits))
            values.append(
                (
                    dcg / best if best else 0.0,
                    1 / (hits[0] + 1) if hits and hits[0] < 10 else 0.0,
                    sum(i < 100 for i in hits) / len(relevant) if relevant else 0.0,
                    precision / len(relevant) if relevant else 0.0,
                )
            )
        means = [sum(column) / len(values) for column in zip(*values, strict=True)]
        return dict(zip(("nDCG@10", "MRR@10", "recall@100", "MAP"), means, strict=True))

    return measure


TREC = {
    "nDCG@10, gain and discount": "gain linear, discount log2(rank + 1)",
    "nDCG@10, ideal ranking": "of all judged documents",
    "nDCG@10, documents without judgement": "not relevant",
    "nDCG@10, ties": "document id, descending",
    "MRR@10, ties": "document id, descending",
    "MRR@10, relevant from": "judgement 1",
    "MRR@10, queries without hits": "count as 0",
    "MRR@10, queries without judgement": "left out",
    "MRR@10, queries without a relevant document": "count as 0",
    "recall@100, divided by": "all relevant documents",
    "MAP, divided by": "all relevant documents",
    "nDCG@10, beyond rank 10": "not counted",
    "MRR@10, beyond rank 10": "not counted",
    "recall@100, beyond rank 100": "not counted",
    "MAP, beyond rank 10": "counted",
    "MAP, beyond rank 100": "counted",
}


@pytest.mark.parametrize(
    ("rules", "changed"),
    [
        ({}, {}),
        (
            {"gain": lambda rel: 2**rel - 1},
            {"nDCG@10, gain and discount": "gain exponential (2^rel - 1), discount log2(rank + 1)"},
        ),
        (
            {"tie": "id ascending"},
            {"nDCG@10, ties": "document id, ascending", "MRR@10, ties": "document id, ascending"},
        ),
        ({"tie": "run"}, {"nDCG@10, ties": "the run's order", "MRR@10, ties": "the run's order"}),
        ({"counted": False}, {"MRR@10, queries without a relevant document": "left out"}),
        ({"all_queries": False}, {"MRR@10, queries without hits": "left out"}),
        ({"unjudged": False}, None),
        ({"cut": 1000}, {"nDCG@10, beyond rank 10": "counted"}),
    ],
)
def test_an_evaluators_rules_are_named(rules, changed):
    identified = identify_metrics(PythonTarget(evaluator(**rules), "mine"))
    found = {factor.name: factor.value for factor in identified.factors}
    if changed is None:  # documents without judgement move the others up
        assert found["nDCG@10, documents without judgement"] == "left out"
    else:
        assert found == TREC | changed
        assert identified.confirmed


def by_ir_measures(qrels, run):
    names = {"nDCG@10": "nDCG@10", "MRR@10": "RR@10", "recall@100": "R@100", "MAP": "AP"}
    judged = {query: scores for query, scores in run.items() if query in qrels}
    values = ir_measures.calc_aggregate([ir_measures.parse_measure(name) for name in names.values()], qrels, judged)
    return {name: values[ir_measures.parse_measure(measure)] for name, measure in names.items()}


def test_trec_eval_itself():
    identified = identify_metrics(PythonTarget(trec_eval, "trec_eval"))
    assert {factor.name: factor.value for factor in identified.factors} == TREC


def test_ir_measures_breaks_the_ties_of_mrr_the_other_way_than_those_of_ndcg():
    identified = identify_metrics(PythonTarget(by_ir_measures, "ir_measures"))
    assert {factor.name: factor.value for factor in identified.factors} == TREC | {
        "MRR@10, ties": "document id, ascending"
    }


def test_what_no_option_explains_is_undetermined():
    identified = identify_metrics(PythonTarget(lambda qrels, run: {"nDCG@10": 0.123}, "mine"))
    by_name = {factor.name: factor for factor in identified.factors}
    assert by_name["nDCG@10, gain and discount"].status == "undetermined"
    assert "got 0.123" in by_name["nDCG@10, gain and discount"].value
    assert by_name["MAP, divided by"].value == "the answer lacks it"
    assert not identified.confirmed
    with pytest.raises(ValueError, match="answered none of 16 inputs"):
        identify_metrics(PythonTarget(lambda: {}, "mine"))


def fuse(norm, first=1, divided=False):
    def function(routes, method, k=60, weights=(), metrics=(), norm_score=True):
        scores = {}
        for number, route in enumerate(routes):
            values = [score for _, score in route]
            for rank, (doc, score) in enumerate(route):
                if method == "rrf":
                    part = 1 / (k + rank + first)
                else:
                    weight = weights[number] / (sum(weights) if divided else 1)
                    part = weight * (norm(score, values, metrics[number]) if norm_score else score)
                scores[doc] = scores.get(doc, 0.0) + part
        return sorted(scores.items(), key=lambda pair: -pair[1])

    return function


def milvus(score, values, metric):
    if metric == "COSINE":
        return (1 + score) / 2
    return 1 + 2 * math.atan(score) / math.pi if metric == "L2" else 0.5 + math.atan(score) / math.pi


def by_range(score, values, metric):
    low, high = min(values), max(values)
    return (score - low) / (high - low) if high > low else 1.0


MILVUS = {
    "RRF, first rank and k": "1 / (k + rank), ranks from 1",
    "RRF, a document of two routes": "sum of both, ranks from 1",
    "weighted sum, normalisation of inner products": "0.5 + arctan(x) / pi",
    "weighted sum, normalisation of cosines": "(1 + x) / 2",
    "weighted sum, normalisation of distances": "1 - 2 arctan(d) / pi",
    "weighted sum, weights": "as they are",
    "weighted sum, norm_score false": "no normalisation",
}
RANGE = {"normalisation of inner products": "(x - minimum) / (maximum - minimum)"}
RANGE |= dict.fromkeys(("normalisation of cosines", "normalisation of distances"), "minimum to maximum")


@pytest.mark.parametrize(
    ("function", "changed"),
    [
        (fuse(milvus), {}),
        (
            fuse(milvus, first=0),
            {
                "RRF, first rank and k": "1 / (k + rank), ranks from 0",
                "RRF, a document of two routes": "sum of both, ranks from 0",
            },
        ),
        (fuse(by_range), {f"weighted sum, {name}": value for name, value in RANGE.items()}),
        (fuse(milvus, divided=True), None),
    ],
)
def test_a_fusions_rules_are_named(function, changed):
    identified = identify_fusion(PythonTarget(function, "mine"))
    found = {factor.name: factor.value for factor in identified.factors}
    if changed is None:
        assert found["weighted sum, weights"] == "divided by their sum"
    else:
        assert found == MILVUS | changed
        assert identified.confirmed
