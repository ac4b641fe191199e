"""Texts that tokenizers read alike or not: words and characters in several written forms, and long texts."""

import string
from collections.abc import Iterator

FORMS = (
    *("Stone", "stone", "STONE", "МИР", "мир", "ΛΟΓΟΣ", "λογος", "λογοσ", "Äpfel", "äpfel", "Apfel", "apfel", "ǅ", "ǆ"),
    *("İzmir", "izmir", "ıslak", "islak", "Straße", "straße", "strasse", "ᲗᲑ", "თბ", "ⅷ", "Ⅷ"),
    *("café", "cafe", "cafe\u0301", "ещё", "еще", "한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8", "한국어", "कि", "क"),
    *("שָׁלוֹם", "שלום", "สวัสดี", "สวสด", "مَرْحَبا", "مرحبا", "naïve", "naive", "がく", "かく", "a\u20ddb", "ab"),
    *("ﬁne", "fine", "①", "1", "ＡＢＣ", "abc", "x²", "x2", "½", "1⁄2", "ｶﾅ", "カナ"),
    *("a\x01b", "a b", "a\tb", "a\nb", "a\r\nb", "a\u200bb", "a\u00adb", "a\ufeffb", "a\u00a0b", "a\u3000b"),
    *("a\u2028b", "a\x7fb", "a\ue000b", "a\ufffdb", "a\x00b", "  a   b ", "a\u0085b"),
    *("a1", "a 1", "12", "1 2", "v2.0", "v 2 . 0", "x_y", "x _ y", "--", "- -", "?!", "? !", "“one”", "“ one ”", "one"),
    *("“ one", "one ”", "…", "¿que", "que", "€5", "€ 5", "5", "×2", "× 2", "2", "°c", "° c", "c"),
    *("春海", "春 海", "㐀海", "㐀 海", "らー", "ら ー", "ラメ", "ラ メ", "안녕", "안 녕"),
    *("[SEP] x", "[ SEP ] x", "[sep] x", "x", "[CLS] x", "[MASK] x", "[ MASK ] x", "[PAD] x", "[UNK] x", "x [SEP]"),
    *("🧿", "🧿 x", "🧿🧿 x", "x🧿", "x🧿y", "xy", "x y", "y🧿", "[UNK]", "🚀", "🚀 x", "x x"),
    *("x" * characters for characters in (16, 24, 32, 40, 50, 64, 80, 99, 100, 101, 128, 150, 200, 201, 255, 256, 512)),
    *("z" * 101, "\u0436" * 40, "\u0436" * 60, "\u0448" * 60, "\u30e9" * 40),
    *("x [UNK]", "x 🧿", "x🧿 y", "x y🧿", "caf?", "caf", "naive?", "ab?", "A\u0308pfel", "a\u0308pfel", "\u00c4pfel"),
    *("<b>x</b>", "<b> x", "x<br>y", "&lt;5", "<5", "&amp;", "&", "x 12", "x 0", "x 00", "x 3", "http://a.b/c x"),
    *(
        "first",
        "first\nsecond",
        "first second",
        "firstsecond",
        "goool",
        "gool",
        "don't",
        "dont",
        "U.S.",
        "us",
        "y x",
        "x y x",
    ),
    *("the x", "of x", "is x", "and x", "x the", "X", "x  ", "x.", "xs", "x x y", "running", "run", "runs"),
    *("embeddings", "em bed ding s", "tokenizers", "token izer s", "", " "),
)
PUNCTUATED = tuple(f"ab{mark}cd" for mark in string.punctuation)
APART = tuple(f"ab {mark} cd" for mark in string.punctuation)
WORDS = (
    "red",
    "sun",
    "war",
    "law",
    "art",
    "sea",
    "oil",
    "air",
    "gas",
    "ice",
    "dog",
    "box",
    "car",
    "day",
    "eye",
    "fire",
)
LENGTHS = (64, 128, 512)
LONGEST = 600
MANY_WORDS = 40
REPEATED = 7  # every so many texts one is run twice, beside other ones, which shows the noise


def _words(start: int, end: int) -> str:
    """Words of one token each; the sequence does not repeat within `LONGEST` words."""
    return " ".join(WORDS[(i * i + i // 7) % len(WORDS)] for i in range(start, end))


def long_texts(max_length: int) -> Iterator[str]:
    """A text beyond every limit, and what may be left of it under each usual limit, side and count of tokens."""
    yield _words(0, LONGEST)
    for length in sorted({*LENGTHS, max_length}):
        for kept in (length - 2, length - 1, length):
            yield _words(0, kept)
        kept = length - 2
        yield _words(LONGEST - kept, LONGEST)
        for head in (round(kept / 2), round(kept / 4)):
            yield f"{_words(0, head)} {_words(LONGEST - (kept - head), LONGEST)}"


def probes(max_length: int) -> list[str]:
    """All texts, each once."""
    return list(dict.fromkeys((*FORMS, *PUNCTUATED, *APART, "ab cd", "abcd", *long_texts(max_length))))


def is_long(text: str) -> bool:
    """Whether a probe has many words, so that truncation shows in it."""
    return text.count(" ") > MANY_WORDS
