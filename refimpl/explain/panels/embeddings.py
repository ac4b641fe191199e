"""The input of the first layer: the sum of word, position and segment embeddings, then layer normalisation."""

import numpy as np

from refimpl.bert.forward import embed
from refimpl.bert.ops import layer_norm
from refimpl.explain.panel import SHOWN_TOKENS, Panel, digits, float32, quoted
from refimpl.explain.scene import Scene

SHOWN_FEATURES = 32
STAGES = {
    "word": "word_embeddings",
    "position": "position_embeddings",
    "segment": "token_type_embeddings",
    "sum": "sum",
    "layer norm": "hidden_states",
}


def panel(scene: Scene) -> Panel:
    """Collect the question's embeddings: the first features of each, and the L2 norm of the whole vectors."""
    seq = len(scene.question.tokens)
    stages = [
        np.broadcast_to(scene.trace[f"embeddings.{name}"][0], (seq, scene.weights.config.hidden_size))[:SHOWN_TOKENS]
        for name in STAGES.values()
    ]
    width = scene.weights.config.hidden_size
    word = np.linalg.norm(stages[0], axis=-1)
    longest, shortest = int(word.argmax()), int(word.argmin())
    tokens = scene.question.tokens
    return Panel(
        "embeddings",
        "Embeddings",
        (
            f"Each token becomes a vector of {width} numbers: the sum of one row of the word table, one of the "
            "position table and one of the segment table.",
            "Layer normalisation then shifts and scales every sum to mean 0 and variance 1, and applies a learned "
            "weight and bias per feature.",
        ),
        (
            f"Among the word vectors here that of {quoted(tokens[longest])} is the longest ({digits(word[longest])}) "
            f"and that of {quoted(tokens[shortest])} the shortest ({digits(word[shortest])}): select each, and compare "
            "their lengths after layer norm."
        ),
        (embed, layer_norm),
        {
            "tokens": scene.question.tokens[:SHOWN_TOKENS],
            "stages": list(STAGES),
            "values": float32(np.stack(stages)[:, :, :SHOWN_FEATURES]),
            "lengths": float32(np.linalg.norm(np.stack(stages), axis=-1)),
            "features": width,
        },
    )
