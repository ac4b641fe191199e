"""The attention probabilities of every layer and head, of the question and of the documents."""

from typing import Any

import numpy as np

from refimpl.bert.forward import self_attention
from refimpl.bert.ops import softmax
from refimpl.common.types import Array
from refimpl.explain.panel import SHOWN_TOKENS, Panel, fractions, quoted, with_rest
from refimpl.explain.scene import Scene, Text

DOCUMENTS = 5  # whose attention is on the page: with more it would exceed 2 MB
DOCUMENT_TOKENS = 32
DOCUMENT_SCALE = 4095  # a document's probabilities are multiples of 1 / 4095, the question's of 1 / 65535


def panel(scene: Scene) -> Panel:
    """Collect each text's attention `(layers, heads, from, to)`; the tokens not shown are summed in a last `to`."""
    config = scene.weights.config
    texts = [_text(scene.question, SHOWN_TOKENS, 65535)]
    texts += [_text(document, DOCUMENT_TOKENS, DOCUMENT_SCALE) for document in scene.documents[:DOCUMENTS]]
    return Panel(
        "attention",
        "Attention",
        (
            "In every layer the query vector of each token is compared with the key vectors of all tokens: the softmax "
            "of their scaled products weights the value vectors, so that every row of the map sums to 1.",
            f"Each of the {config.num_attention_heads} heads of a layer does this with its own learned weights, on "
            f"{config.hidden_size // config.num_attention_heads} features of its own.",
        ),
        _look_for(scene.question),
        (self_attention, softmax),
        {"texts": texts, "left_out": max(0, len(scene.documents) - DOCUMENTS)},
    )


def _text(text: Text, tokens: int, scale: int) -> dict[str, Any]:
    return {
        "name": text.name,
        "tokens": text.tokens[:tokens],
        "rest": max(0, len(text.tokens) - tokens),
        "probs": fractions(_first(text.attention, tokens), scale),
    }


def _first(probs: Array, tokens: int) -> Array:
    """Rows and columns of the first `tokens`, and a last column with the sum of the others, if there are any."""
    return with_rest(probs, tokens)[:, :, :tokens]


def largest(text: Text) -> tuple[int, int, int, int] | None:
    """Layer, head, row and column of the largest probability between two different tokens inside [CLS] and [SEP]."""
    inner = min(len(text.tokens) - 1, text.attention.shape[2])
    if inner < 3:
        return None
    probs = text.attention[:, :, 1:inner, 1:inner].copy()
    probs[:, :, np.arange(inner - 1), np.arange(inner - 1)] = 0
    layer, head, row, column = np.unravel_index(probs.argmax(), probs.shape)
    return int(layer), int(head), int(row) + 1, int(column) + 1


def _look_for(text: Text) -> str:
    place = largest(text)
    if place is None:
        return "With one word alone each head attends to it, to [CLS] or to [SEP]: compare the heads."
    layer, head, row, column = place
    probability = text.attention[place]
    written = "more than 0.999" if probability > 0.999 else f"{probability:.3f}"
    return (
        f"Select layer {layer + 1}, head {head + 1}: {quoted(text.tokens[row])} gives "
        f"{quoted(text.tokens[column])} {written}, the largest probability between two words here."
    )
