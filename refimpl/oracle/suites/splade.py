"""The SPLADE suite: term weights of splade-tiny, by transformers in float64."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from refimpl.oracle.judge import judge_mapping
from refimpl.oracle.outcome import Case, Finding, worst
from refimpl.oracle.subjects.base import AnswerError, Task
from refimpl.oracle.suites.base import Asking, Behaviour, Settings
from refimpl.oracle.suites.published import PublishedCases, number, shown

VOCABULARY = 30522


class SpladeSuite(PublishedCases):
    """Single texts, then texts of different length in one batch, where padding shows."""

    file: ClassVar[str] = "splade"
    name: ClassVar[str] = "splade"
    task: ClassVar[Task] = "splade"
    about: ClassVar[str] = "rasyosef/splade-tiny: log(1 + relu(logit)), the maximum over real tokens, cut at 512"
    form: ClassVar[str] = (
        'input: "a text"; answer: {"token id": weight, ...} or [{"index": token id, "value": weight}, ...]'
    )
    refusable: ClassVar[frozenset[str]] = frozenset({"empty", "space"})

    def read(self, answer: Any, where: str) -> dict[str, float]:
        """Weights by token id, zeros left out."""
        pairs = _pairs(answer, where)
        weights = {str(index): number(value, f"{where}, token {index}") for index, value in pairs}
        if unknown := [index for index in weights if not (index.isdecimal() and int(index) < VOCABULARY)]:
            raise AnswerError(f"{where}: {unknown[0]!r} is no token id: 0 to {VOCABULARY - 1} are")
        if len(weights) != len(pairs):
            raise AnswerError(f"{where}: a token stands twice")
        return {index: value for index, value in weights.items() if value != 0}

    def judge(self, name: str, answer: dict[str, float], settings: Settings) -> Finding:
        """Every weight; one that is missing is 0."""
        return judge_mapping("weight of token", answer, self.golden(name).expected, settings.tolerance.score or 0.5)

    def behaviours(self) -> Sequence[Behaviour]:
        """A batch of unequal lengths."""
        who = "pymilvus.model, which takes the maximum over padding too"
        case = Case("padding-invariance", "a short text beside a long one has the same weights", who)
        return (Behaviour(case, _padded),)

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> str | None:
        """What the head did otherwise, over the texts that were answered."""
        from refimpl import models
        from refimpl.oracle.diagnosis import diagnose_splade

        texts = [self.golden(name).input for name in answers]
        given = np.zeros((len(answers), VOCABULARY))
        for row, weights in enumerate(answers.values()):
            given[row, [int(index) for index in weights]] = list(weights.values())
        folder = models.path("splade-tiny")
        return str(diagnose_splade(given, texts, model_path=folder, tolerance=settings.tolerance.score or 1e-5))


def _pairs(answer: Any, where: str) -> list[tuple[Any, Any]]:
    if isinstance(answer, Mapping):
        return list(answer.items())
    if isinstance(answer, list) and all(
        isinstance(one, Mapping) and {"index", "value"} <= one.keys() for one in answer
    ):
        return [(one["index"], one["value"]) for one in answer]
    raise AnswerError(f"{where}: an object from token id to weight is asked, got {shown(answer)}")


def _padded(asking: Asking) -> Finding:
    inputs = asking.suite.inputs(asking.settings)
    chosen = [inputs[name] for name in ("one-letter", "question", "punctuation")]
    together, alone = asking.answers(chosen), [asking.answers([text])[0] for text in chosen]
    allowed = asking.tolerance.score or 0.5
    pairs = zip(together, alone, strict=True)
    return worst(
        [judge_mapping(f"text {i}, together and alone, token", a, b, allowed) for i, (a, b) in enumerate(pairs)]
    )
