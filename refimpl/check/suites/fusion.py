"""The fusion suite: reciprocal rank fusion and weighted sums, computed by Milvus Lite's hybrid search."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from refimpl.check.suites.base import CaseSuite, Settings
from refimpl.check.suites.parse import number, shown
from refimpl.check.targets.base import AnswerError
from refimpl.compare import Comparison, compare_mappings, from_condition

if TYPE_CHECKING:
    from refimpl.diagnosis.result import Diagnosis

TOLERANCE = 1e-6  # Milvus returns float32


class FusionSuite(CaseSuite):
    """Fused scores by document, and the order of the list."""

    file = "fusion"
    name = "fusion"
    task = "fuse"
    about = "RRF and the weighted sum as Milvus defines them"
    form = (
        'input: {"routes": [[["doc", score], ...best first], ...], "method": "rrf", "k": 60} or {"routes": ..., '
        '"method": "weighted", "weights": [...], "metrics": ["IP", "COSINE" or "L2"], "norm_score": true}, where the '
        'scores of an L2 route are minus the squared distance; answer: [["doc", fused score], ...best first]'
    )

    def read(self, answer: Any, where: str) -> list[tuple[str, float]]:
        """Parse pairs of document and score, each document once."""
        if isinstance(answer, Mapping):
            answer = list(answer.items())
        if not isinstance(answer, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in answer):
            raise AnswerError(f'{where}: expected a list of ["doc", score], got {shown(answer)}')
        pairs = [(str(doc), number(score, f"{where}, {doc}")) for doc, score in answer]
        if len({doc for doc, _ in pairs}) != len(pairs):
            raise AnswerError(f"{where}: expected each document once in the fused list, got {shown(answer)}")
        return pairs

    def compare(self, name: str, answer: list[tuple[str, float]], settings: Settings) -> Comparison:
        """Compare the documents, the order of the list and every score."""
        scores, expected = dict(answer), dict(self.golden(name).expected)
        if expected.keys() != scores.keys():
            return from_condition(False, "documents", f"got {sorted(scores)}, expected {sorted(expected)}")
        if any(later > earlier for earlier, later in pairwise(scores.values())):
            return from_condition(False, "order", f"expected scores best first, got {shown(answer)}")
        return compare_mappings("fused scores", scores, expected, TOLERANCE)

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> "Diagnosis":
        """Diagnose the scores of all cases."""
        from refimpl.diagnosis.fusion import diagnose_fusion

        cases = [(self.golden(name).input, dict(pairs)) for name, pairs in answers.items()]
        return diagnose_fusion(cases, tolerance=TOLERANCE)
