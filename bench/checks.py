"""The checks that more than one suite makes before it times: each raises AssertionError or returns a Verdict."""

from typing import Any

import numpy as np

from bench.race import Verdict


def close(answer: Any, expected: Any, atol: float) -> Verdict:
    """Same shape, and no entry further than `atol` from the expected one."""
    found, wanted = np.asarray(answer, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert found.shape == wanted.shape, f"shape {wanted.shape} expected, got {found.shape}"
    apart = np.abs(found - wanted)
    worst = float(apart.max(initial=0.0))
    assert worst <= atol, (
        f"entry {np.unravel_index(apart.argmax(), apart.shape)} is {worst:.3g} off, allowed {atol:.3g}"
    )
    return Verdict(f"max |difference| {worst:.1e}, allowed {atol:.0e}")


def same(answer: Any, expected: Any, what: str) -> Verdict:
    """Equal; `what` names the things that were compared."""
    assert answer == expected, f"{what} differ"
    return Verdict(f"{what} identical")
