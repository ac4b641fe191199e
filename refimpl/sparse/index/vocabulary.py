"""Terms to term ids; from a memory-mapped file too, of which a lookup reads a few pages."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from jaxtyping import Int32, Int64, UInt8, UInt64


class Vocabulary:
    """Terms to ids by a dict: the i-th of `terms` (distinct) has id i."""

    def __init__(self, terms: Sequence[str]) -> None:
        self._ids = {term: i for i, term in enumerate(terms)}

    def __len__(self) -> int:
        return len(self._ids)

    def term_ids(self, terms: Sequence[str]) -> list[int]:
        """The id of each term, -1 for an unknown one."""
        ids = self._ids
        return [ids.get(term, -1) for term in terms]

    def packed(self) -> dict[str, np.ndarray]:
        """The arguments of `PackedVocabulary`."""
        encoded = [_bytes(term) for term in self._ids]
        hashes = np.array([_hash(term) for term in encoded], np.uint64)
        order = np.argsort(hashes, kind="stable")
        return {
            "term_bytes": np.frombuffer(b"".join(encoded), np.uint8),
            "term_end": np.cumsum([len(term) for term in encoded], dtype=np.int64),
            "term_hash": hashes[order],
            "term_of_hash": order.astype(np.int64),
        }


class PackedVocabulary:
    """Terms to ids by binary search over hashes, in arrays that may be memory-mapped.

    `term_bytes` is all terms' UTF-8, `term_end` where each term ends in it, `term_hash` the terms' 64-bit hashes in
    ascending order, `term_of_hash` the ids in that order. Terms of equal hash are adjacent; their bytes are compared.
    """

    def __init__(
        self,
        term_bytes: UInt8[np.ndarray, " bytes"],
        term_end: Int64[np.ndarray, " terms"],
        term_hash: UInt64[np.ndarray, " terms"],
        term_of_hash: Int64[np.ndarray, " terms"],
    ) -> None:
        self._bytes, self._end = term_bytes, term_end
        self._hash, self._term_of_hash = term_hash, term_of_hash

    def __len__(self) -> int:
        return len(self._end)

    def term_ids(self, terms: Sequence[str]) -> list[int]:
        """The id of each term, -1 for an unknown one."""
        return [self._id(_bytes(term)) for term in terms]

    def packed(self) -> dict[str, np.ndarray]:
        """The arguments of the constructor."""
        return {
            "term_bytes": self._bytes,
            "term_end": self._end,
            "term_hash": self._hash,
            "term_of_hash": self._term_of_hash,
        }

    def _id(self, term: bytes) -> int:
        hash_of_term = np.uint64(_hash(term))
        at = int(np.searchsorted(self._hash, hash_of_term))
        while at < len(self._hash) and self._hash[at] == hash_of_term:  # terms of equal hash are adjacent
            term_id = int(self._term_of_hash[at])
            begin = int(self._end[term_id - 1]) if term_id else 0
            if self._bytes[begin : self._end[term_id]].tobytes() == term:
                return term_id
            at += 1
        return -1


class ColumnVocabulary:
    """For an index of counts, whose terms have no names: column i of a matrix has term id `term[i]`."""

    def __init__(self, term: Int32[np.ndarray, " columns"]) -> None:
        self.term = term

    @classmethod
    def from_order(cls, order: Int64[np.ndarray, " columns"]) -> "ColumnVocabulary":
        """Column `order[i]` has term id i."""
        term = np.empty(len(order), np.int32)
        term[order] = np.arange(len(order), dtype=np.int32)
        return cls(term)

    def packed(self) -> dict[str, np.ndarray]:
        """The argument of the constructor."""
        return {"column_term": self.term}


def _bytes(term: str) -> bytes:
    return term.encode("utf-8", "surrogatepass")


def _hash(term: bytes) -> int:
    return int.from_bytes(blake2b(term, digest_size=8).digest(), "little")
