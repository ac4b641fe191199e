"""Tokenisation: each kind of analysis on documents, on queries, and on both."""

import re
import string

import numpy as np
import pytest
from bm25_zoo import Zoo

from refimpl.identify import token_words, tokens

STOPS = {"the", "and", "about", "there"}


def plain(text):
    return text


def without_stops(text):
    return " ".join(word for word in text.split() if word not in STOPS)


def letters(text):
    return " ".join(re.findall(r"\w+", text))


def hyphenated(text):
    return " ".join(re.findall(r"[\w'-]+", text))


def deleted(text):
    return re.sub(r"[^\w\s]", "", text)


def stripped(text):
    return " ".join(word.strip(string.punctuation) for word in text.split())


def ascii_lower(text):
    return re.sub("[A-Z]", lambda match: match.group().lower(), text)


def without_letters(text):
    return " ".join(word for word in text.split() if word not in string.ascii_lowercase)


def up_to_40(text):
    return " ".join(word for word in text.split() if len(word) <= 40)


def latin(text):
    """Words with a letter beyond Latin ones and emoji are dropped."""
    return " ".join(word for word in text.split() if max(word) < "\u0370" or max(word) > "\uffff")


def stemmed(text):
    return " ".join(re.sub(r"(ing|s)$", "", word) for word in text.split())


def results(of_documents, of_queries):
    inputs = tokens.probe()
    corpus, queries = [of_documents(text) for text in inputs.corpus], [of_queries(text) for text in inputs.queries]
    found = tokens.read(np.array(Zoo({})(corpus, queries, inputs.k1, inputs.b)))
    by_name = {token.name.split(" (")[0]: token.result for token in found if not token.plain}
    return {"tokenisation": token_words.summary(found), **by_name}


@pytest.mark.parametrize(
    ("of_documents", "of_queries", "expected"),
    [
        (str.lower, str.lower, {"tokenisation": "case folded", "case": "match each other"}),
        (str.lower, plain, {"case": "Marok becomes marok in documents only"}),
        (plain, str.lower, {"case": "Marok becomes marok in queries only"}),
        (
            without_stops,
            without_stops,
            {"tokenisation": "stop words removed", "stop word": "dropped", "length of a document of stop words": None},
        ),
        (
            plain,
            without_stops,
            {
                "tokenisation": "stop words removed, but counted in lengths",
                "length of a document of stop words": "count in the length, although queries do not find them",
            },
        ),
        (letters, letters, {"hyphen": "the part finds the whole", "comma": "the part finds the whole"}),
        (letters, plain, {"hyphen": "split in documents; the written form as a query finds nothing"}),
        (letters, letters, {"tokenisation": "punctuation separates"}),
        (letters, plain, {"tokenisation": "punctuation separates in documents only"}),
        (hyphenated, hyphenated, {"tokenisation": "punctuation separates (not hyphen, apostrophe)"}),
        (deleted, deleted, {"tokenisation": "punctuation deleted"}),
        (stripped, plain, {"tokenisation": "punctuation dropped at the ends of words in documents only"}),
        (ascii_lower, ascii_lower, {"tokenisation": "case folded (of ASCII letters only)"}),
        (str.lower, str.lower, {"tokenisation": "case folded"}),
        (without_letters, without_letters, {"tokenisation": "one-letter ASCII words dropped"}),
        (up_to_40, up_to_40, {"tokenisation": "words of 50 letters dropped"}),
        (latin, latin, {"tokenisation": "CJK and Thai and Cyrillic dropped"}),
        (stemmed, stemmed, {"plural": "match each other", "participle": "match each other"}),
        (plain, plain, {"tokenisation": "terms as whitespace separates them"}),
    ],
)
def test_what_is_done_to_texts_is_found_on_its_side(of_documents, of_queries, expected):
    found = results(of_documents, of_queries)
    assert {name: found.get(name) for name in expected} == expected


def test_a_whitespace_tokenizer_has_no_other_rows():
    assert list(results(plain, plain)) == ["tokenisation"]
