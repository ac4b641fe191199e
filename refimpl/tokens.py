"""Texts to token ids, by the model's own tokenizer.json; truncation is stated, configurable and reported per text."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from jaxtyping import Bool, Int

from refimpl.base import check_texts

Array = np.ndarray

MAX_LENGTHS = (  # the first that states one; sentence-transformers once named its file by the architecture
    *((f"sentence_{kind}_config", "max_seq_length") for kind in ("bert", "roberta", "distilbert", "xlm-roberta")),
    *((f"sentence_{kind}_config", "max_seq_length") for kind in ("camembert", "albert")),
    ("tokenizer_config", "model_max_length"),
    ("config", "max_position_embeddings"),
)
USUAL_PADDING = ("[PAD]", "<pad>")
NO_LIMIT = 1 << 30  # transformers writes 1e30 for "none"


class TruncationWarning(UserWarning):
    """Texts were longer than `max_length` tokens, and the rest of them did not enter their vectors."""


def warn_truncated(cut: int, texts: int, max_length: int, stacklevel: int) -> None:
    """A TruncationWarning that `cut` of so many texts were cut, none for 0; `stacklevel` as `warnings.warn` counts."""
    if cut:
        message = f"{cut} of {texts} texts exceed max_length={max_length} tokens and were cut"
        warnings.warn(message, TruncationWarning, stacklevel=stacklevel + 1)


@dataclass(frozen=True)
class Padded:
    """A batch as the textbook forward takes it; each array is `(batch, seq)`, padding at the right."""

    input_ids: Int[Array, "batch seq"]
    attention_mask: Bool[Array, "batch seq"]
    token_type_ids: Int[Array, "batch seq"]


@dataclass(frozen=True)
class Tokens:
    """The token ids of many texts, one after another in one packed array, without padding."""

    input_ids: Int[Array, "tokens"]
    token_type_ids: Int[Array, "tokens"]
    lengths: Int[Array, "texts"]
    truncated: Bool[Array, "texts"]
    pad_token_id: int = 0

    @property
    def starts(self) -> Int[Array, "texts"]:
        """Where each text begins in the packed arrays."""
        return np.cumsum(self.lengths) - self.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def select(self, texts: Int[Array, "chosen"]) -> "Tokens":
        """The chosen texts, in the order given."""
        lengths = self.lengths[texts]
        offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        places = np.repeat(self.starts[texts], lengths) + offsets
        packed = (self.input_ids[places], self.token_type_ids[places])
        return Tokens(*packed, lengths, self.truncated[texts], self.pad_token_id)

    def distinct(self) -> tuple[Int[Array, "different"], Int[Array, "texts"]]:
        """The first of each kind of equal texts, ascending, and for each text the place of its kind among them."""
        kinds: dict[bytes, int] = {}
        cuts = self.starts[1:]
        parts = zip(np.split(self.input_ids, cuts), np.split(self.token_type_ids, cuts), strict=True)
        places = [kinds.setdefault(ids.tobytes() + types.tobytes(), len(kinds)) for ids, types in parts][: len(self)]
        places_of = np.array(places, dtype=np.int64)
        return np.unique(places_of, return_index=True)[1], places_of

    def padded(self) -> Padded:
        """All texts as one batch, padded at the right to the longest."""
        seq = int(self.lengths.max(initial=0))
        mask = np.arange(seq) < self.lengths[:, None]
        input_ids = np.full(mask.shape, self.pad_token_id, dtype=self.input_ids.dtype)
        token_type_ids = np.zeros(mask.shape, dtype=self.token_type_ids.dtype)
        input_ids[mask] = self.input_ids  # both run text by text, left to right
        token_type_ids[mask] = self.token_type_ids
        return Padded(input_ids, mask, token_type_ids)


class Tokenizer:
    """A model folder's tokenizer.json with our own `max_length`, special tokens counted.

    The truncation and padding written in tokenizer.json are set aside: for all-MiniLM-L6-v2 it says 128, while
    sentence-transformers truncates at 256 (sentence_bert_config.json) and the position table holds 512.

    `max_length=None` takes the folder's published one, and no more than `positions`, what the model's position table
    has room for (RoBERTa's is less than it says). `lowercase` lowers the text before anything else. Raises
    FileNotFoundError without a tokenizer.json, and ValueError for one that is broken, or for a `max_length` that leaves
    no room for text or exceeds `positions`.
    """

    def __init__(
        self,
        folder: str | Path,
        max_length: int | None = None,
        *,
        positions: int | None = None,
        lowercase: bool = False,
    ) -> None:
        folder = Path(folder)
        if not (folder / "tokenizer.json").is_file():
            raise FileNotFoundError(f"{folder / 'tokenizer.json'} is missing: a model folder holds its fast tokenizer")
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the library raises nothing more specific
            raise ValueError(f"{folder / 'tokenizer.json'} is no tokenizer ({error}): fetch it again") from error
        self.max_length = _published_max_length(folder, positions) if max_length is None else max_length
        special = self._tokenizer.num_special_tokens_to_add(False)
        if type(self.max_length) is not int or not special < self.max_length < 2**31:
            least = f"over {special}, the number of special tokens"
            raise ValueError(f"max_length must be an integer {least}, got {self.max_length!r}")
        if positions is not None and self.max_length > positions:
            raise ValueError(f"max_length must be at most {positions}, the model's positions, got {max_length}")
        if lowercase:
            before = [tokenizers.normalizers.Lowercase(), self._tokenizer.normalizer]
            self._tokenizer.normalizer = tokenizers.normalizers.Sequence([step for step in before if step])
        self._special = _special_tokens(folder)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_length)

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Token ids of every text, special tokens added, cut at `max_length`.

        Raises TypeError for anything but a list of str, and ValueError for a str that is not Unicode text.
        """
        checked = check_texts(texts, "texts")
        _check_unicode(checked)
        return self._pack(self._tokenizer.encode_batch_fast(checked))

    def pairs(self, firsts: Sequence[str], seconds: Sequence[str]) -> Tokens:
        """Token ids of text pairs, the second of each in segment 1 where the model has segments.

        A pair beyond `max_length` loses tokens one by one from the longer of its two texts (longest first), as in
        transformers' `truncation=True`. Raises as `__call__` does, and ValueError when the lists differ in length.
        """
        first, second = check_texts(firsts, "firsts"), check_texts(seconds, "seconds")
        _check_unicode(first)
        _check_unicode(second)
        return self._pack(self._tokenizer.encode_batch_fast(list(zip(first, second, strict=True))))

    def piece(self, token_id: int) -> str:
        """One id's spelling in the vocabulary; ValueError when it has none."""
        spelled = self._tokenizer.id_to_token(token_id)
        if spelled is None:
            raise ValueError(f"{token_id} is no token of this vocabulary")
        return spelled

    def tokens_of(self, text: str) -> list[str]:
        """The word pieces of one text, special tokens added, as the vocabulary spells them."""
        return list(self._tokenizer.encode(text).tokens)

    def special_id(self, role: str) -> int | None:
        """The id of the token that the folder names for `role`, such as `cls_token`; None when it names none."""
        token = self._special.get(role)
        return None if token is None else self._tokenizer.token_to_id(token)

    @property
    def pad_token_id(self) -> int:
        """The padding's id by the folder, else by its usual names, else 0; padding is masked, whatever its id."""
        usual = [self._tokenizer.token_to_id(token) for token in USUAL_PADDING]
        return next((known for known in (self.special_id("pad_token"), *usual) if known is not None), 0)

    def prompt_length(self, prompt: str) -> int:
        """The number of tokens that `prompt` puts before a text, a closing special token not counted."""
        encoding = self._tokenizer.encode(prompt)
        return len(encoding.ids) - (encoding.special_tokens_mask[-1] if encoding.ids else 0)

    def beyond(self, text: str) -> list[str]:
        """The word pieces of one text that the window cuts off, in order, without special tokens."""
        lost = self._tokenizer.encode(text).overflowing
        return [
            token
            for part in lost
            for token, special in zip(part.tokens, part.special_tokens_mask, strict=True)
            if not special
        ]

    def _pack(self, encodings: list[tokenizers.Encoding]) -> Tokens:
        lengths = np.fromiter((len(e.ids) for e in encodings), dtype=np.int64, count=len(encodings))
        total = int(lengths.sum())
        return Tokens(
            input_ids=np.fromiter((i for e in encodings for i in e.ids), dtype=np.int64, count=total),
            token_type_ids=np.fromiter((i for e in encodings for i in e.type_ids), dtype=np.int64, count=total),
            lengths=lengths,
            truncated=np.fromiter((bool(e.overflowing) for e in encodings), dtype=bool, count=len(encodings)),
            pad_token_id=self.pad_token_id,
        )


def _published_max_length(folder: Path, positions: int | None) -> int:
    """The first length that the folder's files state, sentence-transformers' before transformers', within positions."""
    for name, key in MAX_LENGTHS:
        stated = _stated(folder / f"{name}.json").get(key)
        if type(stated) is int and stated < NO_LIMIT:
            return stated if positions is None else min(stated, positions)
    if positions is None:
        raise ValueError(f"{folder} states no maximum length: give max_length")
    return positions


def _special_tokens(folder: Path) -> dict[str, str]:
    """Spelling of each special token by its role, from special_tokens_map.json and tokenizer_config.json."""
    named = _stated(folder / "special_tokens_map.json") | _stated(folder / "tokenizer_config.json")
    spelled = {role: token.get("content") if isinstance(token, dict) else token for role, token in named.items()}
    return {role: token for role, token in spelled.items() if isinstance(token, str) and role.endswith("_token")}


def _stated(file: Path) -> dict[str, Any]:
    """The object in a JSON file; empty when there is no such file or no object in it."""
    if not file.is_file():
        return {}
    try:
        stated = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not JSON: {error}") from error
    return stated if isinstance(stated, dict) else {}


def _check_unicode(texts: list[str]) -> None:
    for i, text in enumerate(texts):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            culprit = text[error.start]
            raise ValueError(
                f"texts[{i}] holds the lone surrogate {culprit!r} at character {error.start} and is no Unicode text: "
                "repair it with text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
            ) from error
