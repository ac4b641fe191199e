"""Known weights (tf, lengths, k1 and b) that the ratios of scores allow, by trying all of them."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from refimpl.common.types import Array
from refimpl.diagnosis.bm25_readings import Cells
from refimpl.identify import miswritten
from refimpl.identify.formula import DeltaKind, DocLengths, Formula
from refimpl.identify.length import AVERAGES, KINDS, Average, LengthKind
from refimpl.identify.tf import BINARY, TRANSFORMS, Shape, Transform

F = TRANSFORMS[0]
FIXED = ((1.2, 0.75), (1.5, 0.75), (2.0, 0.75), (0.9, 0.4), (1.6, 0.75), (1.2, 0.7), (1.0, 0.5), (0.82, 0.68))
"""Usual (k1, b)."""
CONSTANT_AVERAGES = (256.0, 100.0)
FLOORS = (None, 0.5, 0.25, 1.0)
POWERS = (1.0, 0.5)
FIRST = 24  # cells that every weight is tried on
SLACK = 1.5  # errors of two scores, which are not independent of rounding in between

Table = Float64[Array, "options cells"]
START = Formula(None, F, "saturated", False, KINDS[0], AVERAGES[0], "in K", True)


@dataclass(frozen=True)
class Parameters:
    """Where k1 and b come from: None is the call's; `zero_k1`, `zero_b` replace a call's 0."""

    k1: float | None = None
    b: float | None = None
    zero_k1: float | None = None
    zero_b: float | None = None

    def of(self, cells: Cells) -> tuple[Array, Array]:
        """k1 and b of each cell."""
        k1, b = cells.parameter("k1"), cells.parameter("b")
        k1 = np.where(k1 == 0, self.zero_k1, k1) if self.zero_k1 is not None else k1
        b = np.where(b == 0, self.zero_b, b) if self.zero_b is not None else b
        return (k1 if self.k1 is None else np.full(len(k1), self.k1)), (
            b if self.b is None else np.full(len(b), self.b)
        )


PARAMETERS_OF_WRITTEN = frozenset(miswritten.PARAMETERS)
PARAMETERS = (
    Parameters(),
    *(Parameters(k1, b) for k1, b in FIXED),
    *(Parameters(k1=k1) for k1 in (1.2, 1.5, 2.0, 0.9, 1.6, 1.0)),
    *(Parameters(b=b) for b in (0.75, 0.4, 0.5, 0.7)),
    *(Parameters(zero_k1=k1, zero_b=b) for k1, b in ((1.2, 0.75), (1.5, 0.75), (2.0, 0.75))),
)


def survivors(cells: Cells) -> list[Formula]:
    """Every known weight under which each group's scores have the ratios of its weights; fitted ones if there is none.

    Fitted are an average that is a constant, or k1 and b.
    """
    return [*_saturated(cells), *_unsaturated(cells)] or list(_fitted(cells))


def miswritten_survivors(cells: Cells) -> list[Formula]:
    """Textbook weights with one mistake of writing under which each group's scores have the ratios of its weights."""
    parameters = [one for one in _distinct_parameters(cells) if (one[0].k1, one[0].b) in PARAMETERS_OF_WRITTEN]
    for kind in KINDS[:2]:
        lengths = [option for option in _length_options(cells, kind) if option[0] in AVERAGES[:3] and option[2] is None]
        options = Options(cells, lengths, parameters)
        start = replace(START, kind=kind, factor=False)
        every = (options.matching(replace(start, written=written)) for written in miswritten.weights())
        if found := list(itertools.chain.from_iterable(every)):
            return found
    return []


def prototypes() -> Iterator[Formula]:
    """The saturated tfs without lengths and parameters."""
    for transform in (*TRANSFORMS, BINARY):
        yield replace(START, transform=transform)
    yield replace(START, again=True)
    kinds: tuple[DeltaKind, ...] = ("outside", "BM25L", "numerator", "numerator count", "count")
    for kind, delta in itertools.product(kinds, (0.5, 1.0)):
        shifted = replace(START, shape="shifted", delta_kind=kind, delta=delta)
        yield shifted
        if kind in ("outside", "numerator"):
            yield replace(shifted, factor=False)
        if kind == "BM25L":
            yield replace(shifted, again=True)


def _saturated(cells: Cells) -> Iterator[Formula]:
    parameters = list(_distinct_parameters(cells))
    for kind in KINDS:
        options = Options(cells, list(_length_options(cells, kind)), parameters)
        for prototype in prototypes():
            yield from options.matching(replace(prototype, kind=kind))
    k1_alone = [one for one in parameters if one[0].b is None]
    options = Options(cells, [(START.average, True, None, np.ones(len(cells.f)))], k1_alone)
    for prototype in prototypes():
        yield from (replace(one, b=0.0) for one in options.matching(replace(prototype, norm="none")))


LengthOption = tuple[Average | float, bool, float | None, Array]


def _length_options(cells: Cells, kind: LengthKind) -> Iterator[LengthOption]:
    """Definitions of the relative length that differ in some cell."""
    seen = set()
    averages: Sequence[Average | float] = (*AVERAGES, *CONSTANT_AVERAGES)
    for floor, average, count_empty in itertools.product(FLOORS, averages, (True, False)):
        with np.errstate(all="ignore"):
            relative = cells.relative(kind, average, count_empty, floor)
        key = np.round(relative, 12).tobytes()
        if key not in seen and np.isfinite(relative).all():
            seen.add(key)
            yield average, count_empty, floor, relative


def _distinct_parameters(cells: Cells) -> Iterator[tuple[Parameters, Array, Array]]:
    seen = set()
    for one in PARAMETERS:
        k1, b = one.of(cells)
        if (key := (k1.tobytes(), b.tobytes())) not in seen:
            seen.add(key)
            yield one, k1, b


class Options:
    """Every pair of a relative length and of parameters, as tables `(options, cells)`."""

    def __init__(
        self,
        cells: Cells,
        lengths: Sequence[LengthOption],
        parameters: Sequence[tuple[Parameters, Array, Array]],
    ) -> None:
        self._pairs = list(itertools.product(lengths, parameters))
        shape = (len(self._pairs), len(cells.f))
        self._relative = np.repeat(np.array([each[3] for each in lengths]), len(parameters), axis=0).reshape(shape)
        self._k1, self._b = (np.tile(np.array([each[i] for each in parameters]), (len(lengths), 1)) for i in (1, 2))
        self._few = _few(cells)
        self._whole = Selection(cells, np.arange(len(cells.f)), cells.reference)
        columns = self._few.index
        self._on_few = self._relative[:, columns], self._k1[:, columns], self._b[:, columns]

    def matching(self, formula: Formula) -> Iterator[Formula]:
        """The formula with each of the options under which the ratios match, tried on a few cells first."""
        left = np.flatnonzero(_ratios_match(self._few, _values(self._few, formula, *self._on_few)))
        values = _values(self._whole, formula, self._relative[left], self._k1[left], self._b[left])
        for number in left[_ratios_match(self._whole, values)]:
            (average, count_empty, floor, _), (source, _, _) = self._pairs[number]
            yield replace(
                formula,
                average=average,
                average_empty=count_empty,
                floor=floor,
                k1=source.k1,
                b=source.b,
                zero_k1=source.zero_k1,
                zero_b=source.zero_b,
            )


@dataclass(frozen=True)
class Selection:
    """Some of the cells, with their references as positions in the selection."""

    cells: Cells
    index: Array
    reference: Array


def _few(cells: Cells) -> Selection:
    """FIRST cells of as many groups as possible, and their references."""
    others = np.flatnonzero(np.arange(len(cells.f)) != cells.reference)
    step = max(1, len(others) // FIRST)
    index = np.unique(np.concatenate([others[::step], cells.reference[others[::step]]]))
    position = np.zeros(len(cells.f), np.int64)
    position[index] = np.arange(len(index))
    return Selection(cells, index, position[cells.reference[index]])


def _values(some: Selection, formula: Formula, relative: Table, k1: Table, b: Table) -> Table:
    f = some.cells.f[some.index]
    with np.errstate(all="ignore"):
        t = np.where(f > 0, formula.transform.of(np.maximum(f, 1)), 0.0)
        lengths = np.broadcast_to(some.cells.lengths(formula.kind)[some.index], relative.shape)
        if formula.written is not None:
            return np.broadcast_to(formula.written(f=f, L=lengths, A=lengths / relative, k1=k1, b=b), relative.shape)
        values = formula.saturated(np.broadcast_to(t, relative.shape), 1 - b + b * relative, lengths, k1)
    return values * f if formula.again else values


def _ratios_match(some: Selection, values: Table) -> Bool[Array, " options"]:
    """Whether score over weight is one number in each group."""
    cells, index = some.cells, some.index
    scores, slack = cells.scores[index], cells.slack[index]
    left, right = values * scores[some.reference], values[:, some.reference] * scores
    allowed = SLACK * (slack + slack[some.reference]) * np.abs(right)
    with np.errstate(all="ignore"):
        return np.asarray((np.abs(left - right) <= allowed).all(axis=1) & np.isfinite(values).all(axis=1))


def _unsaturated(cells: Cells) -> Iterator[Formula]:
    """Weights without k1: the transformed count alone, over a power of the length, or over 1 - b + b L / A."""
    whole = Selection(cells, np.arange(len(cells.f)), cells.reference)
    for formula in _unsaturated_forms():
        relative = cells.relative(formula.kind, formula.average, True, formula.floor)
        b = Parameters(b=formula.b).of(cells)[1]
        lengths = DocLengths(cells.lengths(formula.kind), relative, np.ones(len(cells.f)), np.nan)
        with np.errstate(all="ignore"):
            t = np.where(cells.f > 0, formula.transform.of(np.maximum(cells.f, 1)), 0.0)
            norm = {"none": 1.0, "power": lengths.lengths**formula.power}.get(formula.norm, 1 - b + b * relative)
            values = (t / norm)[None]
        if _ratios_match(whole, values)[0]:
            yield formula


def _unsaturated_forms() -> Iterator[Formula]:
    transforms: tuple[Transform, ...] = (BINARY, *TRANSFORMS)
    for transform in transforms:
        shape: Shape = "constant" if transform is BINARY else "unsaturated"
        plain = replace(START, transform=transform, shape=shape, factor=False, k1=0.0)
        yield replace(plain, norm="none", b=0.0)
        for power, kind in itertools.product(POWERS, KINDS[:2]):
            yield replace(plain, norm="power", power=power, kind=kind, b=0.0)
        for kind, average, b in itertools.product(KINDS[:3], AVERAGES[:3], (None, 0.75, 0.4)):
            yield replace(plain, norm="divides", kind=kind, average=average, b=b)


def _fitted(cells: Cells) -> Iterator[Formula]:
    """Weights without delta, of which the ratios match with a fitted average, or with fitted k1 and b."""
    whole = Selection(cells, np.arange(len(cells.f)), cells.reference)
    k1, b = Parameters().of(cells)
    for kind, transform, again in itertools.product(KINDS[:3], TRANSFORMS, (False, True)):
        if again and transform is not F:
            continue
        prototype = replace(START, kind=kind, transform=transform, again=again)
        lengths = cells.lengths(kind)
        if (fit := _line(cells, prototype, k1 * (1 - b), k1 * b * lengths)) is not None and fit[1] > 0:
            average = _tidy(1 / fit[1])
            values = _values(whole, prototype, (lengths / average)[None], k1[None], b[None])
            if abs(fit[0] - 1) < 1e-3 and _ratios_match(whole, values)[0]:
                yield replace(prototype, average=average)
        for average_of, count_empty, floor, relative in _length_options(cells, kind):
            fit = _line(cells, prototype, np.ones(len(lengths)), relative)
            if fit is None or fit[0] < 0 or fit[1] < 0 or sum(fit) < 1e-9:
                continue
            own_k1, own_b = _tidy(sum(fit)), _tidy(fit[1] / sum(fit))
            tables = (relative[None], *(np.full((1, len(lengths)), one) for one in (own_k1, own_b)))
            if _ratios_match(whole, _values(whole, prototype, *tables))[0]:
                found = replace(prototype, average=average_of, average_empty=count_empty, floor=floor)
                yield replace(found, k1=own_k1, b=own_b)


def _line(cells: Cells, formula: Formula, constant: Array, relative: Array) -> tuple[float, float] | None:
    """(x, y) of K = x constant + y relative in t / (t + K), by least squares: ratios of scores are linear in both."""
    r, scores = cells.reference, cells.scores / (cells.f if formula.again else 1.0)
    t = formula.transform.of(cells.f)
    own, other = scores * t[r], scores[r] * t
    columns = [own * each - other * each[r] for each in (constant, relative)]
    matrix = np.stack(columns, axis=1) / (own * t)[:, None]
    values = (other * t[r] - own * t) / (own * t)
    if not np.isfinite(matrix).all() or not np.isfinite(values).all():
        return None
    solution, _, rank, _ = np.linalg.lstsq(matrix, values)
    return (float(solution[0]), float(solution[1])) if rank == 2 else None


def _tidy(value: float) -> float:
    """`value` in at most four decimals where that changes it by less than a ten-millionth."""
    return next((r for d in range(5) if abs((r := round(value, d)) - value) <= 1e-7 * abs(value)), value)
