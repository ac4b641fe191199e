"""What the tokenisation probes show together, in one clause."""

from collections.abc import Iterator, Mapping, Sequence

from refimpl.identify import counted
from refimpl.identify.counted import Token
from refimpl.identify.tokens import PREFIX, SUBSTRING, WITH_ANOTHER_SCORE

CASE, CAPITALS = "case (Marok, marok)", "capitals (TADOK, tadok)"
FOLDED = {
    CASE: "case folded",
    "accents (pélik, pelik)": "accents removed",
    "plural (lamps, lamp)": "stemmed",
}
"""Name of a pair -> what it is called where its forms are one."""
CYRILLIC_CASE, CYRILLIC = "Cyrillic capitals (Москва, москва)", "Cyrillic (привет)"
CHANGED = "one letter changed (kavelog, kavelok)"
COMMA = "comma (kipok,)"
LEFT_OUT = "hyphen left out (kovam-dilep, kovamdilep)"
INNER = {"hyphen": "hyphen (vodop-razok)", "apostrophe": "apostrophe (l'amarok)", "slash": "slash (vedop/rezok)"}
INNER |= {"dot": "dot (nudop.kom)"}
OUTER = {"decimal point": "decimal point (31.47)", "hash": "hash (#fedok)", "at sign": "at sign (@gurok)"}
OUTER |= {"plus signs": "plus signs (d++)"}
SHORT_WORDS = ("one letter (q)", "two letters (vy)", "three letters (wuq)")
STOP_WORD, STOP_LENGTH = "stop word (the)", 3
LONG_WORDS = {"word of 50 letters": "words of 50 letters", "word of 300 letters": "words of 300 letters"}
SCRIPTS = {"CJK": "CJK (大阪)", "Thai": "Thai (สวัสดี)", "Cyrillic": CYRILLIC}
ONE_TERM, DROPPED = "one term", "dropped"

Results = Mapping[str, str]
"""Name of a probe -> its result in words."""


def as_white_space(tokens: Sequence[Token]) -> bool:
    """Whether every form is treated as by a tokenizer that splits at white space."""
    return all(token.plain for token in tokens if token.name not in counted.ROWS)


def summary(tokens: Sequence[Token]) -> str:
    """One clause about all probes."""
    if as_white_space(tokens):
        return "terms as whitespace separates them"
    results = {token.name: token.result for token in tokens}
    if results[CHANGED] == "match each other":
        return "parts of words match: n-grams, or words that are spelled alike"
    return ", ".join([*_folded(results), *_parts(results), *_dropped(results)])


def _folded(results: Results) -> Iterator[str]:
    for name, phrase in FOLDED.items():
        if (side := _side(results[name])) is None:
            continue
        ascii_only = results[CYRILLIC_CASE] == "are different terms" and results[CYRILLIC] != DROPPED
        letters = " (of ASCII letters only)" if name == CASE and ascii_only else ""
        capitals = ", but not words in capitals" if name == CASE and results[CAPITALS] == "are different terms" else ""
        yield f"{phrase}{letters}{side}{capitals}"


def _side(result: str) -> str | None:
    """Where two forms are one, from a pair's result: "" for everywhere; None where it is no folding."""
    if result == "match each other":
        return ""
    return next((f" {side}" for side in ("in documents only", "in queries only") if result.endswith(side)), None)


def _parts(results: Results) -> Iterator[str]:
    """Whether parts of words match, or what separates words."""
    for name, words in ((SUBSTRING, "substrings match"), (PREFIX, "prefixes match")):
        if _splits(results[name]):
            yield words + (WITH_ANOTHER_SCORE if results[name].endswith(WITH_ANOTHER_SCORE) else "")
            return
    if _splits(results[COMMA]):
        side = " in documents only" if results[COMMA].startswith("split") else ""
        kept, also = ([n for n, probe in each.items() if results[probe] == ONE_TERM] for each in (INNER, OUTER))
        if _side(results[LEFT_OUT]) is not None:
            yield f"punctuation deleted{side}"
        elif kept == list(INNER):
            yield f"punctuation dropped at the ends of words{_but(also[1:])}{side}"  # a decimal point is inside one
        else:
            yield f"punctuation separates{_but([*kept, *also])}{side}"


def _but(kept: Sequence[str]) -> str:
    return f" (not {', '.join(kept)})" if kept else ""


def _splits(result: str) -> bool:
    return result.startswith(("the part", "split"))


def _dropped(results: Results) -> Iterator[str]:
    shortest = sum(results[name] == DROPPED for name in SHORT_WORDS)
    if shortest == 1 and results["one Cyrillic letter (я)"] == "kept":
        yield "one-letter ASCII words dropped"
    elif shortest:
        yield f"words of under {shortest + 1} letters dropped"
    if results[STOP_WORD] == DROPPED and shortest < STOP_LENGTH:
        stop_words = next(each for each in counted.CLASSES if each.name == counted.STOP_WORDS)
        still = ", but counted in lengths" if results[stop_words.row] == counted.BUT_COUNTED else ""
        yield f"stop words removed{still}"
    if long := [words for name, words in LONG_WORDS.items() if results[name] == DROPPED]:
        yield f"{long[0]} dropped"
    scripts = [script for script, name in SCRIPTS.items() if results[name] == DROPPED]
    if scripts and not results[COMMA].startswith("split"):  # else marks within a word may separate documents alone
        yield f"{' and '.join(scripts)} dropped"
