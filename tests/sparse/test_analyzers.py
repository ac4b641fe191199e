"""Analyzers: what each makes of a text, fingerprints, pickling, YAML, missing data."""

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
from refimpl.sparse.analyzers import Analyzer, AnalyzerDataWarning, punkt, stem_english, stopwords, uax29
from refimpl.sparse.analyzers import memo as memory
from refimpl.sparse.analyzers.build import READY_MADE
from refimpl.sparse.analyzers.memo import Memo
from refimpl.sparse.analyzers.steps import LowercaseFilter, PatternTokenizer, StemmingFilter, StopwordFilter
from refimpl.sparse.corpus import term_ids, tokenize

TEXT = "The Foxes' dens aren't far; O'Neil's dog (aged 3.5) saw e-mails, U.S. flights & naïve cats."


# Worked out by hand from the rules of each.
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


def test_lucene_keeps_uax29_words_and_cuts_the_very_long():
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


def test_uax29_of_ascii_is_uax29():
    for text in (TEXT, "a..b a._b _a 3.a 3_4 'a' a'b'c 1'2 x.5 _. a:1 ,5 \x00a\x7fb"):
        assert uax29.words(text) == uax29.WORD.findall(text)


def test_possessive_and_lower_case_as_lucene():
    analyzer = build_analyzer("lucene-english")
    assert analyzer("CAT'S dog’S pig＇s boss's") == ["cat", "dog", "pig", "boss"]
    assert build_analyzer("milvus-standard")("ΣΟΦΟΣ İ") == ["σοφοσ", "i̇"]  # no final sigma


@pytest.mark.parametrize("name", READY_MADE)
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


def test_steps_of_ones_own():
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
        ("bad", "a step needs a class out of"),
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
    with pytest.raises(ValueError, match="language must be one of en, de, fr, ru, sp, it, pt; got 'es'"):
        build_default_analyzer("es")
    with pytest.raises(ValueError, match="'zh' is tokenised by jieba"):
        build_default_analyzer("zh")
    with pytest.raises(TypeError, match="takes one str, got list"):
        build_analyzer("simple")(["a"])
    with pytest.raises(ValueError, match="no stop words for 'klingon': choose from albanian"):
        StopwordFilter("klingon")
    with pytest.raises(ValueError, match="no stemmer for 'klingon'"):
        StemmingFilter("klingon")


@pytest.mark.parametrize("text", ["", " \n\t", "...", "' \" '", "\x00\x1c\x1f", "\ud800", "!?" * 3000, "a" * 100_000])
@pytest.mark.parametrize("name", READY_MADE)
def test_odd_texts_are_no_error(name, text):
    tokens = build_analyzer(name)(text)
    assert all(isinstance(token, str) and token for token in tokens)


def test_without_nltk_data_it_works_and_says_what_differs(monkeypatch, tmp_path, caplog):
    def unavailable(name: str) -> Path:
        raise models.ModelUnavailableError(f"{name} could not be had")

    whole = build_default_analyzer("en")
    monkeypatch.setattr(models, "path", unavailable)
    stopwords.nltk_data.cache_clear()
    try:
        with caplog.at_level(logging.INFO), pytest.warns(AnalyzerDataWarning, match="taken as one sentence") as caught:
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


def test_a_memo_forgets_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(memory, "MOST", 100)
    asked = []
    memo = Memo(lambda word: asked.append(word) or len(word))
    assert [memo["a"], memo["a"], memo["bb"]] == [1, 1, 2]
    assert asked == ["a", "bb"]
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
def test_the_plain_pattern_splits_as_re_does(text):
    assert PatternTokenizer().tokenize(text) == re.findall(r"\w+", text)


def test_every_ascii_character_is_a_word_character_here_where_it_is_in_re():
    text = "".join(f"a{chr(code)}b " for code in range(128))
    assert PatternTokenizer().tokenize(text) == re.findall(r"\w+", text)


def test_blanks_around_a_sentences_end_are_the_regex_librarys():
    found = {code for code in range(0x110000) if punkt.CANDIDATE.match(f".{chr(code)}-")}
    assert found == {code for code in range(0x110000) if regex.match(r"""[\s)";}\]*:@'({\[‘’“”«»?!]""", chr(code))}


def test_a_stem_step_is_left_out_only_where_it_changes_nothing(monkeypatch):
    plural = ["'", "'s", "'s'", "sses", "ied", "ies", "us", "ss", "s"]
    other = ["eedly", "ingly", "edly", "eed", "ing", "ed", "y", "e", "l"]
    suffixes = (*plural, *other, *stem_english.ENDINGS_2, *stem_english.ENDINGS_3, *stem_english.STEP_4)
    starts = ("", "sky", "hopp", "relat", "communit", "generall", "tradition")
    words = [start + suffix + more for start in starts for suffix in suffixes for more in ("", "s", "ly", "ing")]
    quick = [stem_english.stem(word) for word in words]
    monkeypatch.setattr(
        stem_english, "STEPS", tuple(("'abcdefghijklmnopqrstuvwxyzY", step) for _, step in stem_english.STEPS)
    )
    assert quick == [stem_english.stem(word) for word in words]


@given(st.lists(st.text("aAbB. ", max_size=12), max_size=6))
def test_tokens_are_numbered_by_the_terms_that_filters_make_of_them(texts):
    analyzer = Analyzer("mine", PatternTokenizer(), filters=[LowercaseFilter(), StopwordFilter(stopword_list=["bb"])])
    found = tokenize(texts, analyzer)
    expected = [[word.lower() for word in re.findall(r"\w+", text)] for text in texts]
    expected = [[word for word in words if word not in ("a", "bb")] for words in expected]  # "a" is a stop word
    order = list(dict.fromkeys(word for words in expected for word in words))
    assert found.terms == order
    assert found.lengths.tolist() == list(map(len, expected))
    assert found.ids.tolist() == [order.index(word) for words in expected for word in words]


@pytest.mark.usefixtures("unchecked")
def test_token_lists_hold_words_only():
    with pytest.raises(TypeError, match="a token must be a str, got int"):
        term_ids([["a", 3]])
