"""The attention probabilities of every layer and head."""

import numpy as np

from refimpl.bert.forward import self_attention
from refimpl.bert.ops import softmax
from refimpl.explain.panel import SHOWN_TOKENS, Panel, fractions, with_rest
from refimpl.explain.scene import Scene


def panel(scene: Scene) -> Panel:
    """Collect the attention `(layers, heads, from, to)`; the tokens that are not shown are summed in a last `to`."""
    config = scene.weights.config
    probs = np.stack([scene.trace[f"layer.{i}.attention_probs"][0] for i in range(config.num_hidden_layers)])
    return Panel(
        "attention",
        "Attention",
        (
            "In every layer the query vector of each token is compared with the key vectors of all tokens: the softmax "
            "of their scaled products weights the value vectors, so that every row of the map sums to 1.",
            f"Each of the {config.num_attention_heads} heads of a layer does this with its own learned weights, on "
            f"{config.hidden_size // config.num_attention_heads} features of its own.",
        ),
        (self_attention, softmax),
        {
            "tokens": scene.question.tokens[:SHOWN_TOKENS],
            "rest": max(0, len(scene.question.tokens) - SHOWN_TOKENS),
            "probs": fractions(with_rest(probs)[:, :, :SHOWN_TOKENS]),
        },
    )
