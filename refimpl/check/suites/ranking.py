"""The form of a ranking, and its parser."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from refimpl.check.suites.parse import number, shown
from refimpl.check.targets.base import AnswerError
from refimpl.common.types import Array

FORM = (
    'input: {"query": "a text", "documents": ["a text", ...], "top_k": null or a number}; answer: [{"index": position '
    'in documents, "score": number}, ...best first]; objects with attributes index and score, such as RerankResult, '
    "are accepted too"
)


@dataclass(frozen=True)
class Ranking:
    """Indices, scores and returned texts (None where there is none) in the order of the answer."""

    indices: tuple[int, ...]
    scores: tuple[float, ...]
    texts: tuple[str | None, ...]

    def by_document(self) -> Float[Array, " docs"]:
        """Return the scores in the order of the documents; AnswerError unless each document is there once."""
        if sorted(self.indices) != list(range(len(self.indices))):
            raise AnswerError(f"expected each of {len(self.indices)} documents once, got indices {list(self.indices)}")
        scores = np.empty(len(self.indices))
        scores[list(self.indices)] = self.scores
        return scores


def read_ranking(answer: Any, where: str) -> Ranking:
    """Parse a list of entries that are objects with, or have attributes, `index` and `score`."""
    if not isinstance(answer, list | tuple):
        raise AnswerError(f"{where}: expected a list of results, got {shown(answer)}")
    entries = [_entry(one, f"{where}, result {rank}") for rank, one in enumerate(answer)]
    indices = tuple(index for index, _, _ in entries)
    if len(set(indices)) != len(indices):
        raise AnswerError(f"{where}: expected each index at most once, got {list(indices)}")
    return Ranking(indices, tuple(score for _, score, _ in entries), tuple(text for _, _, text in entries))


def _entry(one: Any, where: str) -> tuple[int, float, str | None]:
    fields = one if isinstance(one, Mapping) else {k: getattr(one, k, None) for k in ("index", "score", "text")}
    index = fields.get("index")
    if isinstance(index, bool) or not isinstance(index, int | np.integer):
        raise AnswerError(f"{where}: index must be an integer, got {shown(one)}")
    score = number(fields.get("score", fields.get("relevance_score")), f"{where}, score")
    text = fields.get("text")
    if text is not None and not isinstance(text, str):
        raise AnswerError(f"{where}: a returned text must be a str, got {shown(text)}")
    return int(index), score, text
