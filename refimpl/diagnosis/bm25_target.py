"""The cause of a mismatch of a BM25 that answers any input: its factors are measured, then confirmed on every case."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from refimpl.diagnosis.bm25_analyses import Analysis, Hits, agreeing, analyses, disagreements, of_folding
from refimpl.diagnosis.bm25_dropped import without_dropped
from refimpl.diagnosis.bm25_idfs import KNOWN_FLOORS, NO_FLOOR
from refimpl.diagnosis.bm25_matching import MATCHINGS
from refimpl.diagnosis.bm25_words import Difference, differences, undetermined
from refimpl.diagnosis.result import MeasuredCause
from refimpl.identify import collection, heldout
from refimpl.identify import tokens as measured_tokens
from refimpl.identify.ask import Probe, Scores, Target
from refimpl.identify.bm25 import Measured, measure
from refimpl.identify.describe import conclusion
from refimpl.identify.features import cancels_in, features, matching_of, parameters_name
from refimpl.identify.formula import Formula
from refimpl.identify.scores import FLOAT32
from refimpl.identify.token_words import as_white_space, summary
from refimpl.sparse.index.index import BM25Index

MOST_ANALYSES = 12  # that the formula is tried with
MOST_FORMS = 6  # written forms that are named beside an analysis


@dataclass(frozen=True)
class ScoredCase:
    """A case of a suite: its input, and the scores `(queries, docs)` that a target gave it."""

    inputs: Probe
    scores: Scores


@dataclass(frozen=True)
class Agreement:
    """How many scores of how many cases a formula predicts, and each contradiction: case and worst score."""

    cases: int
    compared: int
    matching: int
    contradictions: Mapping[str, str]

    def __str__(self) -> str:
        scores = f"{self.compared} scores of {self.cases} cases"
        if not self.contradictions:
            return f"confirmed: the formula gives all {scores}, and those of a random corpus"
        (name, worst), *others = self.contradictions.items()
        more = f"; so do {', '.join(other for other, _ in others)}" if others else ""
        return (
            f"confirmed in part: the formula gives {self.matching} of {scores}, and those of a random corpus; "
            f"case {name} contradicts it ({worst}){more}"
        )


class VariantTarget:
    """A target that is given the variant `variant` in every input."""

    def __init__(self, target: Target, variant: str) -> None:
        self.name = target.name
        self._target, self._variant = target, variant

    def run(self, task: Any, inputs: Sequence[Any]) -> list[Any]:
        """The target's answers."""
        return self._target.run(
            task, [{**one, "variant": self._variant} if "variant" in one else one for one in inputs]
        )


class IndexTarget:
    """`BM25Index` of one variant as a target: what is expected of an implementation of that variant."""

    def __init__(self, variant: str) -> None:
        self.name = variant

    def run(self, task: Any, inputs: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Scores `(queries, docs)` for each input."""
        return [self._scores(**one) for one in inputs]

    def _scores(self, corpus: list[str], queries: list[str], k1: float, b: float, variant: str) -> Scores:
        index = BM25Index.build(corpus, analyzer=str.split, variant=self.name, k1=k1, b=b)
        scores = np.zeros((len(queries), len(corpus)))
        for row, (ids, values) in enumerate(zip(*index.search(queries, k=len(corpus)), strict=True)):
            scores[row, ids[ids >= 0]] = values[ids >= 0]
        return scores


@cache
def expected_features(variant: str) -> Mapping[str, str]:
    """The features of a variant of `refimpl.sparse.bm25.VARIANTS`."""
    return features(measure(IndexTarget(variant)))


@dataclass(frozen=True)
class TargetDiagnosis:
    """What a BM25 computes otherwise than a published variant, and how that was confirmed.

    Parameters
    ----------
    variant
        A name of `refimpl.sparse.bm25.VARIANTS`.
    differences
        The factors that differ.
    agreement
        With the scores of the cases; None where there is no formula.
    undetermined
        Titles of factors that the scores do not decide.
    conclusion
        The implementations that have this formula, or why there is no formula.
    precision
        That of the scores, by its name.
    """

    variant: str
    differences: tuple[Difference, ...]
    agreement: Agreement | None
    undetermined: tuple[str, ...]
    conclusion: str
    precision: str = ""

    @property
    def causes(self) -> tuple[MeasuredCause, ...]:
        """The factors that differ, as one cause; `()` if there is none."""
        if not self.differences:
            return ()
        confirmed = self.agreement is not None and not self.agreement.contradictions
        explanation = self.conclusion if self.agreement is None else f"{self.conclusion}; {self.agreement}"
        return (MeasuredCause(tuple(map(str, self.differences)), explanation, confirmed),)

    def __str__(self) -> str:
        if self.agreement is None:
            return f"{self.conclusion}: there is no formula to compare with {self.variant}"
        count = "1 factor differs" if len(self.differences) == 1 else f"{len(self.differences)} factors differ"
        lines = [f"{count} from {self.variant}: {'; '.join(map(str, self.differences))}", self.conclusion]
        if not self.differences:
            lines = [f"on inputs of its own this is {self.variant}, as far as the factors show"]
        if self.precision == FLOAT32.name:
            lines.append("the scores are of float32")
        if self.undetermined:
            lines.append(f"not determined: {', '.join(self.undetermined)}")
        return "\n".join([*lines, str(self.agreement)])


@dataclass(frozen=True)
class PartialDiagnosis(TargetDiagnosis):
    """Factors that were measured each by itself, of a formula that is not known as a whole."""

    contradicted: bool = False
    """Whether the factors together give other scores of another corpus."""

    def __str__(self) -> str:
        named = "; ".join(map(str, self.differences))
        if self.contradicted:
            return f"probes of one factor each show this, but other scores contradict the whole: {named}"
        return f"measured one by one, not confirmed as a whole: {named}"


def diagnose_bm25_target(
    target: Target,
    cases: Mapping[str, ScoredCase],
    variant: str,
    tolerance: float,
    k1: float | None = None,
    b: float | None = None,
) -> TargetDiagnosis | None:
    """Measure the target's factors, and name those that differ from the variant's.

    Parameters
    ----------
    target
        An implementation that answers any input of the task bm25.
    cases
        The cases that it has answered, passed ones included.
    variant
        A name of `refimpl.sparse.bm25.VARIANTS`.
    tolerance
        Of a score, relative to max(1, |score|).
    k1, b
        Fixed parameters that the target is known to have; None where it takes the call's.

    Returns
    -------
    TargetDiagnosis or None
        None where the formula is the variant's in all that was measured and of all cases. Where it is not known, or
        does not predict the scores of a corpus that no fit has used, the factors that were measured; None if they are
        the variant's.

    Raises
    ------
    ValueError
        Where the target answers no input.
    """
    measured = measure(VariantTarget(target, variant))
    if measured.problem:
        return TargetDiagnosis(variant, (), None, (), measured.problem)
    found, expected = features(measured), expected_features(variant)
    if cancels_in(measured):
        expected = {name: value for name, value in expected.items() if name != "base"}  # a factor of the idf cancels
    if measured.whole is not None and not (k1 is None and b is None):
        has_them = _has_parameters(measured.whole, k1, b) and "parameters" in found
        own = found["parameters"] if has_them else parameters_name(replace(measured.whole, k1=k1, b=b), None, None)
        expected = {**expected, "parameters": own}
    differing = (*differences(found, expected), *_beyond_formula(measured))
    missing = tuple(undetermined(found, expected))
    if not measured.confirmed:
        if not differing:
            return None
        return PartialDiagnosis(
            variant, differing, None, missing, conclusion(measured), contradicted=measured.contradicted
        )
    agreement, words = confirmed(measured, cases, tolerance, VariantTarget(target, variant))
    if "floor" not in found and not words and not agreement.contradictions and _shows_floor(measured, cases, tolerance):
        found = {**found, "floor": "none"}
        differing = (*differences(found, expected), *_beyond_formula(measured))
        missing = tuple(undetermined(found, expected))
    if words:
        differing = (*(each for each in differing if each.feature != "tokenisation"), _terms(words))
    if not differing and not agreement.contradictions:
        return None
    return TargetDiagnosis(variant, differing, agreement, missing, conclusion(measured, found), found["precision"])


def _shows_floor(measured: Measured, cases: Mapping[str, ScoredCase], tolerance: float) -> bool:
    """Whether scores of the cases, which the formula without a floor gives, contradict each known floor."""
    formula = measured.formula
    if formula is None or formula.idf is None or formula.idf.floor != NO_FLOOR:
        return False
    floored = (replace(formula, idf=replace(formula.idf, floor=floor)) for floor in KNOWN_FLOORS if floor != NO_FLOOR)
    others = (replace(measured, fits=(replace(measured.fits[0], formula=each),)) for each in floored)
    return all(confirm(other, cases, tolerance).contradictions for other in others)


def _has_parameters(formula: Formula, k1: float | None, b: float | None) -> bool:
    """Whether a call with the known parameters has them, and takes the call's for those that are None."""
    called = (1.0 if k1 is None else k1, 0.5 if b is None else b)
    takes_others = (k1 is not None or formula.k1 is None) and (b is not None or formula.b is None)
    return takes_others and formula.settings(*called) == called


def confirmed(
    measured: Measured, cases: Mapping[str, ScoredCase], tolerance: float, target: Target
) -> tuple[Agreement, str]:
    """The agreement of the formula with every case; how texts are split, in words, where another way agrees better."""
    found = confirm(measured, cases, tolerance)
    tokens = measured.answers.scores("tokens")
    if not found.contradictions or tokens is None or as_white_space(measured.tokens):
        return found, ""
    inputs = measured_tokens.probe()
    probed = Hits(inputs.corpus, inputs.queries, np.array([row != collection.background_of(row) for row in tokens]))
    known = [] if _is_cut(measured) else [probed, *_hits(cases.values())]
    tried = _tried(measured, cases, tolerance, agreeing(known) if known else analyses(), probed)
    if all(each.agreement.contradictions for each in tried):
        texts = [text for case in cases.values() for text in (*case.inputs.corpus, *case.inputs.queries)]
        own = without_dropped(target, texts, (*inputs.corpus, *inputs.queries))
        tried += _tried(measured, cases, tolerance, own, probed)
    if not tried or (least := min(each.disagreement for each in tried)) >= _disagreement(found):
        return found, ""
    best = [each for each in tried if each.disagreement == least]
    closest = min(best, key=lambda each: len(each.otherwise))
    words = _worded([each.analysis.name for each in best if each.otherwise == closest.otherwise], closest.otherwise)
    return closest.agreement, (
        f"{summary(measured.tokens)}; nearest of the listed ways: {words}" if closest.otherwise else words
    )


@dataclass(frozen=True)
class Tried:
    """An analysis, how the formula agrees with it, and the written forms that are treated otherwise."""

    agreement: Agreement
    analysis: Analysis
    otherwise: Sequence[str]

    @property
    def disagreement(self) -> tuple[int, int]:
        """The numbers of cases and of scores that contradict the formula."""
        return _disagreement(self.agreement)


def _tried(
    measured: Measured, cases: Mapping[str, ScoredCase], tolerance: float, possible: Iterable[Analysis], probed: Hits
) -> list[Tried]:
    """The analyses that treat the fewest written forms otherwise than they were `probed`, with their agreement."""
    named = {each: disagreements(each, probed) for each in possible}
    nearest = sorted(
        (each for each, names in named.items() if not of_folding(names)), key=lambda each: len(named[each])
    )
    found = []
    for analysis in nearest[:MOST_ANALYSES]:
        analyzed = {name: replace(case, inputs=_analyzed(case.inputs, analysis)) for name, case in cases.items()}
        found.append(Tried(confirm(measured, analyzed, tolerance), analysis, named[analysis]))
    return found


def _is_cut(measured: Measured) -> bool:
    return measured.hits is not None and measured.hits < collection.HITS


def _hits(cases: Iterable[ScoredCase]) -> list[Hits]:
    return [Hits(one.inputs.corpus, one.inputs.queries, np.asarray(one.scores != 0)) for one in cases]


def _worded(names: Sequence[str], others: Sequence[str]) -> str:
    """Analyses that agree alike, and the written forms that are treated otherwise."""
    words = " or ".join(names[:2]) + (" or a similar one" if len(names) > 2 else "")
    more = f" and {len(others) - MOST_FORMS} more" if len(others) > MOST_FORMS else ""
    return f"{words}, but otherwise for {', '.join(others[:MOST_FORMS])}{more}" if others else words


def _disagreement(found: Agreement) -> tuple[int, int]:
    """The numbers of cases and of scores that contradict the formula."""
    return len(found.contradictions), found.compared - found.matching


def _analyzed(inputs: Probe, analysis: Analysis) -> Probe:
    """The input with its terms between spaces."""
    corpus = tuple(" ".join(analysis.documents(text)) for text in inputs.corpus)
    return replace(inputs, corpus=corpus, queries=tuple(" ".join(analysis.queries(text)) for text in inputs.queries))


def confirm(measured: Measured, cases: Mapping[str, ScoredCase], tolerance: float) -> Agreement:
    """Compare the scores of every case with those of the measured formula."""
    formula, side = measured.whole, measured.query
    assert formula is not None
    assert side is not None
    cut = _is_cut(measured)
    occurrences = MATCHINGS.get(matching_of(measured).get("matching", ""))
    compared = matching = 0
    contradictions = {}
    for name, case in cases.items():
        if not case.scores.size or not np.isfinite(case.scores).all():
            continue
        compare = partial(heldout.compare, formula, side.side, measured.scale, case.scores, cut, case.inputs)
        with np.errstate(all="ignore"):
            found = compare(tolerance, occurrences)
        compared, matching = compared + found.compared, matching + found.matching
        if found.matching < found.compared:
            query, document = case.inputs.queries[found.place[0]], case.inputs.corpus[found.place[1]]
            contradictions[name] = f"{found.worst}; the query is {query!r:.60}, the document {document!r:.60}"
    return Agreement(len(cases), compared, matching, contradictions)


def _terms(words: str) -> Difference:
    return Difference("tokenisation", words, "terms as whitespace separates them")


def _beyond_formula(measured: Measured) -> list[Difference]:
    """What is kept of an earlier corpus, hits that are not returned, and terms."""
    found = []
    if measured.kept is not None:
        found.append(Difference("state", str(measured.kept), "nothing"))
    if measured.hits is not None and measured.hits < collection.HITS:
        found.append(Difference("number of hits", f"at most {measured.hits}", "all"))
    if measured.tokens and not as_white_space(measured.tokens):
        dropped = [token.name for token in measured.tokens if token.result == "dropped"]
        words = summary(measured.tokens) or "of a kind of its own"
        words += f" (dropped: {', '.join(dropped)})" if dropped else ""
        found.append(_terms(words))
    return found
