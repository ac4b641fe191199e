"""The residual stream: the L2 norm of each token's vector after each layer, and of what each block adds."""

import numpy as np

from refimpl.bert.forward import encoder_layer
from refimpl.common.types import Array
from refimpl.explain.panel import SHOWN_TOKENS, Panel, digits, float32, quoted
from refimpl.explain.scene import Scene


def panel(scene: Scene) -> Panel:
    """Compute the norms at every stage: of the stream after each layer normalisation, and of what each block adds."""
    layers = range(scene.weights.config.num_hidden_layers)
    stream = [_lengths(scene, "embeddings.hidden_states")]
    added = []
    for i in layers:
        added += [_lengths(scene, f"layer.{i}.attention_dense"), _lengths(scene, f"layer.{i}.output_dense")]
        stream += [_lengths(scene, f"layer.{i}.attention_output"), _lengths(scene, f"layer.{i}.hidden_states")]
    stages = [f"{i + 1} {block}" for i in layers for block in ("attention", "feed-forward")]
    lengths = np.stack(added)
    stage, token = np.unravel_index(lengths.argmax(), lengths.shape)
    block = "The feed-forward network" if stage % 2 else "Attention"
    return Panel(
        "residual",
        "Residual stream",
        (
            "A token's vector is carried from layer to layer: attention and then the feed-forward network each add to "
            "it, and layer normalisation follows every addition.",
            "The lines called carried are the length (L2 norm) of that vector after each normalisation, those called "
            "added the length of the block's output; where little is added, the block hardly changes that token.",
        ),
        (
            f"{block} of layer {stage // 2 + 1} adds a vector of length {digits(lengths[stage, token])} to "
            f"{quoted(scene.question.tokens[token])}, {digits(lengths[stage, token] / np.median(lengths))} times the "
            "median addition: select that token, and see how the next normalisation removes the excess."
        ),
        (encoder_layer,),
        {
            "tokens": scene.question.tokens[:SHOWN_TOKENS],
            "stages": stages,
            "stream": float32(np.stack(stream)),
            "added": float32(lengths),
        },
    )


def _lengths(scene: Scene, name: str) -> Array:
    lengths: Array = np.linalg.norm(scene.trace[name][0, :SHOWN_TOKENS], axis=-1)
    return lengths
