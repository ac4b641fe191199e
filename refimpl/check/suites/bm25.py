"""The BM25 suite: scores of every document for every query, computed by pymilvus.model, rank_bm25 or bm25s."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float

from refimpl import golden
from refimpl.check.suites.base import CaseSuite, Session, Settings, behaviour
from refimpl.check.suites.bm25_notes import Note, NotedDiagnosis, has_shape, with_numbers
from refimpl.check.suites.bm25_tokens import (
    Answer,
    TokenAnswer,
    differences,
    finite,
    joined,
    parse_tokens,
    scores_of,
    split_otherwise,
)
from refimpl.check.suites.parse import numbers
from refimpl.check.targets.base import AnswerError, TargetError, UnsupportedError
from refimpl.common.types import Array
from refimpl.compare import Comparison, compare_order, compare_values, from_condition, worst_of
from refimpl.sparse.bm25.formulas import VARIANTS

if TYPE_CHECKING:
    from refimpl.diagnosis.bm25_problem import GivenCase
    from refimpl.diagnosis.bm25_ranks import RankDiagnosis
    from refimpl.diagnosis.bm25_target import ScoredCase, TargetDiagnosis
    from refimpl.diagnosis.result import Diagnosis
    from refimpl.identify.ask import Probe

    Formula = Diagnosis | TargetDiagnosis | RankDiagnosis | str
    Found: TypeAlias = "Formula | NotedDiagnosis"

KEYWORDS = ("corpus", "queries", "k1", "b")
FLOAT32 = 1e-6  # pymilvus.model stores float32 weights, so its scores are no more exact


def allowed(settings: Settings) -> float:
    """The relative difference that a score may have: a tenth of the tolerance's, at least float32's rounding."""
    return max(FLOAT32, (settings.tolerance.score or 0.0) / 10)


def _larger(session: Session) -> dict[str, Any]:
    case: dict[str, Any] = session.suite.inputs(session.settings)["larger"]
    return case


def _answers(session: Session, *changes: Mapping[str, Any]) -> list[Any]:
    """The answers to the larger case with each of `changes`, from one call: some commands take seconds to start."""
    case = _larger(session)
    return [scores_of(answer) for answer in session.run([{**case, **change} for change in changes])]


def _same(what: str, one: Any, other: Any, session: Session) -> Comparison:
    """Compare two answers of the target's own, in which a NaN equals a NaN."""
    if one.shape == other.shape:
        numbers = ~(np.isnan(one) & np.isnan(other))
        one, other = np.where(numbers, one, 0.0), np.where(numbers, other, 0.0)
    return compare_values(what, one, other, allowed(session.settings))


@behaviour("order-invariance", "documents in another order have the same scores", "segments with idfs of their own")
def _reversed(session: Session) -> Comparison:
    scores, in_reverse = _answers(session, {}, {"corpus": _larger(session)["corpus"][::-1]})
    return _same("scores in order and reversed", in_reverse[:, ::-1], scores, session)


@behaviour("query-alone", "a query alone and among others has the same scores", "state kept between queries")
def _alone(session: Session) -> Comparison:
    scores, alone = _answers(session, {}, {"queries": _larger(session)["queries"][2:3]})
    return _same("scores of one query", alone, scores[2:3], session)


@behaviour("determinism", "the same corpus twice gives the same scores", "a second fit added to the first")
def _twice(session: Session) -> Comparison:
    first, second = _answers(session, {}, {})
    return _same("scores of two runs", second, first, session)


@behaviour("tokens", "texts are split at whitespace", "analyzers that lower-case, stem or drop words", needs=())
def _tokens(session: Session) -> Comparison:
    if not any(isinstance(answer, TokenAnswer) for answer in session.golden.values()):
        raise UnsupportedError("the target answers no tokens")
    found = differences(session.suite.inputs(session.settings), session.golden)
    if session.settings.own_tokens and found:
        return from_condition(True, "tokens", f"the target's own, as --bm25-own-tokens allows: {found}")
    return from_condition(found is None, "tokens", found or "every text is split at whitespace")


def _row(row: Any, documents: int, where: str) -> Any:
    if not isinstance(row, Mapping) or "hits" not in row:
        return row
    scores = np.zeros(documents)
    for hit in row["hits"]:
        document, score = hit
        if not 0 <= int(document) < documents:
            raise AnswerError(f"{where}: expected hits of documents 0 to {documents - 1}, got {document}")
        scores[int(document)] = score
    return scores


class BM25Suite(CaseSuite):
    """The cases of a BM25 variant, then invariances."""

    file = "bm25"
    name = "bm25"
    task = "bm25"
    about = "BM25 scores of the variant --bm25-variant, texts split at whitespace"
    form = (
        'input: {"corpus": ["a text", ...], "queries": [...], "k1": 1.5, "b": 0.75, "variant": "pymilvus"}; '
        'answer: a row for each query, [a score for each document] or {"hits": [[document, score], ...]}; null or '
        '{"error": "a message"} refuses one input; {"tokens": {"corpus": [["a", "token"], ...], "queries": [...]}, '
        '"scores": the rows} has the target\'s own tokens too, on which the scores are then expected, or tokens alone; '
        "a Python callable gets the input as keywords"
    )
    behaviours = (_reversed, _alone, _twice, _tokens)

    def inputs(self, settings: Settings) -> Mapping[str, Any]:
        """Return the cases; ValueError for an unknown variant."""
        if settings.variant not in VARIANTS:
            raise ValueError(f"--bm25-variant must be one of {', '.join(VARIANTS)}, got {settings.variant!r}")
        own = {"k1": settings.k1, "b": settings.b}
        changed = {name: value for name, value in own.items() if value is not None}
        return {
            name: {**case.input, **changed, "variant": settings.variant}
            for name, case in golden.cases(self.file).items()
        }

    def read_for(self, value: Any, answer: Any, where: str) -> Answer:
        """Parse rows of scores, or of hits, whose other documents have the score 0; AnswerError for a refusal.

        A TokenAnswer for an object with tokens.
        """
        if answer is None or (isinstance(answer, Mapping) and "error" in answer):
            raise AnswerError(f"{where}: refused: {answer['error'] if isinstance(answer, Mapping) else 'null'}")
        if isinstance(answer, Mapping) and "tokens" in answer:
            corpus, queries = parse_tokens(value, answer["tokens"], where)
            rows = answer.get("scores")
            return TokenAnswer(corpus, queries, None if rows is None else scores_of(self.read_for(value, rows, where)))
        if isinstance(answer, list | tuple):
            answer = [_row(row, len(value["corpus"]), where) for row in answer]
        return self.read(answer, where)

    def read(self, answer: Any, where: str) -> Float[Array, "queries docs"]:
        """Parse scores with two axes."""
        scores = numbers(answer, where, "a list of scores for each query")
        if scores.ndim != 2:
            raise AnswerError(f"{where}: expected scores (queries, documents), got shape {scores.shape}")
        return scores

    def expected(self, name: str, settings: Settings) -> Float[Array, "queries docs"]:
        """The golden scores; where there are none for this variant, k1 and b, those of `BM25Index` in float64."""
        case = self.golden(name)
        if settings.variant in case.expected and settings.k1 is None and settings.b is None:
            return np.array(case.expected[settings.variant])
        return _indexed(self.inputs(settings)[name], settings.variant)

    def _expected_for(self, name: str, answer: Answer, settings: Settings) -> Float[Array, "queries docs"]:
        """As `expected`; where the target has split texts otherwise, those of `BM25Index` on the target's tokens."""
        value = self.inputs(settings)[name]
        if not isinstance(answer, TokenAnswer) or not split_otherwise(value, answer):
            return self.expected(name, settings)
        own = {"corpus": list(joined(answer.corpus)), "queries": list(joined(answer.queries))}
        return _indexed({**value, **own}, settings.variant)

    def compare(self, name: str, answer: Answer, settings: Settings) -> Comparison:
        """Compare every score; where the tolerance has none, the order of each query's documents.

        Scores with tokens are compared with those of the variant on these tokens; tokens alone with whitespace's.
        """
        what = "scores (query, document)"
        if isinstance(answer, TokenAnswer):
            found = split_otherwise(self.inputs(settings)[name], answer)
            if answer.scores is None:
                return from_condition(not found, "tokens", found[0] if found else "as whitespace separates them")
            what += " on the target's own tokens" if found else ""
        scores, expected = scores_of(answer), self._expected_for(name, answer, settings)
        if settings.tolerance.score is None and scores.shape == expected.shape:
            rows = zip(scores, expected, strict=True)
            return worst_of(compare_order(f"query {q}", a, b, FLOAT32) for q, (a, b) in enumerate(rows))
        return compare_values(what, scores, expected, allowed(settings))

    def diagnose_target(self, session: Session, answers: Mapping[str, Any], failed: Sequence[str]) -> "Found":
        """Measure the target's factors where it answers other inputs; else, or where that fails, as `diagnose`."""
        return self._noted(answers, session.settings, lambda given: self._formula(session, given))

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> "Found":
        """Diagnose the answers to all cases together, those that passed included."""
        return self._noted(answers, settings, lambda given: _cause(self._given(given, settings), settings))

    def _noted(
        self, answers: Mapping[str, Any], settings: Settings, formula_of: "Callable[[Mapping[str, Any]], Formula]"
    ) -> "Found":
        """The cause, after what differs before it: the target's tokens, and scores that are NaN, read as 0."""
        given, nan = with_numbers(answers, self._probes(settings))
        if nan and nan.count == nan.size:
            return f"all {nan.size} scores are NaN, no number"
        tokens = differences(self.inputs(settings), answers)
        notes = [Note("tokens", tokens, "scores on the target's own tokens")] if tokens else []
        if nan:
            notes.append(Note("not a number", str(nan), "of the other cases" if nan.related else "with 0 for them"))
        formula = formula_of(given) if tokens is None or self._given(given, settings) else None
        return NotedDiagnosis(tuple(notes), formula) if notes or formula is None else formula

    def _formula(self, session: Session, answers: Mapping[str, Any]) -> "Formula":
        from refimpl.diagnosis.bm25_target import PartialDiagnosis

        found = self._measured(session, answers)
        if found is not None and not isinstance(found, PartialDiagnosis):
            return found
        cases = [*self._given(answers, session.settings), *self._random(session)]
        return _cause(cases, session.settings, found)

    def _measured(self, session: Session, answers: Mapping[str, Any]) -> "TargetDiagnosis | None":
        """What can be measured of a target that answers any input."""
        from refimpl.diagnosis.bm25_target import diagnose_bm25_target

        settings = session.settings
        cases = self.scored(answers, settings)
        if "any_input" not in session.target.traits or not cases:
            return None
        with contextlib.suppress(ValueError, TargetError):
            known = {"k1": settings.k1, "b": settings.b}
            return diagnose_bm25_target(session.target, cases, settings.variant, allowed(settings), **known)
        return None

    def _random(self, session: Session) -> "list[GivenCase]":
        """A random corpus with the target's scores, which a cause must explain too; none for a file of answers."""
        from refimpl.identify import heldout

        if "any_input" not in session.target.traits:
            return []
        inputs = heldout.probe()
        one = {**inputs.to_json(KEYWORDS), "variant": session.settings.variant}
        try:
            (answer,) = session.run([one])
        except (TargetError, AnswerError):
            return []
        given, _ = with_numbers({"held out": answer}, {"held out": inputs})
        return _case("a random corpus", inputs, given["held out"])

    def scored(self, answers: Mapping[str, Any], settings: Settings) -> "dict[str, ScoredCase]":
        """The answers with scores of an expected shape, with their inputs, in which whitespace separates the tokens."""
        from refimpl.diagnosis.bm25_target import ScoredCase

        found = {}
        for name, inputs in self._probes(settings).items():
            if name in answers and has_shape(answers[name], inputs):
                one = answers[name]
                if isinstance(one, TokenAnswer):
                    inputs = replace(inputs, corpus=joined(one.corpus), queries=joined(one.queries))
                found[name] = ScoredCase(inputs, scores_of(one))
        return found

    def _probes(self, settings: Settings) -> "dict[str, Probe]":
        from refimpl.identify.ask import Probe

        inputs = self.inputs(settings).items()
        return {name: Probe(tuple(c["corpus"]), tuple(c["queries"]), c["k1"], c["b"]) for name, c in inputs}

    def _given(self, answers: Mapping[str, Any], settings: Settings) -> "list[GivenCase]":
        named = [(name, inputs) for name, inputs in self._probes(settings).items() if name in answers]
        return [case for name, inputs in named for case in _case(name, inputs, answers[name])]


def _indexed(value: Mapping[str, Any], variant: str) -> Float[Array, "queries docs"]:
    from refimpl.diagnosis.bm25_target import IndexTarget

    (scores,) = IndexTarget(variant).run("bm25", [value])
    return np.asarray(scores)


def _case(name: str, inputs: "Probe", answer: Answer) -> "list[GivenCase]":
    """The case, with the target's own tokens if it has answered them; none without finite scores of the shape."""
    from refimpl.diagnosis.bm25_problem import GivenCase

    if not has_shape(answer, inputs) or not finite(answer):
        return []
    if isinstance(answer, TokenAnswer):
        corpus, queries = ([list(tokens) for tokens in each] for each in (answer.corpus, answer.queries))
        return [GivenCase(name, corpus, queries, inputs.k1, inputs.b, scores_of(answer))]
    return [GivenCase(name, inputs.corpus, inputs.queries, inputs.k1, inputs.b, answer)]


def _cause(cases: "list[GivenCase]", settings: Settings, measured: "TargetDiagnosis | None" = None) -> "Formula":
    """The cause; where there is none, with the factors that were measured."""
    from refimpl.diagnosis.bm25 import diagnose_bm25_cases

    if not cases:
        return "no answer has finite scores (queries, documents) of the expected shape"
    tolerance = allowed(settings)
    if settings.tolerance.score is None:
        from refimpl.diagnosis.bm25_ranks import diagnose_bm25_ranks

        return diagnose_bm25_ranks(cases, analyzer=str.split, variant=settings.variant, tolerance=tolerance)
    diagnosis = diagnose_bm25_cases(cases, analyzer=str.split, variant=settings.variant, tolerance=tolerance)
    if diagnosis.matches:
        return f"the scores of {len(cases)} inputs are {settings.variant}'s: what failed is in the cases' own messages"
    if measured is None or diagnosis.explained:
        return diagnosis
    return replace(diagnosis, notes=(*diagnosis.notes, str(measured)))
