"""Each row of the stemmers' tables: words whose stem, by NLTK, is another one if the row is missing or wrong.

`stems_by_row.json` has the words of each row, chosen so that every change of a row (missing, another replacement, one
letter more or fewer) changes the stem of one of them; the stems were computed by NLTK. A key "+x" in a set of letters
has a word that would change if x were in the set.
"""

import json
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from refimpl.sparse.analyzers import stem_english, stem_german, stem_porter
from refimpl.sparse.analyzers.steps import StemmingFilter

STEMMERS = {"english": stem_english, "german": stem_german, "porter": stem_porter}
STEMS = json.loads((Path(__file__).parent / "stems_by_row.json").read_text("utf-8"))
TABLES = [(language, table) for language in STEMMERS for table in STEMS[language]]
ROWS = [(language, table, row) for language, table in TABLES for row in STEMS[language][table]]
FORMS = [verb + ending for verb in ("proceed", "exceed", "succeed") for ending in ("ed", "ing")]
NO_EFFECT_ALONE = {  # without the row the stem is the same; its words are for changes of the row
    **{("english", "SPECIAL", form): "step 1b removes -ed and -ing" for form in FORMS},
    ("english", "STEP_2", "ousness"): "step 3 removes -ness and step 4 -ous",
    ("english", "STEP_2", "iveness"): "step 3 removes -ness and step 4 -ive",
    ("english", "STEP_2", "tional"): "step 3 has the same row",
    ("english", "STEP_2", "abli"): "the row -bli has the same stem, in step 5",
    ("porter", "STEP_2", "ousness"): "step 3 removes -ness and step 4 -ous",
}


def row_key(row: Any) -> str:
    """A row's name in the JSON: its suffix or its character."""
    first = row[0] if isinstance(row, tuple) else row
    return chr(first) if isinstance(first, int) else first


def without(table: Any, key: str) -> Any:
    """`table` without the row `key`; with a further letter for "+x"."""
    if key[0] == "+" and len(key) == 2:
        return table | {key[1]}
    if isinstance(table, dict):
        return {row: value for row, value in table.items() if row_key(row) != key}
    return type(table)(row for row in table if row_key(row) != key)


@pytest.mark.parametrize(("language", "table", "row"), ROWS)
def test_stems_of_a_row(language, table, row):
    words = STEMS[language][table][row]
    assert {word: STEMMERS[language].stem(word) for word in words} == words


@pytest.mark.parametrize(("language", "table"), TABLES)
def test_every_row_has_words(language, table):
    rows: Collection[Any] = getattr(STEMMERS[language], table)
    assert {row_key(row) for row in rows} == {key for key in STEMS[language][table] if key[0] != "+" or len(key) != 2}
    assert all(STEMS[language][table].values())


@pytest.mark.parametrize(("language", "table", "row"), ROWS)
def test_without_the_row_a_stem_differs(language, table, row, monkeypatch):
    stemmer, words = STEMMERS[language], STEMS[language][table][row]
    monkeypatch.setattr(stemmer, table, without(getattr(stemmer, table), row))
    if table in ("STEP_2", "STEP_3") and language == "english":
        monkeypatch.setattr(stemmer, f"ENDINGS_{table[-1]}", tuple(suffix for suffix, *_ in getattr(stemmer, table)))
    unchanged = {word: stemmer.stem(word) for word in words} == words
    assert unchanged == ((language, table, row) in NO_EFFECT_ALONE)


# The examples of steps 1 and 5 in Porter 1980, with the stems of his own program's algorithm by NLTK
@pytest.mark.parametrize(
    ("word", "stem"),
    [
        *[("caresses", "caress"), ("ponies", "poni"), ("ties", "ti"), ("caress", "caress"), ("cats", "cat")],
        *[("feed", "feed"), ("agreed", "agre"), ("plastered", "plaster"), ("bled", "bled"), ("motoring", "motor")],
        *[("sing", "sing"), ("conflated", "conflat"), ("troubled", "troubl"), ("sized", "size"), ("hopping", "hop")],
        *[("tanned", "tan"), ("falling", "fall"), ("hissing", "hiss"), ("fizzed", "fizz"), ("failing", "fail")],
        *[("filing", "file"), ("happy", "happi"), ("sky", "sky"), ("probate", "probat"), ("rate", "rate")],
        *[("cease", "ceas"), ("controll", "control"), ("roll", "roll")],
    ],
)
def test_examples_of_porters_paper(word, stem):
    assert stem_porter.stem(word) == stem


# By hand from the algorithm: y is a consonant at the start and after a vowel; short words; German ß, u and y.
def test_letters_with_two_roles():
    assert [stem_english.stem(word) for word in ("youth", "boy", "by", "say", "cry", "a", "is")] == [
        *("youth", "boy", "by", "say", "cri", "a", "is")
    ]
    assert stem_german.stem("Straße") == "strass"
    assert [stem_porter.stem(word) for word in ("by", "as", "y", "")] == ["by", "as", "y", ""]


def test_the_stemming_filter_uses_each_languages_stemmer():
    """Stems by NLTK's SnowballStemmer."""
    words = {"english": "added", "german": "häuser", "french": "nations", "russian": "книгами", "spanish": "casas"}
    stems = {"english": "ad", "german": "haus", "french": "nation", "russian": "книг", "spanish": "cas"}
    assert {name: StemmingFilter(name).token(word) for name, word in words.items()} == stems
    assert StemmingFilter("italian").token("gatti") == "gatt"
    assert StemmingFilter("portuguese").token("gatos") == "gat"


def test_an_arabic_stem_does_not_depend_on_the_words_before():
    """One stemmer of NLTK's gives ليسو after إليك, a new one ليس."""
    stemmer = StemmingFilter("arabic")
    assert [stemmer.token(word) for word in ("ليسوا", "إليك", "ليسوا")] == ["ليس", stemmer.token("إليك"), "ليس"]


def test_the_fingerprint_has_the_version_of_the_library_that_stems():
    assert StemmingFilter("french").settings == {"language": "french", "nltk": version("nltk")}
    assert StemmingFilter("english").settings == {"language": "english"}
