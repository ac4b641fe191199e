"""Whether two systems differ on the same queries: randomisation test, Holm's correction, bootstrap intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 9999
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Significance:
    """Two systems on the same queries: mean difference (a - b) and its two-sided p-value."""

    measure: str
    difference: float
    p_value: float
    queries: int


def randomisation_test(
    a: Mapping[str, float], b: Mapping[str, float], *, measure: str = "", seed: int = 0
) -> Significance:
    """Paired randomisation test of two systems' per-query values: flips the signs of the differences at random.

    Two-sided, on the mean difference; 9,999 resamplings with `seed`, or all assignments of signs where there are fewer
    (Smucker, Allan and Carterette, CIKM 2007). Raises ValueError unless both have the same queries, at least two.
    """
    from scipy.stats import permutation_test

    if a.keys() != b.keys():
        unpaired = sorted(a.keys() ^ b.keys())
        raise ValueError(f"both systems must have the same queries, got {len(unpaired)} unpaired: {unpaired[0]!r}, ...")
    if len(a) < 2:
        raise ValueError(f"a paired test needs at least two queries, got {len(a)}")
    differences = np.array([a[query_id] - b[query_id] for query_id in a])
    if not differences.any():  # scipy would divide 0 by 0
        return Significance(measure, 0.0, 1.0, len(a))
    result = permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=1000,
        rng=np.random.default_rng(seed),
    )
    return Significance(measure, float(differences.mean()), float(result.pvalue), len(a))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for the number of comparisons, in the given order, each at most 1.

    The k-th smallest of n is multiplied by n - k + 1, and is at least the corrected value of the one before: below
    alpha, the chance of one false difference among all comparisons is at most alpha (Holm, Scandinavian Journal of
    Statistics 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, number in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[number]))
        corrected[number] = highest
    return corrected


def bootstrap_interval(values: Sequence[float], *, seed: int = 0) -> list[float] | None:
    """The 95% confidence interval of the mean over queries, by the percentiles of 9,999 resamplings with `seed`.

    Lower and upper bound; queries are drawn with replacement (Efron and Tibshirani 1993, chapter 13). None for fewer
    than two values.
    """
    from scipy.stats import bootstrap

    if len(values) < 2:
        return None
    result = bootstrap(
        (np.asarray(values),),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        batch=1000,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return [float(result.confidence_interval.low), float(result.confidence_interval.high)]
