"""The steps of an analyzer, under pymilvus.model's names where it has them.

A character filter has `apply(text) -> text`, a tokenizer `tokenize(text) -> tokens`, a token filter `apply(tokens) ->
tokens`. The token filters here process one token at a time (`token(token) -> token or None`), so that an analyzer runs
them once per distinct word.
"""

import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence

import regex

from refimpl.sparse.analyzers import stem_english, stem_german, stem_porter, stopwords, uax29


class Step:
    """A step; steps of the same class with equal `settings` behave equally."""

    settings: Mapping[str, object] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self.settings.items())})"


class Preprocessor:
    """Optional base class of your own character filters, as in pymilvus.model."""

    def apply(self, text: str) -> str:
        """The text for the tokenizer."""
        raise NotImplementedError(f"{type(self).__name__} does not define apply")


class Tokenizer:
    """Optional base class of your own tokenizers, as in pymilvus.model."""

    def tokenize(self, text: str) -> list[str]:
        """The tokens of `text` in order."""
        raise NotImplementedError(f"{type(self).__name__} does not define tokenize")


class TextFilter:
    """Optional base class of your own token filters, as in pymilvus.model."""

    def apply(self, tokens: list[str]) -> list[str]:
        """The filtered tokens."""
        raise NotImplementedError(f"{type(self).__name__} does not define apply")


class CharacterfilterPreprocessor(Step):
    """Replace each of some characters by a space."""

    def __init__(self, chars_to_replace: Iterable[str]) -> None:
        self.settings = {"chars_to_replace": "".join(sorted(set(chars_to_replace)))}
        self._table = str.maketrans(dict.fromkeys(chars_to_replace, " "))

    def apply(self, text: str) -> str:
        """`text` with spaces for those characters."""
        return text.translate(self._table)


class ReplacePreprocessor(Step):
    """Replace strings by others, in one pass; where two keys match, the earlier one is replaced."""

    def __init__(self, replacement_mapping: Mapping[str, str]) -> None:
        if not replacement_mapping or "" in replacement_mapping:
            raise ValueError(f"replacement_mapping needs keys, none of them empty; got {replacement_mapping!r:.60}")
        self.settings = {"replacement_mapping": dict(replacement_mapping)}
        self._mapping = dict(replacement_mapping)
        self._pattern = re.compile("|".join(map(re.escape, replacement_mapping)))

    def apply(self, text: str) -> str:
        """`text` with every key replaced."""
        return self._pattern.sub(lambda match: self._mapping[match[0]], text)


SPACE_FOR_NON_WORD = {code: " " for code in range(128) if not re.match(r"\w", chr(code))}


class PatternTokenizer(Step):
    r"""Every match of a regular expression is a token; by default `\w+`."""

    def __init__(self, pattern: str = r"\w+") -> None:
        self.settings = {"pattern": pattern}
        self._pattern = regex.compile(pattern, regex.V1) if r"\p" in pattern else re.compile(pattern)
        self._plain = pattern == r"\w+"

    def tokenize(self, text: str) -> list[str]:
        """The matches in order."""
        if self._plain and text.isascii():
            return text.translate(SPACE_FOR_NON_WORD).split()  # the same in a fifth of the time
        return self._pattern.findall(text)


class UAX29Tokenizer(Step):
    """Lucene's StandardTokenizer."""

    def tokenize(self, text: str) -> list[str]:
        """The words of `text` by Unicode's annex 29, as Lucene finds them."""
        return uax29.words(text)


class TokenFilter(Step, TextFilter):
    """A filter of one token at a time."""

    def token(self, token: str) -> str | None:
        """The filtered token; None drops it."""
        raise NotImplementedError

    def apply(self, tokens: Sequence[str]) -> list[str]:
        """The filtered tokens."""
        return [filtered for filtered in map(self.token, tokens) if filtered is not None]


class LowercaseFilter(TokenFilter):
    """Lower case by `str.lower`."""

    def token(self, token: str) -> str | None:
        """`token` in lower case."""
        return token.lower()


class SimpleLowercaseFilter(TokenFilter):
    """Lower case one character at a time, as Lucene and tantivy do: no final sigma."""

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
    """Drop the stop words of `language` (NLTK's, or refimpl's own without its data), and those of `stopword_list`."""

    def __init__(self, language: str = "english", stopword_list: Sequence[str] | None = None) -> None:
        self._words = stopwords.of_language(language) | frozenset(stopword_list or ())
        self.settings = {"words": sorted(self._words)}

    def token(self, token: str) -> str | None:
        """`token`, or None for a stop word."""
        return None if token in self._words else token


class FixedStopwordFilter(TokenFilter):
    """Drop the words of a list."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self.settings = {"words": sorted(self._words)}

    def token(self, token: str) -> str | None:
        """`token`, or None for one of the words."""
        return None if token in self._words else token


class PossessiveFilter(TokenFilter):
    """Remove a final 's, with any of three apostrophes: Lucene's EnglishPossessiveFilter."""

    def token(self, token: str) -> str | None:
        """`token` without a possessive ending."""
        return token[:-2] if token[-1:] in ("s", "S") and token[-2:-1] in ("'", "’", "＇") else token


class StemmingFilter(TokenFilter):
    """The stems of NLTK's SnowballStemmer: English and German computed here, without importing NLTK; the rest by NLTK.

    `language` is one of `nltk.stem.SnowballStemmer.languages`; ValueError for another. Another version of NLTK may stem
    differently, so its version is one of the settings, and with them of the fingerprint.
    """

    def __init__(self, language: str = "english") -> None:
        self._language = language
        self.settings = {"language": language}
        if language in OWN_STEMMERS:
            self._stem = OWN_STEMMERS[language]
        else:
            self._stem, self.settings["nltk"] = _nltk_stemmer(language)

    def token(self, token: str) -> str | None:
        """The stem of `token`."""
        return self._stem(token)

    def __reduce__(self) -> tuple[type["StemmingFilter"], tuple[str]]:
        return type(self), (self._language,)


class PorterFilter(TokenFilter):
    """Porter's first stemmer, as in Lucene's PorterStemFilter: words of one or two letters are unchanged."""

    def token(self, token: str) -> str | None:
        """The stem of `token`."""
        return stem_porter.stem(token)


OWN_STEMMERS: Mapping[str, Callable[[str], str]] = {"english": stem_english.stem, "german": stem_german.stem}


def _nltk_stemmer(language: str) -> tuple[Callable[[str], str], str]:
    """NLTK's stemmer for `language`, and NLTK's version."""
    import nltk  # here, because it takes a second or more
    from nltk.stem.snowball import SnowballStemmer

    if language not in SnowballStemmer.languages:
        raise ValueError(f"no stemmer for {language!r}: choose from {', '.join(SnowballStemmer.languages)}")

    def stem(word: str) -> str:
        """By a new stemmer, as NLTK's Arabic one carries state from one word to the next."""
        return str(SnowballStemmer(language).stem(word))

    return stem, nltk.__version__
