"""What BM25's parameters may be, and the errors for what they may not."""

import math
from numbers import Real

from refimpl.sparse.bm25.formulas import VARIANTS, Variant


class BM25WeightWarning(UserWarning):
    """Some terms weigh nothing or less than nothing, by the chosen variant's own formula."""


def check_number(value: object, name: str, least: float = 0.0, most: float = math.inf) -> float:
    """`value`, a finite number from `least` to `most`, as a float; else TypeError or ValueError that names it."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}: {value!r:.60}")
    number = float(value)
    if not math.isfinite(number) or not least <= number <= most:
        span = f"{least:g} or more" if most == math.inf else f"between {least:g} and {most:g}"
        raise ValueError(f"{name} must be finite and {span}, got {value!r}")
    return number


def check_variant(name: object) -> Variant:
    """The variant called `name`; ValueError lists those there are."""
    if not isinstance(name, str) or name not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}; got {name!r:.60}")
    return VARIANTS[name]


def check_count(value: object, name: str) -> int:
    """`value`, a whole number of at least 1; else TypeError or ValueError that names it."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number, got {type(value).__name__}: {value!r:.60}")
    if int(value) < 1:
        raise ValueError(f"{name} must be 1 or more, got {value}")
    return int(value)
