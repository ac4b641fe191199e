"""Tokenizers as in faulty implementations: the model's own with one setting changed."""

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import tokenizers
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing

from refimpl.common.long_texts import LongTexts
from refimpl.diagnosis.hypotheses import NotApplicable
from refimpl.tokens import Tokenizer

TokenizerChange = Callable[[tokenizers.Tokenizer], None]


@dataclass(frozen=True)
class Truncation:
    """The arguments of `tokenizers.Tokenizer.enable_truncation` beside the length."""

    direction: str = "right"
    strategy: str = "longest_first"


LONGEST_FIRST = Truncation()


def case_kept(library: tokenizers.Tokenizer) -> None:
    """Not lower-cased; accents are stripped if they were: without a setting of its own that depends on lower-casing."""
    normalizer = _bert_normalizer(library)
    if normalizer.strip_accents is None:
        normalizer.strip_accents = normalizer.lowercase
    normalizer.lowercase = False


def cased(library: tokenizers.Tokenizer) -> None:
    """Neither lower-cased nor stripped of accents."""
    normalizer = _bert_normalizer(library)
    normalizer.lowercase = False
    normalizer.strip_accents = False


def accents_kept(library: tokenizers.Tokenizer) -> None:
    """Lower-cased, accents not stripped."""
    _bert_normalizer(library).strip_accents = False


def han_not_split(library: tokenizers.Tokenizer) -> None:
    """Chinese characters not split into words of one character."""
    _bert_normalizer(library).handle_chinese_chars = False


def not_cleaned(library: tokenizers.Tokenizer) -> None:
    """Control characters not removed, whitespace not unified."""
    _bert_normalizer(library).clean_text = False


def punctuation_not_split(library: tokenizers.Tokenizer) -> None:
    """Split at whitespace only."""
    library.pre_tokenizer = WhitespaceSplit()


def no_special_tokens(library: tokenizers.Tokenizer) -> None:
    """No [CLS] and [SEP]."""
    library.post_processor = None


def template(single: str, pair: str) -> TokenizerChange:
    """Other special tokens, in the notation of `tokenizers.processors.TemplateProcessing`."""

    def apply(library: tokenizers.Tokenizer) -> None:
        special = {token: library.token_to_id(token) for token in ("[CLS]", "[SEP]")}
        if None in special.values():
            raise NotApplicable("the vocabulary has no [CLS] and [SEP]")
        library.post_processor = TemplateProcessing(single=single, pair=pair, special_tokens=list(special.items()))

    return apply


class VariedTokenizer(Tokenizer):
    """The model's tokenizer, with copies that have changed settings."""

    def varied(
        self, max_length: int, changes: tuple[TokenizerChange, ...], truncation: Truncation
    ) -> "VariedTokenizer":
        """A copy with changed settings, which shares the vocabulary; NotApplicable where it lacks one of them."""
        other = copy.copy(self)
        other._tokenizer = _sharing_vocabulary(self._tokenizer)
        for apply in changes:
            apply(other._tokenizer)
        # after the changes: the number of special tokens, which truncation leaves room for, may be another
        other._tokenizer.enable_truncation(max_length, **asdict(truncation))
        other.max_length = max_length
        other._long_texts = LongTexts(other._tokenizer, max_length) if truncation.direction == "right" else None
        return other


def varied_tokenizer(
    folder: Path, max_length: int, changes: tuple[TokenizerChange, ...], truncation: Truncation
) -> VariedTokenizer:
    """The tokenizer with changed settings; its file is read once, across diagnoses, as long as it is unchanged."""
    published = _published(folder, (folder / "tokenizer.json").stat().st_mtime_ns)
    return published.varied(max_length, changes, truncation)


@lru_cache(maxsize=4)
def _published(folder: Path, modified_ns: int) -> VariedTokenizer:
    return VariedTokenizer(folder)


def _sharing_vocabulary(library: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """A copy in a thousandth of the time that reading the vocabulary again takes."""
    other = tokenizers.Tokenizer(library.model)
    for part in ("normalizer", "pre_tokenizer", "post_processor"):
        if (value := getattr(library, part)) is not None:
            setattr(other, part, copy.deepcopy(value))
    other.add_tokens([token for _, token in sorted(library.get_added_tokens_decoder().items())])
    return other


def _bert_normalizer(library: tokenizers.Tokenizer) -> BertNormalizer:
    if not isinstance(library.normalizer, BertNormalizer):
        raise NotApplicable(f"expected a BertNormalizer, got {type(library.normalizer).__name__}")
    return library.normalizer
