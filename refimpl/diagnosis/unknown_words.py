"""Words without pieces in the vocabulary, as faulty implementations treat them: another rule than one [UNK] a word."""

from collections.abc import Callable, Iterator
from functools import cache

import tokenizers
from tokenizers.models import WordPiece

from refimpl.diagnosis.hypotheses import NotApplicable

IdChange = Callable[[tokenizers.Tokenizer, str, tokenizers.Encoding], list[int]]
"""Takes a tokenizer, a text and its encoding without special tokens; returns other ids."""
ListChange = Callable[[list[int]], list[int]]
"""Takes the ids of a text without special tokens, before truncation; returns others."""


def dropped(library: tokenizers.Tokenizer, text: str, encoding: tokenizers.Encoding) -> list[int]:
    """Without unknown words; the written token [UNK] is none."""
    unknown, written = _unknown(library), library.model.unk_token
    spans = zip(encoding.ids, encoding.offsets, strict=True)
    return [i for i, span in spans if i != unknown or text[slice(*span)] == written]


def dropped_but_long(library: tokenizers.Tokenizer, text: str, encoding: tokenizers.Encoding) -> list[int]:
    """Without unknown words but those that are too long, which are [UNK]."""
    unknown, most = _unknown(library), library.model.max_input_chars_per_word
    spans = zip(encoding.ids, (text[slice(*span)] for span in encoding.offsets), strict=True)
    return [i for i, word in spans if i != unknown or word == library.model.unk_token or len(word) > most]


@cache
def replaced_by(token: int) -> IdChange:
    """Another id for unknown words; the written token [UNK] has its own."""

    def change(library: tokenizers.Tokenizer, text: str, encoding: tokenizers.Encoding) -> list[int]:
        unknown, written = _unknown(library), library.model.unk_token
        spans = zip(encoding.ids, encoding.offsets, strict=True)
        return [token if i == unknown and text[slice(*span)] != written else i for i, span in spans]

    return change


def by_character(library: tokenizers.Tokenizer, text: str, encoding: tokenizers.Encoding) -> list[int]:
    """One [UNK] for each character without a piece, and pieces for the other ones."""
    return _replaced(library, text, encoding, keep=True)


def characters_dropped(library: tokenizers.Tokenizer, text: str, encoding: tokenizers.Encoding) -> list[int]:
    """Pieces for the characters that have one; the others are skipped."""
    return _replaced(library, text, encoding, keep=False)


def _unknown(library: tokenizers.Tokenizer) -> int:
    if not isinstance(library.model, WordPiece):
        raise NotApplicable(f"expected a WordPiece model, got {type(library.model).__name__}")
    token = library.token_to_id(library.model.unk_token)
    if token is None:
        raise NotApplicable("the vocabulary has no token for unknown words")
    return token


def _replaced(library: tokenizers.Tokenizer, text: str, encoding: tokenizers.Encoding, *, keep: bool) -> list[int]:
    unknown, ids = _unknown(library), []
    for token, span in zip(encoding.ids, encoding.offsets, strict=True):
        word = text[slice(*span)]
        if token != unknown or word == library.model.unk_token:
            ids.append(token)
            continue
        if library.normalizer is not None:
            word = library.normalizer.normalize_str(word)
        long = len(word) > library.model.max_input_chars_per_word
        pieces = [None] if long else list(_pieces(library, word.strip()))
        ids += [unknown if piece is None else piece for piece in pieces if keep or piece is not None]
    return ids


def _pieces(library: tokenizers.Tokenizer, word: str) -> Iterator[int | None]:
    """The longest piece at each position, from the left; None for a character without one."""
    start = 0
    while start < len(word):
        prefix = library.model.continuing_subword_prefix if start else ""
        ends = range(len(word), start, -1)
        found = ((library.token_to_id(prefix + word[start:end]), end) for end in ends)
        piece, start = next(((piece, end) for piece, end in found if piece is not None), (None, start + 1))
        yield piece
