"""Rerankers with one rule changed: what `identify` names is right, or undetermined."""

import math
import re
import zlib

import pytest

from refimpl.check.targets.python import PythonTarget
from refimpl.identify import identify_rerank


def logit(query, document, limit=100, lower=True):
    """Shared words and hashed ones, of the first `limit` words."""
    if lower:
        query, document = query.lower(), document.lower()
    words = re.findall(r"\w+|[^\w\s]", document)[:limit]
    query_words = set(re.findall(r"\w+", query))

    def part(word, position):
        hashed = zlib.crc32(f"{query} {word}".encode()) / 2**32 - 0.5
        return (2.0 * (word in query_words) + hashed) / (1 + position / 10)

    return sum(part(word, position) for position, word in enumerate(words)) - 1


def reranker(
    activation="none", order="best", index="request", ties="ascending", top="first", default=None, text=None, **how
):
    def rerank(query, documents, top_k=None):
        if not documents:
            raise ValueError("expected documents, got none")
        scores = [logit(query, document, **how) for document in documents]
        if activation == "sigmoid":
            scores = [1 / (1 + math.exp(-score)) for score in scores]
        elif activation == "softmax":
            weights = [math.exp(score) for score in scores]
            scores = [weight / sum(weights) for weight in weights]
        elif activation == "range":
            low, high = min(scores), max(scores)
            scores = [(score - low) / (high - low) if high > low else 1.0 for score in scores]
        elif activation == "rounded":
            scores = [round(score, 4) for score in scores]
        ranks = sorted(range(len(documents)), key=lambda i: (-scores[i], i if ties == "ascending" else -i))
        if order == "request":
            ranks = sorted(ranks)
        elif order == "worst":
            ranks = ranks[::-1]
        count = default if top_k is None else {"first": top_k, "ignored": default}[top]
        results = [{"index": i, "score": scores[i]} for i in ranks[:count]]
        for rank, result in enumerate(results):
            if text is not None:
                result["text"] = text(documents, result["index"], rank)
            if index == "rank":
                result["index"] = rank
            elif index == "from 1":
                result["index"] += 1
        return results

    return rerank


RIGHT = {
    "order of the results": "by score, best first",
    "index": "position in the request",
    "ties": "by index, ascending",
    "no top_k": "all results",
    "top_k": "the first of all; more gives all",
    "returned texts": "none",
    "empty document": "scored",
    "no documents": "refused",
    "other documents of the request": "do not matter, but for rounding",
    "the same request twice": "the same numbers, to the bit",
    "truncation": "the first 100 words are read",
    "text: case": "lower-cased",
    "text: accents": "kept",
    "text: repeated spaces": "collapsed",
    "precision": "float64",
}


def found(function):
    result = identify_rerank(PythonTarget(function, "mine"))
    return {f.name: f.value for f in result.factors if f.status == "known form"}, result


@pytest.mark.parametrize(
    ("rules", "changed"),
    [
        ({}, {}),
        ({"activation": "rounded"}, {"precision": "rounded to 4 decimals"}),
        ({"order": "request"}, {"order of the results": "that of the request"}),
        (
            {"order": "worst"},
            {
                "order of the results": "by score ascending: lower is better, or worst first",
                "ties": "by index, descending",
            },
        ),
        ({"ties": "descending"}, {"ties": "by index, descending"}),
        ({"default": 5}, {"no top_k": "5 results"}),
        ({"default": 1000, "top": "ignored"}, {"top_k": "ignored: always 7 results"}),
        ({"text": lambda documents, index, rank: documents[index]}, {"returned texts": "those of the documents"}),
        (
            {"text": lambda documents, index, rank: documents[rank]},
            {"returned texts": "those of other documents than the index says"},
        ),
        (
            {"text": lambda documents, index, rank: documents[index][:9]},
            {"returned texts": "the beginnings of the documents"},
        ),
        ({"lower": False}, {"text: case": "kept"}),
        ({"limit": 300}, {"truncation": "the first 300 words are read"}),
        ({"limit": 1500}, {"truncation": "none up to 1200 words"}),
    ],
    ids=lambda value: ", ".join(f"{key} {of}" for key, of in value.items() if not callable(of)),
)
def test_rules_are_named(rules, changed):
    values, _ = found(reranker(**rules))
    right = RIGHT | changed
    assert {name: values[name] for name in right if name in values} == {n: v for n, v in right.items() if n in values}
    assert set(right) - set(values) <= ({"truncation"} if rules.get("activation") == "rounded" else set())
    assert values["scores"].startswith("not probabilities")


def test_scores_within_0_and_1_are_not_claimed_to_be_probabilities():
    values, result = found(reranker(activation="sigmoid"))
    assert "scores" not in values
    assert "a probability, or logits that happen to be" in result.sentence or "scores" in result.sentence
    assert values["truncation"] == RIGHT["truncation"]


@pytest.mark.parametrize(
    ("activation", "value"),
    [
        ("softmax", "softmax over the documents: their sum is 1"),
        ("range", "relative to the request: its best is 1 and its worst 0"),
    ],
)
def test_scores_that_depend_on_the_request(activation, value):
    values, _ = found(reranker(activation=activation))
    assert values["scores"] == value
    assert "text: case" not in values or values["text: case"] == "lower-cased"
    assert not values.get("other documents of the request", "").startswith("do not matter")
    assert values.get("truncation", RIGHT["truncation"]) == RIGHT["truncation"]


@pytest.mark.parametrize(
    ("rule", "value"), [("rank", "rank in the answer, from 0"), ("from 1", "position in the request, from 1")]
)
def test_indices_that_are_no_positions(rule, value):
    values, result = found(reranker(index=rule))
    assert values["index"] == value
    assert not result.confirmed
    assert "truncation" not in values


def test_a_parameter_that_is_missing():
    ranked = reranker()
    values, _ = found(lambda query, documents: ranked(query, documents))
    assert values["top_k"] == "not a parameter"
    assert values["no top_k"] == "all results"
    with pytest.raises(ValueError, match="refuses plain documents"):
        found(lambda query, documents: None)


def test_scores_of_equal_documents_that_differ_by_rounding_are_equal():
    """As a batched product sums them in another order: 6e-8 of the score, by the place in the request."""
    ranked = reranker(order="request")

    def rounded(query, documents, top_k=None):
        rows = ranked(query, documents)
        noise = [zlib.crc32(f"{row['index']}".encode()) / 2**32 for row in rows]
        rows = [{**row, "score": row["score"] * (1 + 6e-8 * part)} for row, part in zip(rows, noise, strict=True)]
        return sorted(rows, key=lambda row: -row["score"])[:top_k]

    values, _ = found(rounded)
    assert values["ties"] == "scores of equal documents differ by rounding, which orders them"

    def by_place(query, documents, top_k=None):
        rows = [{**row, "score": row["score"] + row["index"]} for row in ranked(query, documents)]
        return sorted(rows, key=lambda row: -row["score"])[:top_k]

    assert found(by_place)[0]["ties"] == "equal documents have other scores"


@pytest.mark.parametrize("most", [40, 5, 4])
def test_an_answer_of_at_most_five_results_is_told_and_the_rest_is_measured(most):
    """As pymilvus.model's TEIRerankFunction: `resp[:5]`, whatever top_k is."""
    ranked = reranker()
    values, result = found(lambda query, documents, top_k=None: ranked(query, documents)[:most])
    right = RIGHT | {"no top_k": f"{most} results", "top_k": f"ignored: always {min(most, 7)} results"}
    assert {name: values.get(name) for name in right} == right
    assert values["number of results"] == f"at most {most} are returned"
    assert values["scores"].startswith("not probabilities")
    assert "many documents in one request" not in values
    assert result.confirmed


def test_equal_documents_that_come_once_are_no_cut():
    ranked = reranker()

    def distinct(query, documents, top_k=None):
        rows = ranked(query, documents)
        return [row for row in rows if row["index"] == list(documents).index(documents[row["index"]])][:top_k]

    values, _ = found(distinct)
    assert values["ties"] == "equal documents come once"
    assert "number of results" not in values
    assert "number of results" not in found(reranker(default=5))[0]
    assert "ties" not in found(lambda query, documents: ranked(query, documents)[:3])[0]
