"""What a faulty implementation computes for a text because of another text of the same call."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from refimpl.bert.heads import l2_normalize
from refimpl.common.types import Array
from refimpl.diagnosis.call_layouts import (
    Layout,
    Pair,
    cut,
    joined,
    left_over,
    left_padded,
    masked_at_the_right,
    positions_go_on,
    right_padded,
    unmasked,
    with_mask_of,
    with_weak_mask,
)
from refimpl.diagnosis.faults import Fault
from refimpl.diagnosis.structure.families import ATTENTION_MASKS

Output = Callable[[Array], Array]
"""Takes the pooled vectors `(texts, dim)` of a call; returns what the implementation answers."""


@dataclass(frozen=True)
class CallFault:
    """A fault of calls with several texts: of their tokens' layout, or of the pooled vectors."""

    name: str
    explanation: str
    remedy: str
    layout: Layout = right_padded
    output: Output | None = None
    """None for the model's normalisation of each vector."""
    padding: bool = False
    """Whether of the other texts only the length of the longest counts."""
    weight: Callable[[Pair], float] = lambda pair: 1.0
    """Of the own text's vector, which shows where vectors are not normalised."""


MASKED = "pass the attention mask to the encoder, and to the pooling"
SIDES = (("", "at the right", right_padded), ("left ", "at the left", left_padded))
USES = (
    ("attended to", "attention has no mask", True, False),
    ("pooled", "the pooling counts padding as tokens", False, True),
    ("attended to and pooled", "neither attention nor pooling has a mask", True, True),
)


def _paddings() -> Iterator[CallFault]:
    for (side, where, layout), (use, what, attended, pooled) in product(SIDES, USES):
        explanation = f"shorter texts of a call are padded {where}, and {what}"
        yield CallFault(f"{side}padding {use}", explanation, MASKED, unmasked(layout, attended, pooled), None, True)
    explanation = "shorter texts are padded at the left, so that their positions do not begin at 0"
    yield CallFault(
        "left padding", explanation, "pad at the right, or count positions by the mask", left_padded, None, True
    )
    explanation = "shorter texts are padded at the left, and the mask is that of padding at the right"
    yield CallFault(
        "left padding, masked at the right", explanation, "mask the padding", masked_at_the_right, None, True
    )

    explanation = "the sum over a text's tokens is divided by the padded length, not by their number"
    yield CallFault(
        "sum divided by the padded length", explanation, "divide by the sum of the mask", padding=True, weight=_share
    )


def _share(pair: Pair) -> float:
    return len(pair.own) / max(len(pair.own), len(pair.other))


def _weak_masks() -> Iterator[CallFault]:
    for (name, what, block), pooled in product(ATTENTION_MASKS, (False, True)):
        also = (" and padding pooled", ", and the pooling counts padding as tokens") if pooled else ("", "")
        explanation = f"the attention {name} {what}{also[1]}"
        remedy = "add -inf, or the least finite number, to the scores of padding"
        layout = with_weak_mask((Fault(None, block),), pooled)
        yield CallFault(f"{name}{also[0]}", explanation, remedy, layout, None, True)


def _masks_of_others() -> Iterator[CallFault]:
    whose = (("the first text", True), ("the last text", False), ("another text", None))
    for (text, of_first), (use, _, attended, pooled) in product(whose, USES):
        where = {"attended to": "attention", "pooled": "pooling"}.get(use, "attention and pooling")
        explanation = f"{where} of every text of a call has the mask of {text}"
        layout = with_mask_of(of_first, attended, pooled)
        yield CallFault(f"mask of {text} in {where}", explanation, "give each text its own mask", layout)


def _cuts() -> Iterator[CallFault]:
    for (text, shortest), (end, keep) in product(
        (("shortest", True), ("first", False)), ((", with its [SEP]", True), ("", False))
    ):
        explanation = f"every text of a call is cut at the length of the {text} one{end}"
        remedy = "pad to the longest text of a call"
        yield CallFault(f"cut to the {text} text{end}", explanation, remedy, cut(shortest, keep))


def _mixtures() -> Iterator[CallFault]:
    for use, _, attended, pooled in USES:
        explanation = f"the tokens of a longer text stay behind those of a shorter one, and are {use}"
        layout = left_over(attended, pooled)
        yield CallFault(f"left-over tokens {use}", explanation, "clear buffers between texts", layout)
    explanation = "a text's positions begin where those of the text before it in the call end, as in a packed batch"
    yield CallFault("positions go on", explanation, "restart position ids at each text", positions_go_on)
    for restarted, pooled in product((True, False), (False, True)):
        positions = "positions restart at each text" if restarted else "positions go on"
        mean = "and one mean is taken of all" if pooled else "and each text has its own mean"
        name = f"attention across the texts of a call, {positions}{', one mean' if pooled else ''}"
        explanation = f"the texts of a call are one sequence to attention; {positions}, {mean}"
        remedy = "give attention a mask by text (block diagonal)"
        yield CallFault(name, explanation, remedy, joined(pooled, restarted))


def _over_the_call(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors))


def _over_the_axis(vectors: Array) -> Array:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=0), 1e-12))


def _by_the_longest(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1).max())


def _centred(vectors: Array) -> Array:
    return np.asarray(vectors - vectors.mean(axis=0))


def _standardised(vectors: Array) -> Array:
    return _centred(vectors) / (vectors.std(axis=0) + 1e-12)


def _min_max(vectors: Array) -> Array:
    least = vectors.min(axis=0)
    return np.asarray((vectors - least) / np.maximum(vectors.max(axis=0) - least, 1e-12))


def _outputs() -> Iterator[CallFault]:
    whole = "normalise each vector by its own length (axis=1)"
    apart = "compute each vector without those of other texts"
    kinds: tuple[tuple[str, str, str, Output], ...] = (
        ("normalised over the whole call", "all vectors are divided by one norm", whole, _over_the_call),
        ("normalised over the wrong axis", "each dimension is divided by its norm over a call", whole, _over_the_axis),
        ("normalised by the longest vector", "all are divided by the longest one's length", whole, _by_the_longest),
        ("mean of the call subtracted", "the mean over the texts of a call is subtracted", apart, _centred),
        ("standardised over the call", "each dimension has mean 0 and deviation 1 in a call", apart, _standardised),
        ("min-max over the call", "each dimension is scaled to 0 to 1 in a call", apart, _min_max),
    )
    for (name, explanation, remedy, function), (more, before, after) in product(
        kinds,
        (
            ("", _same, _same),
            (", of unit vectors", l2_normalize, _same),
            (", then unit length", _same, l2_normalize),
            (", of unit vectors, then unit length", l2_normalize, l2_normalize),
        ),
    ):
        yield CallFault(f"{name}{more}", f"{explanation}{more}", remedy, output=_chained(before, function, after))


def _same(vectors: Array) -> Array:
    return vectors


def _chained(*steps: Output) -> Output:
    def output(vectors: Array) -> Array:
        for step in steps:
            vectors = step(vectors)
        return vectors

    return output


NO_FAULT = CallFault("no fault", "every text has its own vector", "")
LEFT_OVER = tuple(fault for fault in _mixtures() if fault.name.startswith("left-over"))
WEAK_MASKS = tuple(_weak_masks())
OF_EVERY_MODEL = (*_paddings(), *_masks_of_others(), *_cuts(), *_mixtures(), *_outputs())
"""Those that do not replace BERT's layer."""
CALL_FAULTS = (*OF_EVERY_MODEL, *WEAK_MASKS)
"""Simplest first: of several that agree, the first is named."""
