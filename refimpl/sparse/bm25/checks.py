"""Checks of BM25's parameters: TypeError or ValueError for values out of range."""

import math
from numbers import Real

from refimpl.sparse.bm25.formulas import VARIANTS, Variant


class BM25WeightWarning(UserWarning):
    """Some terms have an idf of zero or below, by the chosen variant's formula."""


def check_number(value: object, name: str, least: float = 0.0, most: float = math.inf) -> float:
    """`value` as a float if it is a finite number in [`least`, `most`]; else TypeError or ValueError with its name."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}: {value!r:.60}")
    number = float(value)
    if not math.isfinite(number) or not least <= number <= most:
        span = f"{least:g} or more" if most == math.inf else f"between {least:g} and {most:g}"
        raise ValueError(f"{name} must be finite and {span}, got {value!r}")
    return number


def check_variant(name: object) -> Variant:
    """The variant called `name`; ValueError with the known names for any other."""
    if not isinstance(name, str) or name not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}; got {name!r:.60}")
    return VARIANTS[name]


def check_count(value: object, name: str) -> int:
    """`value` as an int if it is a whole number of at least 1; else TypeError or ValueError with its name."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number, got {type(value).__name__}: {value!r:.60}")
    if int(value) < 1:
        raise ValueError(f"{name} must be 1 or more, got {value}")
    return int(value)
