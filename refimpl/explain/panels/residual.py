"""The residual stream: how long each token's vector is as it passes the layers, and how much each block adds."""

import numpy as np

from refimpl.bert.forward import encoder_layer
from refimpl.explain.panel import SHOWN_TOKENS, Panel, float32
from refimpl.explain.scene import Array, Scene


def panel(scene: Scene) -> Panel:
    """Lengths at every stage: the stream after each layer norm, and what attention and feed-forward add before it."""
    layers = range(scene.weights.config.num_hidden_layers)
    stream = [_lengths(scene, "embeddings.hidden_states")]
    added = []
    for i in layers:
        added += [_lengths(scene, f"layer.{i}.attention_dense"), _lengths(scene, f"layer.{i}.output_dense")]
        stream += [_lengths(scene, f"layer.{i}.attention_output"), _lengths(scene, f"layer.{i}.hidden_states")]
    return Panel(
        "residual",
        "Residual stream",
        (
            "A token's vector is carried from layer to layer: attention and then feed-forward each add something to "
            "it, and layer norm follows every addition.",
            "The lines called carried are the length of that vector after each norm, those called added the length of "
            "what the block put on top of it; where little is added, the block left that token much as it was.",
        ),
        (encoder_layer,),
        {
            "tokens": scene.question.tokens[:SHOWN_TOKENS],
            "stages": [f"{i + 1} {block}" for i in layers for block in ("attention", "feed-forward")],
            "stream": float32(np.stack(stream)),
            "added": float32(np.stack(added)),
        },
    )


def _lengths(scene: Scene, name: str) -> Array:
    lengths: Array = np.linalg.norm(scene.trace[name][0, :SHOWN_TOKENS], axis=-1)
    return lengths
