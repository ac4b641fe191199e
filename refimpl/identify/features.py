"""What was identified as named features, and the implementations of a table that have the same ones."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from refimpl.identify.bm25 import Measured
from refimpl.identify.collection import Empty
from refimpl.identify.combine import rank
from refimpl.identify.counted import OF_PARTS, WITH_PARTS, kind_counted
from refimpl.identify.formula import Formula
from refimpl.identify.idf import SHARES, Floor, Idf
from refimpl.identify.length import OF_HITS
from refimpl.identify.places import Fit
from refimpl.identify.query import AS_DOCUMENT, BY_LENGTH, MEAN
from refimpl.identify.scores import Precision
from refimpl.identify.tokens import WITH_ANOTHER_SCORE

Features = Mapping[str, str]


@dataclass(frozen=True)
class Implementation:
    """A published implementation: its name with the version, the source of the facts, and its features."""

    name: str
    source: str
    features: Features


@cache
def implementations() -> tuple[Implementation, ...]:
    """The table `implementations.yaml`."""
    text = files("refimpl.identify").joinpath("implementations.yaml").read_text(encoding="utf-8")
    by_name: dict[str, dict[str, Any]] = {}
    for entry in yaml.safe_load(text):
        own = dict(entry)
        base = by_name[own.pop("like")] if "like" in own else {}
        by_name[own["name"]] = {**base, "version": "", **own}
    return tuple(_implementation(entry) for entry in by_name.values())


LEAST_SAME = 6
MINOR = ("precision", "empty", "matching")
USUAL = {"squash": "none", "shortest": "none", "sign": "positive", "df": "documents"}
"""Features of an entry that does not list them: nothing is done to the sum, and short documents are like others."""


def _implementation(entry: Mapping[str, Any]) -> Implementation:
    features = {name: str(value) for name, value in entry.items() if name not in ("name", "version", "source")}
    features = {**USUAL, **features}
    return Implementation(f"{entry['name']} {entry['version']}".strip(), entry["source"], features)


def features(measured: Measured) -> dict[str, str]:
    """The features that were determined; one that was not, or that is one of several, is left out."""
    found: dict[str, str] = {}
    if measured.coarse:
        return {"precision": measured.scale.precision.name, **matching_of(measured)}
    if measured.idf is not None and not measured.of_one_term:
        found["idf"] = measured.idf.form.name
        if not hidden_floor(measured.idf, measured.scale.precision) and (measured.idf_seen or found_floor(measured)):
            found["floor"] = floor_name(measured.idf.floor)
        if measured.idf.counted != "documents":
            found["idf"] += f" (N = number of {measured.idf.counted})"
        if measured.counts_occurrences is not None:
            found["df"] = df_name(measured)
    if measured.fits:
        found |= _agreed([formula_features(fit, measured) for fit in equals(measured)])
        if hidden_length(measured):
            found = _of_hits(found, measured)
    if measured.query is not None:
        found["repeat"] = repeat_name(measured)
        if measured.scale.best is None or measured.query.side.combine != "sum":
            found["combine"] = measured.query.side.combine  # else a factor of the whole query may have cancelled
    if measured.empty.n_empty is not None and measured.empty.average_empty is not None:
        found["empty"] = empty_name(measured.empty)
    found["sign"] = "negated" if measured.scale.sign < 0 else "positive"
    found["precision"] = measured.scale.precision.name
    squash = measured.scale.squash if measured.scale.best is None else "divided by the best"
    squash = measured.scale.rows if measured.scale.rows != "none" else squash
    divided = squash == "divided by the best"  # shown by a formula that is confirmed; else only best scores are equal
    if measured.confirmed or (squash != "none" and not divided):  # equal scores of all terms do not show it
        found["squash"] = squash
    return found | matching_of(measured)


def repeat_name(measured: Measured) -> str:
    """How the query's terms are weighted."""
    assert measured.query is not None
    vectors = measured.formula is not None and (measured.formula.weighs_query or measured.formula.unit_length)
    name = measured.query.side.repeat
    return AS_DOCUMENT if name == BY_LENGTH and vectors else name


def has_base(measured: Measured) -> bool:
    """Whether the idf is a logarithm, of which the base is a factor."""
    return measured.idf is not None and measured.idf.form.has_base


def df_name(measured: Measured) -> str:
    """What a document frequency is the number of, where the idf depends on it."""
    if any(token.name == OF_PARTS and token.result == WITH_PARTS for token in measured.tokens):
        return "words with the term inside"
    return "occurrences" if measured.counts_occurrences else "documents"


def hidden_length(measured: Measured) -> bool:
    """Whether terms of one document show no length normalisation, and a term of several shows one."""
    formula = measured.formula
    return formula is not None and formula.norm == "none" and not formula.unit_length and measured.among_hits != "equal"


def _of_hits(found: dict[str, str], measured: Measured) -> dict[str, str]:
    """The features with those of lengths as a term of several documents shows them; without, where it does not."""
    if measured.among_hits == "over their mean" and found.get("parameters") == "k1 = the call's":
        return {**found, "length": "tokens", "average": OF_HITS, "parameters": "the call's"}
    return {name: value for name, value in found.items() if name not in ("length", "average", "parameters")}


def empty_name(empty: Empty) -> str:
    """A treatment of empty documents that was decided."""
    assert empty.n_empty is not None
    assert empty.average_empty is not None
    return EMPTY_TOKENS[empty.tokens] if empty.tokens != "none" else EMPTY[empty.n_empty, empty.average_empty]


EMPTY_TOKENS = {
    "spaces": 'of one token: text.split(" ")',
    "blank": "of one token, as those of white space alone: words of a stripped text",
}
EMPTY = {
    (True, True): "counted",
    (False, False): "not counted",
    (True, False): "not in the average",
    (False, True): "not in N",
}


def matching_of(measured: Measured) -> dict[str, str]:
    """The feature `matching`: whether parts of terms match; empty where that was not measured."""
    tokens = {token.name.split(" (")[0]: token.result for token in measured.tokens}
    for probe, name in (("substring", "substrings"), ("prefix", "prefixes")):
        result = tokens.get(probe, "")
        if result.startswith(("the part", "split")):
            return {"matching": name + (WITH_ANOTHER_SCORE if result.endswith(WITH_ANOTHER_SCORE) else "")}
    return {"matching": "whole terms"} if tokens.get("prefix") == "one term" else {}


def equals(measured: Measured) -> list[Fit]:
    """The formulas that match all readings and are no more complicated than the first of them."""
    best = measured.scale.best is not None
    first = rank(measured.fits[0], best)
    return [fit for fit in measured.fits if rank(fit, best) == first]


def _agreed(candidates: list[dict[str, str]]) -> dict[str, str]:
    """The features that all candidates have in common."""
    return {name: value for name, value in candidates[0].items() if all(one.get(name) == value for one in candidates)}


def found_floor(measured: Measured) -> bool:
    """Whether the readings show a floor."""
    return measured.idf is not None and measured.idf.floor.kind != "none"


def hidden_floor(idf: Idf, precision: Precision) -> bool:
    """Whether scores are rounded so coarsely that the floor may be 0 or another small number."""
    level = 3 * precision.absolute / min(idf.scales)
    return precision.decimals is not None and idf.floor.kind == "constant" and abs(idf.floor.value) < level


def floor_name(floor: Floor) -> str:
    """A floor in words."""
    if floor.kind == "none":
        return "none"
    if floor.kind == "multiple":
        return "its absolute value" if floor.value == -1 else f"{floor.value:g} times itself, where {floor.rule}"
    share = f"{floor.value:g} of the {floor.kind}" if floor.of_mean else f"{floor.value:g}"
    if floor.rule in SHARES:
        return f"{share} for terms in {floor.rule} {floor.share:g} of the documents"
    return f"{share}, where {floor.rule}"


def formula_features(fit: Fit, measured: Measured) -> dict[str, str]:
    """The features of one formula."""
    kind = kind_counted(fit.formula.kind, measured.tokens)
    formula = replace(fit.formula, kind=kind, zero_k1=measured.zero_k1, zero_b=measured.zero_b)
    found = weight_features(formula)
    hidden = measured.scale.best is not None or measured.of_one_term or cancels_in(measured)
    if formula.idf is not None and not hidden:
        found["base"] = base_name(fit)
    return found


def weight_features(formula: Formula) -> dict[str, str]:
    """The features of a formula's weights: tf, lengths, k1 and b."""
    if formula.written is not None:
        return _written_features(formula)
    saturated = formula.shape in ("saturated", "shifted")
    found = {"tf": tf_name(formula), "length": length_name(formula), "delta": delta_name(formula)}
    if formula.factor or (saturated and not formula.unit_length):
        found["factor"] = "k1 + 1" if formula.factor else "none"
    if formula.norm in ("in K", "divides"):
        found["average"] = average_name(formula)
        found["shortest"] = "none" if formula.floor is None else f"{formula.floor:g}"
    if saturated or formula.factor or formula.norm == "divides":
        found["parameters"] = parameters_name(formula, formula.zero_k1, formula.zero_b)
    found["absent"] = "weight of f = 0" if formula.absent else "0"
    return found


def _written_features(formula: Formula) -> dict[str, str]:
    """The features of a weight that is written as one expression."""
    assert formula.written is not None
    used = set(re.findall(r"\w+", formula.written.text))
    k1, b = ("the call's" if one is None else f"{one:g}" for one in (formula.k1, formula.b))
    found = {
        "tf": formula.written.text,
        "delta": "none",
        "length": formula.kind.name if "L" in used else "none",
        "absent": "weight of f = 0" if formula.absent else "0",
    }
    if "A" in used:
        found["average"] = average_name(formula)
    if used & {"k1", "b"}:
        found["parameters"] = "the call's" if k1 == b == "the call's" else f"k1 = {k1}, b = {b}"
    return found


def base_name(fit: Fit) -> str:
    """The base of the logarithm that explains the scale; none for a scale of 1 without logarithm; else the scale."""
    assert fit.formula.idf is not None
    if fit.base is not None:
        return fit.base if fit.formula.idf.form.has_base else "none"
    return f"scale {fit.formula.scale:.6g}"


def cancels_in(measured: Measured) -> str:
    """What a factor of the idf cancels in, so that no scale can be known; empty where it does not cancel."""
    if measured.formula is not None and measured.formula.unit_length:
        return "the weights are divided by their Euclidean norm"
    if measured.query is not None and measured.query.side.combine == MEAN:
        return "the sum is divided by that of the query's idfs"
    return ""


def tf_name(formula: Formula) -> str:
    """The tf without delta and factor, as a feature."""
    t = formula.transform.name
    name = {"constant": "binary", "unsaturated": t, "saturated": f"saturated {t}", "shifted": f"saturated {t}"}
    return f"f times {name[formula.shape]}" if formula.again else name[formula.shape]


def delta_name(formula: Formula) -> str:
    """Kind and value of delta."""
    return "none" if formula.delta_kind == "none" else f"{formula.delta_kind} {formula.delta:.6g}"


def length_name(formula: Formula) -> str:
    """What is normalised by."""
    if formula.unit_length:
        norm = "Euclidean norm of the weights"
        return norm if formula.norm == "none" else f"{formula.kind.name}, and the {norm}"
    if formula.norm == "none":
        return "none"
    power = {0: "", 0.5: "square root of ", 1: ""}.get(formula.power, f"power {formula.power:g} of ")
    if formula.norm == "power":
        return f"divided by {power}{formula.kind.name}"
    return formula.kind.name + (f", times {power}L" if formula.power else "")


def average_name(formula: Formula) -> str:
    """The definition of the average length."""
    return f"constant {formula.average:g}" if isinstance(formula.average, float) else formula.average.name


def parameters_name(formula: Formula, zero_k1: float | None, zero_b: float | None) -> str:
    """Where k1 and b come from."""
    if formula.k1 is None and formula.b is None:
        replaced = bool(zero_k1) or bool(zero_b)
        return "the call's, 0 becomes the default" if replaced else "the call's"
    k1 = (
        f"{formula.k1:.6g}"
        if formula.k1 is not None
        else "the call's, 0 becomes the default"
        if zero_k1
        else "the call's"
    )
    b = "the call's" if formula.b is None else f"{formula.b:.6g}"
    if formula.norm == "divides":
        return f"b = {b}"
    return f"k1 = {k1}" if formula.norm == "none" else f"k1 = {k1}, b = {b}"


@dataclass(frozen=True)
class Match:
    """An implementation with the features that are the same and those that differ: (feature, its, measured)."""

    implementation: Implementation
    same: tuple[str, ...]
    different: tuple[tuple[str, str, str], ...]


def nearest(found: Features) -> list[Match]:
    """The implementations of the table: those without a differing feature, then by differing and untold features."""
    matches = []
    for one in implementations():
        shared = [name for name in one.features if name in found]
        same = tuple(name for name in shared if found[name] == one.features[name])
        others = (
            name for name in shared if name not in same and not (name == "parameters" and takes_fixed(one, found))
        )
        different = tuple((name, one.features[name], found[name]) for name in others)
        matches.append(Match(one, same, different))
    return sorted(matches, key=lambda match: (_distance(match, found), -len(match.same)))


def takes_fixed(one: Implementation, found: Features) -> bool:
    """Whether k1 or b is fixed where the implementation takes the call's, so that it has this formula for those."""
    return one.features.get("parameters") == "the call's" and " = " in found.get("parameters", "")


def _distance(match: Match, found: Features) -> float:
    """0 for an entry without a differing feature; else what differs, and a quarter of what an entry does not tell."""
    untold = len(found.keys() - match.implementation.features.keys())
    return sum(_weight(*each) for each in match.different) + untold / 4 if match.different else 0.0


def _weight(name: str, its: str, measured: str) -> float:
    """What a differing feature counts: half where another number differs, or what does not change a formula."""
    return 0.5 if name in MINOR or its.split()[0] == measured.split()[0] else 1.0


def nearest_few(found: Features, few: int = 3) -> list[Match]:
    """The first `few` of `nearest`, and any further ones with the features of one of them.

    Entries with fewer than `LEAST_SAME` features in common, or no more than differ, are left out.
    """
    matches = [one for one in nearest(found) if len(one.same) >= max(LEAST_SAME, len(one.different) + 1)]
    shown = [match.implementation.features for match in matches[:few]]
    return [match for match in matches if match.implementation.features in shown]
