"""The rerank-scores suite: a small cross-encoder that comes with the vectors, by transformers in float64."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from refimpl.oracle.judge import judge_scores
from refimpl.oracle.outcome import Finding
from refimpl.oracle.subjects.base import AnswerError, Task
from refimpl.oracle.suites.base import Settings
from refimpl.oracle.suites.published import PublishedCases
from refimpl.oracle.suites.ranking import FORM, Ranking, read_ranking
from refimpl.resources import data_path


class RerankScoresSuite(PublishedCases):
    """Scores for the model in `model_folder()`, logits or their sigmoid."""

    file: ClassVar[str] = "rerank"
    name: ClassVar[str] = "rerank-scores"
    task: ClassVar[Task] = "rerank"
    about: ClassVar[str] = "scores of the small cross-encoder that `refimpl vectors export` writes to rerank/model"
    form: ClassVar[str] = f"{FORM}; scores are logits, or all of them their sigmoid"

    def read(self, answer: Any, where: str) -> Ranking:
        """A ranking of all documents."""
        return read_ranking(answer, where)

    def judge(self, name: str, answer: Ranking, settings: Settings) -> Finding:
        """Every document's score, held against logits and against probabilities: the nearer of the two counts."""
        expected = self.golden(name).expected
        try:
            mine = answer.by_document()
        except AnswerError as error:
            return Finding(np.inf, str(error))
        found = [
            judge_scores(kind, mine, np.array(expected[kind]), settings.tolerance) for kind in ("logits", "sigmoids")
        ]
        return min(found, key=lambda finding: finding.distance)

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> str | None:
        """What the model did otherwise, by the first failed case with several documents."""
        from refimpl.oracle.diagnosis import diagnose_rerank

        name = max(failed, key=lambda name: len(self.golden(name).input["documents"]))
        given = self.golden(name).input
        try:
            scores = answers[name].by_document()
        except AnswerError as error:
            return f"case {name}: {error}"
        allowed = settings.tolerance.score or 1e-5
        found = diagnose_rerank(scores, given["query"], given["documents"], model_folder(), tolerance=allowed)
        return f"case {name}: {found}"


def model_folder() -> Path:
    """The small cross-encoder's folder."""
    return data_path("vectors") / "rerank" / "model"
