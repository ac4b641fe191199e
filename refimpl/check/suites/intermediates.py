"""The intermediates suite: all-MiniLM-L6-v2's hidden states after each layer, computed by transformers in float64."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from refimpl import golden
from refimpl.check.suites.base import Settings, TextSuite
from refimpl.check.suites.parse import numbers, shown
from refimpl.check.targets.base import AnswerError
from refimpl.common.types import Array
from refimpl.compare import Comparison, compare_traces, compare_values, first_mismatch, worst_of

if TYPE_CHECKING:
    from refimpl.diagnosis.result import Diagnosis


class IntermediatesSuite(TextSuite):
    """Hidden states of four texts; of each text, the first stage that does not match."""

    name = "intermediates"
    task = "trace"
    about = "all-MiniLM-L6-v2's hidden states after the embeddings and each layer, pooled, normalized"
    form = (
        'input: "a text"; answer: {"embeddings.hidden_states": [[384 numbers] per token], "layer.0.hidden_states": '
        '..., "layer.5.hidden_states": ..., "pooled": [384 numbers], "normalized": [384 numbers]}, or some of these'
    )

    def inputs(self, settings: Settings) -> Mapping[str, Any]:
        """Return the texts with golden hidden states."""
        texts = golden.texts()
        return {name: texts[name] for name in expected_stages()}

    def read(self, answer: Any, where: str) -> dict[str, Array]:
        """Parse an object with at least one known stage."""
        if not isinstance(answer, Mapping):
            raise AnswerError(f"{where}: expected an object of named arrays, got {shown(answer)}")
        known = next(iter(expected_stages().values()))
        stages = [name for name in known if name in answer]
        if not stages:
            names = shown(sorted(map(str, answer)))
            raise AnswerError(f"{where}: expected one or more of {', '.join(known)}, got {names}")
        return {name: numbers(answer[name], f"{where}, {name}", "an array of numbers") for name in stages}

    def compare(self, name: str, answer: dict[str, Array], settings: Settings) -> Comparison:
        """Return the first stage that does not match, else the one nearest to the tolerance."""
        compare_stage = partial(compare_values, tolerance=settings.tolerance.score or 1.0)
        comparisons = compare_traces(answer, expected_stages()[name], compare_stage)
        first = first_mismatch(comparisons)
        if first is None:
            return worst_of(one for one in comparisons if one.compared)
        return replace(first, name=f"first mismatch: {first.name}")

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> "Diagnosis":
        """Diagnose the shortest text that failed."""
        from refimpl.diagnosis import diagnose_trace

        shortest = min(failed, key=lambda name: len(golden.texts()[name]))
        text = golden.texts()[shortest]
        return diagnose_trace(answers[shortest], text, tolerance=settings.tolerance.score or 1e-5)


@cache
def expected_stages() -> dict[str, dict[str, Array]]:
    """Return `[name of the text][stage]`, in the order of the forward pass, each with a batch axis of 1."""
    rows = {name: row for row, name in enumerate(golden.texts())}
    stages: dict[str, dict[str, Array]] = {}
    for vector in golden.vectors():
        if vector.stage.endswith("hidden_states"):
            stages.setdefault(vector.input, {})[vector.stage] = golden.array(vector)[None]
    for vector in golden.vectors():
        if vector.stage in ("pooled", "normalized"):
            for name, of_text in stages.items():
                of_text[vector.stage] = golden.array(vector)[rows[name]][None]
    return stages
