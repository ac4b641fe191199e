"""The steps an analyzer is made of, under pymilvus.model's names where it has one.

A character filter has `apply(text) -> text`, a tokenizer `tokenize(text) -> tokens`, a token filter `apply(tokens) ->
tokens`. The filters here look at one token at a time (`token(token) -> token or None`), so an analyzer runs them once a
different word.
"""

import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence

import regex
import Stemmer

from refimpl.sparse.analyzers import stem_english, stem_german, stem_porter, stopwords, uax29


class Step:
    """A step; two of the same class with equal `settings` do the same."""

    settings: Mapping[str, object] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self.settings.items())})"


class CharacterfilterPreprocessor(Step):
    """Put a blank for each of some characters."""

    def __init__(self, chars_to_replace: Iterable[str]) -> None:
        self.settings = {"chars_to_replace": "".join(sorted(set(chars_to_replace)))}
        self._table = str.maketrans(dict.fromkeys(chars_to_replace, " "))

    def apply(self, text: str) -> str:
        """`text` with blanks for those characters."""
        return text.translate(self._table)


class ReplacePreprocessor(Step):
    """Put one string for another, all at once, the earlier key first where two match."""

    def __init__(self, replacement_mapping: Mapping[str, str]) -> None:
        if not replacement_mapping or "" in replacement_mapping:
            raise ValueError(f"replacement_mapping needs keys, none of them empty; got {replacement_mapping!r:.60}")
        self.settings = {"replacement_mapping": dict(replacement_mapping)}
        self._mapping = dict(replacement_mapping)
        self._pattern = re.compile("|".join(map(re.escape, replacement_mapping)))

    def apply(self, text: str) -> str:
        """`text` with all keys replaced."""
        return self._pattern.sub(lambda match: self._mapping[match[0]], text)


BLANK_FOR_NO_WORD = {code: " " for code in range(128) if not re.match(r"\w", chr(code))}


class PatternTokenizer(Step):
    r"""Every match of a regular expression is a token; `\w+` unless told."""

    def __init__(self, pattern: str = r"\w+") -> None:
        self.settings = {"pattern": pattern}
        self._pattern = regex.compile(pattern, regex.V1) if r"\p" in pattern else re.compile(pattern)
        self._plain = pattern == r"\w+"

    def tokenize(self, text: str) -> list[str]:
        """The matches in order."""
        if self._plain and text.isascii():
            return text.translate(BLANK_FOR_NO_WORD).split()  # the same, at a fifth of the time
        return self._pattern.findall(text)


class UAX29Tokenizer(Step):
    """Lucene's StandardTokenizer."""

    def tokenize(self, text: str) -> list[str]:
        """The words of `text` by Unicode's annex 29."""
        return uax29.words(text)


class TokenFilter(Step):
    """A filter that looks at one token at a time."""

    def token(self, token: str) -> str | None:
        """What becomes of `token`; None: it is dropped."""
        raise NotImplementedError

    def apply(self, tokens: Sequence[str]) -> list[str]:
        """What remains of `tokens`."""
        return [kept for kept in map(self.token, tokens) if kept is not None]


class LowercaseFilter(TokenFilter):
    """Lower case, as `str.lower` has it."""

    def token(self, token: str) -> str | None:
        """`token` in lower case."""
        return token.lower()


class SimpleLowercaseFilter(TokenFilter):
    """Lower case one character at a time, as Lucene's and tantivy's filters: no special sigma at a word's end."""

    def token(self, token: str) -> str | None:
        """`token` in lower case."""
        return token.lower() if token.isascii() else "".join(map(str.lower, token))


class PunctuationFilter(TokenFilter):
    """Drop tokens that are one ASCII punctuation mark or one of `extras`."""

    def __init__(self, extras: str = "") -> None:
        self.settings = {"extras": extras}
        self._marks = frozenset(string.punctuation + extras)

    def token(self, token: str) -> str | None:
        """`token`, or None for a punctuation mark."""
        return None if token in self._marks else token


class StopwordFilter(TokenFilter):
    """Drop stop words: NLTK's for `language` where its data can be had, else our own few; and `stopword_list`."""

    def __init__(self, language: str = "english", stopword_list: Sequence[str] | None = None) -> None:
        self._words = stopwords.of_language(language) | frozenset(stopword_list or ())
        self.settings = {"words": sorted(self._words)}

    def token(self, token: str) -> str | None:
        """`token`, or None for a stop word."""
        return None if token in self._words else token


class FixedStopwordFilter(TokenFilter):
    """Drop the given words."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self.settings = {"words": sorted(self._words)}

    def token(self, token: str) -> str | None:
        """`token`, or None for one of the words."""
        return None if token in self._words else token


class PossessiveFilter(TokenFilter):
    """Take a final 's off, with any of three apostrophes: Lucene's EnglishPossessiveFilter."""

    def token(self, token: str) -> str | None:
        """`token` without a possessive ending."""
        return token[:-2] if token[-1:] in ("s", "S") and token[-2:-1] in ("'", "’", "＇") else token


class StemmingFilter(TokenFilter):
    """NLTK's SnowballStemmer: English and German our own, as PyStemmer 3 stems them otherwise; the rest PyStemmer's."""

    def __init__(self, language: str = "english") -> None:
        self.settings = {"language": language}
        self._language = language
        self._stem = _stemmer(language)

    def token(self, token: str) -> str | None:
        """The stem of `token`."""
        return self._stem(token)

    def __reduce__(self) -> tuple[type["StemmingFilter"], tuple[str]]:
        return type(self), (self._language,)


class PorterFilter(TokenFilter):
    """Porter's first stemmer, as Lucene's PorterStemFilter: words of one or two letters stay."""

    def token(self, token: str) -> str | None:
        """The stem of `token`."""
        return stem_porter.stem(token)


def _stemmer(language: str) -> Callable[[str], str]:
    own = {"english": stem_english.stem, "german": stem_german.stem}
    if language in own:
        return own[language]
    if language not in Stemmer.algorithms():
        raise ValueError(f"no stemmer for {language!r}: choose from {', '.join(sorted({*own, *Stemmer.algorithms()}))}")
    plain = _pystemmer(language)
    return lambda token: plain(token.lower())


def _pystemmer(language: str) -> Callable[[str], str]:
    stem = Stemmer.Stemmer(language, 0).stemWord  # 0: no cache of its own, ours is larger

    def safely(token: str) -> str:
        try:
            return str(stem(token))
        except UnicodeEncodeError:  # half a surrogate pair: no letter to stem
            return token

    return safely
