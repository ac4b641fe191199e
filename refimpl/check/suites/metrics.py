"""The metrics suite: nDCG@10, recall@100, MRR@10 and MAP, computed by trec_eval's own code."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from refimpl.check.suites.base import CaseSuite, Settings
from refimpl.check.suites.parse import number, shown
from refimpl.check.targets.base import AnswerError
from refimpl.compare import Comparison, compare_mappings

if TYPE_CHECKING:
    from refimpl.diagnosis.result import Diagnosis

TOLERANCE = 1e-9
MEASURES = ("nDCG@10", "recall@100", "MRR@10", "MAP")


class MetricsSuite(CaseSuite):
    """Runs and qrels on which evaluators differ."""

    file = "metrics"
    name = "metrics"
    task = "metrics"
    about = "retrieval measures as trec_eval computes them, averaged over the judged queries"
    form = (
        'input: {"qrels": {"query": {"doc": judgement}}, "run": {"query": {"doc": score}}}; '
        f"answer: some of {', '.join(MEASURES)}, as an object of numbers, unrounded"
    )

    def read(self, answer: Any, where: str) -> dict[str, float]:
        """Parse an object with at least one of the measures."""
        if not isinstance(answer, Mapping):
            raise AnswerError(f"{where}: expected an object of measures, got {shown(answer)}")
        values = {name: number(answer[name], f"{where}, {name}") for name in MEASURES if name in answer}
        if not values:
            names = shown(sorted(map(str, answer)))
            raise AnswerError(f"{where}: expected one or more of {', '.join(MEASURES)}, got {names}")
        return values

    def compare(self, name: str, answer: dict[str, float], settings: Settings) -> Comparison:
        """Compare the measures that the answer has."""
        expected = self.golden(name).expected
        return compare_mappings("measures", answer, {key: expected[key] for key in answer}, TOLERANCE)

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> "Diagnosis":
        """Diagnose the failed case with the most queries."""
        from refimpl.diagnosis import diagnose_metrics

        name = max(failed, key=lambda name: len(self.golden(name).input["qrels"]))
        case = self.golden(name).input
        diagnosis = diagnose_metrics(answers[name], case["qrels"], case["run"], tolerance=TOLERANCE)
        return replace(diagnosis, subject=f"case {name}")
