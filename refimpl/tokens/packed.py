"""The token ids of many texts: packed without padding, or as one padded batch."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from refimpl.common.types import Array


@dataclass(frozen=True)
class Padded:
    """The input of the textbook forward: arrays `(batch, seq)`, padded at the right."""

    input_ids: Int[Array, "batch seq"]
    attention_mask: Bool[Array, "batch seq"]
    token_type_ids: Int[Array, "batch seq"]


@dataclass(frozen=True)
class Tokens:
    """The token ids of many texts, concatenated into one packed array without padding."""

    input_ids: Int[Array, "tokens"]
    token_type_ids: Int[Array, "tokens"]
    lengths: Int[Array, "texts"]
    truncated: Bool[Array, "texts"]
    pad_token_id: int = 0

    @property
    def starts(self) -> Int[Array, "texts"]:
        """Index of each text's first token in the packed arrays, `(texts,)`."""
        return np.cumsum(self.lengths) - self.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def select(self, texts: Int[Array, "selected"]) -> "Tokens":
        """Return the texts with these indices, in this order; an index may repeat."""
        lengths = self.lengths[texts]
        offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        positions = np.repeat(self.starts[texts], lengths) + offsets
        packed = (self.input_ids[positions], self.token_type_ids[positions])
        return Tokens(*packed, lengths, self.truncated[texts], self.pad_token_id)

    def distinct(self) -> tuple[Int[Array, "different"], Int[Array, "texts"]]:
        """Group equal texts, as `np.unique` with `return_index` and `return_inverse`, in order of first occurrence.

        Returns
        -------
        index
            Of each distinct text the index of its first occurrence, ascending.
        inverse
            Of each text its position in `index`, so that `index[inverse]` are equal texts.
        """
        numbers: dict[bytes, int] = {}
        splits = self.starts[1:]
        texts = zip(np.split(self.input_ids, splits), np.split(self.token_type_ids, splits), strict=True)
        keys = [ids.tobytes() + types.tobytes() for ids, types in texts][: len(self)]
        inverse = np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
        return np.unique(inverse, return_index=True)[1], inverse

    def padded(self) -> Padded:
        """Return all texts as one batch, padded at the right to the longest."""
        seq = int(self.lengths.max(initial=0))
        mask = np.arange(seq) < self.lengths[:, None]
        input_ids = np.full(mask.shape, self.pad_token_id, dtype=self.input_ids.dtype)
        token_type_ids = np.zeros(mask.shape, dtype=self.token_type_ids.dtype)
        input_ids[mask] = self.input_ids  # both are in row-major order
        token_type_ids[mask] = self.token_type_ids
        return Padded(input_ids, mask, token_type_ids)
