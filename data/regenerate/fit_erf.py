"""Prints the coefficients of `refimpl.bert.packed.ERF_OVER_SQRT2`: a minimax fit by linear programming.

    .venv/bin/python data/regenerate/fit_erf.py

erf(x / sqrt(2)) = tanh(p(x)) with p(x) = x P(x^2); an error e of p moves tanh(p) by (1 - erf^2) e, which is the weight
under which the largest error over [0, 5.5] is minimised. Beyond 5.5 both sides are 1 in float32, and P increases.
"""

import numpy as np
from scipy.optimize import linprog
from scipy.special import erf, erfc

DEGREE, END, POINTS = 7, 5.5, 4000


def main() -> None:
    x = END * (0.5 - 0.5 * np.cos(np.pi * (np.arange(POINTS) + 0.5) / POINTS))  # Chebyshev points
    e, complement = erf(x / np.sqrt(2.0)), erfc(x / np.sqrt(2.0))
    target = 0.5 * (np.log1p(e) - np.log(complement))  # atanh(erf), without 1 - erf's cancellation
    weight = complement * (1.0 + e)
    powers = weight[:, None] * np.stack([x * (x / END) ** (2 * i) for i in range(DEGREE)], axis=1)
    bound = np.ones((POINTS, 1))
    constraints = 1e6 * np.block([[powers, -bound], [-powers, -bound]])
    limits = 1e6 * np.concatenate([weight * target, -weight * target])
    free = [(None, None)] * DEGREE + [(0.0, None)]
    fit = linprog([0.0] * DEGREE + [1.0], A_ub=constraints, b_ub=limits, bounds=free, method="highs-ds")
    coefficients = fit.x[:-1] / END ** (2 * np.arange(DEGREE))
    print("coefficients, lowest power first:", [float(f"{c:.9e}") for c in coefficients])
    print(f"largest error of erf in exact arithmetic: {fit.x[-1]:.3g}")


if __name__ == "__main__":
    main()
