"""Which reciprocal rank fusion and which weighted sum a hybrid search computes."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from refimpl.identify.describe import Factor
from refimpl.identify.questions import Found, Question, Round, number_of

K, FIXED = 20, 60  # the call's, and that of the paper
ROUTES = [[["a", 9.0], ["b", 4.0], ["c", 1.0], *([f"d{n}", 1 / n] for n in range(2, 9))], [["b", 0.5], ["e", 0.25]]]
LAST, LAST_RANK = "d8", 10  # of the first route alone
BOTH = [[["a", 9.0], ["b", 4.0], ["c", 1.0]], [["z", 0.25]]]
FORM, WEIGHTS = "RRF, first rank and k", "weighted sum, weights"
INNER, NORM_SCORE = "weighted sum, normalisation of inner products", "weighted sum, norm_score false"
AS_THEY_ARE, DIVIDED = "as they are", "divided by their sum"
NONE, SUFFIX = "none", f", weights {DIVIDED}"
Options = dict[str, float]


def rounds() -> tuple[Round, ...]:
    """First rank, k and weights; what is made of these; what a normalisation leaves to be known."""
    return (_first_round, _second_round, _third_round)


def _first_round(found: Found) -> list[Question]:
    forms = {name: form(LAST_RANK) for name, form in _forms().items()}
    return [_rrf(FORM, LAST, forms), _both_routes(found), _weights(1.0)]


def _second_round(found: Found) -> list[Question]:
    """The document of two routes by the form of one route's part; normalisations by the sum of the weights."""
    spell = partial(_spelled, share=_share(found), open_=_value(found, WEIGHTS) is None)
    return [_both_routes(found), _inner_products(spell), *_other_metrics(spell)]


def _third_round(found: Found) -> list[Question]:
    """Where norm_score is ignored, weights multiply normalised scores."""
    name = _value(found, INNER)
    normalised = 4.0 if name is None else _normalised()[name.removesuffix(SUFFIX)]
    share = 1 / 2 if name is not None and name.endswith(SUFFIX) else _share(found)
    again = [_weights(normalised / 4.0)] if name is not None and _value(found, WEIGHTS) is None else []
    return [*again, _norm_score(normalised, share)]


def _share(found: Found) -> float:
    """What each of the weights 1 and 1 is."""
    return 1 / 2 if _value(found, WEIGHTS) == DIVIDED else 1.0


def _value(found: Found, name: str) -> str | None:
    factor: Factor | None = found.get(name)
    return factor.value if factor is not None and factor.status == "known form" else None


def _rrf(factor: str, doc: str, options: Mapping[str, float]) -> Question:
    return Question(factor, {"routes": ROUTES, "method": "rrf", "k": K}, partial(number_of, doc), options)


def _forms() -> dict[str, Callable[[int], float]]:
    """The part of one route by rank, from 1; two routes have their largest sum at rank 1 of both."""
    found: dict[str, Callable[[int], float]] = {}
    for k, label in ((K, "1 / (k + rank)"), (FIXED, f"1 / ({FIXED} + rank), k is ignored")):
        for first in (1, 0):
            best = k + first
            name = f"{label}, ranks from {first}"
            found[name] = partial(_part, best, 1.0)
            found[f"{name}, divided by the number of routes"] = partial(_part, best, 1 / 2)
            found[f"{name}, divided by the largest sum"] = partial(_part, best, best / 2)
            found[f"{name}, divided by the best part"] = partial(_part, best, float(best))
    return found


def _part(best: int, factor: float, rank: int) -> float:
    return factor / (best + rank - 1)


def _both_routes(found: Found) -> Question:
    """Document b: rank 2 of one route, rank 1 of the other."""
    form = _value(found, FORM)
    known = [form] if form is not None else [f"1 / (k + rank), ranks from {first}" for first in (1, 0)]
    options: Options = {}
    for name in known:
        second, best = _forms()[name](2), _forms()[name](1)
        ranks = "ranks from 0" if "ranks from 0" in name else "ranks from 1"
        options[f"sum of both, {ranks}"] = second + best
        options[f"the better one, {ranks}"] = best
        options[f"mean of both, {ranks}"] = (second + best) / 2
    return _rrf("RRF, a document of two routes", "b", options)


def _weighted(
    factor: str, routes: Any, metric: str, weights: Sequence[float], norm: bool, options: Mapping[str, float]
) -> Question:
    keywords = {"routes": routes, "method": "weighted", "weights": weights, "metrics": [metric] * 2, "norm_score": norm}
    return Question(factor, keywords, partial(number_of, "b"), options)


def _spelled(options: Options, share: float, open_: bool) -> Options:
    """The options times the weight, `share`; where it is not known, with either weight."""
    found = {name: share * value for name, value in options.items()}
    return {**found, **{f"{name}{SUFFIX}": value / 2 for name, value in options.items() if value}} if open_ else found


def _normalised() -> Options:
    """The inner product 4 among 9, 4 and 1."""
    mean, deviation = 14 / 3, math.sqrt(((9 - 14 / 3) ** 2 + (4 - 14 / 3) ** 2 + (1 - 14 / 3) ** 2) / 3)
    return {
        "0.5 + arctan(x) / pi": 0.5 + math.atan(4.0) / math.pi,
        NONE: 4.0,
        "(x - minimum) / (maximum - minimum)": 3 / 8,
        "x / maximum": 4 / 9,
        "x / sum": 4 / 14,
        "(x - mean) / standard deviation": (4 - mean) / deviation,
        "0.5 + (x - mean) / (6 standard deviations)": 0.5 + (4 - mean) / (6 * deviation),
        "sigmoid": 1 / (1 + math.exp(-4.0)),
    }


def _inner_products(spell: Callable[[Options], Options]) -> Question:
    return _weighted(INNER, BOTH, "IP", [1.0, 1.0], True, spell(_normalised()))


def _other_metrics(spell: Callable[[Options], Options]) -> list[Question]:
    cosines = {
        "(1 + x) / 2": 0.625,
        NONE: 0.25,
        "minimum to maximum": 0.75,
        "0.5 + arctan(x) / pi": 0.5 + math.atan(0.25) / math.pi,
    }
    distances = {
        "1 - 2 arctan(d) / pi": 1 - 2 * math.atan(2.0) / math.pi,
        NONE: -2.0,
        "1 / (1 + d)": 1 / 3,
        "exp(-d)": math.exp(-2.0),
        "minimum to maximum": 0.0,
    }
    name = "weighted sum, normalisation of"
    two = [[["a", 0.5], ["b", 0.25], ["c", -0.5]], [["z", 0.1]]]
    far = [[["a", -0.5], ["b", -2.0]], [["z", -1.0]]]
    return [
        _weighted(f"{name} cosines", two, "COSINE", [1.0, 1.0], True, spell(cosines)),
        _weighted(f"{name} distances", far, "L2", [1.0, 1.0], True, spell(distances)),
    ]


def _weights(normalised: float) -> Question:
    """Weights 3 and 1 of scores that are 4 times `normalised`."""
    options = {AS_THEY_ARE: 12.0 * normalised, DIVIDED: 3.0 * normalised, "ignored": 4.0 * normalised}
    return _weighted(WEIGHTS, BOTH, "IP", [3.0, 1.0], False, options)


def _norm_score(normalised: float, share: float) -> Question:
    """Weights 1 and 1, each of which is `share`, and the score 4, which normalisation changes to `normalised`."""
    options = {"no normalisation": 4.0 * share}
    if normalised != 4.0:
        options["ignored"] = normalised * share
    return _weighted(NORM_SCORE, BOTH, "IP", [1.0, 1.0], False, options)
