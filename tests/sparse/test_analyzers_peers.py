"""Tokenizers and stemmers against NLTK, tantivy and milvus-lite, token by token."""

import json
import random
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from language_texts import words_seen

from refimpl import build_analyzer, models
from refimpl.sparse.analyzers import stem_english, stem_german, stem_porter, uax29
from refimpl.sparse.analyzers.nltk_words import StandardTokenizer
from refimpl.sparse.analyzers.punkt import PunktParameters, PunktSentences
from refimpl.sparse.analyzers.treebank import TreebankWords, rewrite

pytestmark = [pytest.mark.peer, pytest.mark.usefixtures("nltk_data_path")]
SHARED = Path(__file__).parents[3] / "shared" / "collections"

PIECES = (
    *(
        "can't",
        "cannot",
        "Mr.",
        "U.S.",
        "e.g.",
        '"',
        "''",
        "``",
        "'tis",
        "wanna",
        "gonna",
        "d'ye",
        "...",
        "A.",
        "5.",
        "3.14",
    ),
    *(
        "(",
        ")",
        ".",
        "?",
        "!",
        ",",
        ":",
        "--",
        "he'll",
        "Dr.",
        "\n",
        "\t",
        " ",
        "The",
        "the",
        "and",
        "’s",
        "”",
        "“",
        "x",
        "'",
    ),
    *(
        "Jan",
        "al.",
        "No.",
        "-",
        "#",
        "[",
        "}",
        "<",
        "more'n",
        "\x1c",
        "\x85",
        "\u3000",
        "«",
        "‘",
        "—",
        "é",
        "İ",
        "ſ",
        "\u0301",
    ),
)


@pytest.fixture(scope="module")
def sentences() -> PunktSentences:
    return PunktSentences(PunktParameters.read(models.path("nltk-data") / "tokenizers/punkt_tab/english"))


def collection(name: str) -> list[str]:
    file = SHARED / name / "corpus.jsonl"
    if not file.is_file():
        pytest.skip(f"{name} is not part of this project; put its BEIR folder at ../shared/collections/{name}")
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return [f"{line['title']}\n{line['text']}" for line in lines]


def docstrings() -> list[str]:
    """The first 8,000 characters of modules of two large libraries, code included."""
    import nltk
    import scipy

    files = [file for library in (nltk, scipy) for file in sorted(Path(library.__file__).parent.rglob("*.py"))]
    return [file.read_text("utf-8", errors="replace")[:8000] for file in files[::9]]


@pytest.mark.parametrize("name", ["nfcorpus", "cranfield", "python"])
def test_words_equal_nltks(name):
    from nltk.tokenize import word_tokenize

    texts = docstrings() if name == "python" else collection(name)
    tokenizer = StandardTokenizer()
    for text in texts[::6]:
        assert tokenizer.tokenize(text) == word_tokenize(text)


def test_sentences_and_words_of_scrambled_pieces_equal_nltks(sentences):
    from nltk.tokenize import NLTKWordTokenizer, sent_tokenize

    theirs, ours = NLTKWordTokenizer(), TreebankWords()
    rng = random.Random(0)
    for _ in range(5_000):
        text = "".join(rng.choice(PIECES) + rng.choice(["", "", " ", " ", "\n"]) for _ in range(rng.randint(1, 9)))
        assert ours(text) == theirs.tokenize(text), text
        assert list(rewrite(text, first=True, last=True)) == theirs.tokenize(text), text
        assert sentences(text) == sent_tokenize(text), text


ONE_TOKENIZER = StandardTokenizer()


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=60))
def test_words_of_any_text_equal_nltks(text):
    from nltk.tokenize import word_tokenize

    assert ONE_TOKENIZER.tokenize(text) == word_tokenize(text)


def scrambled(endings: str, seed: int, n: int = 8000) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choice(endings.split()) for _ in range(rng.randint(1, 5))) for _ in range(n)]


ENGLISH = (
    "at bl iz ing ed ation ator ly li e s y ee tion al ness ful ive a b t ' ogi logi ous iti c l ll ment ic ion ss z x"
    " w yy gener commun arsen ’ eed eedly ingly sses ied ational izer"
)
GERMAN = "ern em er en es e s est st isch lich heit keit end ung ig ik niss a b ä ö ü ß u y au t r k g ei aya x"


def test_english_stems_equal_nltks():
    from nltk.stem.snowball import SnowballStemmer

    theirs = SnowballStemmer("english")
    for word in [*words_seen("english"), *scrambled(ENGLISH, 1)]:
        assert stem_english.stem(word) == theirs.stem(word)


def test_german_stems_equal_nltks():
    from nltk.stem.snowball import SnowballStemmer

    theirs = SnowballStemmer("german")
    for word in [*words_seen("german")[::3], *scrambled(GERMAN, 2)]:
        assert stem_german.stem(word) == theirs.stem(word)


def test_porter_stems_equal_the_authors_program():
    from nltk.stem.porter import PorterStemmer

    theirs = PorterStemmer(mode=PorterStemmer.MARTIN_EXTENSIONS)
    for word in [*words_seen("english"), *scrambled(ENGLISH.replace("'", "").replace("’", ""), 3)]:
        if word.isascii() and word.isalpha():
            assert stem_porter.stem(word) == theirs.stem(word)


def test_uax29_words_equal_the_regex_librarys_segments():
    """Its \\b follows the annex, except at an apostrophe before a vowel and a mark before a middle dot."""
    boundary = regex.compile(r"\b", regex.WORD | regex.V1)
    content = regex.compile(r"[\p{WB=ALetter}\p{WB=Numeric}\p{WB=Katakana}\p{Han}\p{Hiragana}]", regex.V1)
    letters = "xb1 2.,:;'\"_-·カタ한글漢字ひら٣３\u3031\n\r"
    rng = random.Random(4)
    for _ in range(20_000):
        text = "".join(rng.choice(letters) for _ in range(rng.randint(1, 12)))
        assert uax29.words(text) == [part for part in boundary.split(text) if content.search(part)], text


def test_milvus_standard_equals_tantivys_simple_tokenizer():
    import tantivy

    theirs = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).filter(tantivy.Filter.lowercase()).build()
    ours = build_analyzer("milvus-standard")
    texts = ["The 2 QUICK Brown-Foxes dog's 32.3 中文 foo_bar ΣΟΦΟΣ Straße ½ ² Ⅷ ٣ नमस्ते é e\u0301", *docstrings()[::4]]
    for text in texts:
        assert ours(text) == theirs.analyze(text)


def test_simple_equals_milvus_lites_standard_analyzer():
    from milvus_lite.analyzer.standard import StandardAnalyzer

    theirs, ours = StandardAnalyzer(), build_analyzer("simple")
    for text in ["The quick_brown fox's 3.5 ΣΟΦΟΣ नमस्ते", *docstrings()[::4]]:
        assert ours(text) == theirs.tokenize(text)
