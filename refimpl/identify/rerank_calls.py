"""Calls of a reranker: a query and documents in, results in the order of the answer out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.identify.ask import UNEXPECTED, Refusal, Target


@dataclass(frozen=True)
class Result:
    """One entry of an answer."""

    index: int | None
    score: float
    text: str | None


Results = tuple[Result, ...]


class RerankCalls:
    """Calls a reranker; a keyword that a Python target does not accept is left out."""

    def __init__(self, target: Target) -> None:
        self.name = target.name
        self.dropped: set[str] = set()
        self._target = target

    def __call__(
        self, query: str, documents: Sequence[str], top_k: int | None = None, **more: Any
    ) -> Results | Refusal:
        """The results in the order of the answer."""
        while True:
            given = {"query": query, "documents": list(documents), "top_k": top_k, **more}
            given = {name: value for name, value in given.items() if name not in self.dropped}
            try:
                (answer,) = self._target.run("rerank", [given])
                return _results(answer)
            except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
                unexpected = UNEXPECTED.search(str(error))
                if unexpected is None or unexpected[1] not in given or unexpected[1] in ("query", "documents"):
                    return Refusal(str(error))
                self.dropped.add(unexpected[1])


def _results(answer: Any) -> Results | Refusal:
    if answer is None or (isinstance(answer, Mapping) and "error" in answer):
        return Refusal(str(answer["error"]) if isinstance(answer, Mapping) else "null")
    entries: Iterable[Any] = answer["results"] if isinstance(answer, Mapping) and "results" in answer else answer
    results = tuple(_result(entry) for entry in entries)
    if not all(np.isfinite(result.score) for result in results):
        return Refusal("a score is not a finite number")
    return results


def _result(entry: Any) -> Result:
    if not isinstance(entry, Mapping):
        entry = {name: getattr(entry, name, None) for name in ("index", "score", "relevance_score", "text", "document")}
    score = next(entry[name] for name in ("score", "relevance_score") if entry.get(name) is not None)
    text = entry.get("text", entry.get("document"))
    text = text.get("text") if isinstance(text, Mapping) else text
    index = entry.get("index")
    return Result(None if index is None else int(index), float(score), None if text is None else str(text))
