"""Weights that are no quotient of counts: published ones, and a textbook's with one mistake of writing."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

from refimpl.identify.expressions import Expression, Mistakes, miswritten
from refimpl.identify.formula import Formula
from refimpl.identify.idf import Idf
from refimpl.identify.length import AVERAGES, KINDS
from refimpl.identify.tf import TRANSFORMS

PUBLISHED = tuple(f"1 + log(1 + log(f / (1 - b + b * L / A) + {delta}))" for delta in ("1", "0.5"))
"""TFl-delta-p of Rousseau and Vazirgiannis 2013, of which Kamphuis et al. 2020 print delta = 1."""
WEIGHTS = (
    "f * (k1 + 1) / (f + k1 * (1 - b + b * L / A))",
    "(f * (k1 + 1)) / (f + k1 * ((1 - b) + b * (L / A)))",
    "f / (f + k1 * (1 - b + b * L / A))",
)
MISTAKES = Mistakes(
    exchanged=(("k1", "b"), ("L", "A")),
    everywhere=(
        *(("f", other) for other in ("f / L", "f / (f + k1)", "sqrt(f)", "log(1 + f)", "1 + log(f)", "f - 1")),
        *(("L", other) for other in ("sqrt(L)", "log(L)", "log(1 + L)", "L - 1", "L + 1")),
        *(("k1", other) for other in ("k1 + 1", "k1 - 1")),
    ),
    values=("f", "k1", "b", "L", "A", "0", "1", "2", "0.5"),
    around=("log", "sqrt", "1 + "),
)
PARAMETERS = ((None, None), (1.2, 0.75), (1.5, 0.75), (2.0, 0.75), (0.9, 0.4), (1.6, 0.75), (None, 0.75))
"""(k1, b): the call's (None), or usual ones."""
USUAL = KINDS[0], AVERAGES[0]


def weights() -> tuple[Expression, ...]:
    """The weights, of f, L, A, k1 and b."""
    return (*map(Expression, PUBLISHED), *miswritten(WEIGHTS, MISTAKES))


def formulas(idf: Idf | None, takes: bool) -> Iterator[Formula]:
    """Formulas of each weight with the usual lengths, then of other lengths and averages.

    `takes`: whether the target was given k1 and b.
    """
    start = Formula(idf, TRANSFORMS[0], "saturated", False, KINDS[0], AVERAGES[0], "in K", False)
    parameters = PARAMETERS if takes else PARAMETERS[1:-1]
    for k1, b in parameters:
        yield from (replace(start, k1=k1, b=b, written=written) for written in weights())
    for kind, average in itertools.product(KINDS[:2], AVERAGES[:3]):
        other = replace(start, kind=kind, average=average, k1=parameters[0][0], b=parameters[0][1])
        yield from (replace(other, written=written) for written in weights() if (kind, average) != USUAL)
