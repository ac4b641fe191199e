"""The rerank-scores suite: a small cross-encoder that comes with the vectors, computed by transformers in float64."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from refimpl.check.suites.base import CaseSuite, Settings
from refimpl.check.suites.ranking import FORM, Ranking, read_ranking
from refimpl.check.targets.base import AnswerError
from refimpl.common.resources import data_path
from refimpl.compare import Comparison, compare_scores, from_condition

if TYPE_CHECKING:
    from refimpl.diagnosis.result import Diagnosis


class RerankScoresSuite(CaseSuite):
    """Scores of the model in `model_folder()`, logits or their sigmoid."""

    file = "rerank"
    name = "rerank-scores"
    task = "rerank"
    about = "scores of the small cross-encoder that `refimpl vectors export` writes to rerank/model"
    form = f"{FORM}; scores are logits, or all of them their sigmoid"

    def read(self, answer: Any, where: str) -> Ranking:
        """Parse a ranking of all documents."""
        return read_ranking(answer, where)

    def compare(self, name: str, answer: Ranking, settings: Settings) -> Comparison:
        """Compare every document's score with the logits and with their sigmoids, and return the nearer comparison."""
        expected = self.golden(name).expected
        try:
            scores = answer.by_document()
        except AnswerError as error:
            return from_condition(False, "documents", str(error))
        kinds = ("logits", "sigmoids")
        comparisons = [compare_scores(kind, scores, np.array(expected[kind]), settings.tolerance) for kind in kinds]
        return min(comparisons, key=lambda comparison: comparison.distance)

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> "Diagnosis | str":
        """Diagnose the failed case with the most documents."""
        from refimpl.diagnosis import diagnose_rerank

        name = max(failed, key=lambda name: len(self.golden(name).input["documents"]))
        case = self.golden(name).input
        try:
            scores = answers[name].by_document()
        except AnswerError as error:
            return f"case {name}: {error}"
        tolerance = settings.tolerance.score or 1e-5
        diagnosis = diagnose_rerank(scores, case["query"], case["documents"], model_folder(), tolerance=tolerance)
        return replace(diagnosis, subject=f"case {name}")


def model_folder() -> Path:
    """Return the folder of the small cross-encoder."""
    return data_path("vectors") / "rerank" / "model"
