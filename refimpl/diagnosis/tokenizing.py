"""Tokenizers as in faulty implementations: the model's own with one setting changed."""

import copy
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from pathlib import Path

import tokenizers
from tokenizers import Regex
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, Digits, PreTokenizer, Split, Whitespace, WhitespaceSplit
from tokenizers.pre_tokenizers import Sequence as Steps
from tokenizers.processors import TemplateProcessing

from refimpl.common.long_texts import LongTexts
from refimpl.diagnosis.hypotheses import NotApplicable
from refimpl.diagnosis.truncating import Surround, Truncation
from refimpl.diagnosis.unknown_words import IdChange, ListChange
from refimpl.tokens import Tokenizer, Tokens

TokenizerChange = Callable[[tokenizers.Tokenizer], None]


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


def pre_tokenized(by: Callable[[], PreTokenizer]) -> TokenizerChange:
    """Another pre-tokenizer than BERT's."""

    def apply(library: tokenizers.Tokenizer) -> None:
        if not isinstance(library.pre_tokenizer, BertPreTokenizer):
            raise NotApplicable(f"expected a BertPreTokenizer, got {type(library.pre_tokenizer).__name__}")
        library.pre_tokenizer = by()

    return apply


def _split_at(characters: str, behavior: str) -> PreTokenizer:
    return Steps([WhitespaceSplit(), Split(Regex(characters), behavior)])


symbols_not_split = pre_tokenized(partial(_split_at, r"\p{P}", "isolated"))
r"""Split at \p{P}, which lacks $ + < = > ^ ` | ~."""
ascii_punctuation_split = pre_tokenized(partial(_split_at, r"[!-/:-@\[-`{-~]", "isolated"))
underscore_not_split = pre_tokenized(partial(_split_at, r"[\p{P}$+<=>^`|~&&[^_]]", "isolated"))
punctuation_removed = pre_tokenized(partial(_split_at, r"[\p{P}$+<=>^`|~]", "removed"))
ascii_punctuation_removed = pre_tokenized(partial(_split_at, r"[!-/:-@\[-`{-~]", "removed"))
punctuation_in_runs = pre_tokenized(Whitespace)
digits_split = pre_tokenized(lambda: Steps([BertPreTokenizer(), Digits(individual_digits=True)]))


def special_tokens_as_text(library: tokenizers.Tokenizer) -> None:
    """Special tokens that are written in a text are split as other words."""
    library.encode_special_tokens = True


def pieces_without_prefix(library: tokenizers.Tokenizer) -> None:
    """The pieces inside a word are looked up without "##"."""
    _change_pieces(library, continuing_subword_prefix="")


def words_of_any_length(library: tokenizers.Tokenizer) -> None:
    """Long words are split into pieces, as others are."""
    _change_pieces(library, max_input_chars_per_word=1 << 30)


@cache
def longest_word(characters: int) -> TokenizerChange:
    """Words of more characters are unknown."""
    return lambda library: _change_pieces(library, max_input_chars_per_word=characters)


@cache
def surrounded(before: tuple[int, ...], after: tuple[int, ...]) -> TokenizerChange:
    """Other special tokens, by their ids, around single texts; truncation leaves room for them."""

    def apply(library: tokenizers.Tokenizer) -> None:
        names = [f"{place}{i}" for place, ids in (("before", before), ("after", after)) for i in range(len(ids))]
        single = [*names[: len(before)], "$A", *names[len(before) :]]
        named = list(zip(names, (*before, *after), strict=True))
        library.post_processor = TemplateProcessing(single=single, special_tokens=named)

    return apply


def _change_pieces(library: tokenizers.Tokenizer, **changed: object) -> None:
    model = library.model
    if not isinstance(model, WordPiece):
        raise NotApplicable(f"expected a WordPiece model, got {type(model).__name__}")
    names = ("unk_token", "continuing_subword_prefix", "max_input_chars_per_word")
    settings = {name: getattr(model, name) for name in names} | changed
    library.model = WordPiece(library.get_vocab(with_added_tokens=False), **settings)


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

    _surround: Surround | None = None
    _unknown_words: IdChange | None = None
    _id_changes: tuple[ListChange, ...] = ()

    def varied(
        self,
        max_length: int,
        changes: tuple[TokenizerChange, ...],
        truncation: Truncation,
        unknown_words: IdChange | None = None,
        id_changes: tuple[ListChange, ...] = (),
    ) -> "VariedTokenizer":
        """A copy with changed settings, which shares the vocabulary; NotApplicable where it lacks one of them."""
        other = copy.copy(self)
        other._tokenizer = library = _sharing_vocabulary(self._tokenizer)
        for apply in changes:
            apply(library)
        other.max_length, other._unknown_words, other._long_texts = max_length, unknown_words, None
        other._id_changes = id_changes
        if unknown_words or id_changes or not truncation.in_library:
            library.no_truncation()
            other._surround = Surround.of(library, max_length, truncation)
            return other
        # after the changes: the number of special tokens, which truncation leaves room for, may be another
        library.enable_truncation(max_length, strategy=truncation.strategy, direction=truncation.direction)
        if truncation.direction == "right":
            other._long_texts = LongTexts(library, max_length)
        return other

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Return the token ids of texts as `Tokenizer` does, under the changed settings."""
        if self._surround is None:
            return super().__call__(texts)
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        change = self._unknown_words or (lambda library, text, encoding: encoding.ids)
        ids = [change(self._tokenizer, text, each) for text, each in zip(texts, encodings, strict=True)]
        for changed in self._id_changes:
            ids = list(map(changed, ids))
        return self._surround.pack(list(map(self._surround, ids)), self.pad_token_id)

    def pairs(self, firsts: Sequence[str], seconds: Sequence[str]) -> Tokens:
        """Return the token ids of text pairs; NotApplicable for what is defined for single texts only."""
        if self._surround is not None:
            raise NotApplicable("this truncation is of single texts")
        return super().pairs(firsts, seconds)


def varied_tokenizer(
    folder: Path,
    max_length: int,
    changes: tuple[TokenizerChange, ...],
    truncation: Truncation,
    unknown_words: IdChange | None = None,
    id_changes: tuple[ListChange, ...] = (),
) -> VariedTokenizer:
    """The tokenizer with changed settings; its file is read once, across diagnoses, as long as it is unchanged."""
    published = _published(folder, (folder / "tokenizer.json").stat().st_mtime_ns)
    return published.varied(max_length, changes, truncation, unknown_words, id_changes)


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
