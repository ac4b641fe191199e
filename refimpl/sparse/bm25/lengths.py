"""Lucene's document length in one byte: 0 to 39 exactly, then four significant bits. SmallFloat.intToByte4."""

import numpy as np
from jaxtyping import Float, Float64, Int, UInt8

EXACT_BELOW = 24  # codes 0..23 are the length itself; the 232 codes above encode length - 24 as a tiny float


def length_codes(doc_len: Int[np.ndarray, "*shape"] | Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """The byte of each length (0 or more): the largest code whose length is not above it."""
    return (np.searchsorted(LENGTHS, doc_len, side="right") - 1).astype(np.uint8)


def lossy_lengths(doc_len: Int[np.ndarray, "*shape"] | Float[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """Each length as Lucene decodes it: rounded down to a length that has a code."""
    return LENGTHS[length_codes(doc_len)].astype(np.float64)


def _length_of_code(code: int) -> int:
    """Decode a byte: above 23, three bits of mantissa below a hidden one, shifted by the upper five bits."""
    if code < EXACT_BELOW:
        return code
    mantissa, exponent = (code - EXACT_BELOW) & 7, (code - EXACT_BELOW) >> 3
    if exponent == 0:
        return EXACT_BELOW + mantissa
    return EXACT_BELOW + ((mantissa | 8) << (exponent - 1))


LENGTHS = np.array([_length_of_code(code) for code in range(256)], np.int64)
