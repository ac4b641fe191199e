"""What the two rerank suites share: the form of a ranking, and what every ranking must be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from refimpl.oracle.compare import Array
from refimpl.oracle.subjects.base import AnswerError
from refimpl.oracle.suites.published import number, shown

FORM = (
    'input: {"query": "a text", "documents": ["a text", ...], "top_k": null or a number}; answer: [{"index": place in '
    'documents, "score": number}, ...best first]; objects with index and score, such as RerankResult, will do'
)


@dataclass(frozen=True)
class Ranking:
    """Indices and scores in the order of the answer, and the echoed texts (None where there is none)."""

    indices: tuple[int, ...]
    scores: tuple[float, ...]
    texts: tuple[str | None, ...]

    def by_document(self) -> Float[Array, " docs"]:
        """Scores in the order of the documents; AnswerError unless each document is there once."""
        if sorted(self.indices) != list(range(len(self.indices))):
            raise AnswerError(f"indices are {list(self.indices)}: each of {len(self.indices)} documents once is asked")
        scores = np.empty(len(self.indices))
        scores[list(self.indices)] = self.scores
        return scores


def read_ranking(answer: Any, where: str) -> Ranking:
    """A ranking from entries that are objects or have attributes `index` and `score`."""
    if not isinstance(answer, list | tuple):
        raise AnswerError(f"{where}: a list of results is asked, got {shown(answer)}")
    entries = [_entry(one, f"{where}, result {place}") for place, one in enumerate(answer)]
    indices = tuple(index for index, _, _ in entries)
    if len(set(indices)) != len(indices):
        raise AnswerError(f"{where}: an index stands twice in {list(indices)}")
    return Ranking(indices, tuple(score for _, score, _ in entries), tuple(text for _, _, text in entries))


def _entry(one: Any, where: str) -> tuple[int, float, str | None]:
    fields = one if isinstance(one, Mapping) else {k: getattr(one, k, None) for k in ("index", "score", "text")}
    index = fields.get("index")
    if isinstance(index, bool) or not isinstance(index, int | np.integer):
        raise AnswerError(f"{where}: index must be a whole number, got {shown(one)}")
    score = number(fields.get("score", fields.get("relevance_score")), f"{where}, score")
    text = fields.get("text")
    if text is not None and not isinstance(text, str):
        raise AnswerError(f"{where}: an echoed text must be a text, got {shown(text)}")
    return int(index), score, text
