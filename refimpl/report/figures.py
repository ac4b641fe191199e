"""Format numbers for reading: three significant digits and a unit."""

import math

from refimpl.report.document import NOTHING

LEAST_AMOUNT = 0.0001


def seconds(value: float | None) -> str:
    """Format a duration in s, ms, µs or ns."""
    if value is None:
        return NOTHING
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= 0.9995 * scale:
            return f"{digits(value / scale)} {unit}"
    return f"{digits(value / 1e-9)} ns"


def size(value: float | None) -> str:
    """Format bytes in B, kB, MB or GB (powers of ten)."""
    if value is None:
        return NOTHING
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{digits(value / scale)} {unit}"
    return f"{value:.0f} B"


def rate(value: float | None, unit: str) -> str:
    """Format a rate in units per second."""
    return NOTHING if value is None else f"{digits(value)} {unit}/s"


def times(value: float | None) -> str:
    """Format a ratio, for example 2.41×."""
    return NOTHING if value is None else f"{digits(value)}×"


def score(value: float | None) -> str:
    """Format a retrieval measure with four decimals, as trec_eval does."""
    return NOTHING if value is None else f"{value:.4f}"


def amount(value: float | None) -> str:
    """Format an amount of money, three significant digits, without its currency; a tiny one as its upper bound."""
    if value is None:
        return NOTHING
    return f"< {LEAST_AMOUNT}" if 0 < value < LEAST_AMOUNT else digits(value)


def digits(value: float) -> str:
    """Format three significant digits, thousands with commas, never an exponent between a millionth and a billion."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    magnitude = math.floor(math.log10(abs(value)))
    if not -6 <= magnitude < 9:
        return f"{value:.3g}"
    places = max(0, 2 - magnitude)
    return f"{round(value, 2 - magnitude):,.{places}f}"
