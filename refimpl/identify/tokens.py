"""Tokenisation: which written forms match each other, in documents and in queries separately."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refimpl.identify.ask import Probe, Scores
from refimpl.identify.collection import background_of
from refimpl.identify.probes import SETTINGS

PAIRS = {
    "case (Marok, marok)": ("marok", "Marok"),
    "capitals (TADOK, tadok)": ("tadok", "TADOK"),
    "accents (pélik, pelik)": ("pelik", "p\u00e9lik"),
    "decomposed accents (norék)": ("nor\u00e9k", "nore\u0301k"),
    "sharp s (große, grosse)": ("grosse", "gro\u00dfe"),
    "ligature (ﬁlter, filter)": ("filter", "\ufb01lter"),
    "full width (ｗｏｒｄ, word)": ("word", "\uff57\uff4f\uff52\uff44"),
    "final sigma (οδος, ΟΔΟΣ)": ("\u03bf\u03b4\u03bf\u03c2", "\u039f\u0394\u039f\u03a3"),
    "Cyrillic capitals (Москва, москва)": (
        "\u043c\u043e\u0441\u043a\u0432\u0430",
        "\u041c\u043e\u0441\u043a\u0432\u0430",
    ),
    "dotted capital I (İzmir, izmir)": ("izmir", "\u0130zmir"),
    "plural (lamps, lamp)": ("lamp", "lamps"),
    "participle (jumping, jump)": ("jump", "jumping"),
    "derivation (connection, connect)": ("connect", "connection"),
    "irregular plural (mice, mouse)": ("mouse", "mice"),
    "possessive (farmer's, farmer)": ("farmer", "farmer's"),
    "one letter changed (kavelog, kavelok)": ("kavelok", "kavelog"),
}
"""Name -> a plain form and another one of it."""
PARTS = {
    "hyphen (vodop-razok)": ("vodop-razok", "razok"),
    "underscore (vidop_rizok)": ("vidop_rizok", "rizok"),
    "apostrophe (l'amarok)": ("l'amarok", "amarok"),
    "slash (vedop/rezok)": ("vedop/rezok", "rezok"),
    "dot (nudop.kom)": ("nudop.kom", "nudop"),
    "decimal point (31.47)": ("31.47", "31"),
    "comma (kipok,)": ("kipok,", "kipok"),
    'quotes ("zapok")': ('"zapok"', "zapok"),
    "hash (#fedok)": ("#fedok", "fedok"),
    "at sign (@gurok)": ("@gurok", "gurok"),
    "plus signs (d++)": ("d++", "d"),
    "letters and digits (bim529)": ("bim529", "bim"),
    "inner capitals (dopuKamel)": ("dopuKamel", "kamel"),
    "prefix (tumokad, tumok)": ("tumokad", "tumok"),
    "substring (sifolekur, folek)": ("sifolekur", "folek"),
    "CJK bigram (東京都庁, 東京)": ("\u6771\u4eac\u90fd\u5e81", "\u6771\u4eac"),
    "CJK character (北海道, 海)": ("\u5317\u6d77\u9053", "\u6d77"),
}
"""Name -> a written form and a part of it."""
CYRILLIC = "\u043f\u0440\u0438\u0432\u0435\u0442"
WHOLES = {
    "one letter (q)": "q",
    "two letters (vy)": "vy",
    "three letters (wuq)": "wuq",
    "one digit (7)": "7",
    "number (12345)": "12345",
    "word of 50 letters": "pakidelo" * 6 + "pa",
    "word of 300 letters": "mudekila" * 37 + "mude",
    "emoji (😀)": "\U0001f600",
    "CJK (大阪)": "\u5927\u962a",
    "Thai (สวัสดี)": "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "Cyrillic (привет)": CYRILLIC,
    "stop word (the)": "the",
    "stop word (and)": "and",
    "stop word (about)": "about",
    "German stop word (und)": "und",
}
"""Name -> a form that may be dropped."""
SHORT_WORDS = ("one letter (q)", "two letters (vy)", "three letters (wuq)")
SHORT, LONG, FILLER, STOPS = "sarok", "sirok", "surok", "the"
REPEATED = f" {STOPS}" * 5  # of the other document; not so often that an idf of occurrences is negative
ALONE = "kavelok"
OUTSIDE, OUTSIDE_WORDS = "serok", " \u0441\u043b\u043e\u0432\u043e" * 5  # of a third document


CASE, CAPITALS = "case (Marok, marok)", "capitals (TADOK, tadok)"
FOLDED = {
    CASE: "case folded",
    "accents (pélik, pelik)": "accents removed",
    "plural (lamps, lamp)": "stemmed",
}
"""Name of a pair -> what it is called where its forms are one."""
CHANGED = "one letter changed (kavelog, kavelok)"
STOP_WORDS = "length of a document of stop words"
OUTSIDE_ASCII, NOT_COUNTED = "length of a document of Cyrillic words", "words outside ASCII do not count"


LENGTHS = (STOP_WORDS, OUTSIDE_ASCII)


@dataclass(frozen=True)
class Token:
    """One probe's result in words, and whether every form was treated as a whitespace tokenizer would."""

    name: str
    result: str
    plain: bool


def _documents() -> list[str]:
    pairs = [form for forms in PAIRS.values() for form in forms]
    return [
        *pairs,
        *(whole for whole, _ in PARTS.values()),
        *WHOLES.values(),
        f"{SHORT} {FILLER}",
        f"{LONG} {FILLER}{REPEATED}",
        f"{OUTSIDE} {FILLER}{OUTSIDE_WORDS}",
    ]


def _queries() -> list[str]:
    pairs = [form for forms in PAIRS.values() for form in forms]
    parts = [form for forms in PARTS.values() for form in forms]
    return [*pairs, *parts, *WHOLES.values(), SHORT, LONG, OUTSIDE]


def probe() -> Probe:
    """One document per form and one query per form; two documents of which one has stop words too.

    Those have a second word: some implementations favour a document that equals the query.
    """
    return Probe(tuple(_documents()), tuple(_queries()), *SETTINGS["first"])


def read(scores: Scores) -> list[Token]:
    """Interpret the matches of the probe's scores; a row of NaN is a query that was refused."""
    documents, queries = _documents(), _queries()
    background = [background_of(row) for row in scores]
    refused = {query for query, row in zip(queries, scores, strict=True) if np.isnan(row).any()}

    def match(query: str, document: str) -> bool:
        row = queries.index(query)
        return bool(scores[row, documents.index(document)] != background[row])

    if ALONE not in refused and not match(ALONE, ALONE):  # a document of one word has no score
        return [_refused(name, "a document of one word has no score") for name in (*PAIRS, *PARTS, *WHOLES, *LENGTHS)]
    found = []
    for name, (plain, other) in PAIRS.items():
        cells = match(plain, other), match(other, plain), match(other, other), match(plain, plain)
        found.append(_refused(name) if {plain, other} & refused else _pair(name, plain, other, *cells))
    for name, (whole, part) in PARTS.items():
        both = match(part, whole), match(whole, whole)
        found.append(_refused(name) if {whole, part} & refused else _part(name, *both))
    for name, whole in WHOLES.items():
        found.append(_refused(name) if whole in refused else _whole(name, match(whole, whole)))
    words = {word: float(scores[queries.index(word), row]) for word, row in ((SHORT, -3), (LONG, -2), (OUTSIDE, -1))}
    alone = float(scores[queries.index(ALONE), documents.index(ALONE)])
    found.append(_stop_words(words[SHORT], words[LONG], match(STOPS, STOPS)))
    return [*found, _outside_ascii(alone, words[SHORT], words[OUTSIDE], match(CYRILLIC, CYRILLIC))]


def _refused(name: str, why: str = "a query was refused") -> Token:
    return Token(name, f"not measured: {why}", False)


def _pair(name: str, plain: str, other: str, in_docs: bool, in_queries: bool, same: bool, itself: bool) -> Token:
    """`in_docs`: the plain query matches the other form in a document; `in_queries`: the other way round."""
    if in_docs and in_queries and same:
        return Token(name, "match each other", False)
    if not itself:
        return Token(name, "the plain form matches nothing, itself included", False)
    if in_docs and not same:
        return Token(name, f"{other} becomes {plain} in documents only", False)
    if in_queries and not same:
        return Token(name, f"{other} becomes {plain} in queries only", False)
    if in_docs or in_queries:
        side = f"{plain} finds {other}" if in_docs else f"{other} finds {plain}"
        return Token(name, f"{side}, not the other way round", False)
    if not same:
        return Token(name, f"{other} matches nothing, itself included", False)
    return Token(name, "are different terms", True)


def _part(name: str, part: bool, whole: bool) -> Token:
    if part and whole:
        return Token(name, "the part finds the whole", False)
    if part:
        return Token(name, "split in documents; the written form as a query finds nothing", False)
    if whole:
        return Token(name, "one term", True)
    return Token(name, "found neither by itself nor by its part", False)


def _whole(name: str, found: bool) -> Token:
    return Token(name, "kept" if found else "dropped", found)


def _outside_ascii(alone: float, short: float, long: float, matched: bool) -> Token:
    """`alone`, `short` and `long`: scores of a word in documents of 1 and 2 words, and of 2 and 5 Cyrillic ones."""
    if not alone * short * long or np.isnan(alone + short + long):
        return Token(OUTSIDE_ASCII, "not measured: a probe word was not found", False)
    if not matched or alone == short or abs(long - short) > 1e-9 * abs(short):
        return Token(OUTSIDE_ASCII, "they count as others do, or are no terms, or lengths have no effect", True)
    return Token(OUTSIDE_ASCII, NOT_COUNTED, False)


def _stop_words(short: float, long: float, matched: bool) -> Token:
    """`short` and `long`: scores of a word in documents of 2 words, and of 2 and 5 stop words."""
    name = STOP_WORDS
    if not short or not long or np.isnan(short + long):
        return Token(name, "not measured: a probe word was not found", False)
    if matched:
        return Token(name, "stop words are terms like others", True)
    if abs(long - short) <= 1e-9 * abs(short):
        return Token(name, "stop words do not count: they are removed from documents, or lengths have no effect", False)
    return Token(name, "stop words count in the length and are removed from queries only", False)


def summary(tokens: Sequence[Token]) -> str:
    """One clause about all probes."""
    by_name = {token.name: token for token in tokens}
    if all(token.plain for token in tokens if token.name != OUTSIDE_ASCII):
        return "terms as whitespace separates them"
    if by_name[CHANGED].result == "match each other":
        return "parts of words match: n-grams, or words that are spelled alike"
    capitals = by_name[CAPITALS]
    phrases = [
        f"{phrase}{_side(by_name[name].result)}"
        for name, phrase in FOLDED.items()
        if not by_name[name].plain and _side(by_name[name].result) is not None
    ]
    if phrases[:1] == [FOLDED[CASE]] and capitals.plain:
        phrases[0] += ", but not words in capitals"
    if by_name["substring (sifolekur, folek)"].result.startswith(("the part", "split")):
        phrases.append("substrings match")
    elif by_name["prefix (tumokad, tumok)"].result.startswith(("the part", "split")):
        phrases.append("prefixes match")
    elif by_name["comma (kipok,)"].result.startswith(("the part", "split")):
        phrases.append("punctuation separates")
    if shortest := sum(by_name[name].result == "dropped" for name in SHORT_WORDS):
        phrases.append(f"words of under {shortest + 1} letters dropped")
    if by_name["stop word (the)"].result == "dropped" and shortest < len(STOPS):
        from_queries = "from queries only" in by_name[STOP_WORDS].result
        phrases.append("stop words removed" + (" from queries only" if from_queries else ""))
    return ", ".join(phrases)


def _side(result: str) -> str | None:
    """Where two forms are one, from a pair's result: "" for everywhere; None where it is no folding."""
    if result == "match each other":
        return ""
    return next((f" {side}" for side in ("in documents only", "in queries only") if result.endswith(side)), None)
