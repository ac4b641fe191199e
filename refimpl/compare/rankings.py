"""A ranking compared with the scores that decide it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from refimpl.common.types import Array
from refimpl.compare.comparison import Comparison, from_condition
from refimpl.compare.tolerance import Tolerance


def ranking_of(scores: Float[Array, " docs"]) -> Array:
    """Document indices by score descending, then by index ascending."""
    return np.lexsort((np.arange(len(scores)), -scores))


def compare_ranking(
    got: Sequence[int], scores: Float[Array, " docs"], top_k: int | None, tolerance: Tolerance
) -> Comparison:
    """Compare document indices, best first, with the top `top_k` by `scores`.

    Documents with equal scores come by index ascending; those with scores nearer than the tolerance, relative to
    max(1, |score|), may be in either order.
    """
    ranking, expected = list(got), ranking_of(scores)[:top_k].tolist()
    if len(set(ranking)) != len(ranking) or any(not 0 <= index < len(scores) for index in ranking):
        message = f"expected indices of {len(scores)} documents, each at most once, got {ranking}"
        return from_condition(False, "ranking", message)
    if len(ranking) != len(expected):
        return from_condition(False, "ranking", f"got {len(ranking)} documents, expected {len(expected)}: {expected}")
    allowed = tolerance.score or 0.05
    gaps = np.abs(scores[ranking] - scores[expected]) / np.maximum(1.0, np.abs(scores[expected])) / allowed
    ties = [i for i, (a, b) in enumerate(zip(ranking, expected, strict=True)) if a != b and scores[a] == scores[b]]
    distance = float(gaps.max(initial=0.0))
    if distance <= 1 and not ties:
        return Comparison("ranking", distance, "as the scores decide")
    rank = int(np.argmax(gaps > 1)) if distance > 1 else ties[0]
    a, b = ranking[rank], expected[rank]
    message = (
        f"first mismatch at rank {rank + 1}: got document {a} (score {scores[a]:.9g}), expected document {b} "
        f"(score {scores[b]:.9g}), {gaps[rank]:.3g} times the {allowed:g} allowed\n"
        f"  got      {ranking}\n  expected {expected}\ndiagnosis: {_cause(ranking, scores)}"
    )
    return Comparison("ranking", distance if distance > 1 else np.inf, message)


def compare_order(name: str, got: Float[Array, " docs"], expected: Float[Array, " docs"], tie: float) -> Comparison:
    """Compare the order that scores give documents: of each pair, the one with the higher expected score is higher.

    Expected scores nearer than `tie`, relative to max(1, |score|), may be in either order; a score that is not finite
    is in no order.
    """
    order = np.argsort(-expected, kind="stable")
    a, b = got[order], expected[order]
    apart = b[:, None] - b[None] > tie * np.maximum(1.0, np.abs(b))[:, None]
    with np.errstate(invalid="ignore"):
        wrong = apart & ~(a[:, None] > a[None])
    if not wrong.any():
        return Comparison(name, 0.0, f"{int(apart.sum())} pairs of documents in the expected order")
    first, second = (int(order[i]) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
    message = (
        f"{int(wrong.sum())} of {int(apart.sum())} pairs of documents are not in the expected order: document {first} "
        f"(expected score {expected[first]:.6g}) before document {second} ({expected[second]:.6g}), got scores "
        f"{got[first]:.6g} and {got[second]:.6g}"
    )
    return Comparison(name, np.inf, message)


def _cause(ranking: list[int], scores: Float[Array, " docs"]) -> str:
    """The known mistake that gives exactly this ranking."""
    indices = np.arange(len(scores))
    mistakes = {
        "the order is reversed: worst first": np.lexsort((indices, scores)),
        "ties are broken by descending index, as TEI does": np.lexsort((-indices, -scores)),
        "the ranking is that of the absolute scores": ranking_of(np.abs(scores)),
        "the documents are in the order of the request: not ranked": indices,
        "these are ranks of documents, not documents by rank": np.argsort(ranking_of(scores)),
    }
    causes = [cause for cause, order in mistakes.items() if order[: len(ranking)].tolist() == ranking]
    return causes[0] if causes else "none of the known causes"
