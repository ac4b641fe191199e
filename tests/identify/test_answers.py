"""Forms of answers, refusals, and keywords that a target does not accept."""

import numpy as np
import pytest
from bm25_zoo import Zoo

from refimpl.check.targets.python import PythonTarget
from refimpl.identify import identify_bm25

DUCKDB = Zoo({"idf": "base 10", "query": "set"})


def values(identified):
    return {factor.name: (factor.status, factor.value) for factor in identified.factors}


def test_hits_are_as_good_as_rows():
    def hits(corpus, queries, k1, b):
        rows = DUCKDB(corpus, queries, k1, b)
        return [{"hits": [[i, score] for i, score in enumerate(row) if score]} for row in rows]

    identified = identify_bm25(PythonTarget(hits, "hits"))
    assert identified.confirmed
    assert "this is the formula of DuckDB fts" in identified.sentence


def test_a_target_without_k1_and_b_has_fixed_ones():
    identified = identify_bm25(PythonTarget(lambda corpus, queries: DUCKDB(corpus, queries, 1.2, 0.75), "two"))
    assert identified.confirmed
    assert values(identified)["k1 and b"] == ("known form", "k1 = 1.2, b = 0.75")


def test_a_refused_input_leaves_the_others():
    def picky(corpus, queries, k1, b, variant):
        if not all(corpus):
            raise ValueError("an empty document")
        if any("++" in query for query in queries):
            raise RuntimeError("a regular expression")
        return DUCKDB(corpus, queries, k1, b)

    found = values(identify_bm25(PythonTarget(picky, "picky")))
    assert found["empty documents"][0] == "undetermined"
    assert "an empty document" in found["empty documents"][1]
    assert found["tokens: plus signs (d++)"] == ("undetermined", "not measured: a query was refused")
    assert found["tokenisation"] == ("known form", "as the next rows show")
    assert found["whole formula"] == ("known form", "predicts 1680 of 1680 scores")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "null"),
        ({"error": "busy"}, "busy"),
        ([[1.0]], "expected scores .* got \\(1, 1\\)"),
        ("text", "expected a list of scores for each query, got str"),
        ([{"hits": [[10**9, 1.0]]}], "expected a list of scores"),
    ],
)
def test_other_answers_are_refusals_with_a_reason(answer, message):
    with pytest.raises(ValueError, match=message):
        identify_bm25(PythonTarget(lambda **_: answer, "other"))


def test_nan_is_a_refusal():
    with pytest.raises(ValueError, match="are not finite numbers"):
        identify_bm25(PythonTarget(lambda corpus, queries: np.full((len(queries), len(corpus)), np.nan), "nan"))
