"""Rarer faults of tokenizers in plain Python, by the hypothesis that names them; beside `token_faults`."""

import html
import string
import unicodedata
from collections.abc import Callable

import token_faults
from token_faults import SPECIAL, Rules

RIGHT = Rules()
Vocabulary = dict[str, int]
Pieces = Callable[[Vocabulary, str], list[int]]
"""Takes the vocabulary and a text; returns ids without [CLS] and [SEP]."""


def _outside(change: Callable[[str], str]) -> Callable[[str], str]:
    """The change of what is between special tokens."""
    return lambda text: "".join(p if SPECIAL.fullmatch(p) else change(p) for p in SPECIAL.split(text))


def _before(change: Callable[[str], str], rules: Rules = RIGHT) -> Pieces:
    return lambda vocabulary, text: token_faults.pieces(vocabulary, change(text), rules)


def _after(change: Callable[[list[int]], list[int]]) -> Pieces:
    return lambda vocabulary, text: change(token_faults.pieces(vocabulary, text, Rules()))


def _unmarked(form: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        text = unicodedata.normalize(form, text) if form else text
        return "".join(c for c in text if unicodedata.category(c) != "Mn")

    return change


def _kept(change: Callable[[str], str]) -> Pieces:
    """Before a tokenizer that strips no accents: `marks=()` and, since `token_faults` decomposes, composed again."""

    def pieces(vocabulary: Vocabulary, text: str) -> list[int]:
        found = []
        for part in SPECIAL.split(text):
            words = [part] if SPECIAL.fullmatch(part) else _bert_words(change(part))
            found += [i for word in words for i in _longest(vocabulary, word)]
        return found

    return pieces


def _bert_words(text: str) -> list[str]:
    """Cleaned, split and lower-cased, neither decomposed nor stripped."""
    text = "".join(token_faults._cleaned(c, Rules()) for c in text)
    text = "".join(f" {c} " if token_faults._han(c) else c for c in text)
    text = "".join(c.lower() for c in text)
    return [word for run in text.split() for word in token_faults._split(run, Rules())]


def _model_words(text: str) -> list[str]:
    return token_faults._words(text, Rules())


def _longest(vocabulary: Vocabulary, word: str) -> list[int]:
    return [vocabulary[word]] if SPECIAL.fullmatch(word) else token_faults._word(vocabulary, word, Rules())


def _by_word(split: Callable[[Vocabulary, str], list[int]]) -> Pieces:
    def pieces(vocabulary: Vocabulary, text: str) -> list[int]:
        found = []
        for part in SPECIAL.split(text):
            if SPECIAL.fullmatch(part):
                found.append(vocabulary[part])
            else:
                found += [i for word in _model_words(part) for i in split(vocabulary, word)]
        return found

    return pieces


def _marked(word: str, start: int, end: int) -> str:
    return ("##" if start else "") + word[start:end]


def _kept_to_unknown(vocabulary: Vocabulary, word: str) -> list[int]:
    if len(word) > 100:
        return [100]
    for end in range(len(word), 0, -1):
        found = _greedy(vocabulary, word[:end])
        if found is not None and (end == len(word) or not _extends(vocabulary, word, end)):
            return found if end == len(word) else [*found, 100]
    return [100]


def _greedy(vocabulary: Vocabulary, word: str) -> list[int] | None:
    found = token_faults._word(vocabulary, word, Rules())
    return None if 100 in found else found


def _extends(vocabulary: Vocabulary, word: str, start: int) -> bool:
    return any(_marked(word, start, end) in vocabulary for end in range(start + 1, len(word) + 1))


def _one_by_one(vocabulary: Vocabulary, word: str, *, grow: bool) -> list[int]:
    if len(word) > 100:
        return [100]
    found, start = [], 0
    while start < len(word):
        ends = [end for end in range(start + 1, len(word) + 1) if _marked(word, start, end) in vocabulary]
        if not ends or (grow and ends[0] != start + 1):
            return [100]
        end = ends[0]
        while grow and end + 1 in ends:
            end += 1
        found.append(vocabulary[_marked(word, start, end)])
        start = end
    return found


def _bytes(vocabulary: Vocabulary, word: str) -> list[int]:
    return [100] if len(word.encode("utf-8")) > 100 else _longest(vocabulary, word)


def _dropped(vocabulary: Vocabulary, word: str) -> list[int]:
    found = _longest(vocabulary, word)
    return [] if found == [100] and len(word) <= 100 else found


def _unknown_as(token: int) -> Pieces:
    return _by_word(lambda v, word: [token if i == 100 else i for i in _longest(v, word)])


def _tags(text: str, by: str) -> str:
    """By a search for brackets, not by a regular expression."""
    while "<" in text and ">" in text[text.index("<") :]:
        start = text.index("<")
        end = text.index(">", start)
        text = text[:start] + by + text[end + 1 :]
    return text


def _numbers(text: str) -> str:
    found = ""
    for c in text:
        found += "" if c.isdecimal() and found.endswith("0") else "0" if c.isdecimal() else c
    return found


def _addresses(text: str) -> str:
    words = text.split(" ")
    return " ".join("" if word.startswith(("http://", "https://")) else word for word in words)


def _letters(text: str) -> str:
    return "".join(c for c in text if c.isalnum() or c.isspace())


def _shortened(text: str) -> str:
    return "".join(c for i, c in enumerate(text) if c == "\n" or text[max(i - 2, 0) : i] != c * 2)


def _spaced(text: str) -> str:
    return "".join(" " if c in string.punctuation else c for c in text)


def _ascii_removed(text: str) -> str:
    return "".join(c for c in text if c not in string.punctuation)


def _once(ids: list[int]) -> list[int]:
    return [token for i, token in enumerate(ids) if token not in ids[:i]]


def _runs(ids: list[int]) -> list[int]:
    return [token for i, token in enumerate(ids) if not i or ids[i - 1] != token]


def _split_at_ascii(vocabulary: Vocabulary, text: str) -> list[int]:
    found = []
    for part in SPECIAL.split(text):
        if SPECIAL.fullmatch(part):
            found.append(vocabulary[part])
            continue
        plain = token_faults._words(part, Rules(punctuation="kept"))
        words = [w for word in plain for w in _spaced(word).split()]
        found += [i for word in words for i in _longest(vocabulary, word)]
    return found


FAULTS: dict[str, Pieces] = {
    "accents stripped, then ASCII lower-cased": _before(
        _outside(lambda t: "".join(c.lower() if c < "\x80" else c for c in _unmarked("NFD")(t))), Rules(lower="")
    ),
    "accents stripped from NFC": _kept(_unmarked("NFC")),
    "accents stripped without a normal form": _kept(_unmarked("")),
    "only U+0300 to U+036F stripped": _kept(
        lambda t: "".join(c for c in unicodedata.normalize("NFD", t) if not 0x300 <= ord(c) <= 0x36F)
    ),
    "decomposed, accents kept": _kept(lambda t: unicodedata.normalize("NFD", t)),
    "composed, accents kept": _kept(lambda t: unicodedata.normalize("NFC", t)),
    "characters outside ASCII dropped": _before(lambda t: "".join(c for c in t if ord(c) < 128)),
    "characters outside ASCII as question marks": _before(lambda t: t.encode("ascii", "replace").decode()),
    "characters outside ASCII as spaces": _before(lambda t: "".join(c if ord(c) < 128 else " " for c in t)),
    "decomposed, then ASCII only": _before(
        lambda t: "".join(c for c in unicodedata.normalize("NFKD", t) if ord(c) < 128)
    ),
    "tags removed": _before(lambda t: _tags(t, "")),
    "tags as spaces": _before(lambda t: _tags(t, " ")),
    "entities unescaped": _before(
        lambda t: t.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") if "&" in t else html.unescape(t)
    ),
    "digits removed": _before(lambda t: "".join(c for c in t if not c.isdecimal())),
    "numbers as 0": _before(_numbers),
    "digits as 0": _before(lambda t: "".join("0" if c.isdecimal() else c for c in t)),
    "addresses removed": _before(_addresses),
    "only the first line": _before(lambda t: t.split("\n")[0]),
    "line ends removed": _before(lambda t: t.replace("\r", "").replace("\n", "")),
    "tabs and line ends removed": _before(lambda t: t.translate({9: None, 10: None, 13: None})),
    "characters beyond U+FFFF removed": _before(lambda t: "".join(c for c in t if ord(c) < 0x10000)),
    "only letters, digits and spaces": _before(_letters),
    "ASCII punctuation deleted": _before(_ascii_removed),
    "ASCII punctuation as spaces": _before(_spaced),
    "whitespace of Python": _before(lambda t: " ".join(t.split())),
    "full stop appended": _before(lambda t: t + "." * (t.strip()[-1:] not in (".", "!", "?"))),
    "repeated characters shortened": _before(_shortened),
    "only ASCII punctuation split, and removed": _split_at_ascii,
    "pieces kept up to the unknown": _by_word(_kept_to_unknown),
    "pieces grown, not longest": _by_word(lambda v, word: _one_by_one(v, word, grow=True)),
    "shortest pieces": _by_word(lambda v, word: _one_by_one(v, word, grow=False)),
    "first piece of each word": _by_word(lambda v, word: _longest(v, word)[:1]),
    "words not split into pieces": _by_word(lambda v, word: [v.get(word, 100) if len(word) <= 100 else 100]),
    "words of at most 100 bytes": _by_word(_bytes),
    "unknown words dropped, long ones [UNK]": _by_word(_dropped),
    **{f"[UNK] as id {token}": _unknown_as(token) for token in (0, 1, 2, 3, 101, 102, 103)},
    "repeated tokens dropped": _after(_once),
    "tokens repeated in a row dropped": _after(_runs),
    "tokens in reverse order": _after(lambda ids: list(reversed(ids))),
    "tokens sorted": _after(sorted),
    "last token dropped": _after(lambda ids: ids[:-1]),
    "first token dropped": _after(lambda ids: ids[1:]),
    "ids of words one too high": _after(lambda ids: [i + 1 for i in ids]),
    "ids of words one too low": _after(lambda ids: [i - 1 if i else 0 for i in ids]),
}
