"""The result in words: one sentence, the formula, each factor with its evidence, the nearest implementation."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from refimpl.identify import collection, features, latex, sentence
from refimpl.identify.ask import Refusal
from refimpl.identify.bm25 import Measured
from refimpl.identify.features import Match
from refimpl.identify.query import BY_LENGTH, MEAN, REPEAT, UNKNOWN, combined
from refimpl.identify.token_words import summary

Status = Literal["known form", "by its probe alone", "measured curve", "undetermined"]
"""`by its probe alone`: a known form that matches, of a formula that the scores of another corpus contradict."""
Curve = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Factor:
    """One factor: what it is, how that was measured, the largest deviation, and the curve where no form is known."""

    name: str
    status: Status
    value: str
    evidence: str
    error: float | None = None
    curve: Curve = ()


@dataclass(frozen=True)
class Identification:
    """What an implementation computes; `confirmed`: the whole formula predicts scores that no fit has used."""

    target: str
    sentence: str
    confirmed: bool
    text: str
    latex: str
    factors: tuple[Factor, ...]
    nearest: tuple[Match, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        factors = [{**asdict(factor), "curve": [list(point) for point in factor.curve]} for factor in self.factors]
        near = [
            {
                "name": match.implementation.name,
                "source": match.implementation.source,
                "same": list(match.same),
                "different": [{"feature": a, "theirs": b, "measured": c} for a, b, c in match.different],
            }
            for match in self.nearest
        ]
        return {
            "schema": 1,
            "target": self.target,
            "sentence": self.sentence,
            "confirmed": self.confirmed,
            "formula": {"text": self.text, "latex": self.latex},
            "factors": factors,
            "nearest": near,
            "seconds": self.seconds,
        }


def describe(target: str, measured: Measured) -> Identification:
    """Turn measurements into words."""
    if measured.problem:
        why = f"Nothing can be identified: {measured.problem}."
        return Identification(target, why, False, "", "", (), (), measured.seconds)
    found = tuple(factors(measured))
    known = features.features(measured)
    near = tuple(features.nearest_few(known))
    text, formula = latex.formula(measured)
    whole = sentence.sentence(measured, known, near, determined=_determined(found, known))
    return Identification(target, whole, measured.confirmed, text, formula, found, near, measured.seconds)


def conclusion(measured: Measured, further: features.Features | None = None) -> str:
    """Whether the formula is confirmed, and which implementations of the table have it, as a clause.

    `further` features are known from other scores.
    """
    known = {**features.features(measured), **(further or {})}
    near = features.nearest_few(known)
    return sentence.conclusion(measured, near, determined=_determined(tuple(factors(measured)), known))


def _determined(found: Sequence[Factor], known: features.Features) -> bool:
    """Whether no factor but of written forms is undetermined, a floor of the idf included."""
    if "idf" in known and "floor" not in known:
        return False
    return not any(one.status == "undetermined" and not one.name.startswith("tokens: ") for one in found)


def factors(measured: Measured) -> Iterator[Factor]:
    """Each factor with its status; of scores that are rounded coarsely, only what they show."""
    if measured.coarse:
        value = "scores are rounded too coarsely to tell formulas apart"
        yield Factor("formula", "undetermined", value, "the error of a middling score is over 1% of it")
    else:
        of_formula = (_idf(measured), _df(measured), *_weights(measured), *_query(measured), *_collection(measured))
        yield from (_alone(one) if measured.contradicted else one for one in of_formula)
        yield _whole(measured)
    yield from _scores(measured)
    yield from _tokens(measured)


def _alone(factor: Factor) -> Factor:
    """A factor of a formula that is contradicted."""
    return replace(factor, status="by its probe alone") if factor.status == "known form" else factor


def _idf(measured: Measured) -> Factor:
    idf = measured.idf
    points = len(measured.idf_curve)
    evidence = f"{points} one-term queries read in documents of one length, N = 82, 50 and 14"
    if measured.of_one_term:
        value = "none in queries of one term; those of several terms are combined in no known way"
        return Factor("idf", "undetermined", value, evidence)
    if idf is None:
        if points < 8:
            return Factor("idf", "undetermined", "too few scores", evidence)
        return Factor(
            "idf", "measured curve", "no known form", evidence + "; (N, n, idf / idf(1))", None, measured.idf_curve
        )
    floor = features.floor_name(idf.floor)
    name = "" if idf.form.name == idf.form.text else f"{idf.form.name}: "
    value = f"{name}{idf.form.text}" + ("" if floor == "none" else f"; floor {floor}")
    if not measured.idf_seen and floor == "none":
        value += "; a floor would not show: no term in more than half of the documents was returned"
    if features.hidden_floor(idf, measured.scale.precision):
        value += f" (or another one below {3 * measured.scale.precision.absolute / min(idf.scales):.1g})"
    return Factor("idf", "known form", value, evidence, idf.error)


def _df(measured: Measured) -> Factor:
    evidence = "a term of df 2 that occurs 8 times, and one that occurs twice"
    if measured.counts_occurrences is None:
        return Factor("document frequency", "undetermined", "the idf does not depend on it, or was not read", evidence)
    return Factor("document frequency", "known form", f"counts {features.df_name(measured)}", evidence)


def _weights(measured: Measured) -> Iterator[Factor]:
    tf = measured.tf
    evidence = f"terms of f = {', '.join(f'{f:g}' for f, _ in measured.tf_curve)} in one document"
    if not measured.fits:
        if tf is None:
            yield _curve("tf", measured.tf_curve, evidence + "; (f, weight / weight of 1)")
        else:
            yield Factor("tf", "known form", f"{tf.text}, at one length", evidence, tf.error)
        lengths = "one occurrence in documents of other lengths; (L, weight / weight at L = 1)"
        if sentence.without_lengths(measured):
            yield Factor("length normalisation", "known form", "none", lengths)
        else:
            yield _curve("length normalisation", measured.length_curve, lengths)
        return
    known = features.features(measured)
    error = measured.fits[0].error
    readings = f"{measured.fits[0].readings} scores of terms of 1 to 24 occurrences in documents of 1 to 1000 tokens"
    names = ("tf", "factor", "delta", "length", "average", "shortest", "parameters", "base")
    titles = {
        "factor": "factor of the tf",
        "length": "length normalisation",
        "average": "average length",
        "base": "scale of the idf",
    }
    titles |= {"shortest": "shortest relative length", "parameters": "k1 and b"}
    candidates = [features.formula_features(fit, measured) for fit in features.equals(measured)]
    for name in names:
        if name in known:
            yield Factor(titles.get(name, name), "known form", _worded(name, known[name]), readings, error)
        elif options := sorted({one[name] for one in candidates if name in one}):
            value = f"one of: {'; '.join(options)}"
            yield Factor(titles.get(name, name), "undetermined", value, f"all match {readings}", error)
    if (divided := features.cancels_in(measured)) and features.has_base(measured):
        value = f"any: {divided}, in which a factor cancels"
        yield Factor("scale of the idf", "known form", value, readings)
    elif "base" not in known and measured.scale.best is not None:
        rows = measured.scale.rows
        why = "divided by the best one" if rows == "none" else f"scaled by query: {rows}"
        yield Factor("scale of the idf", "undetermined", f"scores are {why}", readings)


def _worded(name: str, value: str) -> str:
    if (name, value) == ("base", "none"):
        return "not multiplied by a constant"
    if name == "base" and not value.startswith("scale"):
        return f"logarithm to base {value}; not multiplied by a constant"
    return f"multiplied by {value.removeprefix('scale ')}" if name == "base" else value


def _curve(name: str, curve: Curve, evidence: str) -> Factor:
    if len(curve) < 3:
        return Factor(name, "undetermined", "too few scores", evidence)
    return Factor(name, "measured curve", "no known form", evidence, None, curve)


def _query(measured: Measured) -> Iterator[Factor]:
    rows = len(measured.query_rows)
    evidence = f"{rows} queries of several terms, compared with the scores of their terms"
    if measured.query is None:
        yield Factor("query", "undetermined", "no known combination of the terms' scores", evidence)
        return
    side = measured.query.side
    repeat = features.repeat_name(measured)
    k3 = f", k3 = {side.k3:g}" if repeat in ("saturated", BY_LENGTH) else ""
    k3 += f", c = {side.of_length:g}" if repeat == BY_LENGTH else ""
    yield Factor("repeated query terms", "known form", REPEAT[repeat][1] + k3, evidence, measured.query.error)
    combine = combined(side.combine)
    hidden = measured.scale.best is not None and side.combine == "sum"
    if hidden:
        combine += ", or the sum is multiplied by a factor of the query alone: scores are divided by the best one"
    status: Status = "undetermined" if hidden else "known form"
    yield Factor("combination", status, combine, evidence, measured.query.error)
    absent = measured.query.absent
    if absent is not None:
        value = "add the weight of f = 0" if abs(absent.value) > 5 * absent.error else "add nothing"
        yield Factor("terms that the document lacks", "known form", value, f"score {absent.value:.6g}")
    if side.combine == MEAN:
        counted = f"their idf, as of n = {side.unknown_n}, counts in the sum of idfs"
        value = counted if side.unknown_weighs else "left out"
        yield Factor("terms that no document has", "known form", value, f"queries with {UNKNOWN!r}")
    if sentence.refuses_unknown(measured):
        message = measured.answers.refused[UNKNOWN][:120]
        yield Factor("terms that no document has", "known form", f"refused: {message}", f"queries with {UNKNOWN!r}")


def _collection(measured: Measured) -> Iterator[Factor]:
    empty, name = measured.empty, "empty documents"
    refused = measured.answers.by_name["empty"]
    evidence = "30 documents, 12 of them empty"
    if isinstance(refused, Refusal):
        yield Factor(name, "undetermined", f"refused: {refused.message[:120]}", evidence)
    elif empty.n_empty is None or empty.average_empty is None:
        parts = [
            f"{part} {'count' if value else 'do not count'}"
            for part, value in (("in N they", empty.n_empty), ("in the average they", empty.average_empty))
            if value is not None
        ]
        without = "no known treatment" if empty.error is None else "whether they count does not show in a score"
        yield Factor(name, "undetermined", "; ".join(parts) or without, evidence)
    else:
        yield Factor(name, "known form", features.empty_name(empty), evidence, empty.error)
    if measured.hits is not None:
        whole = measured.hits >= collection.HITS
        value = f"no cut up to {collection.HITS}" if whole else f"at most {measured.hits} hits"
        yield Factor("number of hits", "known form", value, f"a term in {collection.HITS} of 500 documents")


def _scores(measured: Measured) -> Iterator[Factor]:
    scale = measured.scale
    evidence = "all scores of the main input"
    if nan := measured.answers.nan:
        yield Factor(
            "scores that are NaN", "known form", f"{nan.documents}: {nan.treated}", f"{nan.count} of {nan.size}"
        )
    if scale.sign < 0:
        yield Factor("sign", "known form", "negated: lower is better", evidence)
    if scale.rows != "none":
        yield Factor("scaling", "known form", f"{scale.rows} over the documents of each query", evidence)
    elif scale.best is not None:
        yield Factor(
            "scaling", "known form" if measured.confirmed else "undetermined", sentence.best(measured), evidence
        )
    if scale.clip is not None:
        value = f"scores above {scale.clip:g} become {scale.clip:g}; they are not read"
        yield Factor("clipping", "known form", value, evidence)
    if scale.squash != "none":
        pairs = "scores of pairs of terms are additive only with it undone"
        yield Factor("squashing", "known form", scale.squash, pairs)
    name, main = scale.precision.name, measured.answers.scores("mixed")
    if not measured.confirmed and main is not None and np.array_equal(main, np.round(main)):
        name = "whole numbers"
    if scale.precision.decimals is not None and measured.query is not None:
        name += ", each term" if measured.query.rounding < 1e-9 * 10**-scale.precision.decimals else ", the sum"
    yield Factor("precision", "known form", name, evidence)


def _whole(measured: Measured) -> Factor:
    held, evidence = measured.held_out, "70 random documents and 24 queries that no fit has used"
    if held is None:
        return Factor("whole formula", "undetermined", "a factor is not known", evidence)
    if measured.kept is not None:
        held, evidence = measured.kept.later, f"as many documents after {evidence}; {measured.kept}"
    value = f"predicts {held.matching} of {held.compared} scores" + ("" if held.matches else f"; {held.worst}")
    return Factor("whole formula", "known form" if held.matches else "undetermined", value, evidence, held.error)


def _tokens(measured: Measured) -> Iterator[Factor]:
    evidence = f"{len(measured.tokens)} written forms, in documents and in queries"
    if not measured.tokens:
        yield Factor("tokenisation", "undetermined", "the input was refused, or has scores that are NaN", evidence)
        return
    yield Factor("tokenisation", "known form", summary(measured.tokens) or "as the next rows show", evidence)
    for token in measured.tokens:
        if not token.plain:
            status: Status = "undetermined" if token.result.startswith("not measured") else "known form"
            yield Factor(f"tokens: {token.name}", status, token.result, "matches of the probe")
