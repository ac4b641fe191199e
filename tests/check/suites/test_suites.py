"""Every suite passes refimpl (its expected values are the peers'), and each seeded fault fails its own case."""

import threading

import numpy as np
import pytest
import references

from refimpl import golden
from refimpl.check.result import Status
from refimpl.check.runner import all_cases, check
from refimpl.check.suites import SUITES
from refimpl.check.suites.base import Settings
from refimpl.check.targets.python import PythonTarget
from refimpl.compare.tolerance import named
from refimpl.sparse.bm25 import VARIANTS

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


def run_check(function, suite, settings=FLOAT32, patterns=()):
    return check(PythonTarget(function, "mine"), [suite], settings, patterns)


def failed(function, suite, settings=FLOAT32):
    return {one.case.name for one in run_check(function, suite, settings) if not one.ok}


@pytest.mark.parametrize("suite", OWN)
def test_refimpl_passes(suite):
    result = run_check(OWN[suite], suite)
    run = [one for one in result if one.status is not Status.skipped]
    assert [(one.case.name, one.message) for one in run if not one.ok] == []
    assert len(run) >= len(all_cases(SUITES[suite], FLOAT32)) - 1  # a callable does not return documents
    assert result.ok


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.filterwarnings("ignore::refimpl.sparse.bm25.BM25WeightWarning")
def test_refimpl_passes_as_each_bm25(variant):
    result = run_check(references.bm25, "bm25", Settings(named("float32"), variant, diagnose=False))
    assert [(one.case.name, one.message) for one in result if not one.ok] == []
    assert len(list(result)) == 23


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
    result = failed(fault, "bm25", Settings(named("float32"), "atire", diagnose=False))
    assert cases <= result
    assert len(result) <= len(cases) + 1


@pytest.mark.filterwarnings("ignore::refimpl.sparse.bm25.BM25WeightWarning")
def test_another_variant_fails_nearly_everywhere():
    def lucene(variant, **query):
        return references.bm25(variant="lucene", **query)

    assert len(failed(lucene, "bm25")) > 12


def test_an_unknown_variant_is_an_error():
    with pytest.raises(
        ValueError, match=r"--bm25-variant must be one of robertson, pymilvus, .* lucene-lossy, got 'tf'"
    ):
        SUITES["bm25"].inputs(Settings(named("float32"), "tf"))


def occurrences(corpus, queries, **more):
    """The number of occurrences of the query's terms: not BM25."""
    return np.array([[sum(text.split().count(t) for t in query.split()) for text in corpus] for query in queries])


def ranks(corpus, queries, k1, b, variant):
    """Only a ranking: the best document has the largest score, a document without a score has 0."""
    scores = references.bm25(corpus, queries, k1, b, variant)
    return np.array([[np.sum(np.unique(row) < one) - np.sum(np.unique(row) < 0) for one in row] for row in scores])


@pytest.mark.filterwarnings("ignore::refimpl.sparse.bm25.BM25WeightWarning")
def test_rankings_are_compared_pair_by_pair():
    """Raw counts order 13 of the cases' queries otherwise; a ranking alone passes."""
    settings = Settings(named("quantised-ranking"), "atire", diagnose=False)
    golden_cases = set(SUITES["bm25"].inputs(settings))
    assert failed(ranks, "bm25", settings) & golden_cases == set()
    assert {"larger", "long-and-short", "ordinary"} <= failed(occurrences, "bm25", settings)
    message = next(one.message for one in run_check(occurrences, "bm25", settings, ["long-and-short"]))
    assert "query 0: 1 of 3 pairs of documents are not in the expected order: document 1" in message


@pytest.mark.filterwarnings("ignore::refimpl.sparse.bm25.BM25WeightWarning")
@pytest.mark.parametrize("variant", ["atire", "lucene-lossy"])
def test_fixed_parameters_are_those_of_every_case(variant):
    def fixed(corpus, queries):
        return references.bm25(corpus, queries, 0.9, 0.4, variant)

    settings = Settings(named("float32"), variant, diagnose=False, k1=0.9, b=0.4)
    assert failed(fixed, "bm25", settings) == set()
    assert "other-parameters" not in failed(fixed, "bm25", Settings(named("float32"), variant, diagnose=False))
    assert "ordinary" in failed(fixed, "bm25", Settings(named("float32"), variant, diagnose=False))


@pytest.mark.filterwarnings("ignore::refimpl.sparse.bm25.BM25WeightWarning")
def test_hits_are_rows_and_a_refusal_fails_its_case_alone():
    def hits(corpus, **more):
        if len(corpus) < 3:
            return [None, {"error": "too few"}][len(corpus) - 1]
        rows = references.bm25(corpus, **more)
        return [{"hits": [[i, float(row[i])] for i in np.flatnonzero(row)]} for row in rows]

    assert failed(hits, "bm25") == {"one-document", "negative-floor"}
    messages = {one.case.name: one.message for one in run_check(hits, "bm25")}
    assert messages["negative-floor"] == "negative-floor: refused: too few"
    assert messages["one-document"] == "one-document: refused: null"
    wrong = run_check(lambda corpus, queries: [{"hits": [[99, 1.0]]}] * len(queries), "bm25", patterns=["ordinary"])
    assert "ordinary: expected hits of documents 0 to 4, got 99" in next(iter(wrong)).message


def reversed_order(query, documents, top_k):
    return references.rerank(query, documents, top_k)[::-1]


def ranks_for_indices(query, documents, top_k):
    result = references.rerank(query, documents, top_k)
    return [{"index": rank, "score": one.score} for rank, one in enumerate(result)]


def tei_ties(query, documents, top_k):
    result = references.rerank(query, documents, None)
    return sorted(result, key=lambda one: (-one.score, -one.index))[:top_k]


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
    best_first = {q: sorted(docs, key=lambda d: -docs[d]) for q, docs in run.items()}
    apart = {q: {d: -float(rank) for rank, d in enumerate(docs)} for q, docs in best_first.items()}
    return references.metrics(qrels, apart)


@pytest.mark.parametrize(
    ("fault", "cases"),
    [(exponential_gain, {"graded", "reversed", "drawn"}), (run_order, {"ties", "nearly-tied", "drawn", "all-tied"})],
)
def test_metrics_faults_fail_their_cases(fault, cases):
    assert failed(fault, "metrics") == cases


def test_fusion_faults_fail_their_cases():
    def from_zero(routes, method, k=None, **more):
        return references.fuse(routes, method, k=k - 1 if k else k, **more)

    assert {"rrf", "rrf-other-k"} <= failed(from_zero, "fusion")
    assert failed(lambda **query: references.fuse(**query)[::-1], "fusion") >= {"rrf", "weighted"}
    assert "rrf-absent" in failed(lambda **query: references.fuse(**query)[:2], "fusion")


def test_tokenizer_splade_and_intermediates_faults():
    assert len(failed(lambda texts: [ids[1:-1] for ids in references.tokens(texts)], "tokenizer")) == 71
    widest = lambda texts: max(map(len, references.tokens(texts)))  # noqa: E731
    padded = lambda texts: [ids + [0] * (widest(texts) - len(ids)) for ids in references.tokens(texts)]  # noqa: E731
    assert "batch-invariance" in failed(padded, "tokenizer")
    assert "long" in failed(lambda texts: references.splade([t[:100] for t in texts]), "splade")

    def early(texts):
        return [
            {**stages, "layer.2.hidden_states": stages["layer.1.hidden_states"]} for stages in references.trace(texts)
        ]

    result = run_check(early, "intermediates", patterns=["published-1"])
    (one,) = result
    assert one.message.startswith("first mismatch: layer.2.hidden_states: ")


@pytest.mark.parametrize(
    ("suite", "answer", "message"),
    [
        ("tokenizer", [1.5, 2], "expected a list of token ids"),
        ("intermediates", {"hidden": 1}, "expected one or more of embeddings.hidden_states"),
        ("splade", [1, 2], "expected an object from token id to weight"),
        ("splade", {"3": "x"}, "expected a number, got 'x'"),
        ("bm25", [1.0], r"expected scores \(queries, documents\), got shape \(1,\)"),
        ("rerank", [{"index": "0", "score": 1}], "index must be an integer"),
        ("rerank", [{"index": 0, "score": None}], "expected a number, got None"),
        ("fusion", {"a": "b"}, "expected a number"),
        ("metrics", {"ndcg": 1}, "expected one or more of nDCG@10"),
    ],
)
def test_answers_of_another_form_are_errors(suite, answer, message):
    with pytest.raises(ValueError, match=message):
        SUITES[suite].read(answer, "here")


PACKAGES = {"transformers", "pymilvus.model", "rank-bm25", "bm25s", "pymilvus", "pytrec-eval-terrier"}


@pytest.mark.parametrize("suite", ["bm25", "splade", "rerank", "fusion", "metrics"])
def test_every_golden_case_has_a_source_that_is_not_refimpl(suite):
    cases = golden.cases(suite)
    assert len(cases) >= 9
    for case in cases.values():
        packages = (
            [case.source["package"]] if "package" in case.source else [s["package"] for s in case.source.values()]
        )
        assert set(packages) <= PACKAGES
        assert case.reason


@pytest.mark.parametrize(
    ("suite", "odd"),
    [
        ("metrics", lambda answer: dict.fromkeys(answer, 10**400)),
        ("fusion", lambda answer: [[doc, -(10**400)] for doc, _ in answer]),
        ("tokenizer", lambda answer: [*answer[:-1], 2**70]),
        ("rerank", lambda answer: [{"index": 2**70, "score": 10**400}]),
    ],
)
def test_one_answer_out_of_range_fails_its_case_not_the_check(suite, odd):
    calls = []

    def one_odd(*args, **kwargs):
        answers = OWN[suite](*args, **kwargs)
        calls.append(1)
        if len(calls) != 2:
            return answers
        return [odd(answers[0]), *answers[1:]] if suite == "tokenizer" else odd(answers)

    if suite == "tokenizer":
        calls.append(1)
    result = run_check(one_odd, suite)
    assert 1 <= sum(not one.ok for one in result) <= 2
    assert result.count(Status.passed) >= 2


def test_a_function_that_hangs_is_called_once():
    event, calls = threading.Event(), []

    def hung(texts):
        calls.append(texts)
        event.wait()

    result = check(PythonTarget(hung, "hung", 0.2), ["encoder", "tokenizer"], FLOAT32)
    event.set()
    assert len(calls) == 1
    assert result.count(Status.passed) == 0
    assert any(one.message.startswith("not run, because an earlier case timed out: hung did not") for one in result)


class Counted(PythonTarget):
    """Counts its calls, each of which would start a command."""

    calls = 0

    def run(self, task, inputs):
        self.calls += 1
        return super().run(task, inputs)


@pytest.mark.filterwarnings("ignore::refimpl.sparse.bm25.BM25WeightWarning")
def test_each_bm25_behaviour_is_one_call():
    target = Counted(references.bm25, "mine")
    assert check(target, ["bm25"], FLOAT32).ok
    assert target.calls == 1 + 3  # the golden inputs, and the behaviours
