"""Reranking within a run: pairs are scored once for all systems, and cached; other rerankers are called per query."""

import numpy as np
import pytest
import references

from refimpl import MaxSimRerankFunction
from refimpl.base import PairScorer, RerankResult
from refimpl.search.documents import Documents
from refimpl.search.failures import Failures
from refimpl.search.plan import LoadedDataset, RunPlan, System
from refimpl.search.records import SearchResults
from refimpl.search.reranking import Reranking
from refimpl.search.retrieval import rerank

TEXTS = {"a": "one", "b": "two words", "c": "three words here", "d": "one", "e": "five"}
QUERIES = {"q1": "first", "q2": "second query", "q3": "no hits"}
DATASET = LoadedDataset("toy", "", Documents.of(list(TEXTS), list(TEXTS.values())), QUERIES, {})
FIRST = SearchResults([["a", "b", "c", "d"], ["c", "b"], []], [[4.0, 3.0, 2.0, 1.0], [2.0, 1.0], []])
OTHER = SearchResults([["b", "e"], ["a", "c"], []], [[2.0, 1.0], [2.0, 1.0], []])


class Lengths:
    """Scores a pair by the lengths of its texts; counts the pairs."""

    def __init__(self):
        self.pairs = []

    def __call__(self, query, documents, top_k=5):
        raise AssertionError("pairs are scored, not queries")

    def score_pairs(self, queries, documents):
        self.pairs += zip(queries, documents, strict=True)
        return np.array([len(document) - len(query) for query, document in zip(queries, documents, strict=True)])


def reranked(scorer, tmp_path, key=None, depth=50):
    systems = [
        System("plain", ("first",), ""),
        System("first+rerank", ("first",), "", rerank=scorer, rerank_key=key, rerank_depth=depth),
        System("other+rerank", ("other",), "", rerank=scorer, rerank_key=key, rerank_depth=depth),
        System("missing+rerank", ("gone",), "", rerank=scorer, rerank_key=key),
    ]
    plan, timings, failures = RunPlan([], systems, cache=tmp_path), [], Failures()
    results = Reranking(plan, DATASET, {"first": FIRST, "other": OTHER}, timings.append).run(failures)
    return results, timings, failures


def test_each_distinct_pair_is_scored_once_for_all_systems(tmp_path):
    scorer = Lengths()
    results, (timing,), failures = reranked(scorer, tmp_path)
    expected = {("first", text) for text in ("one", "two words", "three words here", "five")}
    expected |= {("second query", text) for text in ("three words here", "two words", "one")}
    assert sorted(scorer.pairs) == sorted(expected)
    assert results["plain"] == FIRST
    assert results["first+rerank"].ids == [["c", "b", "a", "d"], ["c", "b"], []]  # "a" and "d" have one text
    assert results["first+rerank"].scores == [[11.0, 4.0, -2.0, -2.0], [4.0, -3.0], []]
    assert results["other+rerank"].ids == [["b", "e"], ["c", "a"], []]
    assert list(results) == ["plain", "first+rerank", "other+rerank"]
    assert (timing.stage, timing.items, timing.skipped) == ("rerank", 7, 0)
    assert failures.entries == []


def test_scores_of_pairs_are_cached_by_the_rerankers_key(tmp_path):
    first, again, other, deeper = Lengths(), Lengths(), Lengths(), Lengths()
    before = reranked(first, tmp_path, {"model": "x"}, depth=2)[0]
    after, (timing,), _ = reranked(again, tmp_path, {"model": "x"}, depth=2)
    assert (again.pairs, timing.items, timing.skipped) == ([], 0, len(first.pairs))
    assert after == before
    reranked(deeper, tmp_path, {"model": "x"})
    assert sorted(first.pairs + deeper.pairs) == sorted(set(first.pairs) | set(deeper.pairs))
    assert len(deeper.pairs) == 1  # "three words here" for the first query; "d" has the text of "a"
    reranked(other, tmp_path, {"model": "y"}, depth=2)
    assert len(other.pairs) == len(first.pairs)


def test_a_scorer_that_fails_is_recorded_for_its_systems_and_the_others_stay(tmp_path):
    class Broken(Lengths):
        def score_pairs(self, queries, documents):
            raise OSError("gone")

    results, _, failures = reranked(Broken(), tmp_path)
    assert list(results) == ["plain"]
    assert failures.to_json() == [{"stage": "rerank", "what": "first+rerank, other+rerank", "error": "OSError: gone"}]


@pytest.mark.parametrize(("depth", "kept"), [(0, 0), (1, 1), (3, 3), (50, 4)])
def test_another_reranker_gets_the_best_hits_of_each_query_down_to_its_depth(depth, kept):
    calls = []

    def worst_first(query, documents, top_k=5):
        calls.append((query, documents, top_k))
        return [RerankResult(text, float(i), i) for i, text in reversed(list(enumerate(documents)))]

    assert not isinstance(worst_first, PairScorer)
    system = System("s", ("first",), "", None, worst_first, depth)
    timings = []
    results = Reranking(RunPlan([], [system]), DATASET, {"first": FIRST}, timings.append).run(Failures())["s"]
    hits = {"first": FIRST.ids[0][:depth], "second query": FIRST.ids[1][:depth]}
    assert calls == [(query, [TEXTS[i] for i in ids], None) for query, ids in hits.items() if ids]
    assert results.ids[0] == FIRST.ids[0][:kept][::-1]
    assert results.scores[0] == [float(i) for i in range(kept)][::-1]
    assert results.ids[2] == []
    assert [timing.items for timing in timings] == [sum(map(len, hits.values()))]
    assert System("s", (), "").rerank_depth == 50


def test_a_query_without_hits_is_not_reranked():
    def not_called(query, documents, top_k=5):
        raise AssertionError("called without documents")

    assert rerank(not_called, "query", [], []) == ([], [])


QUESTIONS = ["Which planet is red?", "How many moons has Jupiter?"]
RED = "Mars is called the Red Planet."
PLANETS = [RED, "Jupiter has 95 known moons.", "", "Venus " * 60, RED]


@pytest.mark.parametrize("rerank_function", [MaxSimRerankFunction, references.reranker])
def test_scores_of_pairs_are_those_of_each_query_alone(rerank_function):
    function = rerank_function()
    pairs = [(query, text) for text in PLANETS for query in QUESTIONS]
    scores = function.score_pairs(*map(list, zip(*pairs, strict=True)))
    expected = {query: function.scores(query, PLANETS) for query in QUESTIONS}
    by_hand = [expected[query][number] for number in range(len(PLANETS)) for query in QUESTIONS]
    assert scores == pytest.approx(by_hand, abs=5e-6)
    assert scores[0] == scores[-2]  # of equal pairs
    assert len(set(np.round(scores, 4))) == 8
    assert function.score_pairs([], []).shape == (0,)
