"""What has no known form is a measured curve or undetermined; a formula that does not predict is not confirmed."""

import math
import random

import numpy as np
import pytest
from bm25_zoo import Zoo

from refimpl.check.targets.python import PythonTarget
from refimpl.identify import identify_bm25


class Changed(Zoo):
    """A Zoo of the usual factors, with methods replaced."""

    def __init__(self, **methods):
        super().__init__({})
        for name, method in methods.items():
            setattr(self, name, method)


def found(function):
    identified = identify_bm25(PythonTarget(function, "zoo"))
    return identified, {factor.name: factor for factor in identified.factors}


def test_an_idf_of_no_known_form_is_a_curve():
    identified, factors = found(Changed(idf=lambda df, n_docs: {t: 1 / math.sqrt(n) for t, n in df.items()}))
    assert factors["idf"].status == "measured curve"
    points = {(size, n): value for size, n, value in factors["idf"].curve}
    assert points[50.0, 4.0] == pytest.approx(0.5, abs=1e-12)
    assert not identified.confirmed
    assert identified.sentence.startswith("An idf of no known form")


def test_a_tf_of_no_known_form_is_a_curve():
    identified, factors = found(Changed(tf=lambda f, size, norm, k1: f**0.3 / norm))
    assert factors["tf"].status == "measured curve"
    assert dict(factors["tf"].curve)[16.0] == pytest.approx(16**0.3, abs=1e-12)
    assert factors["idf"].value.startswith("Lucene")
    assert not identified.confirmed


def test_lengths_of_no_known_form_are_a_curve():
    identified, factors = found(Changed(norm=lambda doc, average, b: 1 + (len(doc) / average) ** 1.5))
    assert factors["length normalisation"].status == "measured curve"
    assert len(factors["length normalisation"].curve) == 30
    assert not identified.confirmed


def test_a_combination_of_no_known_form_is_undetermined():
    identified, factors = found(Changed(combine=lambda total, query_counts, hit: total ** (1 + 0.1 * len(hit))))
    assert factors["query"].status == "undetermined"
    assert not identified.confirmed


def prior(corpus, queries, k1, b):
    """A document's position multiplies its score: nothing that the inputs of one document show."""
    rows = Zoo({})(corpus, queries, k1, b)
    return [[score * (1 + 0.01 * position) for position, score in enumerate(row)] for row in rows]


def ranks(corpus, queries, k1, b):
    rows = np.array(Zoo({})(corpus, queries, k1, b))
    order = np.argsort(np.argsort(-rows, axis=1, kind="stable"), axis=1)
    return np.where(rows > 0, 1.0 / (1 + order), 0.0)


def noisy(corpus, queries, k1, b):
    rows = np.array(Zoo({})(corpus, queries, k1, b))
    return rows * (1 + 1e-3 * (np.add.outer(np.arange(len(rows)), np.arange(len(corpus))) % 7))


def segments(corpus, queries, k1, b):
    """Statistics of each half of the corpus are its own."""
    half = len(corpus) // 2
    parts = [Zoo({})(part, queries, k1, b) for part in (corpus[:half], corpus[half:])]
    return [one + two for one, two in zip(*parts, strict=True)]


@pytest.mark.parametrize("function", [prior, noisy, segments])
def test_other_effects_are_not_confirmed(function):
    identified, factors = found(function)
    assert not identified.confirmed
    assert "this is the formula of" not in identified.sentence
    assert "so far as determined" not in identified.sentence
    assert factors["whole formula"].status == "undetermined"


def unstable(corpus, queries, k1, b):
    return [[random.random() for _ in corpus] for _ in queries]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda corpus, queries: [[0.0] * len(corpus)] * len(queries), "all scores are zero"),
        (lambda corpus, queries: [[0.5] * len(corpus)] * len(queries), "all scores are 0.5"),
        (unstable, "not deterministic"),
        (ranks, "the scores are ranks"),
        (lambda corpus, queries: np.where(np.array(Zoo({})(corpus, queries, 1, 0.5)) > 0, 1e-42, 0.0), "noise"),
    ],
)
def test_scores_of_no_formula_are_said_to_be_that(function, message):
    identified = identify_bm25(PythonTarget(function, "constant"))
    assert message in identified.sentence
    assert identified.sentence.startswith("Nothing can be identified")
    assert identified.factors == identified.nearest == ()


def test_a_target_without_answers_is_an_error():
    def broken(corpus, queries, k1, b):
        raise ValueError("no index")

    with pytest.raises(ValueError, match=r"broken answered none of 12 inputs: .*no index"):
        identify_bm25(PythonTarget(broken, "broken"))
