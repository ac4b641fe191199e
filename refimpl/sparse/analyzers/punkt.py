"""Sentence boundary detection by the Punkt algorithm with NLTK's trained parameters.

Source: Kiss and Strunk, Unsupervised Multilingual Sentence Boundary Detection, Computational Linguistics 32, 2006;
section numbers below are its own. The parameter files and details that the paper leaves open (closing quotes, words
around a full stop) follow nltk.tokenize.punkt 3.10.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import regex

from refimpl.sparse.analyzers.memo import Memo

# Bits of ortho_context.tab: the positions and cases in which training saw a word.
MID_UPPER = 1 << 2
BEGIN_LOWER = 1 << 4
ANY_UPPER = 1 << 1 | MID_UPPER | 1 << 3
ANY_LOWER = BEGIN_LOWER | 1 << 5 | 1 << 6

_NON_WORD = r"""[)";}\]*:@'({\[‘’“”«»?!]"""
_ELLIPSIS_OR_DASH = r"(?:-{2,}|\.{2,}|(?:\.\s){2,}\.)"
_SPACE, _MARK = r"[^\S\x1c-\x1f]", r"[\S\x1c-\x1f]"  # the regex library's \s and \S in Python's re, which is faster
CANDIDATE = re.compile(rf"[.?!](?=({_NON_WORD}|{_SPACE}+({_MARK}+)))")
AFTER, NEXT = 1, 2  # CANDIDATE's groups: the text after the mark, and the word in it if there is one
TOKEN = regex.compile(
    rf"{_ELLIPSIS_OR_DASH}"
    rf"""|(?=[^("`{{\[:;&#*@)}}\]\-,])\S+?(?=\s|$|{_NON_WORD}|{_ELLIPSIS_OR_DASH}|,(?=$|\s|{_NON_WORD}|{_ELLIPSIS_OR_DASH}))"""
    r"|\S"
)
CLOSING = regex.compile(r"""["')\]}‘’“”«»]+?(?:\s+|(?=--)|$)""", regex.MULTILINE)
NUMERIC = regex.compile(r"^-?[.,]?\d[\d,.-]*\.?$")
INITIAL = regex.compile(r"[^\W\d]\.$")
SPACES = " \t\n\r\v\f"


@dataclass(frozen=True)
class PunktParameters:
    """Trained parameters: abbreviations, collocations across a full stop, frequent sentence starters, letter cases."""

    abbreviations: frozenset[str]
    collocations: frozenset[tuple[str, str]]
    starters: frozenset[str]
    orthography: dict[str, int]

    @classmethod
    def read(cls, folder: Path) -> "PunktParameters":
        """Read a language's folder of NLTK's `punkt_tab`."""

        def rows(name: str) -> list[list[str]]:
            return [line.split("\t") for line in (folder / name).read_text("utf-8").split("\n") if line]

        return cls(
            abbreviations=frozenset(row[0] for row in rows("abbrev_types.txt")),
            collocations=frozenset((row[0], row[1]) for row in rows("collocations.tab")),
            starters=frozenset(row[0] for row in rows("sent_starters.txt")),
            orthography={row[0]: int(row[1]) for row in rows("ortho_context.tab")},
        )


class PunktSentences:
    """A text to its sentences."""

    def __init__(self, parameters: PunktParameters) -> None:
        self._parameters = parameters
        self._collocating = frozenset(first for first, _ in parameters.collocations)
        self._breaks: Memo[bool] = Memo(self._contains_break)

    def __call__(self, text: str) -> list[str]:
        """The sentences in order, without the white space between them; none for a text of white space only."""
        if not CANDIDATE.search(text):
            whole = text.rstrip()
            return [whole] if whole else []
        return [text[start:stop] for start, stop in _realigned(text, list(self._spans(text))) if start < stop]

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        start = 0
        for candidate, word in _candidates(text):
            if self._breaks[text[word : candidate.end(AFTER)]]:
                stop = candidate.end()
                yield start, stop
                start = max(stop, candidate.start(NEXT))
        yield start, len(text.rstrip())

    def _breaks_by_word_alone(self, context: str) -> bool:
        """True for a full stop after a word to which only the first rule applies; False: the other rules decide."""
        before, _, after = context.partition(".")
        following = after.lstrip(SPACES)[:1]
        if len(before) < 2 or not before.isalpha() or (len(after) > 1 and after[0] not in SPACES):
            return False
        if following in ("", ".") or following.isspace():
            return False
        word = before.lower()
        return word not in self._parameters.abbreviations and word not in self._collocating

    def _contains_break(self, context: str) -> bool:
        """Whether a sentence ends before the last token of `context`, the words around a candidate mark."""
        if self._breaks_by_word_alone(context):
            return True
        tokens = [_Token(text) for line in context.split("\n") if line.strip() for text in TOKEN.findall(line)]
        for token in tokens:
            self._classify_type(token)
        for token, following in pairwise(tokens):
            self._classify_token(token, following)
            if token.breaks:
                return True
        return False

    def _classify_type(self, token: "_Token") -> None:
        """Section 3: classify by the word alone: abbreviation, ellipsis, or else end of a sentence."""
        text = token.text
        if text in ".?!":
            token.breaks = True
        elif text.endswith(".") and len(text) > 1:
            if text.endswith(".."):
                token.ellipsis = not text.strip(".")
                return
            stem = text[:-1].lower()
            abbreviations = self._parameters.abbreviations
            token.abbreviation = stem in abbreviations or stem.rpartition("-")[2] in abbreviations
            token.breaks = not token.abbreviation

    def _classify_token(self, token: "_Token", following: "_Token") -> None:
        """Section 4: correct the classification by the following word."""
        if not token.text.endswith("."):
            return
        kind, next_kind = token.kind_without_stop, following.kind_in_sentence
        if (kind, next_kind) in self._parameters.collocations:  # 4.1.2
            token.breaks = False
            return
        if (token.abbreviation or token.ellipsis) and not token.initial:  # 4.2
            frequent_starter = following.text[0].isupper() and next_kind in self._parameters.starters  # 4.1.3
            if self._starts_sentence(following) is True or frequent_starter:
                token.breaks = True
                return
        if token.initial or kind == "##number##":  # 4.3
            starts = self._starts_sentence(following)
            always_upper = following.text[0].isupper() and not self._seen(next_kind) & ANY_LOWER
            if starts is False or (starts is None and token.initial and always_upper):
                token.breaks = False

    def _starts_sentence(self, token: "_Token") -> bool | None:
        """Section 4.1.1, the orthographic heuristic; None if undecided."""
        if token.text in {";", ":", ",", ".", "!", "?"}:
            return False
        seen = self._seen(token.kind_in_sentence)
        if token.text[0].isupper() and seen & ANY_LOWER and not seen & MID_UPPER:
            return True
        if token.text[0].islower() and (seen & ANY_UPPER or not seen & BEGIN_LOWER):
            return False
        return None

    def _seen(self, kind: str) -> int:
        return self._parameters.orthography.get(kind, 0)


class _Token:
    """A word with its punctuation, and its classification."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.breaks = self.abbreviation = self.ellipsis = False

    @cached_property
    def kind(self) -> str:
        return NUMERIC.sub("##number##", self.text.lower())

    @property
    def kind_without_stop(self) -> str:
        return self.kind[:-1] if len(self.kind) > 1 and self.kind.endswith(".") else self.kind

    @property
    def kind_in_sentence(self) -> str:
        return self.kind_without_stop if self.breaks else self.kind

    @cached_property
    def initial(self) -> bool:
        return INITIAL.match(self.text) is not None


def _candidates(text: str) -> Iterator[tuple[re.Match[str], int]]:
    """Each candidate mark and the start of the word before it; of candidates in one word, the last."""
    start = stop = 0
    previous = None
    spaces = [space for space in SPACES if space in text] or SPACES
    for candidate in CANDIDATE.finditer(text):
        before = text[stop : candidate.start()]
        last_space = max(map(before.rfind, spaces))
        word = stop + last_space + 1 if last_space > 0 else start
        if previous is not None and stop <= word:
            yield previous, start
        previous, start, stop = candidate, word, candidate.start()
    if previous is not None:
        yield previous, start


def _realigned(text: str, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans, with closing quotes and brackets moved into the sentence that they end."""
    moved = 0
    for (start, stop), following in zip(spans, [*spans[1:], None], strict=True):
        begin = start + moved
        closing = CLOSING.match(text[following[0] : following[1]]) if following is not None else None
        if following is not None and closing is not None:
            yield begin, following[0] + len(closing[0].rstrip())
            moved = closing.end()
        else:
            moved = 0
            yield begin, stop
