"""One text's intermediates held against a file of someone else's, stage by stage in the order of the walk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

from refimpl.bert.files import as_float
from refimpl.bert.forward import merge_heads
from refimpl.oracle.compare import Array, Comparison, compare

RELATIVE = {"float64": 1e-10, "float32": 1e-5, "float16": 1e-2}
"""Allowed of a stage's largest magnitude, by the coarser dtype; seen of float32 against float64: 1.0e-6."""

STORED = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "?"},
    **{"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1"},
}


@dataclass(frozen=True)
class Stage:
    """One stage's outcome: its comparison, or None and the reason in `note`; `note` may also say how it was fitted."""

    name: str
    comparison: Comparison | None
    note: str = ""
    departs: bool = False

    @property
    def verdict(self) -> str:
        """One word or a few, for a table."""
        if self.departs:
            return "departs"
        return "matches" if self.comparison else "not compared"


def read(file: Path) -> dict[str, Array]:
    """The tensors of a safetensors file by name, bfloat16 as float32; ValueError where it is none or holds none."""
    try:
        held = deserialize(file.read_bytes())  # type: ignore[no-untyped-call]  # safetensors leaves it untyped
    except SafetensorError as error:
        raise ValueError(f"{file} is not a whole safetensors file ({error}): save the trace again") from error
    if not held:
        raise ValueError(f"{file} holds no tensor: give a trace, such as refimpl trace --save writes")
    return {name: _array(file, name, stored) for name, stored in held}


def _array(file: Path, name: str, stored: Mapping[str, Any]) -> Array:
    if stored["dtype"] not in STORED:
        raise ValueError(f"{file}: {name} has dtype {stored['dtype']}, expected one of {', '.join(STORED)}")
    raw = np.frombuffer(stored["data"], STORED[stored["dtype"]]).reshape(stored["shape"])
    return as_float(raw, np.dtype(np.float32)) if stored["dtype"] == "BF16" else raw


def compare_stages(
    mine: Mapping[str, Array], theirs: Mapping[str, Array], relative: float | None = None
) -> list[Stage]:
    """Every stage of `mine` in its order against `theirs`, then the names that only `theirs` has.

    A difference may be `relative` (default: by the coarser dtype, see `RELATIVE`) times the larger of 1 and the stage's
    largest magnitude; ids must be equal. A missing axis of the batch, heads side by side in one axis and, where
    `theirs` has an attention_mask, padding at the right are allowed for; any other shape departs. Raises ValueError
    when no name is shared.
    """
    if not set(mine) & set(theirs):
        offered = ", ".join(list(theirs)[:4])
        near = get_close_matches(next(iter(theirs)), list(mine), 1, 0.0)
        raise ValueError(
            f"no stage has a name of this walk: got {offered}; expected names such as {near[0]}, "
            "as refimpl trace prints them"
        )
    padding = _padding(mine, theirs)
    stages = [_stage(name, value, theirs.get(name), padding, relative) for name, value in mine.items()]
    foreign = [name for name in theirs if name not in mine and name != "attention_mask"]
    return stages + [Stage(name, None, "no stage of this walk") for name in foreign]


def first_departure(stages: Sequence[Stage]) -> Stage | None:
    """The earliest stage that departs, or None."""
    return next((stage for stage in stages if stage.departs), None)


def told(stages: Sequence[Stage], tokens: Sequence[str]) -> str:
    """The outcome in a sentence or two; `tokens` name the place."""
    compared = [stage for stage in stages if stage.comparison or stage.departs]
    first = first_departure(stages)
    if first is None:
        return f"All {len(compared)} compared stages match."
    before = compared.index(first)
    opening = f"First departure: {first.name}; " + (
        f"the {before} compared before it match." if before else "nothing was compared before it."
    )
    if first.comparison is None:
        return f"{opening} {first.note}."
    c = first.comparison
    return (
        f"{opening} {c.out} of {c.total} numbers are out of {c.tolerance:.3g}; the worst is at "
        f"{_place(first.name, c.worst, tokens)}: the file has {c.expected!r}, refimpl {c.mine!r}."
    )


def _stage(name: str, mine: Array, theirs: Array | None, padding: int, relative: float | None) -> Stage:
    if theirs is None:
        return Stage(name, None, "not in the file")
    fitted, note = _fitted(mine, theirs, padding)
    if fitted is None:
        return Stage(name, None, f"its shape is {theirs.shape}, expected {mine.shape}", departs=True)
    share = RELATIVE[_coarser(mine, fitted)] if relative is None else relative
    allowed = 0.0 if mine.dtype.kind in "iu" else share * max(1.0, float(np.abs(mine).max(initial=0.0)))
    comparison = compare(name, mine, fitted, allowed)
    return Stage(name, comparison, note, departs=not comparison.matches)


def _fitted(mine: Array, theirs: Array, padding: int) -> tuple[Array | None, str]:
    """`theirs` in the shape of `mine` and how it got there, or None."""
    notes = []
    headless = mine.ndim == 4 and theirs.ndim == 2
    if headless or (theirs.ndim == mine.ndim - 1 and (mine.ndim < 4 or theirs.shape[0] == mine.shape[1])):
        theirs = theirs[None]
    seq = mine.shape[-2] if mine.ndim > 2 else mine.shape[-1]
    if padding and theirs.shape != mine.shape:
        grown = [axis for axis, size in enumerate(theirs.shape) if axis and size == seq + padding]
        for axis in grown:
            theirs = np.take(theirs, np.arange(seq), axis=axis)
        notes += [f"{padding} padding positions left out"] if grown else []
    if mine.ndim == 4 and theirs.ndim == 3 and theirs.shape[-2:] == merge_heads(mine).shape[-2:]:
        heads, head_dim = mine.shape[1], mine.shape[3]
        theirs = theirs.reshape(1, seq, heads, head_dim).transpose(0, 2, 1, 3)
        notes.append("heads taken apart")
    return (theirs if theirs.shape == mine.shape else None), "; ".join(notes)


def _padding(mine: Mapping[str, Array], theirs: Mapping[str, Array]) -> int:
    """How many masked positions stand at the right of theirs, where that is all by which the lengths differ."""
    mask = theirs.get("attention_mask")
    if mask is None or "input_ids" not in mine:
        return 0
    row = np.asarray(mask).reshape(-1).astype(bool)
    seq = mine["input_ids"].shape[-1]
    return len(row) - seq if len(row) > seq and row[:seq].all() and not row[seq:].any() else 0


def _coarser(mine: Array, theirs: Array) -> str:
    floats = [str(value.dtype) for value in (mine, theirs) if value.dtype.kind == "f"]
    return min(floats, key=lambda dtype: np.dtype(dtype).itemsize, default="float64")


def _place(name: str, worst: tuple[int, ...], tokens: Sequence[str]) -> str:
    """Where a number stands, in words: heads and tokens counted from 0 and spelled."""
    kind = name.rpartition(".")[2]
    token = [f"token {at} ‘{tokens[at]}’" if at < len(tokens) else f"token {at}" for at in worst]
    if kind in ("attention_scores", "attention_probs"):
        return f"head {worst[1]}, from {token[2]} to {token[3]}"
    if len(worst) == 4:
        return f"head {worst[1]}, {token[2]}, feature {worst[3]}"
    if len(worst) == 3:
        return f"{token[1]}, feature {worst[2]}"
    return token[-1] if kind in ("input_ids", "token_type_ids") else f"feature {worst[-1]}"
