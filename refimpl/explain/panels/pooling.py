"""From one vector per token to one for the text: mean pooling, L2 normalisation, and the cosine by token."""

import numpy as np

from refimpl.bert.heads import l2_normalize, mean_pool
from refimpl.common.types import Array
from refimpl.explain.panel import SHOWN_TOKENS, Panel, digits, quoted, with_rest
from refimpl.explain.scene import Scene


def panel(scene: Scene) -> Panel:
    """Compute each token's contribution to the question's vector and to its cosine with each document.

    Token i's contribution to the product with a unit vector u is h_i . u / (tokens |mean|); for the final vector itself
    they sum to 1, for a document's vector to the cosine.
    """
    question = scene.question
    against = np.stack([question.vector, *(document.vector for document in scene.documents)])
    length = float(np.linalg.norm(question.pooled))
    parts = against @ question.hidden_states.T / (len(question.tokens) * length)
    return Panel(
        "pooling",
        "Pooling and similarity",
        (
            "The text's vector is the mean of its tokens' last hidden states, scaled to length 1, so that the inner "
            "product of two texts' vectors is the cosine of the angle between them.",
            "A mean is a sum, and so every token has its own contribution to the final vector and to the cosine with "
            "each document: the bars sum exactly to the total.",
        ),
        _look_for(scene, parts),
        (mean_pool, l2_normalize),
        {
            "tokens": question.tokens[:SHOWN_TOKENS],
            "rest": max(0, len(question.tokens) - SHOWN_TOKENS),
            "length": length,
            "parts": with_rest(parts).tolist(),
            "cosines": scene.cosines.tolist(),
            "vector": question.vector[:8].tolist(),
        },
    )


def _look_for(scene: Scene, parts: Array) -> str:
    """The token that contributes most to the cosine with the nearest document, or to the vector itself."""
    row = int(scene.cosines.argmax()) + 1 if scene.documents else 0
    token = int(parts[row].argmax())
    part = f"{quoted(scene.question.tokens[token])} contributes {digits(parts[row][token])}"
    if row == 0:
        return f"{part} of 1 to the vector, where each of {parts.shape[1]} tokens would contribute the same on average."
    total = digits(parts[row].sum())
    return f"Document {row} is the nearest, with cosine {total}: {part} of it, more than any other token."
