"""What rerank servers answer, read leniently in its shape and strictly in its numbers.

Jina, Cohere, Infinity, vLLM, Xinference, LocalAI and llama.cpp put the list under `results`, Voyage under `data`, TEI
sends it bare; the score is `relevance_score` or `score`. Documents are known by index: an echoed text is never read,
since servers leave it out, send null, a string or an object, cut it or alter it.
"""

import math
from typing import Any

from refimpl.http import ProtocolError
from refimpl.http.answers import entries_in, index_in, shown


def read_scores(answer: Any, documents: int, at_least: int, server: str) -> dict[int, float]:
    """Score by document index, as `server` gave them; at least `at_least` of the `documents` must be there.

    Raises ProtocolError for an index out of range, doubled or missing, and for a score that is no finite number.
    """
    scores: dict[int, float] = {}
    for entry in entries_in(answer, ("results", "data"), "results", server):
        index = index_in(entry, documents, "documents", server)
        if index in scores:
            raise ProtocolError(f"{server}: document {index} stands twice in the results")
        scores[index] = _score(entry, index, server)
    if len(scores) < at_least:
        missing = f", document {min(set(range(documents)) - set(scores))} among the missing" if scores else ""
        raise ProtocolError(f"{server}: asked for {at_least} of {documents} documents, got {len(scores)}{missing}")
    return scores


def _score(entry: dict[str, Any], index: int, server: str) -> float:
    score = entry["relevance_score"] if "relevance_score" in entry else entry.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise ProtocolError(f"{server}: the score of document {index} must be a finite number, got {shown(entry)}")
    return float(score)
