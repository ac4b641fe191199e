"""What differs before a BM25's formula does: its tokens, and scores that are no numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from refimpl.check.suites.bm25_tokens import Answer, TokenAnswer
from refimpl.identify.not_numbers import NotNumbers, without

if TYPE_CHECKING:
    from refimpl.identify.ask import Probe


@dataclass(frozen=True)
class Note:
    """What differs, and which scores the cause then is of."""

    name: str
    difference: str
    scores: str


@dataclass(frozen=True)
class NotedDiagnosis:
    """Notes, and why the scores differ, if there are any: a diagnosis, or a sentence."""

    notes: tuple[Note, ...]
    formula: Any

    @property
    def causes(self) -> Sequence[Any]:
        """The causes of the formula."""
        return () if self.formula is None or isinstance(self.formula, str) else self.formula.causes

    def __str__(self) -> str:
        lines = [f"{note.name}: {note.difference}" for note in self.notes]
        if self.formula is not None:
            lines.append(f"{', '.join(note.scores for note in self.notes)}: {self.formula}")
        return "\n".join(lines)


def with_numbers(answers: Mapping[str, Any], inputs: "Mapping[str, Probe]") -> tuple[dict[str, Any], NotNumbers]:
    """The answers with 0 for NaN, and what was NaN."""
    found, nan = dict(answers), NotNumbers()
    for name, answer in answers.items():
        if name in inputs and has_shape(answer, inputs[name]):
            own = isinstance(answer, TokenAnswer)
            given = inputs[name]
            scores, more = without(answer.scores if own else answer, given.corpus, given.queries)
            found[name] = replace(answer, scores=scores) if own else scores
            nan += more
    return found, nan


def has_shape(answer: Answer, inputs: "Probe") -> bool:
    """Whether it has a score of each document for each query."""
    scores = answer.scores if isinstance(answer, TokenAnswer) else answer
    return scores is not None and scores.shape == (len(inputs.queries), len(inputs.corpus))
