"""What BM25s showed that were written by somebody who had not seen the probes: state, averages by query, caches."""

import itertools
import math
import re
from collections import Counter

import numpy as np
import pytest
from miswritten_bm25 import Bm25, lucene, usual

from refimpl.check.targets.python import PythonTarget
from refimpl.identify import Identification, identify_bm25
from refimpl.identify.idf import mean_idf


def identified(function) -> Identification:
    return identify_bm25(PythonTarget(function, "mine"))


def row(found: Identification, name: str) -> tuple[str, str]:
    (factor,) = (factor for factor in found.factors if factor.name == name)
    return factor.value, factor.status


class Kept:
    """A BM25 that keeps something of the first corpus of each number of documents."""

    def __init__(self, what: str) -> None:
        self.what, self.kept = what, dict[int, object]()

    def __call__(self, corpus, queries, k1, b):
        documents = [Counter(text.split()) for text in corpus]
        statistics = {
            "average": sum(map(Counter.total, documents)) / len(documents) or 1,
            "df": Counter(term for document in documents for term in document),
        }
        statistics[self.what] = self.kept.setdefault(len(corpus), statistics[self.what])
        average, df = statistics["average"], statistics["df"]
        return [
            [
                sum(
                    lucene(df[term], len(corpus)) * usual(document[term], document.total(), average, k1, b)
                    for term in query.split()
                    if document[term] and df[term]
                )
                for document in documents
            ]
            for query in queries
        ]


@pytest.mark.parametrize(
    ("what", "named"),
    [("average", "its average length"), ("df", "such as its document frequencies, or the answers to its queries")],
)
def test_what_is_kept_of_an_earlier_corpus_is_told(what, named):
    found = identified(Kept(what))
    assert f"something of an earlier corpus of as many documents is kept: {named}" in found.sentence
    assert "this is the formula of" not in found.sentence
    assert not found.confirmed
    assert row(found, "whole formula")[1] == "undetermined"


def of_hits(corpus, queries, k1, b):
    """The average length is that of the documents that the query finds."""
    documents = [Counter(text.split()) for text in corpus]
    df = Counter(term for document in documents for term in document)
    rows = []
    for query in queries:
        found = [document for document in documents if any(term in document for term in query.split())]
        average = sum(map(Counter.total, found)) / (len(found) or 1) or 1
        rows.append(
            [
                sum(
                    lucene(df[term], len(corpus)) * usual(document[term], document.total(), average, k1, b)
                    for term in query.split()
                    if document[term]
                )
                for document in documents
            ]
        )
    return rows


def test_an_average_over_the_hits_of_a_query_is_told():
    """A term of one document showed no length normalisation."""
    found = identified(of_hits)
    assert "lengths: tokens, average length: mean of the documents that the query finds" in found.sentence
    assert "no length normalisation" not in found.sentence
    assert not found.confirmed


def test_a_best_score_of_one_is_no_division_by_the_best():
    def of_hits_alone(corpus, queries, k1, b):
        rows = np.array(Bm25()(corpus, queries, k1, b))
        for scores in rows:
            hits = scores[scores > 0]
            if len(hits) and np.ptp(hits):
                scores[scores > 0] = np.maximum((hits - hits.min()) / np.ptp(hits), 0.001)
            elif len(hits):
                scores[scores > 0] = 1.0
        return rows

    found = identified(of_hits_alone)
    assert "each query's best score is 1" in found.sentence
    assert "divided by" not in found.sentence
    assert row(found, "scaling")[1] == "undetermined"


def test_a_factor_of_the_tf_shows_although_the_idf_has_no_known_form():
    """Two settings of k1 show it."""

    def stepped(n, size):
        return math.log(1 + size // n)

    found = identified(Bm25(idf=stepped))
    assert found.sentence.startswith("An idf of no known form, tf saturated f, factor k1 + 1, lengths: tokens")
    plain = identified(Bm25(idf=stepped, weight=lambda f, L, A, k1, b: f / (f + k1 * (1 - b + b * L / A))))
    assert "no factor k1 + 1" in plain.sentence
    assert row(found, "whole formula") == ("a factor is not known", "undetermined")


def test_an_empty_text_may_have_one_token():
    """As of `text.split(" ")`."""

    def spaces(text):
        return text.split(" ")

    found = identified(Bm25(split=spaces, split_query=spaces))
    assert row(found, "empty documents") == ('of one token: text.split(" ")', "known form")
    assert found.confirmed


def test_a_blank_text_may_have_one_token_as_well():
    """As of re.split of a stripped text (pyranker)."""

    def words(text):
        return re.split(r"\s+", text.strip())

    found = identified(Bm25(split=words, split_query=words))
    assert row(found, "empty documents") == (
        "of one token, as those of white space alone: words of a stripped text",
        "known form",
    )
    assert found.confirmed


def test_factors_of_a_contradicted_formula_are_told_as_such():
    def doubled(f, length, average, k1, b):
        """Of lengths that no probe of one factor has."""
        return usual(f, length, average, k1, b) * (2 if length in (13, 14, 15, 17, 18, 19) else 1)

    found = identified(Bm25(weight=doubled))
    assert found.sentence.startswith("By probes of one factor each: Lucene idf")
    assert "so that some factor is another one than its own probe shows" in found.sentence
    assert row(found, "idf")[1] == "by its probe alone"
    assert "known form" not in {
        factor.status for factor in found.factors if factor.name in ("tf", "length normalisation")
    }


@pytest.mark.parametrize(("unknown", "coordinated"), [(True, True), (False, True), (True, False)])
def test_a_query_norm_is_told_with_and_without_coordination(unknown, coordinated):
    """As Lucene 3's DefaultSimilarity: the norm counts terms that no document has, whose idf is 1 + ln(N / 1)."""

    def classic(corpus, queries, k1, b):
        documents = [Counter(text.split()) for text in corpus]
        df = Counter(term for document in documents for term in document)

        def score(query, document):
            counted = [term for term in query if df[term] or unknown]
            idf = {term: 1 + math.log(len(corpus) / (df[term] + 1)) for term in counted}
            hits = [term for term in counted if document[term]]
            if not hits:
                return 0.0
            norm = math.sqrt(sum(idf[term] ** 2 for term in idf))
            total = sum(math.sqrt(document[term]) * idf[term] ** 2 for term in hits)
            share = len(hits) / len(counted) if coordinated else 1
            return share * total / norm / math.sqrt(document.total())

        return [[score(sorted(set(query.split())), document) for document in documents] for query in queries]

    found = identified(classic)
    value = row(found, "combination")[0]
    assert value.startswith("query norm" if coordinated else "cosine of query and document"), found.sentence
    assert found.confirmed


def test_fixed_parameters_are_no_other_formula():
    """As DuckDB's users have it, who do not pass k1 and b."""

    def fixed(corpus, queries, k1, b):
        other = Bm25(idf=lambda n, N: lucene(n, N) / math.log(10), split_query=lambda text: sorted(set(text.split())))
        return other(corpus, queries, 1.2, 0.75)

    assert identified(fixed).sentence.endswith("this is the formula of DuckDB fts 1.5.5, with k1 = 1.2, b = 0.75.")


def test_document_frequencies_of_parts_of_words_are_told():
    """Counted by `term in text`, though only whole words are hits."""

    def parts(corpus, queries, k1, b):
        documents = [Counter(text.split()) for text in corpus]
        average = sum(map(Counter.total, documents)) / len(documents) or 1
        df = Counter({term: sum(term in text for text in corpus) for query in queries for term in query.split()})
        return [
            [
                sum(
                    lucene(df[term], len(corpus)) * usual(document[term], document.total(), average, k1, b)
                    for term in query.split()
                    if document[term]
                )
                for document in documents
            ]
            for query in queries
        ]

    found = identified(parts)
    assert "document frequencies that count words with the term inside" in found.sentence
    assert "this is the formula of" not in found.sentence
    assert "inside" not in identified(Bm25()).sentence


def test_a_query_that_ends_at_its_first_unknown_term_is_no_sum():
    def until_unknown(corpus, queries, k1, b):
        known = {term for text in corpus for term in text.split()}
        cut = [" ".join(itertools.takewhile(known.__contains__, query.split())) for query in queries]
        return Bm25()(corpus, cut, k1, b)

    found = identified(until_unknown)
    assert not found.confirmed
    assert row(found, "query")[1] == "undetermined"


def test_prefixes_that_match_with_a_lower_weight_are_told():
    """As ndx weighs them."""
    plain = Bm25()

    def with_prefixes(corpus, queries, k1, b):
        rows = np.array(plain(corpus, queries, k1, b))
        parts = [
            [any(w != q and w.startswith(q) for w in text.split() for q in query.split()) for text in corpus]
            for query in queries
        ]
        return np.where(np.array(parts) & (rows == 0), 0.4, rows)

    assert "terms: prefixes match, with another score" in identified(with_prefixes).sentence


def test_a_floor_of_the_mean_of_no_positive_idf_is_zero():
    """Of a corpus whose terms are all in most documents; as yeabm25 has it."""
    found = mean_idf(np.array([-0.5, -1.0]), "mean of the positive")
    assert found == 0.0
    assert mean_idf(np.array([-0.5, 1.0, 2.0]), "mean of the positive") == 1.5


def test_the_commonest_formula_has_a_name():
    """Lucene's idf with k1 + 1 in float64, as in eight of nineteen packages."""
    assert identified(Bm25()).sentence.endswith(": this is the formula of BM25 with a positive idf (Wikipedia).")


@pytest.mark.parametrize(
    ("replaced", "named"),
    [
        (lambda share, idf: 0.0 if share > 0.5 else idf, "floored at 0 for terms in over 0.5 of the documents"),
        (lambda share, idf: 0.1 if share >= 0.5 else idf, "floored at 0.1 for terms in at least 0.5 of the documents"),
    ],
    ids=["over half", "from half on"],
)
def test_an_idf_that_is_another_one_of_frequent_terms_is_told(replaced, named):
    found = identified(Bm25(idf=lambda n, size: replaced(n / size, lucene(n, size))))
    assert f"Lucene idf, idf {named}, tf saturated f" in found.sentence
    assert found.confirmed


def test_of_parameters_that_rounded_scores_allow_the_roundest_are_told():
    """Two decimals allow k1 = 1.49 as well; the rounding is fastbm25's."""
    rounded = Bm25(combine=lambda terms: sum(round(term, 2) for term in terms))
    found = identified(lambda corpus, queries: rounded(corpus, queries, 1.5, 0.75))
    assert "k1 = 1.5, b = 0.75" in found.sentence
    assert row(found, "precision")[0] == "rounded to 2 decimals, each term"


def test_an_idf_that_is_no_number_for_frequent_terms_does_not_hide_the_formula():
    """The df counts occurrences, so that it may exceed N; as in clientside-search."""

    def of_occurrences(corpus, queries, k1, b):
        docs = [Counter(text.split()) for text in corpus]
        total = sum(docs, Counter())
        average = sum(map(Counter.total, docs)) / len(docs) or 1

        def idf(n):
            return math.log((len(docs) - n + 0.5) / (n + 0.5)) if n < len(docs) + 0.5 else math.nan

        def score(query, doc):
            found = [term for term in query.split() if doc[term]]
            return sum(idf(total[term]) * usual(doc[term], doc.total(), average, k1, b) for term in found)

        return [[score(query, doc) for doc in docs] for query in queries]

    found = identified(of_occurrences)
    assert "document frequencies that count occurrences" in found.sentence
    assert found.confirmed


@pytest.mark.parametrize("delta", [0.5, 1.0])
def test_the_weight_of_two_logarithms_is_named(delta):
    """TFl-delta-p, of Rousseau and Vazirgiannis 2013, whose idf is ln((N + 1) / n)."""

    def weight(f, length, average, k1, b):
        return 1 + math.log(1 + math.log(f / (1 - b + b * length / average) + delta))

    found = identified(Bm25(idf=lambda n, size: math.log((size + 1) / n), weight=weight))
    assert found.confirmed
    assert row(found, "tf")[0] == f"1 + log(1 + log(f / (1 - b + b * L / A) + {delta:g}))"


def test_marks_that_do_not_separate_are_listed():
    """As NLTK's word tokenizer keeps them."""

    def split(text):
        return re.findall(r"[\w#@+'/]+(?:\.\d+)?|[^\w\s]", text)

    found = identified(Bm25(split=split, split_query=split))
    kept = "apostrophe, slash, decimal point, hash, at sign, plus signs"
    assert f"punctuation separates (not {kept})" in found.sentence


@pytest.mark.parametrize(("k1", "b"), [(None, None), (1.5, 0.75)])
def test_pairs_of_words_that_are_terms_too_are_named(k1, b):
    """As outonote's: the pairs count in the lengths, and in the df and the query as well."""

    def split(text):
        return [*(words := text.split()), *(" ".join(pair) for pair in itertools.pairwise(words))]

    plain = Bm25(split=split, split_query=split)
    found = identified(plain if k1 is None else lambda corpus, queries: plain(corpus, queries, k1, b))
    assert found.confirmed
    assert row(found, "length normalisation")[0] == "tokens and pairs of neighbours"
    assert "pairs of neighbouring words are terms too" in found.sentence
