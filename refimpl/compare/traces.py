"""The intermediates of one text compared with another program's, stage by stage in the order of the forward pass."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from refimpl.common.inputs import read_bytes
from refimpl.common.tensors import TensorFileError, read_tensors
from refimpl.common.types import Array
from refimpl.compare.arrays import compare_arrays
from refimpl.compare.comparison import Comparison

RELATIVE = {"float64": 1e-10, "float32": 1e-5, "float16": 1e-2}
"""Allowed difference, relative to a stage's largest magnitude, by the coarser dtype; observed in float32: 1.0e-6."""

CompareStage = Callable[[str, Array, Array], Comparison]
"""Compares one stage: its name, the computed array, the expected array."""


def read(file: Path) -> dict[str, Array]:
    """The tensors of a safetensors file by name, bfloat16 as float32; ValueError where it is none or holds none."""
    try:
        tensors = read_tensors(read_bytes(file), str(file))
    except TensorFileError as error:
        raise ValueError(f"{error}: save the trace again") from error
    if not tensors:
        raise ValueError(f"{file} holds no tensor: give a trace, such as refimpl trace --save writes")
    return tensors


def compare_stage(name: str, got: Array, expected: Array, relative: float | None = None) -> Comparison:
    """Compare one stage: ids are equal; a difference may be `relative` times max(1, the stage's largest magnitude).

    `relative` is by default that of the coarser of the two dtypes, see `RELATIVE`.
    """
    share = RELATIVE[_coarser(got, expected)] if relative is None else relative
    magnitude = max(1.0, float(np.abs(expected).max(initial=0.0)))
    return compare_arrays(name, got, expected, 0.0 if expected.dtype.kind in "iu" else share * magnitude)


def compare_traces(
    got: Mapping[str, Array], expected: Mapping[str, Array], compare: CompareStage = compare_stage
) -> list[Comparison]:
    """Compare every stage of `expected`, in its order, with that of `got`; names that only `got` has follow.

    Stages of `expected` have a leading batch axis of 1. Those of `got` may lack it, have heads side by side in one axis
    and, where there is an attention_mask, padding at the right; any other shape is a mismatch. Raises ValueError when
    no name is shared.
    """
    if not set(got) & set(expected):
        names = ", ".join(list(got)[:4])
        near = get_close_matches(next(iter(got), ""), list(expected), 1, 0.0)
        raise ValueError(
            f"none of the names is a stage of this trace: got {names}; expected names such as {near[0]}, "
            "as refimpl trace prints them"
        )
    padding = _padding(expected, got)
    comparisons = []
    for name, value in expected.items():
        if name not in got:
            comparisons.append(Comparison(name, 0.0, "not in the file", compared=False, note="not in the file"))
            continue
        fitted, note = _fitted(value, got[name], padding)
        comparisons.append(replace(compare(name, fitted, value), note=note))
    unknown = [name for name in got if name not in expected and name != "attention_mask"]
    message = "no stage of this trace"
    return comparisons + [Comparison(name, 0.0, message, compared=False, note=message) for name in unknown]


def first_mismatch(comparisons: Sequence[Comparison]) -> Comparison | None:
    """The earliest stage that does not match, or None."""
    return next((one for one in comparisons if one.compared and not one.matches), None)


def describe(comparisons: Sequence[Comparison], tokens: Sequence[str]) -> str:
    """The comparison of a trace in a sentence or two; `tokens` label the position of the worst element."""
    compared = [one for one in comparisons if one.compared]
    first = first_mismatch(compared)
    if first is None:
        return f"All {len(compared)} compared stages match."
    before = compared.index(first)
    opening = f"First mismatch: {first.name}; " + (
        f"the {before} compared before it match." if before else "nothing was compared before it."
    )
    if not first.worst:
        return f"{opening} {first.message}."
    return (
        f"{opening} {first.n_mismatched} of {first.n} elements differ by more than {first.tolerance:.3g}; the worst is "
        f"{_place(first.name, first.worst, tokens)}: the file has {first.got!r}, refimpl {first.expected!r}."
    )


def _fitted(expected: Array, got: Array, padding: int) -> tuple[Array, str]:
    """`got` in the shape of `expected` where it has the same elements, and how it was fitted."""
    notes = []
    fitted = got
    headless = expected.ndim == 4 and got.ndim == 2
    if headless or (got.ndim == expected.ndim - 1 and (expected.ndim < 4 or got.shape[0] == expected.shape[1])):
        fitted = got[None]
    seq = expected.shape[-2] if expected.ndim > 2 else expected.shape[-1]
    if padding and fitted.shape != expected.shape:
        padded = [axis for axis, size in enumerate(fitted.shape) if axis and size == seq + padding]
        for axis in padded:
            fitted = np.take(fitted, np.arange(seq), axis=axis)
        notes += [f"{padding} padding positions removed"] if padded else []
    if expected.ndim == 4 and fitted.ndim == 3 and fitted.shape[-2:] == (seq, expected.shape[1] * expected.shape[3]):
        heads, head_dim = expected.shape[1], expected.shape[3]
        fitted = fitted.reshape(1, seq, heads, head_dim).transpose(0, 2, 1, 3)
        notes.append("heads split")
    if fitted.shape != expected.shape:
        return got, f"shape {got.shape}, expected {expected.shape}"
    return fitted, "; ".join(notes)


def _padding(expected: Mapping[str, Array], got: Mapping[str, Array]) -> int:
    """Number of masked positions at the right of `got`, where that is all by which the lengths differ."""
    mask = got.get("attention_mask")
    if mask is None or "input_ids" not in expected:
        return 0
    row = np.asarray(mask).reshape(-1).astype(bool)
    seq = expected["input_ids"].shape[-1]
    return len(row) - seq if len(row) > seq and row[:seq].all() and not row[seq:].any() else 0


def _coarser(a: Array, b: Array) -> str:
    floats = [str(value.dtype) for value in (a, b) if value.dtype.kind == "f"]
    return min(floats, key=lambda dtype: np.dtype(dtype).itemsize, default="float64")


def _place(name: str, worst: tuple[int, ...], tokens: Sequence[str]) -> str:
    """The position of an element in words: heads and tokens counted from 0, tokens spelled out."""
    kind = name.rpartition(".")[2]
    token = [f"token {i} ‘{tokens[i]}’" if i < len(tokens) else f"token {i}" for i in worst]
    if kind in ("attention_scores", "attention_probs"):
        return f"head {worst[1]}, from {token[2]} to {token[3]}"
    if len(worst) == 4:
        return f"head {worst[1]}, {token[2]}, feature {worst[3]}"
    if len(worst) == 3:
        return f"{token[1]}, feature {worst[2]}"
    return token[-1] if kind in ("input_ids", "token_type_ids") else f"feature {worst[-1]}"
