"""Mistakes of programmers are named by identify, each confirmed on a corpus that no fit has used."""

import math

import numpy as np
import pytest
from miswritten_bm25 import Bm25, lucene, min_max, okapi, over_sum, softmax, top, unit_length, usual, z_score

from refimpl.check.targets.python import PythonTarget
from refimpl.identify import identify_bm25


def written(weight):
    return Bm25(weight=weight)


def norm(length, average, b):
    return 1 - b + b * length / average


WEIGHTS = {
    "f * (b + 1) / (f + b * (1 - k1 + k1 * L / A))": lambda f, L, A, k1, b: usual(f, L, A, b, k1),
    "f * (k1 + 1) / (f + k1 * (1 - b) + b * L / A)": lambda f, L, A, k1, b: (
        f * (k1 + 1) / (f + k1 * (1 - b) + b * L / A)
    ),
    "f * (k1 + 1) / f + k1 * (1 - b + b * L / A)": lambda f, L, A, k1, b: f * (k1 + 1) / f + k1 * norm(L, A, b),
    "(f * k1 + 1) / (f + k1 * (1 - b + b * (L / A)))": lambda f, L, A, k1, b: (f * k1 + 1) / (f + k1 * norm(L, A, b)),
    "f * (k1 + 1) / (f + k1 * (1 - b + b * A / L))": lambda f, L, A, k1, b: usual(f, A, L, k1, b),
    "f * (k1 + 1) / (f + (1 - b + b * L / A))": lambda f, L, A, k1, b: f * (k1 + 1) / (f + norm(L, A, b)),
    "f * (k1 + 1) / (f + k1 * (b * L / A))": lambda f, L, A, k1, b: f * (k1 + 1) / (f + k1 * b * L / A),
    "f / (f + k1) * (k1 + 1) / (f / (f + k1) + k1 * (1 - b + b * L / A))": lambda f, L, A, k1, b: usual(
        f / (f + k1), L, A, k1, b
    ),
}


@pytest.mark.parametrize("text", WEIGHTS)
def test_a_miswritten_weight_is_shown_as_it_is_written(text):
    found = identify_bm25(PythonTarget(written(WEIGHTS[text]), "mine"))
    assert f"weight written {text}, lengths: tokens" in found.sentence
    assert found.confirmed


def no_weight(f, L, A, k1, b):
    return 1 + math.log(1 + math.log(f)) if f else 0.0


PARTS = {
    "(N = number of different terms) idf": Bm25(size=lambda documents: len({t for d in documents for t in d})),
    "(N = number of tokens) idf": Bm25(size=lambda documents: sum(map(len, documents))),
    "ln((N - (n + 1) + 0.5) / (n + 1 + 0.5)) idf, idf floored at 0, where negative": Bm25(
        idf=lambda n, N: max(0.0, okapi(n + 1, N)) if n + 0.5 < N else 0.0
    ),
    "Robertson idf, idf floored at its absolute value": Bm25(idf=lambda n, N: abs(okapi(n, N))),
    "Robertson idf, idf floored at -0.1 times itself, where negative": Bm25(
        idf=lambda n, N: okapi(n, N) if okapi(n, N) > 0 else -okapi(n, N) / 10
    ),
    "average length: mean of the different lengths": Bm25(
        average=lambda lengths, documents: np.mean(np.unique(lengths))
    ),
    "tf saturated 1 (binary), factor k1 + 1, lengths: distinct terms": Bm25(
        split=lambda text: list(dict.fromkeys(text.split()))
    ),
    "tf 1 + ln(1 + ln f), lengths: tokens, b = 0.2": Bm25(
        weight=lambda f, L, A, k1, b: (1 + math.log(1 + math.log(f))) / norm(L, A, 0.2)
    ),
    "lengths: characters, average length: mean of tokens": Bm25(
        length=lambda document: len(" ".join(document)),
        average=lambda lengths, documents: np.mean([len(d) for d in documents]),
    ),
    "softmax over each query's documents": Bm25(row=softmax),
    "min-max over each query's documents": Bm25(row=min_max),
    "z-score over each query's documents": Bm25(row=z_score),
    "division by the sum over each query's documents": Bm25(row=over_sum),
    "unit length over each query's documents": Bm25(row=unit_length),
    "at most 4 hits": Bm25(row=top(4)),
    "scale 1000, tf saturated f, factor k1 + 1": Bm25(row=lambda row: np.trunc(row * 1000)),
    "cut off to whole numbers": Bm25(row=lambda row: np.trunc(row * 1000)),
    "rounded to whole numbers": Bm25(row=lambda row: np.round(row * 1000)),
    "terms: stemmed in queries only": Bm25(split_query=lambda text: [word.removesuffix("s") for word in text.split()]),
    "terms: case folded in documents only": Bm25(split=lambda text: text.lower().split()),
}


@pytest.mark.parametrize("words", PARTS)
def test_a_mistake_is_named(words):
    found = identify_bm25(PythonTarget(PARTS[words], "mine"))
    assert words in found.sentence
    assert found.confirmed


def test_a_floor_of_a_single_point_is_no_share_of_the_mean():
    """The floor lies within the logarithm, and so depends on n: no constant and no share."""
    found = identify_bm25(PythonTarget(Bm25(idf=lambda n, N: math.log(1 + max(N - n - 0.5, 0.1) / (n + 0.5))), "mine"))
    assert "of the mean" not in found.sentence
    assert not found.confirmed


def test_a_share_of_the_mean_is_rounded_as_far_as_rounded_scores_allow():
    def floored(corpus, queries, k1, b):
        documents = [text.split() for text in corpus]
        terms = {term for document in documents for term in document}
        idfs = [okapi(sum(term in document for document in documents), len(documents)) for term in terms]
        mean = 0.25 * float(np.mean(idfs))
        exact = Bm25(idf=lambda n, N: okapi(n, N) if okapi(n, N) >= 0 else mean)
        return np.round(exact(corpus, queries, k1, b), 2)

    found = identify_bm25(PythonTarget(floored, "mine"))
    assert "idf floored at 0.25 of the mean, where negative" in found.sentence


def test_a_cut_is_not_concluded_from_scores_of_zero():
    """Documents of over 20 tokens have no score, whatever their rank."""
    found = identify_bm25(
        PythonTarget(Bm25(weight=lambda f, L, A, k1, b: usual(f, L, A, k1, b) if L <= 20 else 0.0), "mine")
    )
    assert "at most" not in found.sentence


def test_negative_scores_whose_highest_is_best_are_not_negated():
    def distances(corpus, queries, k1, b):
        scores = np.array(Bm25()(corpus, queries, k1, b))
        return np.where(scores > 0, -1 / (1 + scores), 0.0)

    assert "negated" not in identify_bm25(PythonTarget(distances, "mine")).sentence


def test_parts_of_words_that_match_are_no_stems():
    def trigrams(text):
        return [text[i : i + 3] for i in range(len(text) - 2)]

    sentence = identify_bm25(PythonTarget(Bm25(split=trigrams, split_query=trigrams), "mine")).sentence
    assert "parts of words match" in sentence
    assert "stemmed" not in sentence


def test_terms_are_not_told_where_a_document_of_one_word_has_no_score():
    found = identify_bm25(PythonTarget(Bm25(idf=lucene, weight=lambda f, L, A, k1, b: math.log(L)), "mine"))
    assert "dropped" not in str(found.to_dict())
