"""Several faults at once in a BM25 of plain Python are named; right scores match."""

import numpy as np
import pytest
from bm25_faults import ALL, DOCS, FORMULA, QUERIES, bm25, one_byte

from refimpl import BM25Index
from refimpl.diagnosis import diagnose_bm25
from refimpl.diagnosis.bm25 import diagnose_bm25_cases
from refimpl.diagnosis.bm25_problem import GivenCase
from refimpl.sparse.bm25 import VARIANTS

PARAMETERS = "k1 and b: k1 = {}, b = {} instead of the call's"
ATIRE = "idf: ln(N / n) (ATIRE) instead of ln(1 + (N - n + 0.5) / (n + 0.5)) (Lucene)"
BASE = "scale: logarithm to base {} instead of logarithm to base e"
SET = "repeated query terms: counted once instead of each one counts"
DISTINCT = "length normalisation: distinct terms instead of tokens"
NEGATED = "sign of the scores: negated instead of positive"
COUNTED = "empty documents: counted instead of not counted"
HALF = "scale: multiplied by 0.5 instead of logarithm to base e"
FIXED = {"k1": 0.9, "b": 0.4}
FAULTS = [
    (FIXED | {"base": 2}, {PARAMETERS.format(0.9, 0.4), BASE.format(2)}),
    ({"k1": 1.21, "b": 0.683, "idf": "atire"}, {PARAMETERS.format(1.21, 0.683), ATIRE}),
    (
        FIXED | {"length": one_byte},
        {PARAMETERS.format(0.9, 0.4), "length normalisation: tokens in one byte (Lucene's table) instead of tokens"},
    ),
    ({"set": True, "base": 10}, {SET, BASE.format(10)}),
    ({"idf": "atire"} | ALL, {ATIRE, COUNTED}),
    (
        {"length": lambda doc: len(set(doc)), "idf": "atire", "set": True, "negated": True} | FIXED,
        {DISTINCT, ATIRE, SET, NEGATED, PARAMETERS.format(0.9, 0.4)},
    ),
    (
        {"idf": "atire", "set": True, "factor": 0.5} | ALL,
        {ATIRE, SET, COUNTED, HALF},
    ),
]
SEGMENTS = ("statistics per segment, 3 segments", "times k1 + 1")
MAXIMUM = ("negative idf set to 0", "scores divided by the maximum")


def diagnosed(actual):
    return diagnose_bm25(actual, DOCS, QUERIES, variant="lucene", tolerance=1e-9)


@pytest.mark.parametrize(("faults", "names"), FAULTS, ids=[" + ".join(sorted(one)) for one, _ in FAULTS])
def test_each_of_several_faults_is_named(faults, names):
    diagnosis = diagnosed(bm25(**faults))
    assert diagnosis.causes, str(diagnosis)
    assert diagnosis.causes[0].explains_all, str(diagnosis)
    assert set(diagnosis.causes[0].names) == names, str(diagnosis)


@pytest.mark.parametrize("pair", [SEGMENTS, MAXIMUM], ids=" + ".join)
def test_pairs_beyond_the_factors_of_a_formula_are_named(pair):
    first, second = (FORMULA[name] for name in pair)
    assert set(diagnosed(bm25(**first | second)).causes[0].names) == set(pair)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_index_matches_in_every_variant(variant):
    ids, scores = BM25Index.from_tokens(DOCS, variant=variant, k1=1.2, b=0.6).search(QUERIES, len(DOCS))
    actual = np.zeros((len(QUERIES), len(DOCS)))
    for row, (found, values) in enumerate(zip(ids, scores, strict=True)):
        actual[row, found[found >= 0]] = values[found >= 0]
    assert diagnose_bm25(actual, DOCS, QUERIES, variant=variant, k1=1.2, b=0.6, tolerance=1e-12).matches


def test_the_analyzer_is_named():
    texts = ["The cats, running!", "A dog's dinner", "cats and dogs ran", "Dinner for one."]
    queries = ["running cats", "dinner dogs"]
    actual = bm25([t.lower().split() for t in texts], [q.split() for q in queries])
    diagnosis = diagnose_bm25(actual, texts, queries, variant="lucene", analyzer="lucene-english")
    assert diagnosis.causes[0].names == ("analyzer whitespace, lower-cased",), str(diagnosis)


def test_noise_has_no_known_cause():
    actual = bm25() + np.random.default_rng(1).normal(0, 0.1, (len(QUERIES), len(DOCS)))
    assert "none of the known causes" in str(diagnosed(actual))


@pytest.mark.parametrize("value", [0.0, 2.5])
def test_constant_scores_are_said_to_be_that(value):
    words = {0.0: "all scores are zero", 2.5: "all scores are 2.5"}[value]
    diagnosis = diagnosed(np.full((len(QUERIES), len(DOCS)), value))
    assert (diagnosis.causes, diagnosis.first_mismatch) == ((), words)


def test_an_average_of_distinct_terms_is_no_other_k1_and_b():
    """Any wrong average is also some (k1, b) with the same k1 (1 - b): (2.48, 0.85) in the field."""
    average = sum(len(set(doc)) for doc in DOCS) / sum(1 for doc in DOCS if doc)
    right = sum(map(len, DOCS)) / sum(1 for doc in DOCS if doc)
    k1 = 1.5 * 0.25 + 1.5 * 0.75 * right / average
    cause = diagnosed(bm25(k1=k1, b=1 - 1.5 * 0.25 / k1)).causes[0]
    assert cause.names == ("average length: mean of distinct terms instead of mean of the same lengths",)


def test_a_near_miss_names_the_score_that_contradicts_it():
    actual = bm25(base=2)
    actual[2, 5] += 0.01
    text = str(diagnosed(actual))
    assert "none of the known causes explains it, nearest:\n  log base 2 leaves 0.1% of the difference" in text
    assert f"but query 2 ({QUERIES[2]!s:.60}), document 5 (" in text
    assert "explains 100%" not in text


def test_a_cause_must_explain_every_case():
    """The first case alone has its k1 and b: (0.9, 0.4) explains it, and not the second."""
    cases = [GivenCase(name, DOCS, QUERIES, 1.5, 0.75, bm25(**fault)) for name, fault in (("a", FIXED), ("b", {}))]
    alone, both = (
        diagnose_bm25_cases(some, analyzer="simple", variant="lucene", tolerance=1e-9) for some in (cases[:1], cases)
    )
    assert alone.causes[0].names == ("k1 = 0.9 and b = 0.4",)
    assert not both.explained


def test_a_function_splits_texts():
    texts, queries = ["a-b c", "c d", "d"], ["a", "c d"]
    split = [text.replace("-", " ").split() for text in texts]
    actual = bm25(split, [query.split() for query in queries])
    analyze = lambda text: text.replace("-", " ").split()  # noqa: E731
    assert diagnose_bm25(actual, texts, queries, variant="lucene", analyzer=analyze).matches


def test_wrong_shapes_and_numbers_are_refused():
    with pytest.raises(ValueError, match=r"expected scores of shape \(9, 52\), got \(52, 9\): one row per query"):
        diagnosed(np.zeros((52, 9)))
    actual = bm25()
    actual[0, 0] = -np.inf
    assert "not finite: give 0 where a document has no term" in str(diagnosed(actual))
