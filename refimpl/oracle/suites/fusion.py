"""The fusion suite: reciprocal ranks and weighted sums, by Milvus Lite's hybrid search."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from refimpl.oracle.judge import judge_mapping
from refimpl.oracle.outcome import Finding
from refimpl.oracle.subjects.base import AnswerError, Task
from refimpl.oracle.suites.base import Settings
from refimpl.oracle.suites.published import PublishedCases, number, shown

ALLOWED = 1e-6  # Milvus gives float32


class FusionSuite(PublishedCases):
    """Fused scores by document, and that the list falls."""

    file: ClassVar[str] = "fusion"
    name: ClassVar[str] = "fusion"
    task: ClassVar[Task] = "fuse"
    about: ClassVar[str] = "RRF and the weighted sum as Milvus defines them"
    form: ClassVar[str] = (
        'input: {"routes": [[["doc", score], ...best first], ...], "method": "rrf", "k": 60} or {"routes": ..., '
        '"method": "weighted", "weights": [...], "metrics": ["IP", "COSINE" or "L2"], "norm_score": true}, an L2 '
        'route\'s scores being minus the squared distance; answer: [["doc", fused score], ...best first]'
    )

    def read(self, answer: Any, where: str) -> list[tuple[str, float]]:
        """Pairs of document and score, each document once."""
        if isinstance(answer, Mapping):
            answer = list(answer.items())
        if not isinstance(answer, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in answer):
            raise AnswerError(f'{where}: a list of ["doc", score] is asked, got {shown(answer)}')
        pairs = [(str(doc), number(score, f"{where}, {doc}")) for doc, score in answer]
        if len({doc for doc, _ in pairs}) != len(pairs):
            raise AnswerError(f"{where}: a document stands twice in the fused list")
        return pairs

    def judge(self, name: str, answer: list[tuple[str, float]], settings: Settings) -> Finding:
        """Every score, absent documents included, and the order of the list."""
        expected = dict(self.golden(name).expected)
        if expected.keys() != {doc for doc, _ in answer}:
            return Finding(np.inf, f"got documents {sorted(d for d, _ in answer)}, expected {sorted(expected)}")
        scores = [score for _, score in answer]
        if any(later > earlier for earlier, later in pairwise(scores)):
            return Finding(np.inf, f"the list is not sorted by score, best first: {shown(answer)}")
        return judge_mapping("score of", dict(answer), expected, ALLOWED)

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> str | None:
        """None: a fused score is short enough to be read."""
        return None
