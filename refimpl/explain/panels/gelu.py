"""The activation of the feed-forward network, and the distribution of its inputs."""

from typing import Any

import numpy as np

from refimpl.bert.forward import encoder_layer
from refimpl.bert.ops import ACTIVATIONS
from refimpl.common.types import Array
from refimpl.explain.panel import Panel
from refimpl.explain.scene import Scene

EDGES = np.round(np.arange(-5.0, 5.01, 0.2), 1)
CURVE = np.round(np.arange(-5.0, 5.01, 0.1), 1)


def panel(scene: Scene) -> Panel:
    """Compute for each layer a histogram of the activation's inputs, over all of the question's tokens and features."""
    config = scene.weights.config
    activation = ACTIVATIONS[config.hidden_act]
    layers = [
        _layer(scene.trace[f"layer.{i}.intermediate_dense"], scene.trace[f"layer.{i}.intermediate"])
        for i in range(config.num_hidden_layers)
    ]
    negative = [layer["negative"] for layer in layers]
    most, least = int(np.argmax(negative)), int(np.argmin(negative))
    return Panel(
        "gelu",
        "Feed-forward and GELU",
        (
            "Between the two matrix products of the feed-forward network, GELU is applied to "
            f"{config.intermediate_size:,} numbers per token: x times the probability "
            "that a standard normal variable is below x.",
            "Large positive numbers are unchanged and large negative ones become almost 0; the bars count the inputs "
            "that occur for this text.",
        ),
        (
            f"In layer {most + 1} {negative[most]:.0%} of the inputs are negative, in layer {least + 1} "
            f"{negative[least]:.0%}: a feature whose input is negative adds almost nothing to its token."
        ),
        (activation, encoder_layer),
        {
            "edges": EDGES.tolist(),
            "curve": [CURVE.tolist(), activation(CURVE).tolist()],
            "layers": layers,
        },
    )


def _layer(before: Array, after: Array) -> dict[str, Any]:
    counts, _ = np.histogram(before, EDGES)
    return {
        "counts": counts.tolist(),
        "below": int((before < EDGES[0]).sum()),
        "above": int((before > EDGES[-1]).sum()),
        "total": int(before.size),
        "negative": float((before < 0).mean()),
        "mean_before": float(before.mean()),
        "mean_after": float(after.mean()),
        "least_after": float(after.min()),
        "most_after": float(after.max()),
    }
