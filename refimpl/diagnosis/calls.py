"""Whether vectors depend on the call: on its other texts, or on earlier calls."""

from collections.abc import Callable, Sequence

import numpy as np

from refimpl.common.types import Array

ALONE = 3  # short texts that are run alone
CLEAR = 10  # times the tolerance by which most entries differ from those of another vector of the same text
ROUNDING = 0.1  # share of a vector's deviation: less is rounding that a format or a table of low precision enlarges


def changing(first: Array, second: Array, matches: Callable[[Array, Array], bool]) -> str | None:
    """A sentence for vectors `(texts, dim)` of the same call twice that do not match; None where all do.

    What is not finite both times is no difference.
    """
    both = ~np.isfinite(first) & ~np.isfinite(second)
    pairs = zip(np.where(both, 0.0, first), np.where(both, 0.0, second), strict=True)
    changed = [row for row, (one, other) in enumerate(pairs) if not matches(one, other)]
    if not changed:
        return None
    largest = float(np.max(np.where(both, 0.0, np.abs(first - second))))
    opening = f"not deterministic, so that no cause is searched (two calls differ by up to {largest:.3g})"
    if len(changed) == len(first):
        return f"{opening}: dropout left on, or noise"
    return (
        f"{opening}: {len(changed)} of {len(first)} vectors changed, the first of text {changed[0]} of the call; the "
        "others stay: something is kept from one call to the next, such as a buffer or a cache"
    )


def changed_alone(
    encode: Callable[[list[str]], Array], actual: Array, expected: Array, texts: Sequence[str], tolerance: float
) -> str | None:
    """A sentence on a few of these texts that are run alone; None where they have the vectors `(texts, dim)` again.

    A batch has another rounding, of which a format of low precision makes a step in a few entries, or a small share of
    the deviation from the `expected` vectors.
    """
    shortest = sorted((row for row in range(len(texts)) if texts[row].strip()), key=lambda row: len(texts[row]))
    rows = shortest[:ALONE]
    vectors = [np.asarray(encode([texts[row]]), dtype=np.float64).reshape(-1) for row in rows]
    if not rows or any(vector.shape != actual[0].shape for vector in vectors):
        return None
    differences = [np.abs(vector - actual[row]) for row, vector in zip(rows, vectors, strict=True)]
    deviations = [float(np.abs(actual[row] - expected[row]).max()) for row in rows]
    changed = sum(
        float(np.median(difference)) > CLEAR * tolerance and float(difference.max()) > ROUNDING * deviation
        for difference, deviation in zip(differences, deviations, strict=True)
    )
    if 2 * changed <= len(rows):
        return None
    return f"{changed} of {len(rows)} short texts have another vector when each is run alone"
