"""Who looks at whom: the attention probabilities of every layer and head."""

import numpy as np

from refimpl.bert.forward import self_attention
from refimpl.bert.ops import softmax
from refimpl.explain.panel import SHOWN_TOKENS, Panel, shares, with_rest
from refimpl.explain.scene import Scene


def panel(scene: Scene) -> Panel:
    """The question's attention, `(layers, heads, from, to)`; tokens beyond the shown ones are summed in a last `to`."""
    config = scene.weights.config
    probs = np.stack([scene.trace[f"layer.{i}.attention_probs"][0] for i in range(config.num_hidden_layers)])
    return Panel(
        "attention",
        "Attention",
        (
            "In every layer each token asks (query) and each answers (key): the softmax of their products says which "
            "share of whose content (value) the asking token takes over, so that every row of the map adds up to 1.",
            f"Each of the {config.num_attention_heads} heads of a layer does so with other learnt weights, on "
            f"{config.hidden_size // config.num_attention_heads} features of its own.",
        ),
        (self_attention, softmax),
        {
            "tokens": scene.question.tokens[:SHOWN_TOKENS],
            "rest": max(0, len(scene.question.tokens) - SHOWN_TOKENS),
            "probs": shares(with_rest(probs)[:, :, :SHOWN_TOKENS]),
        },
    )
