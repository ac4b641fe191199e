"""How a faulty implementation lays out the tokens of a text beside those of another text of the same call."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis.faults import Fault


class Pair(NamedTuple):
    """Two texts of a call, of which the vector of `own` is computed."""

    own: Array
    """Ids `(seq,)` of its tokens."""
    other: Array
    """Ids of the other text's tokens."""
    first: bool
    """Whether `own` is the first of the two."""
    pad: int
    """The id of [PAD]."""


@dataclass(frozen=True)
class Row:
    """A row of a padded batch: `attended` and `pooled` are the masks of attention and pooling, all `(seq,)`."""

    input_ids: Array
    attended: Array
    pooled: Array
    positions: Array | None = None
    """Position ids; None for 0, 1, 2 and so on."""
    faults: tuple[Fault, ...] = ()
    """Of the attention's mask."""


Layout = Callable[[Pair], Row]


def right_padded(pair: Pair) -> Row:
    """As it should be: [PAD] up to the longer text's length, and masks of the text's own tokens."""
    padding = max(len(pair.other) - len(pair.own), 0)
    mask = np.arange(len(pair.own) + padding) < len(pair.own)
    return Row(np.append(pair.own, np.full(padding, pair.pad)), mask, mask)


def left_padded(pair: Pair) -> Row:
    """[PAD] before the tokens, whose positions move with them; masks of the text's own tokens."""
    row = right_padded(pair)
    padding = len(row.input_ids) - len(pair.own)
    ids, mask = np.roll(row.input_ids, padding), np.roll(row.attended, padding)
    return Row(ids, mask, mask)


def unmasked(layout: Layout, attended: bool, pooled: bool) -> Layout:
    """The layout with masks of ones, for attention, for pooling or for both."""

    def rows(pair: Pair) -> Row:
        row = layout(pair)
        ones = np.ones_like(row.attended)
        return replace(row, attended=ones if attended else row.attended, pooled=ones if pooled else row.pooled)

    return rows


def with_weak_mask(faults: tuple[Fault, ...], pooled: bool) -> Layout:
    """Padding at the right that a faulty attention masks, and that is pooled or not."""

    def rows(pair: Pair) -> Row:
        return replace(unmasked(right_padded, attended=False, pooled=pooled)(pair), faults=faults)

    return rows


def masked_at_the_right(pair: Pair) -> Row:
    """Padding at the left, with the masks of padding at the right."""
    mask = right_padded(pair).attended
    return Row(left_padded(pair).input_ids, mask, mask)


def with_mask_of(of_first: bool | None, attended: bool, pooled: bool) -> Layout:
    """Masks of the call's first text, of its last, or (None) of the other one."""

    def rows(pair: Pair) -> Row:
        row = right_padded(pair)
        own = of_first is not None and of_first == pair.first
        mask = np.arange(len(row.input_ids)) < (len(pair.own) if own else len(pair.other))
        return Row(row.input_ids, mask if attended else row.attended, mask if pooled else row.pooled)

    return rows


def cut(shortest: bool, keep_last: bool) -> Layout:
    """Cut at the length of the shortest text of the call, or of the first one."""

    def rows(pair: Pair) -> Row:
        if shortest or not pair.first:
            length = min(len(pair.own), len(pair.other))
            ids = np.append(pair.own[: length - 1], pair.own[-1]) if keep_last else pair.own[:length]
        else:
            ids = pair.own
        ones = np.ones(len(ids), dtype=bool)
        return Row(ids, ones, ones)

    return rows


def left_over(attended: bool, pooled: bool) -> Layout:
    """The tokens of the longer text stay after a shorter one, where padding should be."""

    def rows(pair: Pair) -> Row:
        row = right_padded(pair)
        row = replace(row, input_ids=np.append(pair.own, pair.other[len(pair.own) :]))
        return unmasked(lambda _: row, attended, pooled)(pair)

    return rows


def positions_go_on(pair: Pair) -> Row:
    """The text's own tokens, but positions that begin where those of the text before it end."""
    ones = np.ones(len(pair.own), dtype=bool)
    return Row(pair.own, ones, ones, np.arange(len(pair.own)) + (0 if pair.first else len(pair.other)))


def joined(pooled: bool, restarted: bool) -> Layout:
    """The texts of a call as one sequence; positions go on, or restart at each text."""

    def rows(pair: Pair) -> Row:
        parts = (pair.own, pair.other) if pair.first else (pair.other, pair.own)
        ids = np.concatenate(parts)
        own = (np.arange(len(ids)) < len(parts[0])) == pair.first
        ones = np.ones(len(ids), dtype=bool)
        positions = np.concatenate([np.arange(len(part)) for part in parts]) if restarted else None
        return Row(ids, ones, ones if pooled else own, positions)

    return rows
