"""Texts to token ids, by the model's own tokenizer, with truncation reported per text."""

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tokenizers

from refimpl.common.long_texts import LongTexts
from refimpl.common.texts import check_encodable, check_texts
from refimpl.common.tokenizer_file import panics_as_errors
from refimpl.common.warning import warn
from refimpl.tokens.build import build
from refimpl.tokens.packed import Tokens
from refimpl.tokens.settings import NO_LIMIT, read_settings

__all__ = ["NO_LIMIT", "Tokenizer", "TruncationWarning", "warn_truncated"]

USUAL_PADDING = ("[PAD]", "<pad>")


class TruncationWarning(UserWarning):
    """Texts exceed `max_length` tokens and were truncated, so their vectors ignore the rest."""


def warn_truncated(truncated: int, texts: int, max_length: int, stacklevel: int) -> None:
    """Emit a TruncationWarning unless `truncated`, the number of truncated texts of `texts`, is 0.

    `stacklevel` counts from the caller, as in `warnings.warn`.
    """
    if truncated:
        message = f"{truncated} of {texts} texts exceed max_length={max_length} tokens and were truncated"
        warn(message, TruncationWarning, stacklevel=stacklevel + 1)


class Tokenizer:
    """The tokenizer of a model folder, with an explicit `max_length`.

    Parameters
    ----------
    folder
        A model folder with tokenizer.json, or with the vocabulary of a slow tokenizer: vocab.txt, or vocab.json and
        merges.txt.
    max_length
        Tokens per text, special tokens included; longer texts are truncated. None takes the published length, at most
        `positions`.
    positions
        Tokens that the model's position table allows (for RoBERTa fewer than its rows).
    lowercase
        Lower-case texts before the tokenizer's own normalisation.
    special_tokens
        Whether texts get special tokens, such as [CLS] and [SEP].

    Raises
    ------
    FileNotFoundError
        If there is neither.
    ValueError
        If the tokenizer is invalid, or `max_length` leaves no room for text or exceeds `positions`.

    Notes
    -----
    The truncation and padding in tokenizer.json are ignored: all-MiniLM-L6-v2's truncates at 128, while
    sentence-transformers truncates at 256 (sentence_bert_config.json) and the position table has 512 rows.
    """

    def __init__(
        self,
        folder: str | Path,
        max_length: int | None = None,
        *,
        positions: int | None = None,
        lowercase: bool = False,
        special_tokens: bool = True,
    ) -> None:
        folder = Path(folder)
        settings = read_settings(folder)
        self._tokenizer = build(folder, settings, lowercase=lowercase)
        self._special, self._segments = settings.special, settings.segments
        self.max_length = settings.longest(positions) if max_length is None else max_length
        self._adds_special = special_tokens
        special = self._tokenizer.num_special_tokens_to_add(False) if special_tokens else 0
        if type(self.max_length) is not int or not special < self.max_length < 2**31:
            least = f"over {special}, the number of special tokens"
            raise ValueError(f"max_length must be an integer {least}, got {self.max_length!r}")
        if positions is not None and self.max_length > positions:
            raise ValueError(f"max_length must be at most {positions}, the model's positions, got {max_length}")
        published = self._tokenizer.truncation or {}
        side = settings.truncation_side or published.get("direction", "right")
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_length, direction=side)
        self._side = side
        self._long_texts = LongTexts(self._tokenizer, self.max_length) if side == "right" else None
        self._file = folder / "tokenizer.json"

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Return the token ids of texts, special tokens added unless the constructor omits them, truncated.

        Raises TypeError for anything but a list of str, and ValueError for a str with a lone surrogate.
        """
        checked = check_texts(texts, "texts")
        check_encodable(checked, "texts")
        if self._long_texts is not None:
            checked = self._long_texts.beginnings(checked)
        with panics_as_errors(self._file):
            return self._pack(self._tokenizer.encode_batch_fast(checked, add_special_tokens=self._adds_special))

    def pairs(self, firsts: Sequence[str], seconds: Sequence[str]) -> Tokens:
        """Return the token ids of text pairs; the second of each is segment 1 if the model has segments.

        A pair beyond `max_length` loses tokens one by one from the longer of its two texts (longest first), as with
        transformers' `truncation=True`. Raises as `__call__`, and ValueError if the lists differ in length.
        """
        first, second = check_texts(firsts, "firsts"), check_texts(seconds, "seconds")
        check_encodable(first, "firsts")
        check_encodable(second, "seconds")
        with panics_as_errors(self._file):
            return self._pack(self._tokenizer.encode_batch_fast(list(zip(first, second, strict=True))))

    def truncating_left(self) -> "Tokenizer":
        """Return the same tokenizer, which removes the beginning of texts that are too long."""
        other = copy.copy(self)
        other._tokenizer = tokenizers.Tokenizer.from_str(self._tokenizer.to_str())
        other._tokenizer.enable_truncation(self.max_length, direction="left")
        other._long_texts = None
        return other

    def spans(self, texts: Sequence[str], *, special_tokens: bool) -> list[tokenizers.Encoding]:
        """Return the whole encoding of each text: ids, tokens and the characters of each, not truncated.

        Raises as `__call__`.
        """
        checked = check_texts(texts, "texts")
        check_encodable(checked, "texts")
        whole = tokenizers.Tokenizer.from_str(self._tokenizer.to_str())
        whole.no_truncation()
        with panics_as_errors(self._file):
            return whole.encode_batch(checked, add_special_tokens=special_tokens)

    def decode(self, ids: Sequence[Sequence[int]], *, special_tokens: bool) -> list[str]:
        """Return the text of each list of ids, with its special tokens or without."""
        return self._tokenizer.decode_batch([list(one) for one in ids], skip_special_tokens=not special_tokens)

    def pairs_with(self, first: str, seconds: Sequence[str], first_max_length: int) -> Tokens:
        """Return the token ids of the pairs of `first` with each of `seconds`, of which `first` is kept.

        `first` is truncated to `first_max_length` tokens, without special tokens; a pair beyond `max_length` then loses
        tokens of its second text alone, as with transformers' `truncation="only_second"`. Raises as `__call__`, and
        ValueError where `first_max_length` is below 1 or leaves no room for the second text.
        """
        room = self.max_length - self._tokenizer.num_special_tokens_to_add(True)
        if type(first_max_length) is not int or not 0 < first_max_length < room:
            raise ValueError(
                f"expected a length of the first text from 1 to {room - 1}, got {first_max_length!r}: "
                f"max_length={self.max_length} has room for so many tokens, special tokens and one of the second text"
            )
        checked = check_texts([first, *seconds], "texts")
        check_encodable(checked, "texts")
        with panics_as_errors(self._file):
            kept, *others = self._tokenizer.encode_batch_fast(checked, add_special_tokens=False)
            kept.truncate(first_max_length, direction=self._side)
            for other in others:
                other.truncate(room - len(kept.ids), direction=self._side)
            return self._pack([self._tokenizer.post_process(kept, other) for other in others])

    def piece(self, token_id: int) -> str:
        """Return the token of an id; ValueError for an id that is not in the vocabulary."""
        token = self._tokenizer.id_to_token(token_id)
        if token is None:
            raise ValueError(f"expected the id of a token in this vocabulary, got {token_id}")
        return token

    def tokens_of(self, text: str) -> list[str]:
        """Return the tokens of one text as spelled in the vocabulary, special tokens added."""
        return list(self._tokenizer.encode(text).tokens)

    @property
    def vocab_size(self) -> int:
        """Number of ids, added tokens included."""
        return self._tokenizer.get_vocab_size()

    def special_id(self, role: str) -> int | None:
        """Return the id of the folder's token for `role`, such as `cls_token`; None if it has none."""
        token = self._special.get(role)
        return None if token is None else self._tokenizer.token_to_id(token)

    @property
    def pad_token_id(self) -> int:
        """Id of the folder's padding token, else of [PAD] or <pad>, else 0; padding is masked, so any id will do."""
        usual = [self._tokenizer.token_to_id(token) for token in USUAL_PADDING]
        return next((i for i in (self.special_id("pad_token"), *usual) if i is not None), 0)

    def prompt_length(self, prompt: str) -> int:
        """Return the number of tokens of a prompt before a text, without a closing special token."""
        encoding = self._tokenizer.encode(prompt)
        return len(encoding.ids) - (encoding.special_tokens_mask[-1] if encoding.ids else 0)

    def beyond(self, text: str) -> list[str]:
        """Return the tokens of one text that truncation removes, in order, without special tokens."""
        overflowing = self._tokenizer.encode(text).overflowing
        return [
            token
            for part in overflowing
            for token, special in zip(part.tokens, part.special_tokens_mask, strict=True)
            if not special
        ]

    def _pack(self, encodings: list[tokenizers.Encoding]) -> Tokens:
        lengths = np.fromiter((len(e.ids) for e in encodings), dtype=np.int64, count=len(encodings))
        total = int(lengths.sum())
        token_type_ids = np.zeros(total, dtype=np.int64)
        if self._segments:
            token_type_ids[:] = np.fromiter((i for e in encodings for i in e.type_ids), dtype=np.int64, count=total)
        return Tokens(
            input_ids=np.fromiter((i for e in encodings for i in e.ids), dtype=np.int64, count=total),
            token_type_ids=token_type_ids,
            lengths=lengths,
            truncated=np.fromiter((bool(e.overflowing) for e in encodings), dtype=bool, count=len(encodings)),
            pad_token_id=self.pad_token_id,
        )
