"""The cause of a mismatch of BM25 scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse

from refimpl.common.texts import TextsOrTokens, check_texts_or_tokens
from refimpl.common.types import Array
from refimpl.diagnosis.bm25_analyses import Hits, agreeing
from refimpl.diagnosis.bm25_hypotheses import ANALYSIS, FITTED, SCORES, SEGMENTS, published_variant
from refimpl.diagnosis.bm25_matching import readings
from refimpl.diagnosis.bm25_output import outputs
from refimpl.diagnosis.bm25_problem import BM25Problem, GivenCase
from refimpl.diagnosis.bm25_readings import ScoredCorpus
from refimpl.diagnosis.bm25_scores import Analyze
from refimpl.diagnosis.bm25_solver import Solution, Solver
from refimpl.diagnosis.bm25_target import expected_features
from refimpl.diagnosis.hypotheses import Combination, compatible
from refimpl.diagnosis.result import Cause, Diagnosis
from refimpl.diagnosis.search import explain
from refimpl.identify.bm25 import NOISE
from refimpl.sparse.analyzers import build_analyzer
from refimpl.sparse.bm25.checks import check_number, check_variant

NEAR = 0.1  # of the difference's and of the scores' own squares, that a near miss may leave
MOST_TRIED = 8  # ways to split the texts
MAX_SCORES = 20_000  # of a case, that the formula is searched on


def diagnose_bm25(
    actual: ArrayLike,
    corpus: TextsOrTokens,
    queries: TextsOrTokens,
    *,
    analyzer: str | Analyze = "pymilvus-en",
    variant: str = "pymilvus",
    k1: float = 1.5,
    b: float = 0.75,
    tolerance: float = 1e-6,
) -> Diagnosis:
    """Compare BM25 scores with those of a published variant, and find why they differ.

    Parameters
    ----------
    actual
        Scores `(queries, docs)`, dense or sparse; 0 for a document without a term of the query.
    corpus, queries
        Texts, which `analyzer` splits into tokens, or lists of tokens, which are used as they are.
    analyzer
        A name of `refimpl.build_analyzer`, or a function from a text to its tokens.
    variant
        A name of `refimpl.sparse.bm25.VARIANTS`.
    k1, b
        Its parameters.
    tolerance
        Relative to max(1, |score|).

    Raises
    ------
    TypeError
        For a corpus or queries that are neither.
    ValueError
        For another shape.
    """
    scores = np.asarray(actual.toarray() if issparse(actual) else actual, dtype=np.float64)  # type: ignore[union-attr]  # sparse
    corpus, queries = (check_texts_or_tokens(each, name) for each, name in ((corpus, "corpus"), (queries, "queries")))
    if scores.shape != (len(queries), len(corpus)):
        expected = (len(queries), len(corpus))
        raise ValueError(f"expected scores of shape {expected}, got {scores.shape}: one row per query")
    case = GivenCase("", corpus, queries, check_number(k1, "k1"), check_number(b, "b", most=1.0), scores)
    return diagnose_bm25_cases([case], analyzer=analyzer, variant=variant, tolerance=tolerance)


def diagnose_bm25_cases(
    cases: Sequence[GivenCase], *, analyzer: str | Analyze, variant: str, tolerance: float
) -> Diagnosis:
    """As `diagnose_bm25`, for the scores of several corpora: a cause explains them only where it explains all cases.

    Parameters
    ----------
    cases
        Inputs with the scores that an implementation gave them, those that match included.
    analyzer, variant, tolerance
        As in `diagnose_bm25`.
    """
    analyze = build_analyzer(analyzer) if isinstance(analyzer, str) else analyzer
    start = published_variant(check_variant(variant), cases[0].k1, cases[0].b)
    problem = BM25Problem(cases, analyze, start)
    difference = max((float(np.abs(each).max(initial=0.0)) for each in problem.by_case(())), default=0.0)
    if not all(np.isfinite(case.scores).all() for case in cases):
        return Diagnosis(False, np.inf, tolerance, (), "a score is not finite: give 0 where a document has no term")
    if float(np.abs(problem.errors((), few=False)).max(initial=0.0)) <= tolerance:
        return Diagnosis(True, difference, tolerance, ())
    if (problem_of_scores := _no_formula(cases)) is not None:
        return Diagnosis(False, difference, tolerance, (), problem_of_scores)
    return Diagnosis(False, difference, tolerance, _causes(problem, cases, analyze, variant, tolerance))


def _no_formula(cases: Sequence[GivenCase]) -> str | None:
    """Why the scores cannot be those of a formula of queries and documents."""
    values = np.concatenate([case.scores.ravel() for case in cases])
    if not values.any():
        return "all scores are zero"
    if np.abs(values).max() < NOISE:
        return f"all scores are below {NOISE:g}: noise"
    if np.ptp(values) == 0:
        return f"all scores are {values[0]:g}"
    return None


def _causes(
    problem: BM25Problem, cases: Sequence[GivenCase], analyze: Analyze, variant: str, tolerance: float
) -> tuple[Cause, ...]:
    """Single hypotheses; where at most fitted parameters explain all, several factors; then pairs; then a near miss."""
    singles = explain(problem, tolerance, max_pairs=0)
    exact = [cause for cause in singles if cause.explains_all]
    if exact and not exact[0].names[0].startswith("k1 ="):
        return tuple(exact)
    solved = [_solved(one, cases) for one in _solutions(cases, analyze, variant, tolerance)]
    solved = list({cause.names: cause for cause in reversed(solved)}.values())[::-1]
    if exact or solved:
        simple = [cause for cause in solved if len(cause.names) == 1 and not cause.names[0].startswith("k1 and b")]
        return (*simple, *exact) if exact else tuple(solved)
    possible = [pair for pair in _pairs(problem) if _largest(problem.few(), pair) <= tolerance]
    pairs = [pair for pair in possible if _largest(problem, pair) <= tolerance]
    if pairs:
        return tuple(_cause(problem, pair) for pair in sorted(pairs, key=problem.complexity))
    return _near(problem)


def _solutions(
    cases: Sequence[GivenCase], analyze: Analyze, variant: str, tolerance: float
) -> list[tuple[tuple[str, ...], Solution]]:
    """The formulas of several known factors that give every score, with the names of another analyzer or matching."""
    expected = expected_features(variant)
    for number, (names, whole) in enumerate(_analyzed(cases, analyze)):
        sampled = [one.sampled(MAX_SCORES) for one in whole]
        for (output, some), (_, every) in zip(outputs(sampled), outputs(whole), strict=False):
            if number and output.squash != "none":  # tried with the terms as they are alone
                continue
            with np.errstate(all="ignore"):  # forms are tried where they have no value, such as the logarithm of 0
                found = Solver(some, output, expected, tolerance).solutions()
                confirm = Solver(every, output, expected, tolerance).confirmed
                confirmed = [confirm(one.formula, one.side) for one in found]
            if solutions := [one for one in confirmed if one is not None]:
                return [(names, one) for one in solutions]
    return []


def _analyzed(cases: Sequence[GivenCase], analyze: Analyze) -> Iterator[tuple[tuple[str, ...], list[ScoredCorpus]]]:
    """The corpora as they are split, then as each other analyzer or matching reads them that can have the scores."""
    first = _corpora(cases, analyze)
    yield (), first
    if all(case.analyzed for case in cases):
        tried = [first]
        for hypothesis in ANALYSIS:
            corpora = _corpora(cases, hypothesis.apply.values["analyzer"]())
            if all(map(ScoredCorpus.possible, corpora)) and not any(_same(corpora, others) for others in tried):
                tried.append(corpora)
                yield (hypothesis.name,), corpora
        yield from readings(cases, analyze)
        yield from _usual_analyses(cases, tried)


def _usual_analyses(
    cases: Sequence[GivenCase], tried: list[list[ScoredCorpus]]
) -> Iterator[tuple[tuple[str, ...], list[ScoredCorpus]]]:
    """The analyses that agree best with which documents have a score, as far as they split these texts otherwise."""
    known = [Hits(list(map(str, c.corpus)), list(map(str, c.queries)), np.asarray(c.scores != 0)) for c in cases]
    for analysis in agreeing(known):
        split = [case.split(analysis.documents, analysis.queries) for case in cases]
        pairs = zip(split, cases, strict=True)
        corpora = [ScoredCorpus(*tokens, case.k1, case.b, case.scores) for tokens, case in pairs]
        if not all(map(ScoredCorpus.possible, corpora)) or any(_same(corpora, others) for others in tried):
            continue
        tried.append(corpora)
        yield (f"tokenisation: {analysis.name}",), corpora
        if len(tried) > MOST_TRIED:
            return


def _corpora(cases: Sequence[GivenCase], analyze: Analyze) -> list[ScoredCorpus]:
    return [ScoredCorpus(*case.tokens(analyze), case.k1, case.b, case.scores) for case in cases]


def _same(some: Sequence[ScoredCorpus], others: Sequence[ScoredCorpus]) -> bool:
    return all((a.documents, a.queries) == (b.documents, b.queries) for a, b in zip(some, others, strict=True))


@dataclass(frozen=True)
class FactorCause(Cause):
    """Factors of the formula that differ together; `names` are the differences."""

    def __str__(self) -> str:
        count = "1 factor differs" if len(self.names) == 1 else f"{len(self.names)} factors differ"
        return f"{count}: {'; '.join(self.names)}\nconfirmed: {self.explanation} (residual {self.residual:.2g})"


def _solved(named: tuple[tuple[str, ...], Solution], cases: Sequence[GivenCase]) -> Cause:
    analyzed, solution = named
    names = (*analyzed, *map(str, solution.differences))
    scores = sum(case.scores.size for case in cases)
    explanation = f"the formula gives all {scores} scores" + (f" of {len(cases)} cases" if len(cases) > 1 else "")
    return FactorCause(names, explanation, solution.residual, 1.0, True)


def _pairs(problem: BM25Problem) -> Iterator[Combination]:
    """Hypotheses about segments, scores and analyzers, each with every other one."""
    firsts = [each for each in problem.hypotheses if each in (*SEGMENTS, *SCORES, *ANALYSIS)]
    seconds = [each for each in problem.hypotheses if each is not FITTED]
    yield from (pair for pair in product(firsts, seconds) if compatible(*pair))


def _largest(problem: BM25Problem, combination: Combination) -> float:
    return float(np.abs(problem.errors(combination, few=False)).max(initial=0.0))


def _cause(problem: BM25Problem, combination: Combination) -> Cause:
    explanation = "; ".join(hypothesis.explanation for hypothesis in combination)
    return Cause(problem.names(combination), explanation, _largest(problem, combination), 1.0, True)


def _near(problem: BM25Problem) -> tuple[Cause, ...]:
    """The single hypothesis that leaves least, where that is little, with the score that contradicts it."""
    given = sum(float(np.sum(case.scores**2)) for case in problem.cases)
    before = sum(float(np.sum(each**2)) for each in problem.by_case(()))
    best, left = None, NEAR * min(given, before)
    for hypothesis in problem.hypotheses:
        errors = problem.by_case((hypothesis,))
        remaining = sum(float(np.sum(each**2)) for each in errors)
        if remaining < left and not problem.at_bound((hypothesis,)):
            best, left = hypothesis, remaining
    if best is None:
        return ()
    errors = problem.by_case((best,))
    worst = max(range(len(errors)), key=lambda i: float(np.abs(errors[i]).max(initial=0.0)))
    explanation = f"{best.explanation}; but {_place(problem.cases[worst], errors[worst])}"
    residual = float(np.abs(errors[worst]).max(initial=0.0))
    return (Cause(problem.names((best,)), explanation, residual, 1 - left / before, False),)


def _place(case: GivenCase, errors: Array) -> str:
    """Where the errors are largest, and both values."""
    query, document = (int(i) for i in np.unravel_index(int(np.argmax(np.abs(errors))), errors.shape))
    given = float(case.scores[query, document])
    where = f"case {case.name}, " if case.name else ""
    return (
        f"{where}query {query} ({case.queries[query]!r:.60}), document {document} ({case.corpus[document]!r:.60}) has "
        f"{given:.6g}, with it {given - float(errors[query, document]):.6g}"
    )
