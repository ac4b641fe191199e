"""Vectors of another form than the expected ones, recognised from all answers together: one sentence for all."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.check.suites.parse import shown
from refimpl.common.types import Array

NEAR = 1e-3  # of an entry of a unit vector; half precision is nearer
STEP = 1.01  # of integers: rounded down, and float32's rounding
SIGNS = 0.9  # of bits that are those of the expected signs
BYTE = 256
FEWEST = 10  # texts to which a scale and an offset per dimension are fitted


@dataclass(frozen=True)
class Form:
    """What answers are, in one sentence; `decode` makes comparable vectors of them, where that is possible."""

    sentence: str
    decode: Callable[[Any], Array] | None = None


def other_form(answers: Mapping[str, Any], expected: Mapping[str, Array]) -> Form | None:
    """The form that all `answers` share, by text, if it is not that of the `expected` unit vectors; else None."""
    given = list(answers.values())
    if not given:
        return None
    truth = np.stack([expected[name] for name in answers])
    if all(isinstance(answer, str | bytes) for answer in given):
        return _of_strings(given, truth)
    if all(isinstance(answer, Mapping) for answer in given):
        keys = ", ".join(map(repr, given[0]))
        return Form(f"every answer is an object with {keys}: return its list of {truth.shape[1]} numbers alone")
    try:
        arrays = [np.asarray(answer, dtype=np.float64) for answer in given]
    except (TypeError, ValueError, OverflowError):
        return None
    if any(isinstance(entry, str) for answer in given for entry in _first_entries(answer)):
        return Form(f"the entries are strings, such as {shown(_first_entries(given[0])[0])}: return numbers")
    if all(array.ndim == 2 for array in arrays):
        return _of_rows(arrays, truth.shape[1])
    widths = {array.shape for array in arrays}
    if len(widths) != 1 or arrays[0].ndim != 1 or not arrays[0].size:
        return None
    return _of_vectors(np.stack(arrays), truth)


def _first_entries(answer: Any) -> Sequence[Any]:
    return answer[:1] if isinstance(answer, list | tuple) else ()


def _of_strings(given: Sequence[str | bytes], truth: Array) -> Form:
    width = truth.shape[1]
    try:
        decoded = [np.frombuffer(base64.b64decode(one, validate=True), "<f4") for one in given]
    except (binascii.Error, ValueError):
        return Form(f"every answer is a string, such as {shown(given[0])}: return a list of {width} numbers")
    sizes = sorted({len(one) for one in decoded})
    return Form(f"every answer is base64 of {sizes[0]} float32: decode it, and return a list of {width} numbers")


def _of_rows(arrays: Sequence[Array], width: int) -> Form | None:
    if any(array.shape[1] != width for array in arrays):
        return None
    if all(len(array) == 1 for array in arrays):
        return Form("every vector is in a list of its own, as the only one: return the vector alone")
    lengths = sorted({len(array) for array in arrays})
    span = f"{lengths[0]} to {lengths[-1]}"
    return Form(f"every answer has one vector per token ({span} of {width} numbers): pool them into one vector")


def _of_vectors(vectors: Array, truth: Array) -> Form | None:
    width = truth.shape[1]
    if not np.isfinite(vectors).all() or np.ptp(vectors) == 0:
        return None
    whole = np.array_equal(vectors, np.round(vectors))
    if whole and vectors.shape[1] * 8 == width and np.ptp(vectors) < BYTE:
        return _packed(vectors, truth)
    if vectors.shape[1] != width:
        return Form(_of_width(vectors, truth))
    if whole and len(np.unique(vectors)) == 2:
        return _bits(vectors, truth)
    return _integers(vectors, truth) if whole else None


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.finfo(np.float64).tiny)


def _of_width(vectors: Array, truth: Array) -> str:
    """What vectors of another width are a part or a superset of."""
    got, width = vectors.shape[1], truth.shape[1]
    opening = f"every vector has {got} numbers, expected {width}"
    unit = _unit(vectors)
    for name, part in (("first", slice(None, got)), ("last", slice(-got, None))):
        if got < width and np.abs(unit - _unit(truth[:, part])).max() < NEAR:
            exact = np.abs(vectors - truth[:, part]).max() < NEAR
            scaled = "" if exact else ", scaled anew to unit length"
            return f"{opening}: the {name} {got} of {width} dimensions{scaled} (truncate_dim); leave none out"
    for start in range(0, got - width + 1, width):
        if np.abs(_unit(vectors[:, start : start + width]) - truth).max() < NEAR:
            return f"{opening}: numbers {start} to {start + width - 1} are the expected ones; return those alone"
    return f"{opening}: another model, or vectors that were projected"


def projection(vectors: Array, truth: Array) -> str | None:
    """A sentence where `vectors` `(texts, narrow)` are a linear map of the expected ones `(texts, dim)`; else None.

    The map is solved for on all texts but the last fifth, and confirmed on those: there must be more texts than `dim`.
    """
    fitted = len(truth) * 4 // 5
    if fitted <= truth.shape[1]:
        return None
    augmented = np.column_stack([truth, np.ones(len(truth))])
    matrix = np.linalg.lstsq(augmented[:fitted], vectors[:fitted], rcond=None)[0]
    errors = augmented[fitted:] @ matrix - vectors[fitted:]
    spread = np.abs(vectors[fitted:] - vectors[:fitted].mean(axis=0)).max()
    if np.abs(errors).max() > NEAR * 10 * spread:
        return None
    rank = np.linalg.matrix_rank(matrix[:-1], tol=1e-3 * np.linalg.norm(matrix[:-1], 2))
    return (
        f"every vector has {vectors.shape[1]} numbers, expected {truth.shape[1]}: a linear projection of rank {rank} "
        f"of the expected vectors (a dense layer, PCA), the same for all {len(truth)} texts; leave it out"
    )


def _share_of_signs(bits: Array, truth: Array) -> float:
    return float(np.mean((bits > 0) == (truth > 0)))


def _signs(bits: Array) -> Array:
    return np.where(bits > 0, 1.0, -1.0) / np.sqrt(bits.shape[-1])


def _packed(vectors: Array, truth: Array) -> Form:
    offset = 128 if vectors.min() < 0 else 0

    def decode(answer: Any) -> Array:
        codes = (np.asarray(answer, dtype=np.float64) + offset).astype(np.uint8)
        return _signs(np.unpackbits(codes, axis=-1))

    kind = "int8, bytes less 128" if offset else "uint8"
    share = _share_of_signs(decode(vectors), truth)
    opening = f"every vector is {truth.shape[1]} bits, packed into {vectors.shape[1]} bytes ({kind})"
    if share < SIGNS:
        return Form(f"{opening}: {share:.0%} of the bits are those of the expected signs, most significant bit first")
    agreement = f"{share:.2%} of the bits are those of the expected signs"
    return Form(f"{opening}: {agreement}; compare them with --tolerance quantised-ranking", decode)


def _bits(vectors: Array, truth: Array) -> Form:
    low, high = np.unique(vectors)
    threshold = (low + high) / 2
    share = _share_of_signs(vectors - threshold, truth)
    opening = f"every number is {low:g} or {high:g}, a bit: {share:.2%} are those of the expected signs"
    if share < SIGNS:
        return Form(opening)

    def decode(answer: Any) -> Array:
        return _signs(np.asarray(answer, dtype=np.float64) - threshold)

    return Form(f"{opening}; compare them with --tolerance quantised-ranking", decode)


def _integers(vectors: Array, truth: Array) -> Form:
    """8-bit or other integers with the scale that makes them the expected vectors."""
    opening = f"every number is an integer, {vectors.min():g} to {vectors.max():g}"
    advice = "divide by it, or compare with --tolerance int8"
    scale = float(np.sum(vectors * truth) / np.sum(truth**2))
    if np.abs(vectors - scale * truth).max() <= STEP:
        return Form(f"{opening}: the expected vectors times {scale:.4g}, rounded; {advice}", _normalised)
    own = np.sum(vectors * truth, axis=1, keepdims=True)
    if np.abs(vectors - own * truth).max() <= STEP:
        sentence = f"each expected vector times a scale of its own ({own.min():.4g} to {own.max():.4g}), rounded"
        return Form(f"{opening}: {sentence}; {advice}", _normalised)
    return _by_dimension(vectors, truth, opening)


def _normalised(answer: Any) -> Array:
    return _unit(np.asarray(answer, dtype=np.float64))


def _by_dimension(vectors: Array, truth: Array, opening: str) -> Form:
    """Each dimension with a scale and an offset of its own, fitted to the expected values of enough texts."""
    if len(vectors) < FEWEST:
        return Form(f"{opening}: return floating-point numbers, or run more texts to learn the scale")
    center, mean = truth.mean(axis=0), vectors.mean(axis=0)
    deviations = truth - center
    scale = np.sum(deviations * (vectors - mean), axis=0) / np.sum(deviations**2, axis=0)
    errors = np.abs(vectors - mean - scale * deviations)
    if np.quantile(errors, 0.95) > STEP or (scale == 0).any():
        return Form(f"{opening}: by no scale the expected vectors; return floating-point numbers")

    def decode(answer: Any) -> Array:
        return _unit((np.asarray(answer, dtype=np.float64) - mean) / scale + center)

    sentence = f"each dimension has a scale ({np.abs(scale).min():.4g} to {np.abs(scale).max():.4g}) and an offset"
    return Form(f"{opening}: {sentence} of its own, as with calibrated ranges; compare with --tolerance int8", decode)
