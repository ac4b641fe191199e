"""BERT's tokenizer in plain Python (Devlin et al. 2018, tokenization.py), with the faults that a diagnosis has to name.

Nothing of refimpl and of the tokenizers library is in it.
"""

import re
import string
import unicodedata
from dataclasses import dataclass

import regex

SPECIAL = re.compile(r"(\[(?:CLS|SEP|PAD|UNK|MASK)\])")


@dataclass(frozen=True)
class Rules:
    """The defaults are right."""

    lower: str = "characters"
    fold: str = ""
    marks: tuple[str, ...] = ("Mn",)
    hangul: bool = True
    controls: str = "removed"
    kana: bool = False
    special: str = "special"
    punctuation: str = "BERT"
    digits: bool = False
    continued: str = "##"
    longest: int = 100
    unknown: str = "[UNK]"


def pieces(vocabulary: dict[str, int], text: str, rules: Rules) -> list[int]:
    """The ids of a text, without [CLS] and [SEP]."""
    if rules.special == "special":
        parts = SPECIAL.split(text)
    else:
        parts = [text if rules.special == "text" else SPECIAL.sub(" ", text)]
    ids = []
    for part in parts:
        if rules.special == "special" and SPECIAL.fullmatch(part):
            ids.append(vocabulary[part])
            continue
        for word in _words(part, rules):
            ids += _word(vocabulary, word, rules)
    return ids


def _words(text: str, rules: Rules) -> list[str]:
    if rules.lower == "text":
        text = text.lower()
    if rules.fold:
        text = text.casefold() if rules.fold == "case" else unicodedata.normalize(rules.fold, text)
    if rules.lower == "ASCII":
        text = "".join(c.lower() if c in string.ascii_uppercase else c for c in text)
    text = "".join(_cleaned(c, rules) for c in text)
    text = "".join(f" {c} " if _han(c) or (rules.kana and 0x3040 <= ord(c) <= 0x30FF) else c for c in text)
    text = "".join(c for c in _decomposed(text, rules) if unicodedata.category(c) not in rules.marks)
    if rules.lower == "characters":
        text = "".join(c.lower() for c in text)
    return [word for run in text.split() for word in _split(run, rules)]


def _cleaned(c: str, rules: Rules) -> str:
    category = unicodedata.category(c)
    if c in "\t\n\r" or category == "Zs":
        return " "
    if rules.controls == "control kept" and (category == "Cc" or c == "\ufffd"):
        return c
    if c == "\ufffd" or category == "Cc" or (category[0] == "C" and rules.controls != "format kept"):
        return " " if rules.controls == "spaces" else ""
    return c


def _han(c: str) -> bool:
    return 0x4E00 <= ord(c) <= 0x9FFF or 0x3400 <= ord(c) <= 0x4DBF or 0x20000 <= ord(c) <= 0x2A6DF


def _decomposed(text: str, rules: Rules) -> str:
    keep = not rules.hangul
    return "".join(c if keep and "\uac00" <= c <= "\ud7a3" else unicodedata.normalize("NFD", c) for c in text)


def _split(run: str, rules: Rules) -> list[str]:
    marks = {
        "BERT": lambda c: c in string.punctuation or unicodedata.category(c)[0] == "P",
        "Unicode": lambda c: unicodedata.category(c)[0] == "P",
        "ASCII": lambda c: c in string.punctuation,
        "no underscore": lambda c: c != "_" and (c in string.punctuation or unicodedata.category(c)[0] == "P"),
    }
    if rules.punctuation == "kept":
        return [run]
    if rules.punctuation == "runs":
        return regex.findall(r"\w+|[^\w\s]+", run)
    splits = marks.get(rules.punctuation, marks["BERT"])
    words, word = [], ""
    for c in run:
        if splits(c) or (rules.digits and c.isdigit()):
            words += [word, "" if rules.punctuation == "removed" else c]
            word = ""
        else:
            word += c
    return [each for each in (*words, word) if each]


def _word(vocabulary: dict[str, int], word: str, rules: Rules) -> list[int]:
    """Greedy longest match from the left (Wu et al. 2016)."""
    found, start = [], 0
    while start < len(word) <= rules.longest:
        prefix = rules.continued if start else ""
        ends = [end for end in range(len(word), start, -1) if prefix + word[start:end] in vocabulary]
        found.append(vocabulary[prefix + word[start : ends[0]]] if ends else 100)
        start = ends[0] if ends else start + 1
    if len(word) > rules.longest or (100 in found and rules.unknown in ("[UNK]", "dropped")):
        found = [100]
    return [i for i in found if i != 100] if rules.unknown.endswith("dropped") else found


def truncated(ids: list[int], most: int, cut: str) -> list[int]:
    """At most `most` ids."""
    if len(ids) <= most:
        return ids
    head = {"right": most, "left": 0, "middle": round(most / 2), "quarter": round(most / 4), "first 64": 64}[cut]
    return ids[:head] + ids[head + len(ids) - most :]


def _rules(**changed) -> dict:
    return {"rules": Rules(**changed)}


FAULTS = {
    "lower-cased as a whole": _rules(lower="text"),
    "case folded": _rules(fold="case"),
    "ASCII lower-cased": _rules(lower="ASCII"),
    "compatibility forms folded": _rules(fold="NFKC"),
    "Hangul not decomposed": _rules(hangul=False),
    "all marks stripped": _rules(marks=("Mn", "Mc", "Me")),
    "control characters as spaces": _rules(controls="spaces"),
    "format characters kept": _rules(controls="format kept"),
    "only format characters removed": _rules(controls="control kept"),
    "kana split": _rules(kana=True),
    "special tokens removed from texts": _rules(special="removed"),
    "special tokens read as text": _rules(special="text"),
    "punctuation not split": _rules(punctuation="kept"),
    "symbols not split": _rules(punctuation="Unicode"),
    "only ASCII punctuation split": _rules(punctuation="ASCII"),
    "underscore not split": _rules(punctuation="no underscore"),
    "punctuation in runs": _rules(punctuation="runs"),
    "punctuation removed": _rules(punctuation="removed"),
    "digits split": _rules(digits=True),
    "pieces without ##": _rules(continued=""),
    "words of any length": _rules(longest=10**9),
    "unknown words dropped": _rules(unknown="dropped"),
    "unknown words by character": _rules(unknown="by character"),
    "unknown characters dropped": _rules(unknown="characters dropped"),
    "truncation in the middle": {"cut": "middle"},
    "truncation after a quarter": {"cut": "quarter"},
    "special tokens truncated": {"special_room": "cut"},
    "special tokens not counted": {"special_room": "beside"},
}
"""Faults of `FaultyBert` by the hypothesis that names them."""
