"""The intermediates suite: hidden states of all-MiniLM-L6-v2 after each layer, by transformers in float64."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np

from refimpl.oracle import golden
from refimpl.oracle.compare import Array
from refimpl.oracle.judge import judge_numbers
from refimpl.oracle.outcome import Case, Finding
from refimpl.oracle.subjects.base import AnswerError, Task
from refimpl.oracle.suites.base import Behaviour, Settings
from refimpl.oracle.suites.published import numbers, shown


class IntermediatesSuite:
    """Four texts; of each, the first stage that departs."""

    name: ClassVar[str] = "intermediates"
    task: ClassVar[Task] = "trace"
    about: ClassVar[str] = "all-MiniLM-L6-v2's hidden states after the embeddings and each layer, pooled, normalized"
    form: ClassVar[str] = (
        'input: "a text"; answer: {"embeddings.hidden_states": [[384 numbers] a token], "layer.0.hidden_states": ..., '
        '"layer.5.hidden_states": ..., "pooled": [384 numbers], "normalized": [384 numbers]}, or some of these'
    )
    refusable: ClassVar[frozenset[str]] = frozenset()

    def inputs(self, settings: Settings) -> Mapping[str, Any]:
        """The texts whose hidden states are golden."""
        texts = golden.texts()
        return {name: texts[name] for name in expected_stages()}

    def cases(self, settings: Settings) -> Sequence[Case]:
        """One case a text."""
        reasons = golden.reasons()
        return [Case(name, reasons[name], "") for name in expected_stages()]

    def behaviours(self) -> Sequence[Behaviour]:
        """None: the encoder suite has them."""
        return ()

    def read(self, answer: Any, where: str) -> dict[str, Array]:
        """At least one known stage, each an array, a batch axis of 1 taken off."""
        if not isinstance(answer, Mapping):
            raise AnswerError(f"{where}: an object of named arrays is asked, got {shown(answer)}")
        known = next(iter(expected_stages().values()))
        if not (given := [name for name in known if name in answer]):
            raise AnswerError(f"{where}: none of {', '.join(known)} is among {shown(sorted(map(str, answer)))}")
        stages = {name: numbers(answer[name], f"{where}, {name}", "an array of numbers") for name in given}
        return {name: without_batch(value, known[name].ndim) for name, value in stages.items()}

    def judge(self, name: str, answer: dict[str, Array], settings: Settings) -> Finding:
        """The first stage that departs, else the one nearest to it."""
        allowed = settings.tolerance.score or 1.0
        found = [
            judge_numbers(stage, answer[stage], expected, allowed)
            for stage, expected in expected_stages()[name].items()
            if stage in answer
        ]
        departing = [finding for finding in found if not finding.ok]
        if not departing:
            return max(found, key=lambda finding: finding.distance)
        return Finding(departing[0].distance, f"first departs at {departing[0].message}")

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> str | None:
        """The first stage that departs in the first text that does, and why."""
        from refimpl.oracle.diagnosis import diagnose_trace

        text = golden.texts()[failed[0]]
        return str(diagnose_trace(answers[failed[0]], text, tolerance=settings.tolerance.score or 1e-5))


@cache
def expected_stages() -> dict[str, dict[str, Array]]:
    """`[text's name][stage]`, in the order of the walk."""
    rows = {name: row for row, name in enumerate(golden.texts())}
    stages: dict[str, dict[str, Array]] = {}
    for vector in golden.vectors():
        if vector.stage.endswith("hidden_states"):
            stages.setdefault(vector.input, {})[vector.stage] = golden.array(vector)
    for vector in golden.vectors():
        if vector.stage in ("pooled", "normalized"):
            for name, found in stages.items():
                found[vector.stage] = golden.array(vector)[rows[name]]
    return stages


def without_batch(value: Array, ndim: int) -> Array:
    """`value` without leading axes of 1 beyond `ndim`."""
    while value.ndim > ndim and value.shape[0] == 1:
        value = value[0]
    return np.asarray(value)
