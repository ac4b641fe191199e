"""Evaluators and rank fusions with other rules, each named; expected options are written down by hand."""

import math

import ir_measures
import pytest
from trec_eval import trec_eval

from refimpl.check.targets.python import PythonTarget
from refimpl.identify import identify_fusion, identify_metrics
from refimpl.identify.questions import Question


def evaluator(gain=float, tie="id descending", counted=True, all_queries=True, unjudged=True, cut=10, least=-math.inf):
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
            hits = {doc: score for doc, score in run.get(query, {}).items() if score > least}
            docs = [doc for doc in ranked(hits) if unjudged or doc in judged]
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
    "nDCG@10, relevant documents that are not retrieved": "are in the ideal ranking alone",
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
    **{f"{name}, documents with a score of 0 or less": "count" for name in ("nDCG@10", "MRR@10", "MAP", "recall@100")},
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
        ({"least": 0}, {name: "do not count" for name in TREC if name.endswith("0 or less")}),
        ({"least": -0.5}, {name: "those below 0 do not count" for name in TREC if name.endswith("0 or less")}),
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


@pytest.mark.parametrize("decimals", [4, 5, 6])
def test_rounded_metrics_are_named(decimals):
    """trec_eval prints four decimals, BEIR returns five."""
    exact = evaluator()

    def rounded(qrels, run):
        return {name: round(value, decimals) for name, value in exact(qrels, run).items()}

    found = identify_metrics(PythonTarget(rounded, "mine"))
    values = {factor.name: factor.value for factor in found.factors}
    assert values == {**TREC, "precision": f"rounded to {decimals} decimals"}


@pytest.mark.parametrize("decimals", [4, 5, 6])
def test_rounded_reciprocal_ranks_are_named(decimals):
    def rounded(routes, method, k=60):
        scores = {}
        for ranking in routes:
            for rank, (doc, _) in enumerate(ranking, 1):
                scores[doc] = scores.get(doc, 0.0) + 1 / (k + rank)
        return {doc: round(score, decimals) for doc, score in scores.items()}

    found = {factor.name: factor.value for factor in identify_fusion(PythonTarget(rounded, "mine")).factors}
    assert found["RRF, first rank and k"] == "1 / (k + rank), ranks from 1"
    assert found["precision"] == f"rounded to {decimals} decimals"


def test_rounding_that_hides_which_option_is_told():
    """Three decimals have both options."""
    question = Question("rule", {}, lambda answer: answer, {"one": 0.1236, "other": 0.1238})
    found = question.answer(0.124, slack=0.505e-3)
    assert (found.status, found.value) == ("undetermined", "one of: other; one")
    assert question.answer(0.1236).value == "one"


def test_trec_eval_itself():
    identified = identify_metrics(PythonTarget(trec_eval, "trec_eval"))
    assert {factor.name: factor.value for factor in identified.factors} == TREC


def test_ir_measures_breaks_the_ties_of_mrr_the_other_way_than_those_of_ndcg():
    identified = identify_metrics(PythonTarget(by_ir_measures, "ir_measures"))
    assert {factor.name: factor.value for factor in identified.factors} == TREC | {
        "MRR@10, ties": "document id, ascending"
    }


def by_arrays(measure):
    """Gains and scores of each query's judged and returned documents, by id; those not returned come last."""

    def function(qrels, run):
        values = []
        for query, judged in qrels.items():
            found = run.get(query, {})
            documents = sorted({*judged, *found})
            gains, scores = [judged.get(doc, 0) for doc in documents], [found.get(doc, -1e9) for doc in documents]
            values.append(measure(gains, scores) if found else 0.0)
        return {"nDCG@10": sum(values) / len(values)}

    return function


def named_ndcg(function):
    factors = identify_metrics(PythonTarget(function, "mine")).factors
    return {f.name.removeprefix("nDCG@10, "): f.value for f in factors if f.name.startswith("nDCG@10")}


def test_an_ndcg_of_arrays_has_the_ideal_of_its_gains_and_may_average_ties():
    """scikit-learn's has the mean gain of tied documents, as its documentation says (ignore_ties)."""
    metrics = pytest.importorskip("sklearn.metrics")
    found = named_ndcg(by_arrays(lambda gains, scores: metrics.ndcg_score([gains], [scores], k=10)))
    assert found["ideal ranking"] == "of all judged documents"
    assert found["relevant documents that are not retrieved"] == "are ranked as the last ones"
    assert found["ties"] == "mean over the orders of the tied"


def test_an_ideal_ranking_of_the_retrieved_documents_is_told():
    def retrieved(gains, scores):
        kept = sorted(((s, g) for g, s in zip(gains, scores, strict=True) if s > -1e9), reverse=True)
        dcg, best = (
            sum(g / math.log2(i + 2) for i, g in enumerate(some[:10]))
            for some in ([g for _, g in kept], sorted((g for _, g in kept), reverse=True))
        )
        return dcg / best if best else 0.0

    found = named_ndcg(by_arrays(retrieved))
    assert found["ideal ranking"] == "of the retrieved ones"
    assert found["relevant documents that are not retrieved"] == "are left out"


def test_ties_in_an_unstable_order_are_not_determined():
    """Up to 16 documents keep their order, more do not, as in sorts that begin with an insertion sort."""

    def unstable(qrels, run):
        orders = {q: list(docs) if len(docs) <= 16 else list(docs)[5:] + list(docs)[:5] for q, docs in run.items()}
        run = {q: {doc: run[q][doc] - 1e-3 * i for i, doc in enumerate(order)} for q, order in orders.items()}
        return trec_eval(qrels, run)

    by_name = {f.name: f for f in identify_metrics(PythonTarget(unstable, "mine")).factors}
    assert by_name["nDCG@10, ties"].status == by_name["MRR@10, ties"].status == "undetermined"
    assert by_name["nDCG@10, ties of nine documents"].value == "the run's order"
    assert by_name["MRR@10, ties of nine documents"].value == "the run's order"


def test_a_rank_that_one_order_has_by_chance_names_no_order():
    """Of m, z, a, k, torchmetrics' MRR has m at rank 3, as ascending ids have; torch.topk sees no ids."""

    def third_first(qrels, run):
        orders = {query: [*list(docs)[3:], *list(docs)[2::-1]] for query, docs in run.items()}
        run = {q: {doc: run[q][doc] - 1e-3 * i for i, doc in enumerate(order)} for q, order in orders.items()}
        return trec_eval(qrels, run)

    by_name = {f.name: f for f in identify_metrics(PythonTarget(third_first, "mine")).factors}
    assert by_name["MRR@10, ties of nine documents"].status == "undetermined"


def test_an_average_precision_over_all_judged_documents_is_told():
    """Of relevant documents at ranks 1 and 14 the precisions are 1 and 2 / 14."""

    def measure(qrels, run):
        ranked = {
            q: [*sorted(run.get(q, {}), key=lambda d: -run[q][d]), *(qrels[q].keys() - run.get(q, {}).keys())]
            for q in qrels
        }
        rows = {q: {doc: -float(i) for i, doc in enumerate(docs)} for q, docs in ranked.items()}
        return {"MAP": trec_eval(qrels, rows)["MAP"]}

    by_name = {f.name: f.value for f in identify_metrics(PythonTarget(measure, "mine")).factors}
    assert by_name["MAP, divided by"] == "all relevant documents, those not retrieved as the last ones"


def test_what_no_option_explains_is_undetermined():
    identified = identify_metrics(PythonTarget(lambda qrels, run: {"nDCG@10": 0.123}, "mine"))
    by_name = {factor.name: factor for factor in identified.factors}
    assert by_name["nDCG@10, gain and discount"].status == "undetermined"
    assert "got 0.123" in by_name["nDCG@10, gain and discount"].value
    assert by_name["MAP, divided by"].value == "the answer lacks it"
    assert not identified.confirmed
    with pytest.raises(ValueError, match="answered none of 21 inputs"):
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
        assert {name: found[name] for name in MILVUS if name != "weighted sum, weights"} == {
            name: value for name, value in MILVUS.items() if name != "weighted sum, weights"
        }
    else:
        assert found == MILVUS | changed
        assert identified.confirmed


def haystack_rrf(routes, method, **_):
    """haystack-ai 3.4.0, utils/misc.py: k = 61, weights 1 / routes, the sum divided by routes / k."""
    assert method == "rrf"
    scores = {}
    for route in routes:
        for rank, (doc, _) in enumerate(route):
            scores[doc] = scores.get(doc, 0.0) + (1 / len(routes)) * len(routes) / (61 + rank)
    return [[doc, score / (len(routes) / 61)] for doc, score in scores.items()]


def llama_index_rrf(routes, method, **_):
    """llama-index-core 0.14: ranks from 0, k = 60."""
    assert method == "rrf"
    scores = {}
    for route in routes:
        for rank, (doc, _) in enumerate(route):
            scores[doc] = scores.get(doc, 0.0) + 1 / (rank + 60)
    return list(scores.items())


def haystack_merge(routes, method, weights=(), **_):
    """haystack-ai 3.4.0, DocumentJoiner: weights divided by their sum, scores as they are."""
    assert method == "weighted"
    scores = {}
    for route, weight in zip(routes, weights, strict=True):
        for doc, score in route:
            scores[doc] = scores.get(doc, 0.0) + score * weight / sum(weights)
    return list(scores.items())


def ignoring(function):
    """Scores are normalised whatever norm_score is."""
    return lambda norm_score=True, **given: function(norm_score=True, **given)


PLAIN = {f"weighted sum, normalisation of {name}": "none" for name in ("inner products", "cosines", "distances")}


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (
            haystack_rrf,
            {
                "RRF, first rank and k": "1 / (60 + rank), k is ignored, ranks from 1, divided by the largest sum",
                "RRF, a document of two routes": "sum of both, ranks from 1",
            },
        ),
        (
            llama_index_rrf,
            {
                "RRF, first rank and k": "1 / (60 + rank), k is ignored, ranks from 0",
                "RRF, a document of two routes": "sum of both, ranks from 0",
            },
        ),
        (
            haystack_merge,
            {
                "weighted sum, weights": "divided by their sum",
                "weighted sum, norm_score false": "no normalisation",
                **PLAIN,
            },
        ),
        (
            ignoring(fuse(by_range, divided=True)),
            {
                **{name: value for name, value in MILVUS.items() if name.startswith("RRF")},
                "weighted sum, weights": "divided by their sum",
                "weighted sum, norm_score false": "ignored",
                **{f"weighted sum, {name}": f"{value}, weights divided by their sum" for name, value in RANGE.items()},
                "weighted sum, normalisation of distances": "minimum to maximum",  # 0 whatever the weight
            },
        ),
    ],
    ids=["haystack rrf", "llama-index", "haystack merge", "norm_score ignored"],
)
def test_later_questions_follow_from_earlier_answers(function, expected):
    identified = identify_fusion(PythonTarget(function, "mine"))
    assert {f.name: f.value for f in identified.factors if f.status == "known form"} == expected
