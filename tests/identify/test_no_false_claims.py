"""What was once told wrongly, with confidence: each is now told rightly, or said to be unknown."""

import math
import re
from collections import Counter

import numpy as np
import pytest
from miswritten_bm25 import Bm25, lucene, min_max, okapi, top, usual

from refimpl.check.targets.python import PythonTarget
from refimpl.identify import Identification, identify_bm25

STOPS = frozenset({"a", "and", "the", "of", "in", "is", "it", "to"})


def identified(function) -> Identification:
    return identify_bm25(PythonTarget(function, "mine"))


def row(found: Identification, name: str) -> tuple[str, str]:
    (factor,) = (factor for factor in found.factors if factor.name == name)
    return factor.value, factor.status


def after(function, bm25=None):
    """A BM25 whose scores `(queries, docs)` go through `function`."""
    bm25 = bm25 or Bm25()
    return lambda corpus, queries, k1, b: function(np.array(bm25(corpus, queries, k1, b)))


def over_best(rows):
    return np.array([scores / (scores.max() or 1) for scores in rows])


def best_ten(scores):
    return top(10)(scores / (scores.max() or 1))


def test_scores_divided_by_the_best_and_cut_are_no_min_max():
    found = identified(Bm25(row=best_ten))
    assert "divided by each query's best score, at most 10 hits" in found.sentence
    assert found.confirmed
    assert "min-max over each query's documents" in identified(Bm25(row=min_max)).sentence


@pytest.mark.parametrize(
    ("idf", "name"),
    [
        (lambda n, N: 1 / n, "1/n idf"),
        (lambda n, N: N / n, "N/n idf"),
        (lambda n, N: math.log((N + 0.5) / n), "ln((N+0.5)/n) idf"),
        (lambda n, N: math.log((N + 0.5) / n) / math.log(N + 1), "InQuery idf"),
    ],
)
def test_idfs_that_differ_by_a_factor_of_n_are_told_apart(idf, name):
    found = identified(Bm25(idf=idf))
    assert found.sentence.lower().startswith(f"{name}, ".lower())
    assert found.confirmed


def test_the_largest_contribution_of_a_term_may_count():
    found = identified(Bm25(combine=max))
    assert "the largest contribution counts" in found.sentence
    assert found.confirmed


def test_a_bonus_for_a_document_that_is_the_query_is_no_length_of_stop_words():
    def without_stops(text):
        return [word for word in text.split() if word not in STOPS]

    plain = Bm25(split=without_stops, split_query=without_stops)

    def favouring(corpus, queries, k1, b):
        equal = np.array([[1.1 if text == query else 1.0 for text in corpus] for query in queries])
        return np.array(plain(corpus, queries, k1, b)) * equal

    assert "stop words removed" in identified(favouring).sentence
    assert "from queries only" not in str(identified(favouring).to_dict())


def test_weights_divided_by_their_sum_have_an_idf_that_pairs_of_terms_show():
    """As Pinecone's encoder computes them."""

    def shares(corpus, queries, k1, b):
        documents = [text.split() for text in corpus]
        df = Counter(term for document in documents for term in set(document))
        average = sum(map(len, documents)) / len(documents) or 1
        rows = []
        for query in queries:
            idfs = {term: math.log((len(corpus) + 1) / (max(df[term], 1) + 0.5)) for term in set(query.split())}
            tfs = [{t: usual(d.count(t), len(d), average, k1, b) if t in d else 0.0 for t in idfs} for d in documents]
            rows.append([sum(idfs[t] * tf[t] for t in idfs) / (sum(idfs.values()) or 1) for tf in tfs])
        return rows

    found = identified(shares)
    assert found.confirmed
    assert found.sentence.startswith("Lucene idf, tf saturated f, factor k1 + 1, lengths: tokens, query terms as a set")
    assert "the sum is divided by the sum of the query's idfs" in found.sentence
    assert row(found, "idf")[0].startswith("Lucene: ln(1 + (N - n + 0.5) / (n + 0.5))")


@pytest.mark.parametrize("idf", [lambda n, N: 1.0, lambda n, N: lucene(1, 24)])
def test_without_an_idf_nothing_is_told_of_document_frequencies(idf):
    assert row(identified(Bm25(idf=idf)), "document frequency")[1] == "undetermined"


def test_whole_numbers_are_no_exact_scores():
    def ranker(corpus, queries, k1, b):
        flat = Bm25(idf=lambda n, N: okapi(n, N) / (2 * math.log(N + 1)), weight=lambda f, L, A, k1, b: f / (f + 1.2))
        scores = np.array(flat(corpus, queries, k1, b))
        return np.where(scores != 0, np.floor(1000 * (0.5 + scores)), 0)

    found = identified(ranker)
    assert row(found, "precision")[0] == "whole numbers"


def test_equal_scores_in_documents_of_every_length_show_no_length_normalisation():
    found = identified(Bm25(weight=lambda f, L, A, k1, b: math.log(2 + f**1.7)))
    assert row(found, "tf")[1] == "measured curve"
    assert row(found, "length normalisation") == ("none", "known form")


def test_empty_documents_count_in_nothing_without_an_idf_and_lengths():
    value, status = row(
        identified(Bm25(idf=lambda n, N: 1.0, weight=lambda f, L, A, k1, b: math.sqrt(f))), "empty documents"
    )
    assert (value, status) == ("whether they count does not show in a score", "undetermined")
    assert row(identified(Bm25()), "empty documents") == ("counted", "known form")


def test_a_weight_without_a_known_length_is_shown_as_a_formula():
    found = identified(Bm25(average=lambda lengths, documents: sum(len(" ".join(d)) for d in documents) / len(lengths)))
    value, status = row(found, "tf")
    assert value.startswith("f / (f + 0.")
    assert value.endswith("), at one length")
    assert status == "known form"


@pytest.mark.parametrize("decimals", [0, 1])
def test_coarsely_rounded_scores_tell_no_formulas_apart(decimals):
    """A formula that fits predicted 1,680 of 1,680 scores, within errors as large as the scores."""
    found = identified(after(lambda rows: np.round(rows, decimals)))
    assert not found.confirmed
    assert "written" not in found.sentence
    assert "Lucene" not in found.sentence


def test_rounded_scores_of_zero_are_no_error():
    small = Bm25(weight=lambda f, L, A, k1, b: f / (f + k1 * (1 - b + b * L / A)))
    assert not identified(after(np.round, small)).confirmed


def test_frequent_words_are_no_stop_words():
    """Counted by occurrences, a word of 40 occurrences has a negative idf, floored at 0."""

    def floored(corpus, queries, k1, b):
        documents = [text.split() for text in corpus]
        count = Counter(term for document in documents for term in document)
        average = sum(map(len, documents)) / len(documents) or 1

        def score(query, d):
            return sum(
                max(0.0, okapi(count[t], len(documents)) if count[t] < len(documents) else 0.0)
                * usual(d.count(t), len(d), average, k1, b)
                for t in query.split()
                if t in d
            )

        return [[score(query, document) for document in documents] for query in queries]

    found = identified(floored)
    assert "stop words" not in found.sentence
    assert "document frequencies that count occurrences" in found.sentence
    assert "this is the formula of" not in found.sentence


def test_words_in_capitals_that_stay_are_told():
    def folded(text):
        return [word if word.isupper() and len(word) > 1 else word.lower() for word in text.split()]

    found = identified(Bm25(split=folded, split_query=folded))
    assert "terms: case folded, but not words in capitals" in found.sentence


def test_clipped_scores_are_told_and_not_read():
    found = identified(Bm25(row=lambda row: np.clip(row, 0, 1)))
    assert "scores clipped at 1" in found.sentence
    assert "largest contribution" not in found.sentence
    assert "as a set" not in found.sentence
    assert "clipped" not in identified(Bm25()).sentence


def test_rounding_of_each_term_is_told_from_that_of_the_sum():
    def each(corpus, queries, k1, b):
        """A term that the query repeats is rounded once."""
        documents = [text.split() for text in corpus]
        df = Counter(term for document in documents for term in set(document))
        average = sum(map(len, documents)) / len(documents) or 1

        def score(query, d):
            return sum(
                round(q * lucene(df[t], len(documents)) * usual(d.count(t), len(d), average, k1, b), 4)
                for t, q in Counter(query.split()).items()
                if t in d
            )

        return [[score(query, document) for document in documents] for query in queries]

    assert row(identified(each), "precision")[0] == "rounded to 4 decimals, each term"
    whole = identified(after(lambda rows: np.round(rows, 4)))
    assert row(whole, "precision")[0] == "rounded to 4 decimals, the sum"


def test_decimals_of_scores_divided_by_the_best_are_seen():
    found = identified(after(lambda rows: np.round(over_best(rows), 3)))
    assert row(found, "precision")[0] == "rounded to 3 decimals, the sum"
    hundred = identified(after(lambda rows: 100 * over_best(rows)))
    assert "divided by each query's best score, times 100" in hundred.sentence


def test_hits_of_one_score_and_numbers_of_documents_are_no_formula():
    same = identified(after(lambda rows: np.sign(rows)))
    assert same.sentence == "Nothing can be identified: every hit has the score 1."


@pytest.mark.parametrize("least", [2, 3, 4])
def test_a_shortest_length_of_words_is_told(least):
    def long_enough(text):
        return [word for word in text.split() if len(word) >= least]

    sentence = identified(Bm25(split=long_enough, split_query=long_enough)).sentence
    assert f"terms: words of under {least} letters dropped" in sentence
    assert "stop words" not in sentence


def ascii_words(document):
    return len(re.findall(r"[A-Za-z0-9_]+", " ".join(document)))


def test_lengths_of_ascii_words_are_told():
    """As okapibm25 counts them."""
    sentence = identified(Bm25(length=ascii_words)).sentence
    assert "lengths: tokens of ASCII words" in sentence
    assert "this is the formula of" not in sentence
    assert "lengths: tokens, " in identified(Bm25()).sentence


# Lucene's
LISTED = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this"
    " to was will with"
)


@pytest.mark.parametrize(
    ("length", "name"),
    [
        (lambda document: sum(f" {word} " not in f" {LISTED} " for word in document), "tokens, without stop words"),
        (lambda document: sum(not word.isdigit() for word in document), "tokens, without numbers"),
        (lambda document: len(" ".join(document).encode()), "bytes"),
        (lambda document: len(" ".join(document)), "characters"),
    ],
)
def test_words_that_lengths_leave_out_are_told(length, name):
    found = identified(Bm25(length=length))
    assert f"lengths: {name}, " in found.sentence
    assert "this is the formula of" not in found.sentence
    assert found.confirmed


@pytest.mark.parametrize(
    ("weight", "tf"),
    [
        (lambda f, L, A, k1, b: k1 + 1, "tf binary"),
        (lambda f, L, A, k1, b: (k1 + 1) * math.sqrt(f), "tf sqrt(f)"),
        (lambda f, L, A, k1, b: (k1 + 1) * (1 + math.log(f)), "tf 1 + ln f"),
    ],
)
def test_a_factor_of_a_weight_without_saturation_is_told(weight, tf):
    """It was 'written f * (k1 + 1) / f', with lengths and an average that it does not have."""
    found = identified(Bm25(weight=weight))
    assert f"{tf}, factor k1 + 1, no length normalisation, k1 = the call's" in found.sentence
    assert "average length" not in {factor.name for factor in found.factors}
    assert found.confirmed
