"""Ranks of a BM25 of plain Python: each hypothesis with the order of all queries is named, and no other."""

import numpy as np
import pytest
from bm25_zoo import Zoo

from refimpl.check.suites import SUITES
from refimpl.check.suites.base import Settings
from refimpl.compare.tolerance import named

pytestmark = pytest.mark.usefixtures("quick")

SETTINGS = Settings(named("quantised-ranking"), "lucene")


def ranks(scores):
    """1 for the lowest different score of a query, then 2, ..."""
    return np.array([np.unique(row, return_inverse=True)[1] for row in np.array(scores)], np.float64)


def diagnosed(factors):
    inputs = SUITES["bm25"].inputs(SETTINGS)
    zoo = Zoo({"empty": "not counted"} | factors)
    answers = {name: ranks(zoo(one["corpus"], one["queries"], one["k1"], one["b"])) for name, one in inputs.items()}
    return str(SUITES["bm25"].diagnose(answers, list(answers), SETTINGS))


@pytest.mark.parametrize(
    ("factors", "name"),
    [
        ({"query": "set"}, "query terms as a set"),
        ({"idf": "ln(N/n)"}, "idf of atire"),
        ({"scores": "negated"}, "negated scores"),
        ({"parameters": "fixed 0.9, 0.4"}, "k1 = 0.9 and b = 0.4"),
        ({"length": "distinct"}, "lengths and their average of distinct terms"),
        ({"idf": "none"}, "no idf"),
        ({"tf": "binary"}, "term frequencies ignored"),
        ({"length": "none", "query": "set"}, "lengths ignored and query terms as a set"),
        ({"idf": "ln((N+1)/n)", "query": "set"}, "idf of bm25+ and query terms as a set"),
        (
            {"idf": "robertson floored at a quarter of the mean", "query": "set", "scores": "negated"},
            "idf of pymilvus and negated scores and query terms as a set",
        ),
        (
            {"idf": "robertson", "parameters": "fixed 1.2, 0.75", "scores": "negated"},
            "idf of robertson and negated scores and k1 = 1.2 and b = 0.75",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_hypothesis_with_the_order_of_all_queries_is_named(factors, name):
    first, second = diagnosed(factors).splitlines()
    assert first.startswith("mismatch: ")
    assert name in second.split(": ", 1)[1].split("; or ")


@pytest.mark.parametrize(
    "factors",
    [
        {"length": "at least half", "query": "set", "tf": "root"},
        {"query": "times matched"},  # all but equal where idf and tf are ignored: many documents in no order
        {"tf": "1 + ln", "length": "one byte"},
        {"idf": "robertson, exact zeros raised to 0.2"},  # robertson has these documents in no order
        {"length": "none", "query": "set", "scores": "negated", "idf": "robertson"},  # four
    ],
    ids=lambda factors: ", ".join(factors.values()),
)
def test_an_order_of_no_hypothesis_has_no_cause(factors):
    assert "none of the known causes has the order of all queries" in diagnosed(factors)


def test_ties_that_the_answers_break_are_no_contradiction():
    """A ranking has every document at a rank of its own, those without a term of the query too."""
    inputs = SUITES["bm25"].inputs(SETTINGS)
    zoo = Zoo({"empty": "not counted", "idf": "ln((N+1)/n)", "query": "set"})
    rows = {name: np.array(zoo(one["corpus"], one["queries"], one["k1"], one["b"])) for name, one in inputs.items()}
    answers = {
        name: np.array([np.argsort(np.lexsort((np.arange(len(row))[::-1], row))) for row in scores], np.float64)
        for name, scores in rows.items()
    }
    found = SUITES["bm25"].diagnose(answers, list(answers), SETTINGS)
    assert ("idf of bm25+", "query terms as a set") in [cause.names for cause in found.causes]


def test_a_factor_of_all_scores_does_not_change_ranks():
    assert diagnosed({"idf": "base 10"}) == "matches: the documents of all 51 queries are in the order of lucene"
