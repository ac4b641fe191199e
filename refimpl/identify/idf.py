"""The idf: its form, its floor and how a document frequency is counted, from one-term queries in one document."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from refimpl.common.types import Array
from refimpl.identify.scores import Corpus, Reading

Numbers = Float64[Array, " terms"]


@dataclass(frozen=True)
class IdfForm:
    """A known idf: its formula as text and as LaTeX; `has_base` False: no logarithm whose base is a factor."""

    name: str
    of: Callable[[Numbers, float | Numbers], Numbers]
    text: str
    latex: str
    has_base: bool = True


def _log(name: str, argument: Callable[[Numbers, float | Numbers], Numbers], text: str, latex: str) -> IdfForm:
    def of(n: Numbers, size: float | Numbers) -> Numbers:
        with np.errstate(all="ignore"):
            return np.log(argument(n, size))

    return IdfForm(name, of, f"ln({text})", rf"\ln\left({latex}\right)")


def _xapian(n: Numbers, size: float | Numbers) -> Numbers:
    x = (size - n + 0.5) / (n + 0.5)
    return np.where(x >= 2, np.log(x), np.log1p(x / 2))


LOGS = (
    _log(
        "Lucene",
        lambda n, N: 1 + (N - n + 0.5) / (n + 0.5),
        "1 + (N - n + 0.5) / (n + 0.5)",
        r"1 + \frac{N - n + 0.5}{n + 0.5}",
    ),
    _log("Robertson", lambda n, N: (N - n + 0.5) / (n + 0.5), "(N - n + 0.5) / (n + 0.5)", r"\frac{N-n+0.5}{n+0.5}"),
    _log("ATIRE", lambda n, N: N / n, "N / n", r"\frac{N}{n}"),
    _log("BM25+", lambda n, N: (N + 1) / n, "(N + 1) / n", r"\frac{N+1}{n}"),
    _log("ln(1 + N/n)", lambda n, N: 1 + N / n, "1 + N / n", r"1 + \frac{N}{n}"),
    _log("smoothed", lambda n, N: (N + 1) / (n + 1), "(N + 1) / (n + 1)", r"\frac{N+1}{n+1}"),
    _log("ln(N/(n+1))", lambda n, N: N / (n + 1), "N / (n + 1)", r"\frac{N}{n+1}"),
    _log("ln(1 + N/(n+1))", lambda n, N: 1 + N / (n + 1), "1 + N / (n + 1)", r"1 + \frac{N}{n+1}"),
    _log("ln(N/(n+0.5))", lambda n, N: N / (n + 0.5), "N / (n + 0.5)", r"\frac{N}{n+0.5}"),
    _log("ln((N+0.5)/n)", lambda n, N: (N + 0.5) / n, "(N + 0.5) / n", r"\frac{N+0.5}{n}"),
    _log("ln((N-n)/n)", lambda n, N: (N - n) / n, "(N - n) / n", r"\frac{N-n}{n}"),
)
PLAIN = (
    IdfForm("none", lambda n, N: np.ones_like(n), "1", "1", has_base=False),
    IdfForm("N/n", lambda n, N: N / n, "N / n", r"\frac{N}{n}", has_base=False),
    IdfForm(
        "odds",
        lambda n, N: (N - n + 0.5) / (n + 0.5),
        "(N - n + 0.5) / (n + 0.5)",
        r"\frac{N-n+0.5}{n+0.5}",
        has_base=False,
    ),
    IdfForm(
        "Lucene without logarithm",
        lambda n, N: 1 + (N - n + 0.5) / (n + 0.5),
        "(N + 1) / (n + 0.5)",
        r"\frac{N+1}{n+0.5}",
        has_base=False,
    ),
    IdfForm("smoothed N/n", lambda n, N: (N + 1) / (n + 1), "(N + 1) / (n + 1)", r"\frac{N+1}{n+1}", has_base=False),
    IdfForm(
        "Xapian",
        _xapian,
        "ln x where x = (N - n + 0.5) / (n + 0.5) >= 2, else ln(1 + x / 2)",
        r"\begin{cases}\ln x & x \ge 2\\ \ln(1 + x/2) & x < 2\end{cases},\ x = \frac{N-n+0.5}{n+0.5}",
    ),
    IdfForm(
        "InQuery",
        lambda n, N: np.log((N + 0.5) / n) / np.log(N + 1),
        "ln((N + 0.5) / n) / ln(N + 1)",
        r"\frac{\ln((N+0.5)/n)}{\ln(N+1)}",
        has_base=False,
    ),
)


def _shifted(form: IdfForm, base: float, name: str) -> IdfForm:
    """One plus a logarithm of base `base`."""
    log = f"log{base:g}" if base != np.e else "ln"
    latex = form.latex if base == np.e else form.latex.replace(r"\ln", rf"\log_{{{base:g}}}")
    text = form.text.replace("ln", log, 1) + " + 1"
    return IdfForm(name, lambda n, N: form.of(n, N) / np.log(base) + 1, text, latex + " + 1", has_base=False)


def _squared(form: IdfForm) -> IdfForm:
    text, latex = f"({form.text})^2", rf"\left({form.latex}\right)^2"
    return IdfForm(f"{form.name}, squared", lambda n, N: form.of(n, N) ** 2, text, latex, has_base=False)


SHIFTED = tuple(
    _shifted(form, base, f"{form.name} + 1" if base == np.e else f"{form.name} + 1, base {base:g}")
    for form in LOGS
    if form.name not in ("Robertson", "ln((N-n)/n)")
    for base in (np.e, 2.0, 10.0)
)
FORMS = (*LOGS, *PLAIN, *SHIFTED, *(_squared(form) for form in (*LOGS, *SHIFTED)))


@dataclass(frozen=True)
class Floor:
    """A lower bound: none, constant (`value`) or mean (`value` times the mean idf); `rule`: what it replaces."""

    kind: str = "none"
    value: float = 0.0
    rule: str = ""

    def apply(self, idf: Numbers, mean: float | Numbers) -> Numbers:
        """`idf` with the values that the rule names replaced."""
        if self.kind == "none":
            return idf
        bound = self.value * (mean if self.kind == "mean" else 1.0)
        return np.where(RULES[self.rule](idf, bound), bound, idf)


RULES: Mapping[str, Callable[[Numbers, float | Numbers], Array]] = {
    "negative": lambda idf, bound: idf < -1e-12,
    "zero or negative": lambda idf, bound: idf <= 1e-12,
    "smaller": lambda idf, bound: idf < bound - 1e-12,
    "zero": lambda idf, bound: np.abs(idf) <= 1e-12,
}


@dataclass(frozen=True)
class Idf:
    """The identified idf; `scales` are the measured scores of one unit of idf, by corpus."""

    form: IdfForm
    floor: Floor
    scales: tuple[float, ...]
    error: float
    counts_occurrences: bool = False

    def of(self, n: int, size: float, mean: float = 0.0) -> float:
        """The idf of a term in `n` of `size` documents; `mean` is that over the vocabulary, before the floor."""
        return float(self.floor.apply(self.form.of(np.array([float(n)]), size), mean)[0])

    def mean(self, docs: Sequence[Sequence[str]], size: float) -> float:
        """The mean of the unfloored idf over the vocabulary of `docs`."""
        return _mean(self.form, docs, size, self.counts_occurrences)


def frequencies(docs: Sequence[Sequence[str]], occurrences: bool) -> Counter[str]:
    """Document frequencies, or total occurrences, by term."""
    return Counter(term for doc in docs for term in (doc if occurrences else set(doc)))


def _mean(form: IdfForm, docs: Sequence[Sequence[str]], size: float, occurrences: bool) -> float:
    n = np.array(list(frequencies(docs, occurrences).values()), np.float64)
    values = form.of(n, size)
    return float(np.mean(values)) if np.isfinite(values).all() else float("nan")


Curve = dict[int, Reading]


def curve(corpus: Corpus) -> Curve:
    """Document frequency -> score of its term in the corpus' idf document; points without a score are left out."""
    readings = {df: corpus.read(term, corpus.layout.idf_doc) for df, term in corpus.layout.idf.items()}
    return {df: one for df, one in readings.items() if one is not None}


def counts_occurrences(corpus: Corpus) -> bool | None:
    """Whether a document frequency counts occurrences; None where idf hardly depends on it or nothing was read."""
    layout = corpus.layout
    even, uneven = (corpus.read(term, layout.tf_doc) for term in (layout.even, layout.uneven))
    points = curve(corpus)
    if even is None or uneven is None or 2 not in points or 8 not in points or points[2].value == 0 or even.value == 0:
        return None
    if uneven.near(even.value, 2.0):
        return False
    expected = points[8].over(points[2])
    return True if uneven.over(even).near(expected.value, 3.0) else None


def fit(corpora: Sequence[Corpus], occurrences: bool) -> Idf | None:
    """The known form, with the fewest changes, that all points of all corpora match; None where none does."""
    curves = [curve(corpus) for corpus in corpora]
    if any(len(points) < 5 for points in curves) or sum(len(points) for points in curves) < 12:
        return None
    fits = [found for form in FORMS if (found := _fit_form(form, corpora, curves, occurrences)) is not None]
    fits.sort(key=lambda found: (found.floor.kind != "none", found.error))
    return fits[0] if fits else None


def _fit_form(form: IdfForm, corpora: Sequence[Corpus], curves: Sequence[Curve], occurrences: bool) -> Idf | None:
    scales, parts = [], []
    for corpus, points in zip(corpora, curves, strict=True):
        dfs = sorted(points)
        n = np.array(dfs, np.float64)
        size = float(len(corpus.layout.docs))
        ideal = form.of(n, size)
        readings = [points[df] for df in dfs]
        if not np.isfinite(ideal[:5]).all() or (abs(ideal[:5]) < 1e-9).any() or readings[0].value == 0:
            return None
        scale = float(np.median([one.value / value for one, value in zip(readings[:5], ideal[:5], strict=True)]))
        if scale <= 0:
            return None
        scales.append(scale)
        parts.append((ideal, readings, scale, _mean(form, corpus.layout.docs, size, occurrences)))
    for floor in itertools.chain([Floor()], _floors(parts)):
        if (error := _deviation(parts, floor)) is not None:
            return Idf(form, floor, tuple(scales), error, occurrences)
    return None


Part = tuple[Array, list[Reading], float, float]


def _deviation(parts: Sequence[Part], floor: Floor) -> float | None:
    """The largest relative deviation of the readings from form and floor; None where one exceeds its error."""
    worst = 0.0
    for ideal, readings, scale, mean in parts:
        expected = floor.apply(ideal, mean) * scale
        for one, value in zip(readings, expected, strict=True):
            if not np.isfinite(value) or abs(one.value - value) > _allowed(one, readings, float(value)):
                return None
            worst = max(worst, abs(one.value - value) / max(abs(value), scale * 0.01))
    return worst


def _allowed(one: Reading, readings: Sequence[Reading], expected: float) -> float:
    """The error of a reading, that of the scale, and that of the logarithm's argument, which rounds near 1."""
    slack = max(each.error / abs(each.value) for each in readings[:5])
    return one.error + 2 * slack * abs(expected) + 0.3 * slack * abs(readings[0].value)


def _floors(parts: Sequence[Part]) -> list[Floor]:
    """The floors that the deviating points suggest: a constant, or a share of the mean idf."""
    levels, means = [], []
    for ideal, readings, scale, mean in parts:
        with np.errstate(invalid="ignore"):
            off = [
                one.value / scale
                for one, value in zip(readings, ideal, strict=True)
                if abs(one.value - value * scale) > 4 * _allowed(one, readings, value * scale)
            ]
        if off:
            levels.append(float(np.median(off)))
            means.append(mean)
    if not levels:
        return []
    floors = [Floor("constant", _tidy(levels[0]), rule) for rule in RULES]
    if means[0] and np.isfinite(means[0]) and levels[0]:
        floors = [Floor("mean", _tidy(levels[0] / means[0]), rule) for rule in RULES] + floors
    return floors


def _tidy(value: float) -> float:
    """`value` rounded to four significant digits where that changes it by less than float32 would, else as it is."""
    rounded = float(f"{value:.4g}")
    return rounded if abs(rounded - value) <= 1e-5 * max(abs(value), 1e-3) else value
