"""How words become pieces in faulty implementations: another match than the longest one, or none at all."""

from collections.abc import Callable
from itertools import takewhile

import tokenizers
from tokenizers.models import WordPiece

from refimpl.diagnosis.hypotheses import NotApplicable
from refimpl.diagnosis.rewriting import SPECIAL_TOKENS
from refimpl.diagnosis.unknown_words import IdChange

Find = Callable[[str], int | None]
"""The id of a piece; None for one that the vocabulary lacks."""
Candidate = tuple[int | None, int]
"""The id of a piece, or None, and where it ends in the word."""
Order = Callable[[list[Candidate]], list[Candidate]]
"""The pieces that begin at one position, shortest first, in the order in which they are taken."""
Split = Callable[[Find, str, str, int], list[int]]
"""Takes the vocabulary, a word, the prefix of pieces inside a word and [UNK]; returns the ids of the word's pieces."""


def in_bytes(word: str) -> int:
    """The length in UTF-8, as by len of a Rust or Go string."""
    return len(word.encode())


def by_word(split: Split, length: Callable[[str], int] = len) -> IdChange:
    """Every word of at most the usual `length` split by another rule."""

    def change(library: tokenizers.Tokenizer, text: str, encoding: tokenizers.Encoding) -> list[int]:
        model = library.model
        if not isinstance(model, WordPiece) or library.normalizer is None or library.pre_tokenizer is None:
            raise NotApplicable("expected a WordPiece model with a normalizer and a pre-tokenizer")
        unknown, ids = library.token_to_id(model.unk_token), list[int]()
        if unknown is None:
            raise NotApplicable("the vocabulary has no token for unknown words")
        for part in SPECIAL_TOKENS.split(text):
            if SPECIAL_TOKENS.fullmatch(part) and not library.encode_special_tokens:
                special = library.token_to_id(part)
                ids.append(unknown if special is None else special)
                continue
            normalized = library.normalizer.normalize_str(part)
            for word, _ in library.pre_tokenizer.pre_tokenize_str(normalized):
                long = length(word) > model.max_input_chars_per_word
                prefix = model.continuing_subword_prefix
                ids += [unknown] if long else split(library.token_to_id, word, prefix, unknown)
        return ids

    return change


def whole(find: Find, word: str, prefix: str, unknown: int) -> list[int]:
    """The word itself, or [UNK]: no pieces."""
    token = find(word)
    return [unknown if token is None else token]


def longest_match(find: Find, word: str, prefix: str, unknown: int) -> list[int]:
    """BERT's own rule: the longest piece at each position, or one [UNK] for the word."""
    return _whole_unknown(longest_first(find, word, prefix, unknown), unknown)


def longest_first(find: Find, word: str, prefix: str, unknown: int) -> list[int]:
    """The longest piece at each position, up to a character without one, where one [UNK] ends the word."""
    return _pieces(find, word, prefix, unknown, lambda found: found[::-1])


def grown(find: Find, word: str, prefix: str, unknown: int) -> list[int]:
    """A piece grows by a character as long as the vocabulary has it: the match is not the longest."""
    pieces = _pieces(find, word, prefix, unknown, lambda found: list(takewhile(_known, found))[::-1])
    return _whole_unknown(pieces, unknown)


def shortest_first(find: Find, word: str, prefix: str, unknown: int) -> list[int]:
    """The shortest piece at each position: single characters mostly."""
    return _whole_unknown(_pieces(find, word, prefix, unknown, lambda found: found), unknown)


def _pieces(find: Find, word: str, prefix: str, unknown: int, order: Order) -> list[int]:
    """The first known piece in the order at each position, up to a character without one, then [UNK]."""
    found, start = list[int](), 0
    while start < len(word):
        before = prefix if start else ""
        candidates = [(find(before + word[start:end]), end) for end in range(start + 1, len(word) + 1)]
        token, end = next(filter(_known, order(candidates)), (None, start))
        if token is None:
            return [*found, unknown]
        found.append(token)
        start = end
    return found


def _known(candidate: Candidate) -> bool:
    return candidate[0] is not None


def _whole_unknown(pieces: list[int], unknown: int) -> list[int]:
    return [unknown] if unknown in pieces else pieces


def beginning_only(find: Find, word: str, prefix: str, unknown: int) -> list[int]:
    """The first of the usual pieces: the rest of the word is lost."""
    return longest_match(find, word, prefix, unknown)[:1]
