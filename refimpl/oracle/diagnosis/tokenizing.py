"""Tokenizers as faulty code has them: the model's own with one setting changed."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import tokenizers

from refimpl.tokens import Tokenizer

Change = Callable[[tokenizers.Tokenizer], None]


def _keep_case(library: tokenizers.Tokenizer) -> None:
    library.normalizer.lowercase = False


def _cased(library: tokenizers.Tokenizer) -> None:
    library.normalizer.lowercase = False
    library.normalizer.strip_accents = False


def _accents_kept(library: tokenizers.Tokenizer) -> None:
    library.normalizer.strip_accents = False


def _han_not_split(library: tokenizers.Tokenizer) -> None:
    library.normalizer.handle_chinese_chars = False


def _not_cleaned(library: tokenizers.Tokenizer) -> None:
    library.normalizer.clean_text = False


def _punctuation_not_split(library: tokenizers.Tokenizer) -> None:
    library.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()


def _no_special(library: tokenizers.Tokenizer) -> None:
    library.post_processor = None


def _template(single: str, pair: str) -> Change:
    def change(library: tokenizers.Tokenizer) -> None:
        special = [(piece, library.token_to_id(piece)) for piece in ("[CLS]", "[SEP]")]
        library.post_processor = tokenizers.processors.TemplateProcessing(
            single=single, pair=pair, special_tokens=special
        )

    return change


TOKENIZINGS: dict[str, Change] = {
    "cased": _cased,
    "case kept, accents stripped": _keep_case,
    "accents kept": _accents_kept,
    "han not split": _han_not_split,
    "not cleaned": _not_cleaned,
    "punctuation not split": _punctuation_not_split,
    "no special tokens": _no_special,
    "no [SEP]": _template("[CLS] $A", "[CLS] $A [SEP] $B:1"),
    "no [CLS]": _template("$A [SEP]", "$A [SEP] $B:1 [SEP]:1"),
    "special tokens twice": _template("[CLS] [CLS] $A [SEP] [SEP]", "[CLS] [CLS] $A [SEP] $B:1 [SEP]:1 [SEP]:1"),
    "[SEP] once": _template("[CLS] $A [SEP]", "[CLS] $A $B:1 [SEP]:1"),
}


TRUNCATIONS: dict[str, dict[str, str]] = {
    "right": {},
    "left": {"direction": "left"},
    "only second": {"strategy": "only_second"},
    "only first": {"strategy": "only_first"},
}


class VariedTokenizer(Tokenizer):
    """The model's tokenizer with some of `TOKENIZINGS`; AttributeError where it has no such setting."""

    def __init__(self, folder: Path, max_length: int, changes: tuple[str, ...], truncation: str) -> None:
        super().__init__(folder, max_length)
        for change in changes:
            TOKENIZINGS[change](self._tokenizer)
        # anew, for the room that special tokens take may have changed
        self._tokenizer.enable_truncation(max_length, **TRUNCATIONS[truncation])


def varied_tokenizer(folder: Path, max_length: int, changes: tuple[str, ...], truncation: str) -> VariedTokenizer:
    """The tokenizer, kept from one diagnosis to the next while its file stays what it is."""
    return _kept(folder, (folder / "tokenizer.json").stat().st_mtime_ns, max_length, changes, truncation)


@lru_cache(maxsize=64)
def _kept(folder: Path, written: int, max_length: int, changes: tuple[str, ...], truncation: str) -> VariedTokenizer:
    return VariedTokenizer(folder, max_length, changes, truncation)
