"""The BM25 suite: scores of every document for every query, by pymilvus.model, rank_bm25 or bm25s."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from refimpl.oracle import golden
from refimpl.oracle.compare import Array
from refimpl.oracle.judge import judge_numbers, judge_scores
from refimpl.oracle.outcome import Case, Finding, worst
from refimpl.oracle.subjects.base import AnswerError, Task
from refimpl.oracle.suites.base import Asking, Behaviour, Settings
from refimpl.oracle.suites.published import PublishedCases, numbers

VARIANTS = ("pymilvus", "rank_bm25", "atire", "lucene")
DIVISION = 1e-6  # pymilvus.model keeps float32 weights, so nothing can be asked beyond that


class BM25Suite(PublishedCases):
    """The cases of the claimed variant, then orders and repetitions."""

    file: ClassVar[str] = "bm25"
    name: ClassVar[str] = "bm25"
    task: ClassVar[Task] = "bm25"
    about: ClassVar[str] = "BM25 scores (--bm25-variant names which), words parted at white space"
    form: ClassVar[str] = (
        'input: {"corpus": ["a text", ...], "queries": [...], "k1": 1.5, "b": 0.75, "variant": "pymilvus"}; '
        "answer: [[a score for each document] for each query]; a Python callable gets these as keywords"
    )

    def inputs(self, settings: Settings) -> Mapping[str, Any]:
        """The cases that the variant has; ValueError for a variant without golden scores."""
        if settings.variant not in VARIANTS:
            raise ValueError(f"--bm25-variant must be one of {', '.join(VARIANTS)}; got {settings.variant!r}")
        return {
            name: {**case.input, "variant": settings.variant}
            for name, case in golden.cases(self.file).items()
            if settings.variant in case.expected
        }

    def read(self, answer: Any, where: str) -> Float[Array, "queries docs"]:
        """Two axes."""
        scores = numbers(answer, where, "a list of scores for each query")
        if scores.ndim != 2:
            raise AnswerError(f"{where}: scores (queries, documents) are asked, got shape {scores.shape}")
        return scores

    def judge(self, name: str, answer: Float[Array, "queries docs"], settings: Settings) -> Finding:
        """Every score; where the class asks for no digits, each query's ranking."""
        expected = np.array(self.golden(name).expected[settings.variant])
        if settings.tolerance.score is None and answer.shape == expected.shape:
            rows = zip(answer, expected, strict=True)
            return worst([judge_scores(f"query {q}", a, b, settings.tolerance) for q, (a, b) in enumerate(rows)])
        return judge_numbers("scores (query, document)", answer, expected, allowed(settings))

    def behaviours(self) -> Sequence[Behaviour]:
        """What must not change a score."""
        order = Case(
            "order-invariance", "documents in another order have the same scores", "segments with idfs of their own"
        )
        alone = Case("query-alone", "a query alone and among others has the same scores", "state kept between queries")
        twice = Case("determinism", "the same corpus twice gives the same scores", "a second fit added to the first")
        return (Behaviour(order, _reordered), Behaviour(alone, _alone), Behaviour(twice, _twice))

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> str | None:
        """What the formula did otherwise, by the failed case with the most scores."""
        from refimpl.oracle.diagnosis import diagnose_bm25

        name = max(failed, key=lambda name: answers[name].size)
        given = self.golden(name).input
        shape = (len(given["queries"]), len(given["corpus"]))
        if answers[name].shape != shape:
            return f"case {name}: scores (queries, documents) are asked, {shape}, got {answers[name].shape}"
        diagnosis = diagnose_bm25(
            answers[name],
            given["corpus"],
            given["queries"],
            analyzer="simple",  # the texts' words are those between blanks, by this analyzer too
            variant=settings.variant,
            k1=given["k1"],
            b=given["b"],
            tolerance=allowed(settings),
        )
        return f"case {name}: {diagnosis}"


def allowed(settings: Settings) -> float:
    """The class's own, and no digit more than float32 holds."""
    return max(DIVISION, (settings.tolerance.score or 0.0) / 10)


def _larger(asking: Asking) -> dict[str, Any]:
    found: dict[str, Any] = asking.suite.inputs(asking.settings)["larger"]
    return found


def _reordered(asking: Asking) -> Finding:
    given = _larger(asking)
    (scores,) = asking.answers([given])
    (turned,) = asking.answers([{**given, "corpus": given["corpus"][::-1]}])
    return judge_numbers("scores in order and reversed", turned[:, ::-1], scores, allowed(asking.settings))


def _alone(asking: Asking) -> Finding:
    given = _larger(asking)
    (scores,) = asking.answers([given])
    (alone,) = asking.answers([{**given, "queries": given["queries"][2:3]}])
    return judge_numbers("scores of one query", alone, scores[2:3], allowed(asking.settings))


def _twice(asking: Asking) -> Finding:
    given = _larger(asking)
    first, second = asking.answers([given, given])
    return judge_numbers("scores asked twice", second, first, allowed(asking.settings))
