"""Words of one sentence, by the Penn Treebank's conventions as extended by NLTK's word tokenizer.

Source: Robert MacIntyre's tokenizer.sed (University of Pennsylvania, 1995) and the additions in
nltk.tokenize.destructive: quotes become `` and '', punctuation marks are tokens, clitics are split off ("do n't"), only
the sentence's last full stop is split off.

The rules rewrite the text in order, and only those for the sentence's first and last word match across spaces.
Therefore all other words are rewritten one by one, each distinct word once; `rewrite` of the whole sentence defines
the result.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import regex

from refimpl.sparse.analyzers.memo import Memo


class Rule(NamedTuple):
    """Replace each match of `pattern` by `by`; a text without any of the `marks`, or without `needs`, has no match."""

    marks: str
    pattern: re.Pattern[str]
    by: str
    needs: str = ""

    def apply(self, text: str) -> str:
        """`text` rewritten."""
        return self.pattern.sub(self.by, text) if self.needs in text else text


class SurroundWithSpaces:
    """Put spaces around each of the `marks`: a rule for single characters, faster than a pattern."""

    def __init__(self, marks: str) -> None:
        self.marks = marks
        self._table = {ord(mark): f" {mark} " for mark in marks}

    def apply(self, text: str) -> str:
        """`text` rewritten."""
        return text.translate(self._table)


Rules = Sequence[Rule | SurroundWithSpaces]

# Python's re, except for character classes that differ from those of the regex library, which NLTK uses.
OPENING: Rules = [SurroundWithSpaces("«“‘„"), Rule("`", re.compile(r"`+"), r" \g<0> ")]
AT_START: Rules = [Rule('"', re.compile(r'\A"'), "``")]
AFTER_OPENING: Rules = [
    Rule('"`', re.compile("``"), " `` ", needs="``"),
    Rule("\"'", re.compile(r"""([ (\[{<])(?:"|'')"""), r"\1 `` "),
    Rule("'", regex.compile(r"(?i)(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)"), "' "),
]
FULL_STOP = Rule(".", regex.compile(r"""([^.])\.([\])}>"'»”’ ]*+)\s*$"""), r"\1 . \2 ")
COLON_COMMA = Rule(":,", regex.compile(r"([:,])(\D)"), r" \1 \2")
AT_END: Rules = [FULL_STOP, COLON_COMMA, Rule(":,", re.compile(r"[:,]$"), r" \g<0> ")]
STANDING_ALONE: Rules = [
    Rule(".", re.compile(r"\.{2,}"), r" \g<0> ", needs=".."),
    SurroundWithSpaces(";@#$%&?!\u2012\u2013\u2014\u2015"),
    Rule("'", re.compile(r"([^'])' "), r"\1 ' ", needs="' "),
    Rule("-", re.compile(r"--"), r" \g<0> ", needs="--"),
    SurroundWithSpaces("*][(){}<>"),
]
CLOSING: Rules = [
    SurroundWithSpaces("»”’"),
    Rule("'\"", re.compile("''|\""), " '' "),
    Rule("'", regex.compile(r"\s+"), " "),  # the clitics' patterns end in a space
    Rule("'", re.compile(r"([^' ])('[sS]|'[mM]|'[dD]|') "), r"\1 \2 "),
    Rule("'", re.compile(r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) "), r"\1 \2 "),
]
CONTRACTION = re.compile(
    r"(?i)\b(?:(can)(not)|(d)('ye)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)|(more)('n))\b|\b(wan)(na)(?=\s)"
)
APOSTROPHE_T = re.compile(r"(?i) ('t)(is|was)\b")
MARKS = frozenset(
    "".join(rule.marks for rule in (*OPENING, *AT_START, *AFTER_OPENING, *AT_END, *STANDING_ALONE, *CLOSING))
)

CLOSERS = frozenset("])}>\"'»”’")
SEPARATORS = "\x1c\x1d\x1e\x1f"  # white space to str.split, but not to the rules
QUOTE_AFTER_BREAK = re.compile(r"""[^\S ](?:"|'')""")  # a quote after a line break differs from one after a space
PLAIN = re.compile(r"(\(?)([\w/=+~^|\\]+(?:[.-][\w/=+~^|\\]+)*)(\)?)([,;:.]?)", re.ASCII)


class TreebankWords:
    """A sentence to its words; equal to `rewrite(sentence, first=True, last=True)`, but many times faster."""

    def __init__(self) -> None:
        self._inner: Memo[tuple[str, ...]] = Memo(_inner)
        self._alone: Memo[tuple[str, ...]] = Memo(_alone)
        self._last: Memo[tuple[str, ...]] = Memo(_last)

    def __call__(self, sentence: str) -> list[str]:
        """The words of `sentence` in order."""
        words = sentence.split()
        if words == [sentence]:
            return list(self._alone[sentence])
        if len(words) < 2 or words[-1][0] in CLOSERS or _needs_whole_sentence(sentence):
            return list(rewrite(sentence, first=True, last=True))
        first = words[0]
        head = rewrite(first + " ", first=True, last=False) if first[0] in "\"'" else self._inner[first]
        return [*head, *chain.from_iterable(map(self._inner.__getitem__, words[1:-1])), *self._last[words[-1]]]


def _needs_whole_sentence(sentence: str) -> bool:
    if sentence[0].isspace() or any(map(sentence.__contains__, SEPARATORS)):
        return True
    return ('"' in sentence or "''" in sentence) and QUOTE_AFTER_BREAK.search(sentence) is not None


def _inner(word: str) -> tuple[str, ...]:
    return _without_rules(word, last=False) or rewrite(f" {word} ", first=False, last=False)


def _alone(word: str) -> tuple[str, ...]:
    return _without_rules(word, last=True) or rewrite(word, first=True, last=True)


def _last(word: str) -> tuple[str, ...]:
    return _without_rules(word, last=True) or rewrite(f" {word}", first=False, last=True)


def _without_rules(word: str, *, last: bool) -> tuple[str, ...]:
    """The words of `word` if no rule but for brackets and one final mark applies to it; else an empty tuple."""
    match = PLAIN.fullmatch(word)
    if match is None or (_may_contract(word) and CONTRACTION.search(match[2] + " ")):
        return ()
    if match[4] == "." and not last and not match[3]:
        return (*match[1], match[2] + ".")
    return (*match[1], match[2], *(match[3] or ""), *match[4])


def rewrite(text: str, *, first: bool, last: bool) -> tuple[str, ...]:
    """Apply all rules in order; `first`: `text` starts where the sentence does, `last`: it ends there."""
    marks = MARKS.intersection(text)
    opening, closing = _rules(marks, first, last)
    for rule in opening:
        text = rule.apply(text)
    text = f" {text} "
    for rule in closing:
        text = rule.apply(text)
    if _may_contract(text):
        text = CONTRACTION.sub(_split_groups, text)
    if "'" in marks:
        text = APOSTROPHE_T.sub(r" \1 \2 ", text)
    return tuple(text.split())


@lru_cache(maxsize=4096)
def _rules(marks: frozenset[str], first: bool, last: bool) -> tuple[Rules, Rules]:
    """The rules, in order, that can change a text with these marks: those before and after it is padded with spaces.

    `marks` are those of the original text: no rule inserts a mark that the pattern of a later rule needs.
    """
    opening = [*OPENING, *(AT_START if first else ()), *AFTER_OPENING]
    opening += [*(AT_END if last else (COLON_COMMA,)), *STANDING_ALONE]
    before, after = ([rule for rule in rules if not marks.isdisjoint(rule.marks)] for rules in (opening, CLOSING))
    return before, after


def _may_contract(text: str) -> bool:
    """False only if CONTRACTION has no match: each of its words contains one of these."""
    lower = text.lower()
    return "nn" in lower or "mm" in lower or "tt" in lower or "'" in lower


def _split_groups(match: re.Match[str]) -> str:
    return f" {' '.join(part for part in match.groups() if part)} "
