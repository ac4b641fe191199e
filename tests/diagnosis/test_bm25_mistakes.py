"""Mistakes of programmers in fixed scores and in a BM25 that answers anything: each is named and confirmed."""

import re
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from miswritten_bm25 import Bm25, lucene, min_max, okapi, softmax, top, usual, z_score
from nltk.stem.porter import PorterStemmer

from refimpl.check.suites import SUITES
from refimpl.check.suites.base import Settings
from refimpl.check.targets.python import PythonTarget
from refimpl.compare.tolerance import named
from refimpl.diagnosis.bm25 import diagnose_bm25_cases
from refimpl.diagnosis.bm25_analyses import Hits, agreeing, analyses
from refimpl.diagnosis.bm25_problem import GivenCase
from refimpl.diagnosis.bm25_target import ScoredCase, diagnose_bm25_target
from refimpl.identify import identify_bm25
from refimpl.identify.ask import Probe

LUCENE = """a an and are as at be but by for if in into is it no not of on or such that the their then there these they
this to was will with"""
STOPS = frozenset(LUCENE.split())


@cache
def inputs():
    return SUITES["bm25"].inputs(Settings(named("float32"), "lucene"))


def given(function):
    return {
        name: (one, np.array(function(one["corpus"], one["queries"], one["k1"], one["b"]), np.float64))
        for name, one in inputs().items()
        if one["corpus"] and one["queries"]
    }


def from_file(function):
    cases = [
        GivenCase(name, one["corpus"], one["queries"], one["k1"], one["b"], scores)
        for name, (one, scores) in given(function).items()
    ]
    return diagnose_bm25_cases(cases, analyzer=str.split, variant="lucene", tolerance=1e-6)


def live(function):
    cases = {
        name: ScoredCase(Probe(tuple(one["corpus"]), tuple(one["queries"]), one["k1"], one["b"]), scores)
        for name, (one, scores) in given(function).items()
    }
    return diagnose_bm25_target(PythonTarget(function, "mine"), cases, "lucene", 1e-6)


def norm(length, average, b):
    return 1 - b + b * length / average


def words(text):
    return re.findall(r"\w+", text.lower())


def without_stops(text):
    return [word for word in words(text) if word not in STOPS]


MISTAKES = {
    "tf: f * (b + 1) / (f + b * (1 - k1 + k1 * L / A)) instead": Bm25(
        weight=lambda f, length, average, k1, b: usual(f, length, average, b, k1)
    ),
    "tf: f * (k1 + 1) / f + k1 * (1 - b + b * L / A) instead": Bm25(
        weight=lambda f, length, average, k1, b: f * (k1 + 1) / f + k1 * norm(length, average, b)
    ),
    "idf: ln(1 + (N - (n - 1) + 0.5) / (n - 1 + 0.5)) instead": Bm25(idf=lambda n, size: lucene(n - 1, size)),
    "floor of the idf: its absolute value instead": Bm25(idf=lambda n, size: abs(okapi(n, size))),
    "floor of the idf: -0.1 times itself, where negative": Bm25(
        idf=lambda n, size: okapi(n, size) if okapi(n, size) > 0 else -okapi(n, size) / 10
    ),
    "function of the sum: softmax": Bm25(row=softmax),
    "function of the sum: min-max": Bm25(row=min_max),
    "function of the sum: z-score": Bm25(row=z_score),
    "number of hits: at most 4 instead of all": Bm25(row=top(4)),
    "precision of the scores: rounded to whole numbers": Bm25(row=lambda row: np.round(row * 1000)),
    "precision of the scores: cut off to whole numbers": Bm25(row=lambda row: np.trunc(row * 1000)),
    r"tokenisation: runs of \w, without Lucene's 33 stop words": Bm25(  # no case of the suite has capitals
        split=without_stops, split_query=without_stops
    ),
}


@pytest.mark.parametrize("named_as", MISTAKES)
def test_a_mistake_in_fixed_scores_is_named_and_gives_all_scores(named_as):
    cause = from_file(MISTAKES[named_as]).causes[0]
    assert named_as in "; ".join(cause.names)
    assert cause.explains_all
    assert "the formula gives all 421 scores of 19 cases" in cause.explanation


def test_a_cut_is_named_where_scores_of_zero_need_it_alone():
    """ATIRE's idf of a term in every document is 0, so that documents with it have no score."""
    cause = from_file(Bm25(idf=lambda n, size: np.log(size / n))).causes[0]
    assert "number of hits" not in "; ".join(cause.names)


def porter(text):
    stem = PorterStemmer(mode=PorterStemmer.ORIGINAL_ALGORITHM).stem
    return [stem(word) for word in words(text)]


def words_with_stops(text):
    return [word if word not in STOPS else f"#{word}" for word in words(text)]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (
            Bm25(split=without_stops, split_query=without_stops),
            r"runs of \w, lower-cased, without Lucene's 33 stop words",
        ),
        (Bm25(split=porter, split_query=porter), r"runs of \w, "),
        (Bm25(split=lambda text: text.lower().split()), "case folded in documents only"),
        (
            Bm25(split=words_with_stops, split_query=without_stops),
            "without Lucene's 33 stop words in queries only",
        ),
    ],
    ids=["stop words", "stems", "case of documents", "stop words of queries"],
)
def test_the_terms_of_an_implementation_are_part_of_the_confirmed_formula(function, name):
    diagnosis = live(function)
    assert name in str(diagnosis)
    assert diagnosis.agreement is not None
    assert diagnosis.agreement.contradictions == {}


def kept_apostrophes(text):
    found = re.findall(r"\w+(?:'\w+)*", text.lower())
    return [word for word in found if word not in STOPS]


@pytest.mark.parametrize("row", [lambda row: row, top(2)], ids=["all hits", "two hits"])
def test_forms_that_the_named_analysis_splits_otherwise_are_named(row):
    """No case has an apostrophe; of two hits, the other documents show nothing of the tokens."""
    diagnosis = live(Bm25(split=kept_apostrophes, split_query=kept_apostrophes, row=row))
    measured = "tokenisation: case folded, punctuation separates (not apostrophe), stop words removed"
    assert measured in str(diagnosis)
    assert r"nearest of the listed ways: runs of \w, lower-cased, without Lucene's 33 stop words" in str(diagnosis)
    assert "but otherwise for possessive (farmer's, farmer), apostrophe (l'amarok) instead" in str(diagnosis)
    assert diagnosis.agreement.contradictions == {}


def alike(text):
    """As Elasticsearch's standard analyzer: ideographs are words of one character."""
    return re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+(?:'\w+)*", text.lower())


def test_an_analysis_that_a_case_contradicts_is_named_where_it_gives_more_scores():
    """Terms between white space were taken, of which an emoji is one, beside the words 'dropped: emoji'."""
    diagnosis = live(Bm25(split=alike, split_query=alike, row=lambda row: row.astype(np.float32)))
    assert r"runs of \w, lower-cased, but otherwise for possessive" in str(diagnosis)
    assert "CJK character (北海道, 海)" in str(diagnosis)
    assert list(diagnosis.agreement.contradictions) == ["unicode"]
    assert "\nthe scores are of float32\n" in str(diagnosis)


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (Bm25(split=lambda text: text.split(" ")), 'empty documents: of one token: text.split(" ") instead of'),
        (
            Bm25(length=lambda document: len(" ".join(document)), split=lambda text: text.split(" ")),
            "characters instead",
        ),
        (
            Bm25(length=lambda document: len(" ".join(document).encode()), split=lambda text: text.split(" ")),
            "length normalisation: bytes instead of tokens",
        ),
    ],
)
def test_further_spaces_count_where_they_are_empty_tokens_or_characters(function, named):
    """Cases have texts that end in a space, or of spaces alone; all scores are given."""
    diagnosis = live(function)
    assert named in str(diagnosis)
    assert diagnosis.agreement.contradictions == {}


def without_accents(text):
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn").split()


def test_accents_that_are_removed_do_not_lower_the_case():
    """Of the analyses that agree with most hits, one that lower-cases too was named, though cases differ."""
    diagnosis = live(Bm25(split=without_accents, split_query=without_accents))
    assert "words between white space, without accents instead of" in str(diagnosis)
    assert diagnosis.agreement.contradictions == {}


def test_a_cosine_of_a_document_of_weight_zero_is_zero():
    """ATIRE's idf of a term that every document has is 0, and a document of such terms has no length."""

    def cosine(corpus, queries, k1, b):
        texts = [text.split() for text in corpus]
        idf = {t: np.log(len(texts) / sum(t in d for d in texts)) for d in texts for t in d}
        vectors = [{t: d.count(t) * idf[t] for t in d} for d in texts]

        def score(query, vector):
            weights = {t: q * idf[t] for t, q in Counter(query.split()).items() if t in idf}
            norms = np.linalg.norm(list(weights.values())) * np.linalg.norm(list(vector.values()))
            return sum(w * vector.get(t, 0) for t, w in weights.items()) / norms if norms else 0.0

        return [[score(query, vector) for vector in vectors] for query in queries]

    assert live(cosine).agreement.contradictions == {}


def test_parts_of_words_are_counted_in_the_confirmed_formula():
    def substrings(corpus, queries, k1, b):
        average = np.mean([len(text.split()) for text in corpus])
        rows = []
        for query in queries:
            scores = np.zeros(len(corpus))
            for term in query.split():
                counts = np.array([text.count(term) for text in corpus])
                n, size = np.count_nonzero(counts), len(corpus)
                lengths = np.array([len(text.split()) for text in corpus])
                idf = np.log(1 + (size - n + 0.5) / (n + 0.5))
                scores += np.where(counts > 0, idf * usual(counts, lengths, average or 1, k1, b), 0)
            rows.append(scores)
        return rows

    diagnosis = live(substrings)
    assert "matching: substrings instead of whole terms" in str(diagnosis)
    assert diagnosis.agreement.contradictions == {}


def test_analyses_that_split_all_texts_as_white_space_does_are_not_tried():
    """As 3,360 were for each of 1,000 documents."""
    words = [f"{a}o{b}ok" for a in "bdgkmnpt" for b in "bdgkmnpt"]  # no analysis changes them
    corpus, queries = [f"{words[i % 64]} {words[i % 7]}" for i in range(1000)], words[:2]
    returned = np.array([[word in text.split() for text in corpus] for word in queries])
    for hits in (returned, ~returned):
        assert agreeing([Hits(corpus, queries, hits)]) == []
    few = Hits(corpus, queries, returned).sampled()
    assert (len(few.corpus), few.returned.shape) == (64, (2, 64))


def test_the_page_counts_the_analyses():
    page = (Path(__file__).parents[2] / "docs" / "oracle.md").read_text(encoding="utf-8")
    names = [analysis.name for analysis in analyses()]
    assert len(set(names)) == len(names)
    assert f"{len(names):,} usual ways" in page


@pytest.mark.parametrize("counted", [False, True], ids=["dropped", "counted in lengths"])
def test_stop_words_of_a_list_of_its_own_are_told(counted):
    """Four words that no published list has, lower-cased runs of letters and digits."""
    own = frozenset({"and", "on", "cat", "so"})

    def split(text):
        words = re.findall("[a-z0-9]+", text.lower())
        return ["\0" if word in own else word for word in words] if counted else [w for w in words if w not in own]

    found = live(Bm25(split=split, split_query=lambda text: [word for word in split(text) if word != "\0"]))
    assert found.agreement is not None
    assert not found.agreement.contradictions, str(found)
    words = next(each.found for each in found.differences if each.feature == "tokenisation")
    removed = ", removed words count in the length" if counted else ""
    assert f"runs of ASCII letters and digits, lower-cased{removed}, without those of the suite's " in words
    assert all(word in words for word in own), words


def test_factors_of_a_formula_without_saturation_are_not_undetermined():
    found = live(Bm25(weight=lambda f, *_: f))
    assert found.undetermined == ()


def ten_positive(row):
    """Of more than ten documents the ten best with positive scores, as yabm25's index on disk."""
    return np.where(top(10)(row) > 0, row, 0.0) if len(row) > 10 else row


def test_a_floor_that_the_hits_of_large_corpora_hide_shows_in_small_ones():
    function = Bm25(idf=okapi, row=ten_positive)
    found = identify_bm25(PythonTarget(function, "mine"))
    assert "so far as determined, the formula of" in found.sentence
    assert "floored" not in found.sentence
    differing = {one.feature: one.found for one in live(function).differences}
    assert differing["idf"].endswith("(Robertson)")
    assert "floor" not in differing, "lucene has none either"
    cases = {
        name: ScoredCase(Probe(tuple(one["corpus"]), tuple(one["queries"]), one["k1"], one["b"]), scores)
        for name, (one, scores) in given(function).items()
    }
    against = diagnose_bm25_target(PythonTarget(function, "mine"), cases, "pymilvus", 1e-6)
    assert {one.feature: one.found for one in against.differences}["floor"] == "none"
    assert against.conclusion.startswith("this is the formula of Okapi BM25 (Robertson and Zaragoza 2009)")
