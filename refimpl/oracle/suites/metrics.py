"""The metrics suite: nDCG@10, recall@100, MRR@10 and MAP, by trec_eval's own code."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from refimpl.oracle.judge import judge_mapping
from refimpl.oracle.outcome import Finding
from refimpl.oracle.subjects.base import AnswerError, Task
from refimpl.oracle.suites.base import Settings
from refimpl.oracle.suites.published import PublishedCases, number, shown

ALLOWED = 1e-9
MEASURES = ("nDCG@10", "recall@100", "MRR@10", "MAP")


class MetricsSuite(PublishedCases):
    """Runs and judgements where evaluators differ."""

    file: ClassVar[str] = "metrics"
    name: ClassVar[str] = "metrics"
    task: ClassVar[Task] = "metrics"
    about: ClassVar[str] = "retrieval measures as trec_eval computes them, averaged over the judged queries"
    form: ClassVar[str] = (
        'input: {"qrels": {"query": {"doc": judgement}}, "run": {"query": {"doc": score}}}; '
        f"answer: some of {', '.join(MEASURES)}, as an object of numbers, unrounded"
    )

    def read(self, answer: Any, where: str) -> dict[str, float]:
        """At least one of the measures."""
        if not isinstance(answer, Mapping):
            raise AnswerError(f"{where}: an object of measures is asked, got {shown(answer)}")
        given = {name: number(answer[name], f"{where}, {name}") for name in MEASURES if name in answer}
        if not given:
            raise AnswerError(f"{where}: none of {', '.join(MEASURES)} is among {shown(sorted(map(str, answer)))}")
        return given

    def judge(self, name: str, answer: dict[str, float], settings: Settings) -> Finding:
        """The measures that were given."""
        expected = self.golden(name).expected
        return judge_mapping("measure", answer, {key: expected[key] for key in answer}, ALLOWED)

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> str | None:
        """What the evaluator did otherwise, by the failed case that has the most queries."""
        from refimpl.oracle.diagnosis import diagnose_metrics

        name = max(failed, key=lambda name: len(self.golden(name).input["qrels"]))
        given = self.golden(name).input
        return f"case {name}: {diagnose_metrics(answers[name], given['qrels'], given['run'], tolerance=ALLOWED)}"
