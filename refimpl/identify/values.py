"""The numbers of vectors: how many, of which type and precision, of which length."""

from collections.abc import Callable, Mapping

import numpy as np

from refimpl.common.types import Array
from refimpl.identify.describe import Factor
from refimpl.identify.scores import shortest

UNIT = 5e-3  # of the length; coarser types deviate by more
LEAST, CENTRED = 60, 0.8  # bytes, and the share within 64 of their median: half of packed bits, nearly all numbers
STEPS = {"multiples of 1/127": 127.0, "multiples of 1/128": 128.0, "multiples of 1/255": 255.0}


def bfloat16(values: Array) -> Array:
    """Values rounded to bfloat16: the upper half of a float32, to nearest, ties to even."""
    bits = values.astype(np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32).astype(np.float64)


def float16(values: Array) -> Array:
    """Values rounded to float16."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float64)


FLOATS: Mapping[str, Callable[[Array], Array]] = {
    "bfloat16": bfloat16,
    "float16": float16,
    "float32": lambda values: values.astype(np.float32).astype(np.float64),
}


def kind_of(values: Array) -> tuple[str, str]:
    """Known form and value: bits, integers, a grid, decimals, or the smallest type that has all values."""
    different = np.unique(values)
    if len(different) <= 2:
        return "known form", f"bits: {' and '.join(f'{value:g}' for value in different)}"
    if np.array_equal(values, np.round(values)):
        low, high = int(values.min()), int(values.max())
        if (low >= 0 and high <= 255) or (low >= -128 and high <= 127):
            return _bytes(values, low, high)
        return "known form", f"integers of {low} to {high}"
    for name, denominator in STEPS.items():
        if np.abs(values * denominator - np.round(values * denominator)).max() < 1e-4:
            return "known form", name
    for decimals in range(1, 8):
        if np.abs(values - np.round(values, decimals)).max() < 1e-9:
            return "known form", f"rounded to {decimals} decimals"
    for name, rounded in FLOATS.items():
        if np.array_equal(values, rounded(values)):
            return "known form", name
    if np.array_equal(values, shortest(values.astype(np.float32))):
        return "known form", "float32, written in the fewest digits"
    for decimals in range(8, 11):
        if np.abs(values - np.round(values, decimals)).max() < 1e-15:
            return "known form", f"rounded to {decimals} decimals"
    return "known form", "float64"


def scaled_by_call(values: Array) -> bool:
    """Whether each column of integers `(texts, dim)` has the whole range of a byte, but for rounding down."""
    return bool((values.max(axis=0) - values.min(axis=0) >= 254).all())


def in_ranges(values: Array) -> Array | None:
    """Integers that are scaled by the call `(texts, dim)`, each column from 0 to 1; None for other numbers."""
    integers = np.array_equal(values, np.round(values))
    return to_ranges(values) if integers and len(np.unique(values)) > 2 and scaled_by_call(values) else None


def to_ranges(values: Array) -> Array:
    """Each column of `values` `(texts, dim)` from 0 to 1."""
    low, high = values.min(axis=0), values.max(axis=0)
    return (values - low) / np.where(high > low, high - low, 1.0)


def _bytes(values: Array, low: int, high: int) -> tuple[str, str]:
    """Numbers scaled by the call's texts fill each column, others lie around one value; packed bits do neither."""
    if scaled_by_call(values):
        return "known form", "8-bit integers, each column scaled to the range that it has in the call"
    if values.size >= LEAST and np.mean(np.abs(values - np.median(values)) < 64) > CENTRED:
        return "known form", "8-bit integers"
    return "undetermined", f"integers of {low} to {high}: 8-bit numbers, or packed bits"


def unpacked(values: Array) -> dict[str, Array]:
    """The bits of vectors of 8-bit integers, most significant first, by how they may be packed."""
    offsets = {"packed bits": 0, "packed bits, less 128": 128}
    fitting = {name: values + more for name, more in offsets.items() if values.min() + more >= 0}
    return {
        name: np.unpackbits(bytes_.astype(np.uint8), axis=1).astype(np.float64)
        for name, bytes_ in fitting.items()
        if bytes_.max() <= 255
    }


def norm_of(values: Array) -> tuple[str, str, float | None]:
    """Status, value and error of the length of vectors `(texts, dim)`."""
    forms = {
        "unit length (L2)": np.linalg.norm(values, axis=1),
        "sum of magnitudes 1 (L1)": np.abs(values).sum(axis=1),
        "largest magnitude 1": np.abs(values).max(axis=1),
    }
    for name, lengths in forms.items():
        error = float(np.abs(lengths - 1).max())
        if error < UNIT:
            return "known form", name, error
    lengths = forms["unit length (L2)"]
    spread = float(lengths.max() / max(lengths.min(), 1e-300) - 1)
    if spread < UNIT:
        return "known form", f"one length, {lengths.mean():.6g}", spread
    return "known form", f"not normalised: lengths of {lengths.min():.4g} to {lengths.max():.4g}", None


def factors(values: Array, dtypes: set[str]) -> list[Factor]:
    """Width, numbers and length of vectors `(texts, dim)`."""
    evidence = f"{values.shape[0]} vectors of {values.shape[1]} numbers"
    given = f"; given as {', '.join(sorted(dtypes))}" if dtypes else ""
    status, kind = kind_of(values)
    length, name, error = norm_of(values)
    found = [
        Factor("width", "known form", f"{values.shape[1]} numbers", evidence),
        Factor("numbers", "known form" if status == "known form" else "undetermined", kind, evidence + given),
        Factor("length of vectors", "known form" if length == "known form" else "undetermined", name, evidence, error),
    ]
    empty = int((values == 0).all(axis=0).sum())
    if empty:
        found.append(Factor("columns", "known form", f"{empty} are always 0", evidence))
    return found
