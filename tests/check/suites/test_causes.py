"""A diagnosis is data too: every suite that has one gives its causes in the result and in JSON."""

import json

import numpy as np
import pytest
import references

from refimpl.check.runner import check
from refimpl.check.suites.base import Settings
from refimpl.check.targets.python import PythonTarget
from refimpl.compare.tolerance import named
from refimpl.report import checks


def fuse(routes, method, **settings):
    return references.fuse(routes, method, **{**settings, "k": settings.get("k", 60) - 1})


def bm25(corpus, queries, k1, b, variant):
    return references.bm25(corpus, queries, k1, b, variant) * (k1 + 1)


def ranked(corpus, queries, k1, b, variant):
    return references.bm25(corpus, queries, k1, b, "lucene")


def splade(texts):
    return [{token: np.expm1(weight) for token, weight in row.items()} for row in references.splade(texts)]


def rerank(query, documents, top_k=None):
    return [{"index": one.index, "score": -one.score} for one in references.rerank(query, documents, None)][::-1]


def metrics(qrels, run):
    return {name: 100 * value for name, value in references.metrics(qrels, run).items()}


def tokens(texts):
    return [[i + 1 for i in ids] for ids in references.tokens(texts)]


@pytest.mark.parametrize(
    ("suite", "function", "tolerance", "name"),
    [
        ("fusion", fuse, "float32", "ranks from 0"),
        ("bm25", bm25, "float32", "k1 + 1"),
        ("bm25", ranked, "quantised-ranking", "Lucene"),
        ("splade", splade, "float32", "no log1p"),
        ("rerank-scores", rerank, "float32", "negated"),
        ("metrics", metrics, "float32", "percent"),
        ("tokenizer", tokens, "float32", "ids one too high"),
    ],
)
def test_the_causes_of_a_suite_are_in_the_json(suite, function, tolerance, name):
    result = check(PythonTarget(function, suite), [suite], Settings(named(tolerance)))
    (written,) = json.loads(json.dumps(checks.as_json(result), allow_nan=False))["suites"]
    assert any(name in each for each in written["causes"][0]["names"]), written["diagnosis"]
    assert written["causes"][0]["explains_all"]
    assert written["causes"][0]["explanation"]
