"""Tokenisation: which written forms match each other, in documents and in queries separately."""

import itertools

import numpy as np

from refimpl.identify import counted
from refimpl.identify.ask import Probe, Scores
from refimpl.identify.collection import background_of
from refimpl.identify.counted import Token
from refimpl.identify.probes import SETTINGS

PAIRS = {
    "case (Marok, marok)": ("marok", "Marok"),
    "capitals (TADOK, tadok)": ("tadok", "TADOK"),
    "accents (pélik, pelik)": ("pelik", "p\u00e9lik"),
    "decomposed accents (norké)": ("nork\u00e9", "norke\u0301"),  # split at letters beyond ASCII, they share no part
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
    "hyphen left out (kovam-dilep, kovamdilep)": ("kovamdilep", "kovam-dilep"),
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
    "Cyrillic (привет)": "\u043f\u0440\u0438\u0432\u0435\u0442",
    "one Cyrillic letter (я)": "\u044f",
    "stop word (the)": "the",
    "stop word (and)": "and",
    "stop word (about)": "about",
    "German stop word (und)": "und",
}
"""Name -> a form that may be dropped."""
PREFIX, SUBSTRING = "prefix (tumokad, tumok)", "substring (sifolekur, folek)"
WITH_ANOTHER_SCORE = ", with another score"
ALONE = "kavelok"


def _documents() -> list[str]:
    pairs = [form for forms in PAIRS.values() for form in forms]
    return [
        *pairs,
        *(whole for whole, _ in PARTS.values()),
        *WHOLES.values(),
        *counted.documents(),
    ]


def _queries() -> list[str]:
    pairs = [form for forms in PAIRS.values() for form in forms]
    parts = [form for forms in PARTS.values() for form in forms]
    return [*pairs, *parts, *WHOLES.values(), *counted.queries()]


def probe() -> Probe:
    """One document per form and one query per form; documents of several words, whose lengths are compared."""
    return Probe(tuple(_documents()), tuple(_queries()), *SETTINGS["first"])


def cells() -> dict[str, list[tuple[str, str]]]:
    """Name -> the queries and documents whose matches decide its result."""
    found = {name: list(itertools.product(forms, forms)) for name, forms in PAIRS.items()}
    found |= {name: [(part, whole), (whole, whole)] for name, (whole, part) in PARTS.items()}
    return found | {name: [(whole, whole)] for name, whole in WHOLES.items()}


def read(scores: Scores) -> list[Token]:
    """Interpret the matches of the probe's scores; a row of NaN is a query that was refused."""
    documents, queries = _documents(), _queries()
    background = [background_of(row) for row in scores]
    refused = {query for query, row in zip(queries, scores, strict=True) if np.isnan(row).any()}

    def match(query: str, document: str) -> bool:
        row = queries.index(query)
        return bool(scores[row, documents.index(document)] != background[row])

    def score(query: str, document: str) -> float:
        return float(scores[queries.index(query), documents.index(document)])

    if ALONE not in refused and not match(ALONE, ALONE):  # a document of one word has no score
        every = (*PAIRS, *PARTS, *WHOLES, *counted.ROWS)
        return [_refused(name, "a document of one word has no score") for name in every]
    found = []
    for name, (plain, other) in PAIRS.items():
        cells = match(plain, other), match(other, plain), match(other, other), match(plain, plain)
        found.append(_refused(name) if {plain, other} & refused else _pair(name, plain, other, *cells))
    for name, (whole, part) in PARTS.items():
        both = match(part, whole), match(whole, whole)
        equal = name not in (PREFIX, SUBSTRING) or np.isclose(score(part, whole), score(whole, whole), rtol=1e-6)
        found.append(_refused(name) if {whole, part} & refused else _part(name, *both, bool(equal)))
    for name, whole in WHOLES.items():
        found.append(_refused(name) if whole in refused else _whole(name, match(whole, whole)))
    return [*found, *counted.read(score, match)]


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


def _part(name: str, part: bool, whole: bool, equal: bool) -> Token:
    """`part`, `whole`: whether each finds the whole form; `equal`: whether with the same score."""
    if part and whole:
        return Token(name, "the part finds the whole" + ("" if equal else WITH_ANOTHER_SCORE), False)
    if part:
        return Token(name, "split in documents; the written form as a query finds nothing", False)
    if whole:
        return Token(name, "one term", True)
    return Token(name, "found neither by itself nor by its part", False)


def _whole(name: str, found: bool) -> Token:
    return Token(name, "kept" if found else "dropped", found)
