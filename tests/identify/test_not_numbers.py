"""Scores that are NaN: the formula of the others is measured, and the documents without a number are named."""

import numpy as np
import pytest
from miswritten_bm25 import Bm25

from refimpl.check.runner import check
from refimpl.check.suites.base import Settings
from refimpl.check.targets.python import PythonTarget
from refimpl.compare.tolerance import named
from refimpl.identify import identify_bm25

pytestmark = pytest.mark.usefixtures("unchecked")
USUAL = Bm25()


def unrelated(corpus, queries, k1, b):
    """NaN for every document without a word of the query, as a table join leaves."""
    scores = np.array(USUAL(corpus, queries, k1, b), np.float64).reshape(len(queries), len(corpus))
    return np.where(scores == 0, np.nan, scores).tolist()


def blank(corpus, queries, k1, b):
    """NaN for empty documents: 0 / 0."""
    scores = np.array(USUAL(corpus, queries, k1, b), np.float64).reshape(len(queries), len(corpus))
    scores[:, [not text.strip() for text in corpus]] = np.nan
    return scores.tolist()


def high(corpus, queries, k1, b):
    """NaN for scores above 3."""
    scores = np.array(USUAL(corpus, queries, k1, b), np.float64).reshape(len(queries), len(corpus))
    return np.where(scores > 3, np.nan, scores).tolist()


def of_zero_k1(corpus, queries, k1, b):
    return (USUAL if k1 else unrelated)(corpus, queries, k1, b)


def nothing(corpus, queries, k1, b):
    return np.full((len(queries), len(corpus)), np.nan).tolist()


def refusing(corpus, queries, k1, b):
    """As `unrelated`, and a query with a word that no document has is refused."""
    words = {word for text in corpus for word in text.split()}
    if not all(words.issuperset(query.split()) for query in queries):
        raise ValueError("unknown word")
    return unrelated(corpus, queries, k1, b)


@pytest.mark.parametrize(
    ("function", "documents"),
    [
        (unrelated, "NaN instead of a score of documents without a word of the query"),
        (blank, "NaN instead of a score of documents without a word:"),
        (refusing, "NaN instead of a score of documents without a word of the query"),
    ],
)
def test_the_formula_of_the_other_scores_is_named(function, documents):
    found = identify_bm25(PythonTarget(function, "mine"))
    assert found.confirmed
    assert found.sentence.startswith("Lucene idf, tf saturated f, factor k1 + 1, lengths: tokens,")
    assert documents in found.sentence
    (factor,) = (factor for factor in found.factors if factor.name == "scores that are NaN")
    assert factor.value.endswith(": read as 0")


def test_nan_of_documents_with_a_word_of_the_query_is_told():
    found = identify_bm25(PythonTarget(high, "mine"))
    assert not found.confirmed
    assert "NaN instead of a score also of documents with a word of the query" in found.sentence


def test_check_leaves_out_cases_with_nan_of_documents_that_match():
    diagnosis = checked(high).diagnosis
    assert "scores are NaN, also of documents with a word of the query\nof the other cases: " in diagnosis


def test_nan_where_k1_is_0_is_not_told_of_other_scores():
    """0 / 0 of a document without the term, as in yeabm25."""
    found = identify_bm25(PythonTarget(of_zero_k1, "mine"))
    assert found.confirmed
    assert "NaN" not in found.sentence


def test_nan_alone_is_no_score():
    with pytest.raises(ValueError, match="11480 of 11480 scores are not finite numbers"):
        identify_bm25(PythonTarget(nothing, "mine"))


def checked(function):
    (suite,) = check(PythonTarget(function, "mine"), ["bm25"], Settings(named("float32"), "lucene")).suites
    return suite


def test_check_explains_the_other_scores_and_compares_nan_with_nan():
    suite = checked(unrelated)
    passed = {one.case.name for one in suite.results if one.ok}
    assert {"order-invariance", "query-alone", "determinism"} <= passed
    assert "ordinary" not in passed
    assert "scores are NaN, of documents without a word of the query" in suite.diagnosis
    assert "with 0 for them: 2 factors differ from lucene: factor of the tf: k1 + 1 instead of none" in suite.diagnosis


def test_check_of_nan_alone_says_only_that():
    assert checked(nothing).diagnosis == "all 421 scores are NaN, no number"


def test_a_run_that_differs_in_its_nan_is_not_deterministic():
    calls = iter(range(100))

    def once(corpus, queries, k1, b):
        return (unrelated if next(calls) % 2 else USUAL)(corpus, queries, k1, b)

    (result,) = (one for one in checked(once).results if one.case.name == "determinism")
    assert not result.ok
