"""Terms to numbers, from a memory-mapped file too: nothing is read but what a lookup touches."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from jaxtyping import Int32, Int64, UInt8, UInt64


class Vocabulary:
    """`numbers(terms)` gives each term's number, -1 for an unknown one.

    Held either as a dict, or as three arrays: all terms' UTF-8 in one, each term's end in it, and their hashes in
    ascending order with the terms' numbers.
    """

    def __init__(self, terms: Sequence[str]) -> None:
        self._number = {term: i for i, term in enumerate(terms)}

    def __len__(self) -> int:
        return len(self._number)

    def numbers(self, terms: Sequence[str]) -> list[int]:
        """Each term's number, -1 for an unknown one."""
        number = self._number
        return [number.get(term, -1) for term in terms]

    def packed(self) -> dict[str, np.ndarray]:
        """The arrays that `PackedVocabulary` takes."""
        encoded = [_bytes(term) for term in self._number]
        hashes = np.array([_hash(term) for term in encoded], np.uint64)
        order = np.argsort(hashes, kind="stable")
        return {
            "term_bytes": np.frombuffer(b"".join(encoded), np.uint8),
            "term_end": np.cumsum([len(term) for term in encoded], dtype=np.int64),
            "term_hash": hashes[order],
            "term_of_hash": order.astype(np.int64),
        }


class PackedVocabulary:
    """The same over arrays, as `Vocabulary.packed` makes them."""

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

    def numbers(self, terms: Sequence[str]) -> list[int]:
        """Each term's number, -1 for an unknown one."""
        return [self._number(_bytes(term)) for term in terms]

    def packed(self) -> dict[str, np.ndarray]:
        """The arrays it was made of."""
        return {
            "term_bytes": self._bytes,
            "term_end": self._end,
            "term_hash": self._hash,
            "term_of_hash": self._term_of_hash,
        }

    def _number(self, term: bytes) -> int:
        wanted = np.uint64(_hash(term))
        at = int(np.searchsorted(self._hash, wanted))
        while at < len(self._hash) and self._hash[at] == wanted:  # equal hashes stand side by side
            number = int(self._term_of_hash[at])
            begin = int(self._end[number - 1]) if number else 0
            if self._bytes[begin : self._end[number]].tobytes() == term:
                return number
            at += 1
        return -1


class Columns:
    """For an index of counts, whose terms have no names: column i of a matrix is term `term[i]`."""

    def __init__(self, term: Int32[np.ndarray, " columns"]) -> None:
        self.term = term

    @classmethod
    def in_order(cls, order: Int64[np.ndarray, " columns"]) -> "Columns":
        """Term i is column `order[i]`."""
        term = np.empty(len(order), np.int32)
        term[order] = np.arange(len(order), dtype=np.int32)
        return cls(term)

    def packed(self) -> dict[str, np.ndarray]:
        """The array it was made of."""
        return {"column_term": self.term}


def _bytes(term: str) -> bytes:
    return term.encode("utf-8", "surrogatepass")


def _hash(term: bytes) -> int:
    return int.from_bytes(blake2b(term, digest_size=8).digest(), "little")
