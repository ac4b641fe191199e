"""Fixed scores of BM25s that count parts of terms, or lengths in other units: the matching and the unit are named."""

import math
import re

import numpy as np
import pytest

from refimpl.check.suites import SUITES
from refimpl.check.suites.base import Settings
from refimpl.compare.tolerance import named
from refimpl.diagnosis import diagnose_bm25

pytestmark = pytest.mark.usefixtures("quick")

SETTINGS = Settings(named("float32"), "lucene")
ASCII = lambda text: len(re.findall("[A-Za-z0-9_]+", text))  # noqa: E731
TOKENS = lambda text: len(text.split())  # noqa: E731


def scorer(count, length, zero_defaults=False, factor=True, only_once=False):
    """okapibm25's BM25.ts with `count(term, text)`, `length(text)`; Lucene's idf, the factor k1 + 1."""

    def scores(corpus, queries, k1, b):
        if zero_defaults:
            k1, b = k1 or 1.2, b or 0.75
        average = sum(map(length, corpus)) / len(corpus)

        def part(term, text):
            f, n = count(term, text), sum(count(term, each) > 0 for each in corpus)
            idf = math.log((len(corpus) - n + 0.5) / (n + 0.5) + 1)
            return idf * f * (k1 + 1 if factor else 1) / (f + k1 * (1 - b + b * length(text) / average)) if f else 0.0

        terms = [list(dict.fromkeys(q.split())) if only_once else q.split() for q in queries]
        return [[sum(part(term, text) for term in query) for text in corpus] for query in terms]

    return scores


def whole(term, text):
    return text.split().count(term)


def substring(term, text):
    return len(re.findall(re.escape(term), text))


def prefix(term, text):
    return len([word for word in text.split() if word[: len(term)] == term])


FACTOR = "factor of the tf: k1 + 1 instead of none"
EMPTY = "empty documents: counted instead of not counted"
SUBSTRINGS, PREFIXES = (f"matching: {what} instead of whole terms" for what in ("substrings", "prefixes"))
ZERO = "k1 and b: the call's, 0 becomes the default instead of the call's"
ONCE = "repeated query terms: counted once instead of each one counts"


def unit(what):
    return f"unit of the lengths: {what} instead of terms"


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (scorer(substring, ASCII, True), {SUBSTRINGS, unit("runs of ASCII word characters"), FACTOR, ZERO, EMPTY}),
        (scorer(substring, TOKENS), {SUBSTRINGS, FACTOR, EMPTY}),
        (scorer(prefix, TOKENS, factor=False), {PREFIXES, EMPTY}),
        (scorer(prefix, len, only_once=True), {PREFIXES, unit("characters"), FACTOR, EMPTY, ONCE}),
        (scorer(whole, ASCII), {unit("runs of ASCII word characters"), FACTOR, EMPTY}),
        (scorer(whole, lambda text: len(re.findall(r"\w+", text))), {unit("runs of word characters"), FACTOR, EMPTY}),
        (scorer(whole, len, factor=False), {unit("characters"), EMPTY}),
        (scorer(whole, TOKENS), {FACTOR, EMPTY}),
    ],
    ids=["okapibm25", "substrings", "prefixes", "prefixes, characters", "ASCII", "word characters", "characters", "-"],
)
def test_matching_and_units_are_named(function, names):
    inputs = SUITES["bm25"].inputs(SETTINGS)
    answers = {n: np.array(function(one["corpus"], one["queries"], one["k1"], one["b"])) for n, one in inputs.items()}
    cause = SUITES["bm25"].diagnose(answers, list(answers), SETTINGS).causes[0]
    assert cause.explains_all
    assert set(cause.names) == names


def test_half_of_a_term_is_no_known_matching():
    """A term matches where its first half does: neither a substring nor a prefix of the whole."""
    function = scorer(lambda term, text: substring(term[: (len(term) + 1) // 2], text), TOKENS)
    inputs = SUITES["bm25"].inputs(SETTINGS)
    answers = {n: np.array(function(one["corpus"], one["queries"], one["k1"], one["b"])) for n, one in inputs.items()}
    assert not SUITES["bm25"].diagnose(answers, list(answers), SETTINGS).explained


def test_matchings_that_count_the_same_are_named_together():
    corpus, queries = ("fishing boats fish", "a fisherman", "a boat", "boating here", "here"), ("fish", "boat", "here")
    texts = [[text.split() for text in each] for each in (corpus, queries)]
    assert substring("fish", corpus[0]) == prefix("fish", corpus[0]) == 2
    actual = scorer(prefix, TOKENS)(corpus, queries, 1.5, 0.75)
    diagnosis = diagnose_bm25(actual, corpus, queries, analyzer=str.split, variant="lucene")
    assert diagnosis.causes[0].names[0] == "matching: substrings or prefixes instead of whole terms"
    assert not diagnose_bm25(actual, *texts, variant="lucene").explained  # of tokens, only whole ones match
