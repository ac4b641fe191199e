"""What rerank servers answer, read leniently in its shape and strictly in its numbers.

Jina, Cohere, Infinity, vLLM, Xinference, LocalAI and llama.cpp put the list under `results`, Voyage under `data`, TEI
sends it bare; the score is `relevance_score` or `score`. Documents are known by index: an echoed text is never read,
since servers leave it out, send null, a string or an object, cut it or alter it.
"""

import math
from typing import Any

from refimpl.http import ProtocolError
from refimpl.http.answers import message_in


def read_scores(answer: Any, documents: int, at_least: int, server: str) -> dict[int, float]:
    """Score by document index, as `server` gave them; at least `at_least` of the `documents` must be there.

    Raises ProtocolError for an index out of range, doubled or missing, and for a score that is no finite number.
    """
    scores: dict[int, float] = {}
    for entry in _entries(answer, server):
        if not isinstance(entry, dict):
            raise ProtocolError(f"{server}: each result must be an object, got {_shown(entry)}")
        index = _index(entry, documents, server)
        if index in scores:
            raise ProtocolError(f"{server}: document {index} stands twice in the results")
        scores[index] = _score(entry, index, server)
    if len(scores) < at_least:
        missing = f", document {min(set(range(documents)) - set(scores))} among the missing" if scores else ""
        raise ProtocolError(f"{server}: asked for {at_least} of {documents} documents, got {len(scores)}{missing}")
    return scores


def _entries(answer: Any, server: str) -> list[Any]:
    entries = answer
    if isinstance(answer, dict):
        entries = next((answer[key] for key in ("results", "data") if answer.get(key) is not None), None)
        if entries is None and (said := message_in(answer)):
            raise ProtocolError(f"{server} answered 200 with an error: {said}", status=200, server_message=said)
    if not isinstance(entries, list):
        raise ProtocolError(
            f"{server}: expected a list of results, bare or under 'results' or 'data', got {_shown(answer)}"
        )
    return entries


def _index(entry: dict[str, Any], documents: int, server: str) -> int:
    index = entry.get("index")
    if isinstance(index, bool) or not isinstance(index, int):
        raise ProtocolError(f"{server}: a result's index must be a whole number, got {_shown(entry)}")
    if not 0 <= index < documents:
        raise ProtocolError(f"{server}: index {index} is out of range, {documents} documents were sent")
    return index


def _score(entry: dict[str, Any], index: int, server: str) -> float:
    score = entry["relevance_score"] if "relevance_score" in entry else entry.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise ProtocolError(f"{server}: the score of document {index} must be a finite number, got {_shown(entry)}")
    return float(score)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
