"""Analyzers: terms of a text, fingerprints, pickling, YAML, missing data."""

import logging
import pickle
import re
import warnings
from pathlib import Path

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from refimpl import build_analyzer, build_analyzer_from_yaml, build_default_analyzer, models
from refimpl.sparse.analyzers import (
    Analyzer,
    AnalyzerDataWarning,
    cjk,
    own_stopwords,
    punkt,
    stem_english,
    stopwords,
    uax29,
)
from refimpl.sparse.analyzers import memo as memory
from refimpl.sparse.analyzers.build import CJK, CLASSES, LANGUAGES, READY_MADE
from refimpl.sparse.analyzers.memo import Memo
from refimpl.sparse.analyzers.steps import (
    LowercaseFilter,
    PatternTokenizer,
    PossessiveFilter,
    PunctuationFilter,
    SimpleLowercaseFilter,
    StemmingFilter,
    StopwordFilter,
)
from refimpl.sparse.term_counts import term_ids, tokenize

WITHOUT_EXTRA = [name for name in READY_MADE if name.removeprefix("pymilvus-") not in CJK]
TEXT = "The Foxes' dens aren't far; O'Neil's dog (aged 3.5) saw e-mails, U.S. flights & naïve cats."


# By hand from the rules of each.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pymilvus-en", "fox den n't far o'neil 's dog age 3.5 saw e-mail u.s. flight naïv cat"),
        ("lucene-english", "fox den aren't far o'neil dog ag 3.5 saw e mail u. flight naïv cat"),
        ("milvus-standard", "the foxes dens aren t far o neil s dog aged 3 5 saw e mails u s flights naïve cats"),
        ("simple", "the foxes dens aren t far o neil s dog aged 3 5 saw e mails u s flights naïve cats"),
    ],
)
def test_ready_made(name, expected):
    assert build_analyzer(name)(TEXT) == expected.split()


def test_uax29_words_and_splits_of_long_ones():
    assert uax29.words("can't 3.14 a.b.c x:y foo_bar __ '90s 1,000;5") == [
        *("can't", "3.14", "a.b.c", "x:y", "foo_bar", "90s", "1,000;5")
    ]
    assert uax29.words("東京 カタカナ ひら 한국어 ไทยภาษา 👩‍🔬 🇨🇳 1️⃣ ©") == [
        *("東", "京", "カタカナ", "ひ", "ら", "한국어", "ไทยภาษา", "👩‍🔬", "🇨🇳", "1️⃣")
    ]
    assert uax29.words("צה\"ל ג'ירפה ג' ב\" a'") == ['צה"ל', "ג'ירפה", "ג'", "ב", "a"]  # WB7a to WB7c
    assert uax29.words("a\u0301·b e\u0301 1\u0301.2 \u0301") == ["a\u0301·b", "e\u0301", "1\u0301.2"]  # WB4
    assert [len(word) for word in uax29.words("x" * 600)] == [255, 255, 90]
    assert [len(word) for word in uax29.words("𐐀" * 200)] == [127, 73]  # two UTF-16 units each


def test_the_ascii_pattern_equals_the_general_one():
    for text in (TEXT, "a..b a._b _a 3.a 3_4 'a' a'b'c 1'2 x.5 _. a:1 ,5 \x00a\x7fb"):
        assert uax29.words(text) == uax29.WORD.findall(text)


def test_possessive_and_lower_case_as_lucene():
    analyzer = build_analyzer("lucene-english")
    assert analyzer("CAT'S dog’S pig＇s boss's") == ["cat", "dog", "pig", "boss"]
    assert build_analyzer("milvus-standard")("ΣΟΦΟΣ İ") == ["σοφοσ", "i̇"]  # no final sigma


@pytest.mark.parametrize("name", WITHOUT_EXTRA)
def test_pickles_with_its_fingerprint(name):
    analyzer = build_analyzer(name)
    analyzer("warm it up")
    again = pickle.loads(pickle.dumps(analyzer))
    assert again.fingerprint == analyzer.fingerprint
    assert again.fingerprint.startswith(f"{name}:")
    assert again(TEXT) == analyzer(TEXT)


def test_fingerprints_differ_where_the_steps_do():
    def made(*filters):
        return Analyzer("mine", PatternTokenizer(), filters=filters).fingerprint

    prints = {
        made(),
        made(LowercaseFilter()),
        made(LowercaseFilter(), StemmingFilter("english")),
        made(StemmingFilter("english"), LowercaseFilter()),
        made(LowercaseFilter(), StemmingFilter("german")),
        made(StopwordFilter("english")),
        made(StopwordFilter("english", ["zebra"])),
        Analyzer("mine", PatternTokenizer(r"\S+")).fingerprint,
    }
    assert len(prints) == 8
    assert made(LowercaseFilter()) == made(LowercaseFilter())


class Reverse:
    def apply(self, tokens):
        return tokens[::-1]


def test_steps_of_your_own():
    analyzer = Analyzer("mine", PatternTokenizer(), filters=[LowercaseFilter(), Reverse()])
    assert analyzer("A b C") == ["c", "b", "a"]
    assert pickle.loads(pickle.dumps(analyzer))("A b") == ["b", "a"]


def test_yaml(tmp_path):
    (tmp_path / "my.yaml").write_text(
        """
en:
  preprocessors:
    - {class: CharacterfilterPreprocessor, params: {chars_to_replace: ['-']}}
    - {class: ReplacePreprocessor, params: {replacement_mapping: {colour: color}}}
  tokenizer: {class: StandardTokenizer, params: {}}
  filters:
    - {class: LowercaseFilter, params: {}}
    - {class: PunctuationFilter, params: {extras: '¿'}}
    - {class: StopwordFilter, params: {language: english, stopword_list: [red]}}
    - {class: StemmingFilter, params: {language: english}}
bad: {tokenizer: {class: NoSuch, params: {}}}
worse: {tokenizer: {class: StandardTokenizer, params: {size: 3}}}
none: {filters: []}
""",
        encoding="utf-8",
    )
    assert build_analyzer_from_yaml(tmp_path / "my.yaml", "en")("The red-colour ¿ cats!") == ["color", "cat"]
    for name, message in (
        ("de", "has no analyzer called 'de'; it has: en, bad, worse, none"),
        ("bad", "a step's class must be one of"),
        ("worse", "StandardTokenizer does not take"),
        ("none", "none has no tokenizer"),
    ):
        with pytest.raises(ValueError, match=message):
            build_analyzer_from_yaml(tmp_path / "my.yaml", name)
    (tmp_path / "torn.yaml").write_text("en: {tokenizer: [")
    with pytest.raises(ValueError, match="is not YAML"):
        build_analyzer_from_yaml(tmp_path / "torn.yaml", "en")
    with pytest.raises(FileNotFoundError):
        build_analyzer_from_yaml(tmp_path / "none.yaml", "en")


@pytest.mark.usefixtures("unchecked")
def test_bad_input():
    with pytest.raises(ValueError, match="analyzer must be one of pymilvus-en, pymilvus-de"):
        build_analyzer("standard")
    with pytest.raises(ValueError, match="language must be one of en, de, fr, ru, sp, it, pt, zh, jp, kr; got 'es'"):
        build_default_analyzer("es")
    with pytest.raises(TypeError, match="takes one str, got list"):
        build_analyzer("simple")(["a"])
    with pytest.raises(ValueError, match="no stop words for 'klingon': choose from albanian"):
        StopwordFilter("klingon")
    with pytest.raises(ValueError, match="no stemmer for 'klingon'"):
        StemmingFilter("klingon")


@pytest.mark.parametrize("text", ["", " \n\t", "...", "' \" '", "\x00\x1c\x1f", "\ud800", "!?" * 3000, "a" * 100_000])
@pytest.mark.parametrize("name", WITHOUT_EXTRA)
def test_unusual_texts_raise_nothing(name, text):
    tokens = build_analyzer(name)(text)
    assert all(isinstance(token, str) and token for token in tokens)


def test_without_nltk_data_a_warning_names_the_differences(monkeypatch, tmp_path, caplog):
    def unavailable(name: str) -> Path:
        raise models.ModelUnavailableError(f"{name} could not be had")

    whole = build_default_analyzer("en")
    monkeypatch.setattr(models, "path", unavailable)
    stopwords.nltk_data.cache_clear()
    try:
        with (
            caplog.at_level(logging.INFO),
            pytest.warns(AnalyzerDataWarning, match="treated as one sentence") as caught,
        ):
            poorer = build_default_analyzer("en")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert build_default_analyzer("de")("und die Häuser") == ["haus"]
    finally:
        stopwords.nltk_data.cache_clear()
    assert len(caught) == 1
    assert "nltk-data could not be had" in caplog.text
    assert poorer("The cats sat. The dogs ran.") == ["cat", "sat.", "dog", "ran"]
    assert whole("The cats sat. The dogs ran.") == ["cat", "sat", "dog", "ran"]
    assert poorer.fingerprint != whole.fingerprint


def test_a_memo_is_emptied_at_its_maximum(monkeypatch):
    monkeypatch.setattr(memory, "MAX_WORDS", 100)
    calls = []
    memo = Memo(lambda word: calls.append(word) or len(word))
    assert [memo["a"], memo["a"], memo["bb"]] == [1, 1, 2]
    assert calls == ["a", "bb"]
    for i in range(250):
        memo[str(i)]
    assert len(memo) == 52  # emptied at 100 and at 200 words


def test_the_import_line_of_pymilvus_model():
    from refimpl.sparse import BM25EmbeddingFunction
    from refimpl.sparse.bm25 import BM25EmbeddingFunction as again
    from refimpl.sparse.bm25.bm25 import BM25EmbeddingFunction as once_more
    from refimpl.sparse.bm25.tokenizers import Analyzer as its_analyzer
    from refimpl.sparse.bm25.tokenizers import build_default_analyzer as its_default

    assert BM25EmbeddingFunction is again is once_more
    assert its_analyzer is Analyzer
    assert its_default is build_default_analyzer


@given(st.text(st.characters(max_codepoint=127)) | st.text())
def test_the_default_pattern_equals_re(text):
    assert PatternTokenizer().tokenize(text) == re.findall(r"\w+", text)


def test_the_same_ascii_characters_are_word_characters_as_in_re():
    text = "".join(f"a{chr(code)}b " for code in range(128))
    assert PatternTokenizer().tokenize(text) == re.findall(r"\w+", text)


def test_white_space_around_a_sentence_end_is_the_regex_librarys():
    candidates = {code for code in range(0x110000) if punkt.CANDIDATE.match(f".{chr(code)}-")}
    assert candidates == {code for code in range(0x110000) if regex.match(r"""[\s)";}\]*:@'({\[‘’“”«»?!]""", chr(code))}


def test_a_stem_step_is_skipped_only_if_it_changes_nothing(monkeypatch):
    plural = ["'", "'s", "'s'", "sses", "ied", "ies", "us", "ss", "s"]
    other = ["eedly", "ingly", "edly", "eed", "ing", "ed", "y", "e", "l"]
    suffixes = (*plural, *other, *stem_english.ENDINGS_2, *stem_english.ENDINGS_3, *stem_english.STEP_4)
    starts = ("", "sky", "hopp", "relat", "communit", "generall", "tradition")
    words = [start + suffix + more for start in starts for suffix in suffixes for more in ("", "s", "ly", "ing")]
    stems = [stem_english.stem(word) for word in words]
    monkeypatch.setattr(
        stem_english, "STEPS", tuple(("'abcdefghijklmnopqrstuvwxyzY", step) for _, step in stem_english.STEPS)
    )
    assert stems == [stem_english.stem(word) for word in words]


@given(st.lists(st.text("aAbB. ", max_size=12), max_size=6))
def test_term_ids_are_of_filtered_tokens(texts):
    analyzer = Analyzer("mine", PatternTokenizer(), filters=[LowercaseFilter(), StopwordFilter(stopword_list=["bb"])])
    docs = tokenize(texts, analyzer)
    expected = [[word.lower() for word in re.findall(r"\w+", text)] for text in texts]
    expected = [[word for word in words if word not in ("a", "bb")] for words in expected]  # "a" is a stop word
    order = list(dict.fromkeys(word for words in expected for word in words))
    assert docs.terms == order
    assert docs.lengths.tolist() == list(map(len, expected))
    assert docs.ids.tolist() == [order.index(word) for words in expected for word in words]


@pytest.mark.usefixtures("unchecked")
def test_token_lists_must_be_of_str():
    with pytest.raises(TypeError, match="a token must be a str, got int"):
        term_ids([["a", 3]])


# EnglishPossessiveFilter: apostrophe, right single quotation mark, full-width apostrophe; s or S
@pytest.mark.parametrize("ending", [apostrophe + s for apostrophe in "'’＇" for s in "sS"])
def test_each_possessive_ending_is_removed(ending):
    assert PossessiveFilter().token(f"dog{ending}") == "dog"


@pytest.mark.parametrize("token", ["dogs'", "dogs", "dog't", "dog's'", "dog‘s", "dog`s", "s", "'", ""])
def test_other_endings_are_kept(token):
    assert PossessiveFilter().token(token) == token


# Apache Lucene, EnglishAnalyzer.ENGLISH_STOP_WORDS_SET
LUCENE_STOP_WORDS = [
    *["a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not", "of"],
    *[
        "on",
        "or",
        "such",
        "that",
        "the",
        "their",
        "then",
        "there",
        "these",
        "they",
        "this",
        "to",
        "was",
        "will",
        "with",
    ],
]


def test_lucene_english_drops_lucenes_stop_words():
    assert build_analyzer("lucene-english")(" ".join([*LUCENE_STOP_WORDS, "fox"])) == ["fox"]
    assert set(own_stopwords.LUCENE_ENGLISH.split()) == set(LUCENE_STOP_WORDS)


# Tokens by pymilvus.model 0.3.4's build_default_analyzer(code), with NLTK's data
@pytest.mark.parametrize(
    ("code", "text", "terms"),
    [
        ("en", "The cats weren't running!", ["cat", "n't", "run"]),
        ("de", "Und die Häuser liefen.", ["haus", "lief"]),
        ("fr", "Les maisons et les chats.", ["maison", "chat"]),
        ("ru", "Книги и дома.", ["книг", "дом"]),
        ("sp", "¿ Los gatos ¡ y las casas?", ["gat", "cas"]),
        ("it", "Le case e i gatti.", ["cas", "gatt"]),
        ("pt", "As casas e os gatos.", ["cas", "gat"]),
    ],
)
def test_each_language_code_of_pymilvus_model(code, text, terms):
    assert build_default_analyzer(code)(text) == terms
    assert set(LANGUAGES) == {"en", "de", "fr", "ru", "sp", "it", "pt"}


# A text or tokens through each step that YAML can name, by hand
@pytest.mark.parametrize(
    ("name", "params", "value", "expected"),
    [
        ("CharacterfilterPreprocessor", {"chars_to_replace": "-_"}, "a-b_c", "a b c"),
        ("ReplacePreprocessor", {"replacement_mapping": {"ab": "x", "a": "y"}}, "aba", "xy"),
        ("StandardTokenizer", {}, "can't stop.", ["ca", "n't", "stop", "."]),
        ("PatternTokenizer", {"pattern": "[a-z]+"}, "a1b", ["a", "b"]),
        ("UAX29Tokenizer", {}, "can't stop.", ["can't", "stop"]),
        ("LowercaseFilter", {}, ["ΣΑΣ"], ["σας"]),
        ("StopwordFilter", {"stopword_list": ["x"]}, ["the", "x", "fox"], ["fox"]),
        ("PunctuationFilter", {"extras": "¿"}, ["!", "¿", "...", "a"], ["...", "a"]),
        ("PossessiveFilter", {}, ["dog's"], ["dog"]),
        ("StemmingFilter", {"language": "english"}, ["cats"], ["cat"]),
        ("PorterFilter", {}, ["agreed"], ["agre"]),
    ],
)
def test_each_step_that_yaml_can_name(name, params, value, expected):
    step = CLASSES[name](**params)
    method = step.tokenize if name.endswith("Tokenizer") else step.apply
    assert method(value) == expected


def test_each_step_that_yaml_can_name_has_a_case():
    (cases,) = (mark.args[1] for mark in test_each_step_that_yaml_can_name.pytestmark if mark.name == "parametrize")
    of_packages = {name for name, step in CLASSES.items() if getattr(step, "__module__", "") == cjk.__name__}
    assert {case[0] for case in cases} == set(CLASSES) - of_packages


def test_simple_lower_case_has_no_final_sigma():
    assert SimpleLowercaseFilter().apply(["ΣΑΣ", "ABC"]) == ["σασ", "abc"]


@pytest.mark.parametrize("character", [chr(code) for code in range(33, 127) if not chr(code).isalnum()])
def test_every_ascii_punctuation_mark_is_dropped(character):
    assert PunctuationFilter().token(character) is None
    assert PunctuationFilter().token(character * 2) == character * 2
