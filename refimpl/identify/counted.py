"""Which words count in a length and in a document frequency: of documents alike but for the words beside a term."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from refimpl.identify.length import Doc, LengthKind, Lengths
from refimpl.sparse.analyzers.own_stopwords import LUCENE_ENGLISH

WHOLE, PART = "befok", "bafok"  # the second is in words of three more documents
WITHIN = ("xbafoky", "bafokdem", "vubafok")
OF_PARTS = "document frequency of a part of words"
WITH_PARTS = "counts words with the term inside"
SHORT, FILLER = "sarok", "surok"  # some implementations favour a document that equals the query
TIMES = 5  # so few that an idf of occurrences is not negative
STOP_WORDS, OUTSIDE_ASCII = "stop words", "words outside ASCII"
NOT_COUNTED = "do not count in the length, although queries find them"
BUT_COUNTED = "count in the length, although queries do not find them"
OTHERWISE = "count otherwise in the length than plain words of as many characters"

Score = Callable[[str, str], float]
"""Takes a query and a document of the probe; returns the score."""
Match = Callable[[str, str], bool]
"""Takes a query and a document of the probe; returns whether it is a hit."""


class WordClass(NamedTuple):
    """A class of words; `word`, of five characters, is one, and `marker` the word beside five of it."""

    name: str
    marker: str
    word: str
    has: Callable[[str], bool]

    @property
    def row(self) -> str:
        """What the probe is called."""
        return f"length of a document of {self.name}"


def _is_stop_word(word: str) -> bool:
    return word.lower() in _LUCENE


def _is_outside_ascii(word: str) -> bool:
    return not word.isascii()


_LUCENE = frozenset(LUCENE_ENGLISH.split())
PLAIN = WordClass("plain words", "sirok", "dulop", lambda word: True)
CLASSES = (
    WordClass(STOP_WORDS, "sorok", "there", _is_stop_word),
    WordClass(OUTSIDE_ASCII, "serok", "\u0441\u043b\u043e\u0432\u043e", _is_outside_ascii),
    WordClass("numbers", "syrok", "83472", str.isdigit),
    WordClass("words in capitals", "sarik", "GORUP", str.isupper),
)
ROWS = (*(each.row for each in CLASSES), OF_PARTS)
BYTES = LengthKind("bytes", lambda docs: np.array([float(len(" ".join(doc).encode())) for doc in docs]))


@dataclass(frozen=True)
class Token:
    """One probe's result in words, and whether every form was treated as a whitespace tokenizer would."""

    name: str
    result: str
    plain: bool


def documents() -> list[str]:
    """A word beside one other, and beside five more of each class: all others are alike."""
    parts = [f"{word} {FILLER}" for word in (WHOLE, PART, *WITHIN)]
    return [f"{SHORT} {FILLER}", *map(_document, (PLAIN, *CLASSES)), *parts]


def queries() -> list[str]:
    """The words whose scores are read, and one word of each class."""
    return [WHOLE, PART, SHORT, PLAIN.marker, *(one for each in CLASSES for one in (each.marker, each.word))]


def _document(words: WordClass) -> str:
    return f"{words.marker} {FILLER}{f' {words.word}' * TIMES}"


def read(score: Score, match: Match) -> list[Token]:
    """How each class counts."""
    short, long = score(SHORT, documents()[0]), score(PLAIN.marker, _document(PLAIN))
    return [
        _parts(score, match),
        *(
            Token(
                each.row, *_counted(short, long, score(each.marker, _document(each)), match(each.word, _document(each)))
            )
            for each in CLASSES
        ),
    ]


def _parts(score: Score, match: Match) -> Token:
    """Whether a word that others contain has the score of one that is in as many documents."""
    whole, part = (score(word, f"{word} {FILLER}") for word in (WHOLE, PART))
    if any(match(PART, f"{word} {FILLER}") for word in WITHIN) or not whole * part or _near(whole, part):
        return Token(OF_PARTS, "no other than that of a whole word, or parts are hits", True)
    return Token(OF_PARTS, WITH_PARTS, False)


def _counted(short: float, long: float, own: float, matched: bool) -> tuple[str, bool]:
    """From the scores beside one word, beside five plain ones more, and beside five of the class more."""
    if not short * long * own or short * long * own != short * long * own:
        return "not measured: a probe word was not found", False
    if _near(short, long):
        return "lengths have no effect", True
    if _near(own, long):
        if matched:
            return "count as others do", True
        return BUT_COUNTED, False
    if _near(own, short):
        return (NOT_COUNTED, False) if matched else ("are no terms, and do not count", True)
    return OTHERWISE, False


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-9 * abs(other)


def uncounted(results: Sequence[Token]) -> tuple[WordClass, ...]:
    """The classes that queries find and lengths leave out."""
    names = {each.name for each in results if each.result == NOT_COUNTED}
    return tuple(each for each in CLASSES if each.row in names)


def of_bytes(kind: LengthKind, results: Sequence[Token]) -> bool:
    """Whether characters of two bytes count twice."""
    by_name = {each.name: each.result for each in results}
    return kind.name == "characters" and by_name.get(CLASSES[1].row) == OTHERWISE


def kind_counted(kind: LengthKind, results: Sequence[Token]) -> LengthKind:
    """The kind of length with what the classes show: without some, or of bytes."""
    if of_bytes(kind, results):
        return BYTES
    if not (left_out := uncounted(results)):
        return kind
    ascii_words = kind.name == "tokens" and [each.name for each in left_out] == [OUTSIDE_ASCII]
    names = " or ".join(each.name for each in left_out)

    def counts(docs: Sequence[Doc]) -> Lengths:
        return kind.of([[word for word in doc if not any(each.has(word) for each in left_out)] for doc in docs])

    return replace(kind, name="tokens of ASCII words" if ascii_words else f"{kind.name}, without {names}", of=counts)
