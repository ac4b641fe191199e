"""Sums divided by what the query weighs: by its idfs, as some sparse encoders do, or by their norm, as Lucene."""

import math
from collections import Counter

import numpy as np
import pytest

from refimpl.check.runner import check
from refimpl.check.suites.base import Settings
from refimpl.check.targets.python import PythonTarget
from refimpl.compare.tolerance import named
from refimpl.identify import identify_bm25

pytestmark = pytest.mark.usefixtures("unchecked")


def pinecone(n, size):
    return math.log((size + 1) / (n + 0.5))


def atire(n, size):
    return math.log(size / n)


class MeanByIdf:
    """A BM25 whose query weights are idfs that sum to 1; `unknown` is the n of a term that no document has."""

    def __init__(self, *, repeated, unknown=None, idf=pinecone):
        self.repeated, self.unknown, self.idf = repeated, unknown, idf

    def weights(self, query, df, size):
        counts = Counter(query.split())
        known = {t: q if self.repeated else 1 for t, q in counts.items() if df[t] or self.unknown is not None}
        weights = {t: q * self.idf(df[t] or self.unknown, size) for t, q in known.items()}
        return {t: weight / sum(weights.values()) for t, weight in weights.items()}

    def __call__(self, corpus, queries, k1, b):
        documents = [Counter(text.split()) for text in corpus]
        filled = [document for document in documents if document]
        average = sum(map(Counter.total, filled)) / len(filled)
        df = Counter(t for document in documents for t in document)

        def score(weights, d):
            return sum(w * d[t] / (d[t] + k1 * (1 - b + b * d.total() / average)) for t, w in weights.items() if d[t])

        return [[score(self.weights(query, df, len(filled)), d) for d in documents] for query in queries]


class Classic:
    """tf-idf with a query norm and a coordination, each of a repeated term's clauses counted for itself."""

    def __call__(self, corpus, queries, k1, b):
        documents = [Counter(text.split()) for text in corpus]
        df = Counter(t for document in documents for t in document)
        idf = {t: 1 + math.log(len(corpus) / (df[t] + 1)) for text in (*corpus, *queries) for t in text.split()}

        def score(query, d):
            clauses = query.split()
            norm = 1 / math.sqrt(sum(idf[t] ** 2 for t in clauses))
            matched = [t for t in clauses if d[t]]
            total = sum(math.sqrt(d[t]) * idf[t] ** 2 / math.sqrt(d.total()) for t in matched)
            return float(np.float32(len(matched) / len(clauses) * norm * total))

        return [[score(query, d) for d in documents] for query in queries]


MEANS = [
    ({"repeated": False, "unknown": 1}, "query terms as a set", "their idf, as of n = 1, counts in the sum"),
    ({"repeated": True}, "query terms as a multiset", "left out"),
    (
        {"repeated": True, "unknown": 0},
        "query terms as a multiset",
        "their idf, as of n = 0, counts in the sum",
    ),
    ({"repeated": False, "idf": atire}, "query terms as a set", "left out"),
]


@pytest.mark.parametrize(("settings", "repeat", "unknown"), MEANS)
def test_a_mean_weighted_by_idf_is_named(settings, repeat, unknown):
    found = identify_bm25(PythonTarget(MeanByIdf(**settings), "mine"))
    values = {factor.name: factor.value for factor in found.factors}
    assert found.confirmed, found.sentence
    assert found.sentence.startswith("ATIRE idf" if settings.get("idf") is atire else "Lucene idf")
    assert repeat in found.sentence
    assert "the sum is divided by the sum of the query's idfs" in found.sentence
    assert values["terms that no document has"].removesuffix(" of idfs") == unknown
    assert values["empty documents"] == "not counted"
    assert values["scale of the idf"].startswith("any: ")


def test_published_means_are_named():
    one, other = (identify_bm25(PythonTarget(MeanByIdf(**settings), "mine")) for settings, _, _ in MEANS[:2])
    assert one.sentence.endswith("this is the formula of pinecone-text BM25Encoder 0.11.0.")
    assert "semantic-router" in other.sentence


def test_check_names_the_mean_and_no_treatment_of_empty_documents_that_is_lucenes():
    target = PythonTarget(MeanByIdf(repeated=False, unknown=1), "mine")
    (suite,) = check(target, ["bm25"], Settings(named("float32"), "lucene")).suites
    assert "the sum is divided by the sum of the query's idfs instead of the sum" in suite.diagnosis
    assert "confirmed" in suite.diagnosis
    assert "empty documents" not in suite.diagnosis
    assert "not determined" not in suite.diagnosis


def test_without_the_idf_neither_its_scale_nor_n_is_told():
    """The weights of a query are idfs over the sum of their squares: no known combination."""

    class Unknown(MeanByIdf):
        def weights(self, query, df, size):
            weights = {t: self.idf(df[t], size) for t in set(query.split()) if df[t]}
            below = sum(weight**1.5 for weight in weights.values()) ** (2 / 3)
            return {t: weight / below for t, weight in weights.items()}

    found = identify_bm25(PythonTarget(Unknown(repeated=False), "mine"))
    values = {factor.name: (factor.value, factor.status) for factor in found.factors}
    assert found.sentence.startswith("No idf in queries of one term, tf saturated f")
    assert "scale of the idf" not in values
    assert values["empty documents"] == ("in the average they do not count", "undetermined")


def test_scores_without_any_idf_are_no_mean():
    """All idfs are 1: the sum over the number of the query's terms."""
    found = identify_bm25(PythonTarget(MeanByIdf(repeated=False, idf=lambda n, size: 1.0), "mine"))
    assert found.confirmed, found.sentence
    assert "the sum is divided by the number of different query terms" in found.sentence


def test_clauses_of_lucenes_classic_scoring_are_named():
    found = identify_bm25(PythonTarget(Classic(), "mine"))
    assert found.confirmed, found.sentence
    assert "query norm 1 / sqrt(sum of idf^2), and the sum multiplied by matched / all query tokens" in found.sentence
