"""Every suite passes refimpl (its expected values are the peers'), and fails each seeded fault by its own case."""

import numpy as np
import pytest
import references

from refimpl.oracle import golden
from refimpl.oracle.check import all_cases, check
from refimpl.oracle.outcome import Verdict
from refimpl.oracle.subjects.python import PythonSubject
from refimpl.oracle.suites import SUITES
from refimpl.oracle.suites.base import Settings
from refimpl.oracle.suites.bm25 import VARIANTS
from refimpl.oracle.tolerance import named

FLOAT32 = Settings(named("float32"), diagnose=False)
OWN = {
    "tokenizer": references.tokens,
    "intermediates": references.trace,
    "splade": references.splade,
    "rerank": references.rerank,
    "rerank-scores": references.rerank,
    "fusion": references.fuse,
    "metrics": references.metrics,
}


def outcome(function, suite, settings=FLOAT32, patterns=()):
    return check(PythonSubject(function, "mine"), [suite], settings, patterns)


def failed(function, suite, settings=FLOAT32):
    return {one.case.name for one in outcome(function, suite, settings) if not one.ok}


@pytest.mark.parametrize("suite", OWN)
def test_refimpl_passes(suite):
    found = outcome(OWN[suite], suite)
    asked = [one for one in found if one.verdict is not Verdict.not_asked]
    assert [(one.case.name, one.message) for one in asked if not one.ok] == []
    assert len(asked) >= len(all_cases(SUITES[suite], FLOAT32)) - 1  # a callable cannot be asked to echo
    assert found.ok


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.filterwarnings("ignore::refimpl.sparse.bm25.BM25WeightWarning")
def test_refimpl_passes_as_each_bm25(variant):
    found = outcome(references.bm25, "bm25", Settings(named("float32"), variant, diagnose=False))
    assert [(one.case.name, one.message) for one in found if not one.ok] == []
    assert len(list(found)) == (20 if variant == "lucene" else 21)


def as_set(corpus, queries, **more):
    return references.bm25(corpus, [" ".join(dict.fromkeys(query.split())) for query in queries], **more)


def without_duplicates(corpus, queries, **more):
    kept = list(dict.fromkeys(corpus))
    return references.bm25(kept, queries, **more)[:, [kept.index(text) for text in corpus]]


def default_parameters(corpus, queries, k1, b, variant):
    return references.bm25(corpus, queries, 1.5, 0.75, variant)


def without_empty(corpus, queries, **more):
    kept = [i for i, text in enumerate(corpus) if text.strip()]
    scores = np.zeros((len(queries), len(corpus)))
    scores[:, kept] = references.bm25([corpus[i] for i in kept], queries, **more)
    return scores


@pytest.mark.parametrize(
    ("fault", "cases"),
    [
        (as_set, {"doubled-query-term"}),
        (without_duplicates, {"doubled-documents"}),
        (default_parameters, {"other-parameters", "b-zero", "b-one"}),
        (without_empty, {"empty-documents"}),
    ],
)
@pytest.mark.filterwarnings("ignore::refimpl.sparse.bm25.BM25WeightWarning")
def test_bm25_faults_fail_their_cases(fault, cases):
    found = failed(fault, "bm25", Settings(named("float32"), "atire", diagnose=False))
    assert cases <= found
    assert len(found) <= len(cases) + 1


@pytest.mark.filterwarnings("ignore::refimpl.sparse.bm25.BM25WeightWarning")
def test_another_variant_fails_nearly_everywhere():
    def lucene(variant, **asked):
        return references.bm25(variant="lucene", **asked)

    assert len(failed(lucene, "bm25")) > 12


def test_a_variant_without_golden_scores_is_told():
    with pytest.raises(ValueError, match="--bm25-variant must be one of pymilvus, rank_bm25, atire, lucene; got 'tf'"):
        SUITES["bm25"].inputs(Settings(named("float32"), "tf"))


def reversed_order(query, documents, top_k):
    return references.rerank(query, documents, top_k)[::-1]


def ranks_for_indices(query, documents, top_k):
    found = references.rerank(query, documents, top_k)
    return [{"index": rank, "score": one.score} for rank, one in enumerate(found)]


def tei_ties(query, documents, top_k):
    found = references.rerank(query, documents, None)
    return sorted(found, key=lambda one: (-one.score, -one.index))[:top_k]


def always_five(query, documents, top_k):
    return references.rerank(query, documents, 5)


def one_of_equal_texts(query, documents, top_k):
    return references.rerank(query, list(dict.fromkeys(documents)), top_k)


def one_too_many(query, documents, top_k):
    return references.rerank(query, [*documents, "another"], top_k)


@pytest.mark.parametrize(
    ("fault", "case"),
    [
        (reversed_order, "best-first"),
        (ranks_for_indices, "index-of-input"),
        (tei_ties, "tie-order"),
        (always_five, "top_k"),
        (always_five, "many-documents"),
        (one_of_equal_texts, "ties"),
        (one_too_many, "indices"),
    ],
)
def test_rerank_faults_fail_their_cases(fault, case):
    assert case in failed(fault, "rerank")


def test_rerank_scores_may_be_probabilities_and_nothing_else():
    def sigmoid(query, documents, top_k):
        return [
            {"index": one.index, "score": 1 / (1 + np.exp(-one.score))}
            for one in references.rerank(query, documents, top_k)
        ]

    assert failed(sigmoid, "rerank-scores") == set()

    def halved(query, documents, top_k):
        return [{"index": o.index, "score": o.score / 2} for o in references.rerank(query, documents, top_k)]

    assert len(failed(halved, "rerank-scores")) == len(golden.cases("rerank"))


def exponential_gain(qrels, run):
    gains = {q: {d: 2**judgement - 1 for d, judgement in docs.items()} for q, docs in qrels.items()}
    return {"nDCG@10": references.metrics(gains, run)["nDCG@10"]}


def run_order(qrels, run):
    apart = {q: {d: s - 1e-7 * i for i, (d, s) in enumerate(docs.items())} for q, docs in run.items()}
    return references.metrics(qrels, apart)


@pytest.mark.parametrize(
    ("fault", "cases"),
    [(exponential_gain, {"graded", "reversed", "drawn"}), (run_order, {"ties", "drawn", "all-tied"})],
)
def test_metrics_faults_fail_their_cases(fault, cases):
    assert failed(fault, "metrics") == cases


def test_fusion_faults_fail_their_cases():
    def from_zero(routes, method, k=None, **more):
        return references.fuse(routes, method, k=k - 1 if k else k, **more)

    assert {"rrf", "rrf-other-k"} <= failed(from_zero, "fusion")
    assert failed(lambda **asked: references.fuse(**asked)[::-1], "fusion") >= {"rrf", "weighted"}
    assert "rrf-absent" in failed(lambda **asked: references.fuse(**asked)[:2], "fusion")


def test_tokenizer_splade_and_intermediates_faults():
    assert len(failed(lambda texts: [ids[1:-1] for ids in references.tokens(texts)], "tokenizer")) == 61
    widest = lambda texts: max(map(len, references.tokens(texts)))  # noqa: E731
    padded = lambda texts: [ids + [0] * (widest(texts) - len(ids)) for ids in references.tokens(texts)]  # noqa: E731
    assert "batch-invariance" in failed(padded, "tokenizer")
    assert "long" in failed(lambda texts: references.splade([t[:100] for t in texts]), "splade")

    def early(texts):
        return [{**walk, "layer.2.hidden_states": walk["layer.1.hidden_states"]} for walk in references.trace(texts)]

    found = outcome(early, "intermediates", patterns=["published-1"])
    (one,) = found
    assert one.message.startswith("first departs at layer.2.hidden_states: worst at")


@pytest.mark.parametrize(
    ("suite", "answer", "said"),
    [
        ("tokenizer", [1.5, 2], "a list of token ids is asked"),
        ("intermediates", {"hidden": 1}, "none of embeddings.hidden_states"),
        ("splade", [1, 2], "an object from token id to weight is asked"),
        ("splade", {"3": "x"}, "a number is asked, got 'x'"),
        ("bm25", [1.0], r"scores \(queries, documents\) are asked, got shape \(1,\)"),
        ("rerank", [{"index": "0", "score": 1}], "index must be a whole number"),
        ("rerank", [{"index": 0, "score": None}], "a number is asked, got None"),
        ("fusion", {"a": "b"}, "a number is asked"),
        ("metrics", {"ndcg": 1}, "none of nDCG@10"),
    ],
)
def test_answers_in_no_form_are_told(suite, answer, said):
    with pytest.raises(ValueError, match=said):
        SUITES[suite].read(answer, "here")


@pytest.mark.parametrize("suite", ["bm25", "splade", "rerank", "fusion", "metrics"])
def test_every_golden_case_has_a_source_that_is_not_refimpl(suite):
    cases = golden.cases(suite)
    assert len(cases) >= 9
    for case in cases.values():
        packages = (
            [case.source["package"]] if "package" in case.source else [s["package"] for s in case.source.values()]
        )
        assert set(packages) <= {"transformers", "pymilvus.model", "rank-bm25", "bm25s", "pymilvus", "ir-measures"}
        assert case.reason
