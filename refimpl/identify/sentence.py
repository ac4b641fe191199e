"""The result in one sentence, and its parts that the rows of factors have as well."""

from collections.abc import Iterator, Sequence

import numpy as np

from refimpl.identify import collection, features
from refimpl.identify.bm25 import Measured
from refimpl.identify.features import Match
from refimpl.identify.length import PAIRS
from refimpl.identify.query import REPEAT, UNKNOWN, combined
from refimpl.identify.token_words import as_white_space, summary

SAME, CALLED = "mean of the same lengths", "the call's"
LEVEL = 10  # weights in documents of other lengths that are equal without a length normalisation
MISSING = 2  # features that an entry of the table may lack, and still be named beside one with all of them


def sentence(measured: Measured, known: features.Features, near: Sequence[Match], *, determined: bool) -> str:
    """The result in one sentence; `determined`: whether every factor is."""
    if measured.coarse:
        return f"{_capital(', '.join(_treated(measured)))}: too coarsely to tell formulas apart."
    idf = {"none": "no"}.get(known.get("idf", ""), known.get("idf", ""))
    unknown = "no idf in queries of one term" if measured.of_one_term else "an idf of no known form"
    parts = [f"{idf} idf" if idf else unknown]
    if known.get("base", "e") not in ("e", "none"):
        parts.append(f"log base {known['base']}" if known["base"] in ("2", "10") else known["base"])
    if (counted := known.get("df", "documents")) != "documents":
        parts.append(f"document frequencies that count {counted}")
    for name, shown in (("floor", "idf floored at {}"), ("delta", "delta {}")):
        if known.get(name, "none") != "none":
            parts.append(shown.format(known[name]))
    written = measured.formula is not None and measured.formula.written is not None
    tf = f"{'weight written' if written else 'tf'} {known.get('tf', '')}"
    parts.append(tf if "tf" in known else _unknown_weight(measured))
    if "factor" in known:
        parts.append("factor k1 + 1" if known["factor"] != "none" else "no factor k1 + 1")
    if "length" in known:
        parts.append("no length normalisation" if known["length"] == "none" else f"lengths: {known['length']}")
    if known.get("average", SAME) != SAME:
        parts.append(f"average length: {known['average']}")
    if known.get("shortest", "none") != "none":
        parts.append(f"relative lengths of at least {known['shortest']}")
    if known.get("parameters", CALLED) != CALLED:
        parts.append(known["parameters"])
    if "repeat" in known:
        repeat = "query terms as a multiset" if known["repeat"] == "multiset" else REPEAT[known["repeat"]][1]
        parts.append(repeat + ("" if known.get("combine", "sum") == "sum" else f", {combined(known['combine'])}"))
    parts += _treated(measured)
    clause = ", ".join(parts)
    opening = f"By probes of one factor each: {clause}" if measured.contradicted else _capital(clause)
    return f"{opening}: {conclusion(measured, near, determined=determined)}."


def _unknown_weight(measured: Measured) -> str:
    """What is known of weights of no known form."""
    tf = "" if measured.tf is None else f"tf {measured.tf.text} in documents of one length"
    if without_lengths(measured):
        return f"{tf or 'a tf of no known form'}, no length normalisation"
    return f"{tf}, a length normalisation of no known form" if tf else "a tf or length normalisation of no known form"


def without_lengths(measured: Measured) -> bool:
    """Whether a term has one weight in documents of any length."""
    weights = [weight for _, weight in measured.length_curve]
    return len(weights) >= LEVEL and bool(np.ptp(weights) <= measured.scale.precision.error(1.0))


def _treated(measured: Measured) -> Iterator[str]:
    """What was done to the sums, to the hits and to the texts, other than usual."""
    scale = measured.scale
    if scale.sign < 0:
        yield "negated"
    if scale.rows != "none":
        yield f"{scale.rows} over each query's documents"
    elif scale.best is not None:
        yield best(measured)
    if scale.clip is not None:
        yield f"scores clipped at {scale.clip:g}"
    if scale.squash != "none":
        yield f"score = {scale.squash} of the sum"
    if scale.precision.decimals is not None:
        yield scale.precision.name
    if measured.answers.nan:
        yield f"NaN instead of a score {measured.answers.nan.documents}"
    if refuses_unknown(measured):
        yield "queries with a term that no document has are refused"
    if measured.hits is not None and measured.hits < collection.HITS:
        yield f"at most {measured.hits} hits"
    if measured.confirmed and measured.formula is not None and measured.formula.kind == PAIRS:
        yield "pairs of neighbouring words are terms too"
    if measured.tokens and not as_white_space(measured.tokens) and (words := summary(measured.tokens)):
        yield f"terms: {words}"


def best(measured: Measured) -> str:
    """What makes every query's best score the same: a division, where the formula is known and confirmed."""
    best = measured.scale.best
    if not measured.confirmed:
        return f"each query's best score is {best:g}"
    return "divided by each query's best score" + (f", times {best:g}" if best != 1 else "")


def _capital(text: str) -> str:
    return text if text.startswith(("ln", "log")) else text[0].upper() + text[1:]


def conclusion(measured: Measured, near: Sequence[Match], *, determined: bool) -> str:
    """Whether the formula is confirmed, and which implementations of the table have it, as a clause."""
    if measured.coarse:
        return f"scores {measured.scale.precision.name}, too coarsely to tell formulas apart"
    if measured.kept is not None:
        later = measured.kept.later
        return f"but {measured.kept} ({later.matching} of {later.compared} scores of the later one match)"
    if not measured.confirmed:
        held = measured.held_out
        if held is None or held.matches:
            return "not confirmed as a whole, see the factors"
        matching = f"{held.matching} of {held.compared} scores of another corpus match"
        return f"not confirmed as a whole ({matching}), so that some factor is another one than its own probe shows"
    if not near:
        return "no implementation of the table is near this formula"
    same = [match for match in near if not match.different and len(match.same) >= len(near[0].same) - MISSING]
    if not same:
        differs = ", ".join(name for name, _, _ in near[0].different)
        equal = [one.implementation for one in near if one.implementation.features == near[0].implementation.features]
        nearest = " and ".join(one.name for one in equal)
        return f"no implementation of the table has this formula; nearest is {nearest} (other {differs})"
    names = " and ".join(match.implementation.name for match in same)
    known = features.features(measured)
    if all(features.takes_fixed(match.implementation, known) for match in same):
        names += f", with {known['parameters']}"
    return f"this is the formula of {names}" if determined else f"so far as determined, the formula of {names}"


def refuses_unknown(measured: Measured) -> bool:
    """Whether a query of a term that no document has is refused."""
    return UNKNOWN in measured.answers.refused
