"""The scale of a reranker's scores: what can be known of it without the model."""

import numpy as np

from refimpl.common.types import Array
from refimpl.identify import values
from refimpl.identify.ask import Refusal
from refimpl.identify.describe import Factor
from refimpl.identify.rows import Rows

DOCUMENTS = (
    "the old king went home",
    "the red house is near the river",
    "music in the morning",
    "a house in the city",
    "water is cold",
    "which house is red",
    "who went home by the river",
    "in the morning there is music in the city",
)
CLOSE = 1e-5


def factors(rows: Rows, most: int | None) -> list[Factor]:
    """Range, dependence on the request and precision, of at most `most` documents in a request.

    Raises ValueError where a plain document is refused.
    """
    documents = DOCUMENTS[:most]
    answers = [row for row in rows(documents) if not isinstance(row, Refusal)]
    if len(answers) < len(documents):
        raise ValueError(f"{rows.name} does not return each of {len(documents)} documents once")
    scores = np.stack(answers)
    half = len(documents) // 2
    part = np.stack([row for row in rows(documents[:half]) if not isinstance(row, Refusal)])
    evidence = f"scores of {len(documents)} documents for {scores.shape[1]} queries, and of {half} of them"
    status, kind = values.kind_of(scores)
    integers = status == "undetermined"
    precision = Factor(
        "precision", "known form", f"integers of {scores.min():g} to {scores.max():g}" if integers else kind, evidence
    )
    return [_scale(scores, part, evidence), precision]


def _scale(scores: Array, part: Array, evidence: str) -> Factor:
    name = "scores"
    for value, low, high in (
        ("softmax over the documents: their sum is 1", scores.sum(axis=0), part.sum(axis=0)),
        ("relative to the request: its best is 1 and its worst 0", scores.max(axis=0), part.max(axis=0)),
        ("relative to the request: its best is 1", scores.max(axis=0), part.max(axis=0)),
    ):
        ends = "worst" not in value or max(np.abs(scores.min(axis=0)).max(), np.abs(part.min(axis=0)).max()) < CLOSE
        changed = np.abs(scores[: len(part)] - part).max() > 1e-3
        if changed and ends and max(np.abs(low - 1).max(), np.abs(high - 1).max()) < CLOSE:
            return Factor(name, "known form", value, evidence)
    shown = f"{scores.min():.4g} to {scores.max():.4g}"
    if scores.min() < 0 or scores.max() > 1:
        bounded = " within -1 and 1: logits or cosines" if scores.min() >= -1 and scores.max() <= 1 else ""
        value = f"not probabilities: {shown}"
        return Factor(name, "known form", value + bounded, evidence)
    return Factor(
        name, "undetermined", f"within 0 and 1: {shown}; a probability, or logits that happen to be", evidence
    )
