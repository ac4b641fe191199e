"""Correctness checks shared by several suites: each raises AssertionError or returns a Correctness."""

from typing import Any

import numpy as np

from bench.race import Correctness


def close(answer: Any, expected: Any, atol: float) -> Correctness:
    """Compare arrays: the same shape, and every entry within `atol` of the expected one."""
    actual, right = np.asarray(answer, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert actual.shape == right.shape, f"expected shape {right.shape}, got {actual.shape}"
    errors = np.abs(actual - right)
    worst = float(errors.max(initial=0.0))
    assert worst <= atol, (
        f"entry {np.unravel_index(errors.argmax(), errors.shape)} differs by {worst:.3g}, allowed {atol:.3g}"
    )
    return Correctness(f"max |difference| {worst:.1e}, allowed {atol:.0e}")


def same(answer: Any, expected: Any, what: str) -> Correctness:
    """Compare for equality; `what` names what is compared."""
    assert answer == expected, f"{what} differ"
    return Correctness(f"{what} identical")
