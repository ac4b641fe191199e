"""Known forms of the idf, and those of a textbook with one mistake of writing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float64

from refimpl.common.types import Array
from refimpl.identify.expressions import Expression, Mistakes, miswritten

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
    IdfForm("1/n", lambda n, N: 1 / n, "1 / n", r"\frac{1}{n}", has_base=False),
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
        "Sphinx",
        lambda n, N: np.log((N - n + 1) / n) / (2 * np.log(N + 1)),
        "ln((N - n + 1) / n) / (2 ln(N + 1))",
        r"\frac{\ln((N-n+1)/n)}{2 \ln(N+1)}",
        has_base=False,
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

WRITTEN = (
    "log(1 + (N - n + 0.5) / (n + 0.5))",
    "log((N - n + 0.5) / (n + 0.5))",
    "log((N + 1) / n)",
    "log(1 + N / n)",
    "log(N / n)",
)
MISTAKES = Mistakes(
    everywhere=(*(("N", other) for other in ("N - 1", "N + 1")), *(("n", other) for other in ("n - 1", "n + 1"))),
    values=("N", "n", "0", "1", "2", "0.5"),
    around=("sqrt", "1 + "),
)


@cache
def miswritten_forms() -> tuple[IdfForm, ...]:
    """Textbook idfs with one mistake of writing each."""
    return tuple(map(_form_of, miswritten(WRITTEN, MISTAKES)))


def _form_of(written: Expression) -> IdfForm:
    def of(n: Numbers, size: float | Numbers) -> Numbers:
        return np.broadcast_to(written(n=n, N=size), np.broadcast_shapes(np.shape(n), np.shape(size)))

    text = written.text.replace("log(", "ln(")
    return IdfForm(text, of, text, written.latex, has_base=written.is_logarithm)
