"""The tf: the weight of f occurrences at one length, from terms of one document."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from refimpl.common.types import Array
from refimpl.identify.scores import Corpus, Reading

Points = Mapping[int, Reading]
Count = Float64[Array, " points"]
Shape = Literal["constant", "unsaturated", "saturated", "shifted"]


@dataclass(frozen=True)
class Transform:
    """What replaces the number of occurrences f."""

    name: str
    of: Callable[[Count], Count]
    latex: str


TRANSFORMS = (
    Transform("f", lambda f: f, "f"),
    Transform("sqrt(f)", np.sqrt, r"\sqrt{f}"),
    Transform("1 + ln f", lambda f: 1 + np.log(f), r"(1 + \ln f)"),
    Transform("ln(1 + f)", np.log1p, r"\ln(1 + f)"),
    Transform("1 + log2 f", lambda f: 1 + np.log2(f), r"(1 + \log_2 f)"),
    Transform("1 + log10 f", lambda f: 1 + np.log10(f), r"(1 + \log_{10} f)"),
    Transform("1 + ln(1 + ln f)", lambda f: 1 + np.log1p(np.log(f)), r"(1 + \ln(1 + \ln f))"),
    Transform("f^2", lambda f: f**2, "f^2"),
)
BINARY = Transform("1 (binary)", np.ones_like, "1")


@dataclass(frozen=True)
class Tf:
    """The fitted weight of t = transform(f), multiplied by f once more where `again`.

    constant: C; unsaturated: C t; saturated: C t / (t + q); shifted: C (t + p) / (t + q).
    """

    transform: Transform
    shape: Shape
    scale: float
    p: float = 0.0
    q: float = 0.0
    error: float = 0.0
    again: bool = False
    scale_error: float = 0.0

    @property
    def text(self) -> str:
        """The fitted weight as a formula of f, up to a factor."""
        t = f"({self.transform.name})" if " " in self.transform.name else self.transform.name
        shapes = {
            "constant": "1",
            "unsaturated": t,
            "saturated": f"{t} / ({t} + {self.q:.6g})",
            "shifted": f"({t} + {self.p:.6g}) / ({t} + {self.q:.6g})",
        }
        return f"{'f * ' if self.again else ''}{shapes[self.shape]}"

    def of(self, f: float) -> float:
        """The weight of `f` occurrences at the length of the fit."""
        return float(self._values(np.array([float(f)]))[0])

    def _values(self, f: Count) -> Count:
        t = self.transform.of(f)
        factor = f if self.again else np.ones_like(f)
        if self.shape in ("constant", "unsaturated"):
            return self.scale * t * factor
        return factor * self.scale * (t + self.p) / (t + self.q)

    def deviation(self, points: Points) -> float | None:
        """The largest relative deviation from `points`; None where one exceeds its error."""
        values = self._values(np.array(list(points), np.float64))
        readings = list(points.values())
        slack = sum(one.error / abs(one.value) for one in readings[:3])
        if not all(one.near(v, 1.0 + slack * abs(v) / one.error) for one, v in zip(readings, values, strict=True)):
            return None
        return max(abs(one.value - v) / abs(v) for one, v in zip(readings, values, strict=True))


def points(corpus: Corpus, idf: Callable[[int], float]) -> Points:
    """Occurrences -> score of the term with so many in the tf document, divided by `idf(occurrences)`."""
    layout = corpus.layout
    found = {}
    for f, term in layout.tf.items():
        reading = corpus.read(term, layout.tf_doc)
        if reading is not None and reading.value != 0:
            found[f] = reading.over(Reading(idf(f), 0.0))
    return found


def fit(measured: Points) -> Tf | None:
    """The simplest known form that all points match; None where none does."""
    if len(measured) < 6 or any(one.value <= 0 for one in measured.values()):
        return None
    for again in (False, True):
        for shape in ("constant", "unsaturated", "saturated", "shifted"):
            for transform in TRANSFORMS if shape != "constant" else (BINARY,):
                found = _fit_one(measured, transform, shape, again)
                if found is not None and not (again and shape in ("constant", "unsaturated")):
                    return found
    return None


def _fit_one(measured: Points, transform: Transform, shape: Shape, again: bool) -> Tf | None:
    f = np.array(list(measured), np.float64)
    values = np.array([one.value for one in measured.values()])
    errors = np.array([one.error for one in measured.values()])
    t = transform.of(f)
    if again:
        values, errors = values / f, errors / f
    if shape in ("constant", "unsaturated"):
        weights = (t / errors) ** 2
        found = Tf(transform, shape, float(np.sum(values / t * weights) / np.sum(weights)), again=again)
    else:
        solved = _saturation(t, values, errors, with_p=shape == "shifted")
        if solved is None:
            return None
        found = Tf(transform, shape, *solved, again=again)
    error = found.deviation(measured)
    if error is None:
        return None
    scale_error = 5 * found.scale * float(np.median(errors / np.abs(values)))
    return Tf(found.transform, found.shape, found.scale, found.p, found.q, error, again, scale_error)


def _saturation(t: Count, values: Count, errors: Count, with_p: bool) -> tuple[float, float, float] | None:
    """(C, p, q) of C (t + p) / (t + q), by weighted least squares of v t = C t + C p - q v, reweighted twice."""
    columns = [t, -values, np.ones_like(t)] if with_p else [t, -values]
    q = 1.0
    for _ in range(3):
        weights = 1 / (errors * (t + max(q, 0.0)))
        matrix = np.stack(columns, axis=1) * weights[:, None]
        solution, _, rank, _ = np.linalg.lstsq(matrix / (norms := np.linalg.norm(matrix, axis=0)), values * t * weights)
        if rank < len(columns):
            return None
        solution = solution / norms
        q = float(solution[1])
    scale = float(solution[0])
    p = float(solution[2]) / scale if with_p and scale else 0.0
    if scale <= 0 or not 1e-9 < q < 1e6 or not 0 <= p < q or (with_p and p < 1e-9):  # p > q: fewer for more occurrences
        return None
    return scale, p, q
