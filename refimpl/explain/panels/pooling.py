"""From a vector a token to one for the text: the mean, unit length, and the cosine, split up by token."""

import numpy as np

from refimpl.bert.heads import l2_normalize, mean_pool
from refimpl.explain.panel import SHOWN_TOKENS, Panel, with_rest
from refimpl.explain.scene import Scene


def panel(scene: Scene) -> Panel:
    """Each token's part in the question's final vector and in its cosine with each document; the parts add up.

    Token i's part in the product with a unit vector u is h_i . u / (tokens |mean|); with the final vector itself as u
    the parts add up to 1, with a document's vector to the cosine.
    """
    question = scene.question
    against = np.stack([question.vector, *(document.vector for document in scene.documents)])
    length = float(np.linalg.norm(question.pooled))
    parts = against @ question.hidden_states.T / (len(question.tokens) * length)
    return Panel(
        "pooling",
        "Pooling and similarity",
        (
            "The text's vector is the mean of its tokens' last vectors, scaled to length 1, so that the product of two "
            "texts' vectors is the cosine of the angle between them.",
            "A mean is a sum, and so every token has its own part in the final vector and in the cosine with each "
            "document: the bars add up exactly to the total.",
        ),
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
