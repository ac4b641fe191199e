"""Ranks of a BM25 of plain Python: each hypothesis with the order of all queries is named, and no other."""

import numpy as np
import pytest
from bm25_zoo import Zoo

from refimpl.check.suites import SUITES
from refimpl.check.suites.base import Settings
from refimpl.compare.tolerance import named

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
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_hypothesis_with_the_order_of_all_queries_is_named(factors, name):
    first, second = diagnosed(factors).splitlines()
    assert first.startswith("mismatch: ")
    assert name in second.split(": ", 1)[1].split("; or ")


def test_an_order_of_no_hypothesis_has_no_cause():
    assert "none of the known causes has the order of all queries" in diagnosed({"length": "none", "query": "set"})


def test_a_factor_of_all_scores_does_not_change_ranks():
    assert diagnosed({"idf": "base 10"}) == "matches: the documents of all 51 queries are in the order of lucene"
