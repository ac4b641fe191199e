"""Tolerance classes, each with the reason for its numbers.

Observed on 61 of the golden texts (tests/check/test_check_peers.py): sentence-transformers in float32 differs by 3e-7
per entry, in half precision by 4e-4; torch's dynamic int8 has a cosine of 0.885 and 84% of the neighbours per channel,
0.787 and 77% per tensor; entries rounded to three values have 0.825 and 83%.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """Limits for a class of arithmetic; a limit of None is not checked.

    `entry`: largest absolute difference of an entry of a unit vector (entries are about 0.05). `cosine`: smallest
    cosine with the expected vector. `overlap`: smallest share, on average, of each text's nearest neighbours that are
    the expected ones. `score`: largest difference of a score, logit or hidden state, relative to max(1, |expected|);
    where it is None, scores are compared by their ranking, with `overlap`.
    """

    name: str
    reason: str
    entry: float | None
    cosine: float | None
    overlap: float
    score: float | None


CLASSES = {
    tolerance.name: tolerance
    for tolerance in (
        Tolerance(
            "float32",
            "both sides round in float32, each in its own order",
            entry=1e-6,
            cosine=None,
            overlap=1.0,
            score=1e-5,
        ),
        Tolerance(
            "float16",
            "weights and sums keep 11 bits, so each layer adds about 5e-4 of its size",
            entry=2e-3,
            cosine=1 - 1e-4,
            overlap=0.97,
            score=2e-2,
        ),
        Tolerance(
            "int8",
            "weights and activations are rounded to 255 steps: values change, directions hardly",
            entry=None,
            cosine=0.7,
            overlap=0.75,
            score=0.3,
        ),
        Tolerance(
            "quantised-ranking",
            "vectors quantised for search: only the order of the neighbours is kept",
            entry=None,
            cosine=0.6,
            overlap=0.6,
            score=None,
        ),
    )
}


def named(tolerance: str | Tolerance) -> Tolerance:
    """Return the class called `tolerance`, or `tolerance` itself; ValueError lists the names."""
    if isinstance(tolerance, Tolerance):
        return tolerance
    name = tolerance.replace("_", "-").replace(" ", "-") if isinstance(tolerance, str) else tolerance
    if name not in CLASSES:
        raise ValueError(f"tolerance must be one of {', '.join(CLASSES)}, got {tolerance!r}")
    return CLASSES[name]
