"""The SPLADE suite: term weights of splade-tiny, computed by transformers in float64."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from refimpl.check.suites.base import CaseSuite, Session, Settings, behaviour
from refimpl.check.suites.parse import number, shown
from refimpl.check.targets.base import AnswerError
from refimpl.compare import Comparison, compare_mappings, worst_of

if TYPE_CHECKING:
    from refimpl.diagnosis.result import Diagnosis

VOCABULARY = 30522


@behaviour(
    "padding-invariance",
    "a short text beside a long one has the same weights",
    "pymilvus.model, which takes the maximum over padding too",
)
def _padded(session: Session) -> Comparison:
    inputs = session.suite.inputs(session.settings)
    texts = [inputs[name] for name in ("one-letter", "question", "punctuation")]
    together, alone = session.run(texts), [session.run([text])[0] for text in texts]
    tolerance = session.tolerance.score or 0.5
    pairs = enumerate(zip(together, alone, strict=True))
    return worst_of(compare_mappings(f"text {i} in a batch and alone", a, b, tolerance) for i, (a, b) in pairs)


class SpladeSuite(CaseSuite):
    """Single texts, then texts of different lengths in one batch, where padding shows."""

    file = "splade"
    name = "splade"
    task = "splade"
    about = "rasyosef/splade-tiny: log(1 + relu(logit)), the maximum over real tokens, truncated at 512"
    form = 'input: "a text"; answer: {"token id": weight, ...} or [{"index": token id, "value": weight}, ...]'
    refusable = frozenset({"empty", "space"})
    behaviours = (_padded,)

    def read(self, answer: Any, where: str) -> dict[str, float]:
        """Parse the weights by token id, without zeros."""
        pairs = _pairs(answer, where)
        weights = {str(index): number(value, f"{where}, token {index}") for index, value in pairs}
        if unknown := [index for index in weights if not (index.isdecimal() and int(index) < VOCABULARY)]:
            raise AnswerError(f"{where}: expected token ids from 0 to {VOCABULARY - 1}, got {unknown[0]!r}")
        if len(weights) != len(pairs):
            raise AnswerError(f"{where}: expected each token id once, got {len(pairs)} for {len(weights)} tokens")
        return {index: value for index, value in weights.items() if value != 0}

    def compare(self, name: str, answer: dict[str, float], settings: Settings) -> Comparison:
        """Compare every weight; one that is missing is 0."""
        return compare_mappings("weights", answer, self.golden(name).expected, settings.tolerance.score or 0.5)

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> "Diagnosis":
        """Diagnose the weights of all texts."""
        from refimpl import models
        from refimpl.diagnosis import diagnose_splade

        texts = [self.golden(name).input for name in answers]
        vectors = np.zeros((len(answers), VOCABULARY))
        for row, weights in enumerate(answers.values()):
            vectors[row, [int(index) for index in weights]] = list(weights.values())
        folder = models.path("splade-tiny")
        return diagnose_splade(vectors, texts, model_path=folder, tolerance=settings.tolerance.score or 1e-5)


def _pairs(answer: Any, where: str) -> list[tuple[Any, Any]]:
    if isinstance(answer, Mapping):
        return list(answer.items())
    if isinstance(answer, list) and all(
        isinstance(one, Mapping) and {"index", "value"} <= one.keys() for one in answer
    ):
        return [(one["index"], one["value"]) for one in answer]
    raise AnswerError(f"{where}: expected an object from token id to weight, got {shown(answer)}")
