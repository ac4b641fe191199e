"""The sum that enters the first layer: word, position and segment vectors, then layer norm."""

import numpy as np

from refimpl.bert.forward import embed
from refimpl.bert.ops import layer_norm
from refimpl.explain.panel import SHOWN_TOKENS, Panel, float32
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
    """The question's embeddings: the first features of each, and the length of the whole vectors."""
    seq = len(scene.question.tokens)
    stages = [
        np.broadcast_to(scene.trace[f"embeddings.{name}"][0], (seq, scene.weights.config.hidden_size))[:SHOWN_TOKENS]
        for name in STAGES.values()
    ]
    width = scene.weights.config.hidden_size
    return Panel(
        "embeddings",
        "Embeddings",
        (
            f"Each token becomes a vector of {width} numbers: one row of the word table, plus one for its place in the "
            "text, plus one for its segment, added number by number.",
            "Layer norm then shifts and scales every sum to mean 0 and variance 1, and a learnt weight and bias a "
            "feature follow.",
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
