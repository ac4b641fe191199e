"""Tokenisation: each kind of analysis on documents, on queries, and on both."""

import re

import numpy as np
import pytest
from bm25_zoo import Zoo

from refimpl.identify import tokens

STOPS = {"the", "and", "about"}


def plain(text):
    return text


def without_stops(text):
    return " ".join(word for word in text.split() if word not in STOPS)


def letters(text):
    return " ".join(re.findall(r"\w+", text))


def stemmed(text):
    return " ".join(re.sub(r"(ing|s)$", "", word) for word in text.split())


def results(of_documents, of_queries):
    inputs = tokens.probe()
    corpus, queries = [of_documents(text) for text in inputs.corpus], [of_queries(text) for text in inputs.queries]
    found = tokens.read(np.array(Zoo({})(corpus, queries, inputs.k1, inputs.b)))
    by_name = {token.name.split(" (")[0]: token.result for token in found if not token.plain}
    return {"tokenisation": tokens.summary(found), **by_name}


@pytest.mark.parametrize(
    ("of_documents", "of_queries", "expected"),
    [
        (str.lower, str.lower, {"tokenisation": "case folded", "case": "match each other"}),
        (str.lower, plain, {"case": "Marok becomes marok in documents only"}),
        (plain, str.lower, {"case": "Marok becomes marok in queries only"}),
        (
            without_stops,
            without_stops,
            {
                "stop word": "dropped",
                "length of a document of stop words": "stop words do not count: they are removed from documents, or "
                "lengths have no effect",
            },
        ),
        (
            plain,
            without_stops,
            {"length of a document of stop words": "stop words count in the length and are removed from queries only"},
        ),
        (letters, letters, {"hyphen": "the part finds the whole", "comma": "the part finds the whole"}),
        (letters, plain, {"hyphen": "split in documents; the written form as a query finds nothing"}),
        (stemmed, stemmed, {"plural": "match each other", "participle": "match each other"}),
        (plain, plain, {"tokenisation": "terms as whitespace separates them"}),
    ],
)
def test_what_is_done_to_texts_is_found_on_its_side(of_documents, of_queries, expected):
    found = results(of_documents, of_queries)
    assert {name: found.get(name) for name in expected} == expected


def test_a_whitespace_tokenizer_has_no_other_rows():
    assert list(results(plain, plain)) == ["tokenisation"]
