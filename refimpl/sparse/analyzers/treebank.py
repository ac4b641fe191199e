"""Words of one sentence, by the Penn Treebank's conventions as NLTK's word tokenizer extends them.

Source: Robert MacIntyre's tokenizer.sed (University of Pennsylvania, 1995) and the additions in
nltk.tokenize.destructive: quotes become `` and '', punctuation stands alone, clitics part ("do n't"), only the
sentence's last full stop parts.

The rules rewrite the text in order, and only a few look beyond blanks: those for the sentence's first and last word. So
all other words are rewritten one by one, each different word once; `rewrite` on the whole sentence states what must
come out.
"""

import re
from itertools import chain

import regex

from refimpl.sparse.analyzers.memo import Memo

OPENING = [
    (regex.compile(r"[«“‘„]|`+"), r" \g<0> "),
    (regex.compile(r'\A"'), "``"),
    (regex.compile("``"), " `` "),
    (regex.compile(r"""([ (\[{<])(?:"|'')"""), r"\1 `` "),
    (regex.compile(r"(?i)(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)"), "' "),
]
FULL_STOP = (regex.compile(r"""([^.])\.([\])}>"'»”’ ]*+)\s*$"""), r"\1 . \2 ")
COLON_COMMA = (regex.compile(r"([:,])(\D)"), r" \1 \2")
LAST_COLON_COMMA = (regex.compile(r"[:,]$"), r" \g<0> ")
STANDING_ALONE = [
    (regex.compile(r"\.{2,}|[;@#$%&?!\u2012-\u2015]"), r" \g<0> "),
    (regex.compile(r"([^'])' "), r"\1 ' "),
    (regex.compile(r"--|[*\][(){}<>]"), r" \g<0> "),
]
CLOSING = [
    (regex.compile("[»”’]"), r" \g<0> "),
    (regex.compile("''|\""), " '' "),
    (regex.compile(r"\s+"), " "),
]
CLITICS = [
    (regex.compile(r"([^' ])('[sS]|'[mM]|'[dD]|') "), r"\1 \2 "),
    (regex.compile(r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) "), r"\1 \2 "),
]
CONTRACTION = re.compile(
    r"(?i)\b(?:(can)(not)|(d)('ye)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)|(more)('n))\b|\b(wan)(na)(?=\s)"
)
APOSTROPHE_T = re.compile(r"(?i) ('t)(is|was)\b")

CLOSERS = frozenset("])}>\"'»”’")
SEPARATORS = "\x1c\x1d\x1e\x1f"  # blanks to str.split, and to no rule
QUOTE_AFTER_BREAK = re.compile(r"""[^\S ](?:"|'')""")  # quotes stand otherwise after a line break than after a blank
PLAIN = re.compile(r"(\(?)([A-Za-z0-9]+(?:-[A-Za-z0-9]+)*)(\)?)([,;:.]?)")


class TreebankWords:
    """A sentence to its words; equal to `rewrite(sentence, first=True, last=True)`, and many times faster."""

    def __init__(self) -> None:
        self._inner: Memo[tuple[str, ...]] = Memo(_inner)
        self._last: Memo[tuple[str, ...]] = Memo(_last)

    def __call__(self, sentence: str) -> list[str]:
        """The words of `sentence` in order."""
        words = sentence.split()
        if len(words) < 2 or words[-1][0] in CLOSERS or _no_short_cut(sentence):
            return list(rewrite(sentence, first=True, last=True))
        first = words[0]
        head = rewrite(first + " ", first=True, last=False) if first[0] in "\"'" else self._inner[first]
        return [*head, *chain.from_iterable(map(self._inner.__getitem__, words[1:-1])), *self._last[words[-1]]]


def _no_short_cut(sentence: str) -> bool:
    if sentence[0].isspace() or any(map(sentence.__contains__, SEPARATORS)):
        return True
    return ('"' in sentence or "''" in sentence) and QUOTE_AFTER_BREAK.search(sentence) is not None


def _inner(word: str) -> tuple[str, ...]:
    return _plainly(word, last=False) or rewrite(f" {word} ", first=False, last=False)


def _last(word: str) -> tuple[str, ...]:
    return _plainly(word, last=True) or rewrite(f" {word}", first=False, last=True)


def _plainly(word: str, *, last: bool) -> tuple[str, ...]:
    """What the rules make of letters, digits and hyphens, perhaps in brackets or with one mark; else nothing."""
    match = PLAIN.fullmatch(word)
    if match is None or CONTRACTION.search(match[2] + " "):
        return ()
    if match[4] == "." and not last and not match[3]:
        return (*match[1], match[2] + ".")
    return (*match[1], match[2], *(match[3] or ""), *match[4])


def rewrite(text: str, *, first: bool, last: bool) -> tuple[str, ...]:
    """All rules in order; `first` and `last` say whether `text` starts and ends where the sentence does."""
    for i, (pattern, by) in enumerate(OPENING):
        if first or i != 1:
            text = pattern.sub(by, text)
    for pattern, by in (FULL_STOP, COLON_COMMA, LAST_COLON_COMMA) if last else (COLON_COMMA,):
        text = pattern.sub(by, text)
    for pattern, by in STANDING_ALONE:
        text = pattern.sub(by, text)
    text = f" {text} "
    for pattern, by in (*CLOSING, *CLITICS):
        text = pattern.sub(by, text)
    text = CONTRACTION.sub(_parted, text)
    text = APOSTROPHE_T.sub(r" \1 \2 ", text)
    return tuple(text.split())


def _parted(match: re.Match[str]) -> str:
    return f" {' '.join(part for part in match.groups() if part)} "
