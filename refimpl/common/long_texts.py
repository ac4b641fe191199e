"""Texts far beyond a tokenizer's limit: only their beginning is tokenised, where it provably has the same first tokens.

The tokenizers library tokenises a whole text before it truncates, which takes about 100 bytes of memory per byte.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import tokenizers

CHARACTERS_PER_TOKEN = 16  # of a first attempt, doubled until there are enough tokens
LONG = 4  # times the first attempt: a shorter text is left whole
_BETWEEN_WORDS = re.compile("(?<=[A-Za-z])(?= [A-Za-z])")

WORDWISE = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit", "Metaspace", "ByteLevel"}
"""Pre-tokenizers that begin a new word at a blank between two ASCII letters, whatever else the text has."""
LETTERWISE = {"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"}
"""Normalizers whose result up to such a blank does not depend on what is after it."""


class LongTexts:
    """Beginnings of texts for one tokenizer with truncation at the right.

    Parameters
    ----------
    tokenizer
        With truncation enabled. Its normalizer, pre-tokenizer and added tokens decide whether texts may be cut: a
        model applied to words, and words that do not depend on later ones. Otherwise each text is left whole.
    max_length
        Tokens after which it truncates.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer, max_length: int) -> None:
        self._tokenizer = tokenizer
        self._characters = CHARACTERS_PER_TOKEN * max_length
        self._cuttable = is_wordwise(tokenizer)

    def beginnings(self, texts: Sequence[str]) -> list[str]:
        """Return the texts, of a long one a beginning that is truncated to the same tokens, and truncated too."""
        if not self._cuttable:
            return list(texts)
        return [self._beginning(text) if len(text) > LONG * self._characters else text for text in texts]

    def _beginning(self, text: str) -> str:
        size = self._characters
        while size * LONG <= len(text):
            cut = _BETWEEN_WORDS.search(text, size, size * LONG)
            if cut is not None and self._tokenizer.encode(text[: cut.start()]).overflowing:
                return text[: cut.start()]
            size *= 2
        return text


def is_wordwise(tokenizer: tokenizers.Tokenizer) -> bool:
    """Whether the tokens up to a blank between two ASCII letters do not depend on the text after it."""
    values = json.loads(_settings(tokenizer))
    before, normalizer = values["pre_tokenizer"], values["normalizer"]
    if before is None or not all(part["type"] in LETTERWISE for part in _parts(normalizer, "normalizers")):
        return False
    first = _parts(before, "pretokenizers")[0]
    if first["type"] not in WORDWISE or first.get("split") is False or first.get("use_regex") is False:
        return False
    added = tokenizer.get_added_tokens_decoder().values()
    return not any(re.search(r"\s", token.content) for token in added)


def _settings(tokenizer: tokenizers.Tokenizer) -> str:
    """The settings of normalizer and pre-tokenizer as JSON, without the vocabulary."""
    empty = tokenizers.Tokenizer(tokenizers.models.WordLevel({"": 0}, unk_token=""))
    if tokenizer.normalizer is not None:
        empty.normalizer = tokenizer.normalizer
    if tokenizer.pre_tokenizer is not None:
        empty.pre_tokenizer = tokenizer.pre_tokenizer
    return empty.to_str()


def _parts(part: Any, inner: str) -> list[dict[str, Any]]:
    if part is None:
        return []
    return [one for nested in part[inner] for one in _parts(nested, inner)] if part["type"] == "Sequence" else [part]
