"""The first step: a text as word pieces with their ids, positions and segments, and the truncated rest."""

from typing import Any

from refimpl.explain.panel import Panel
from refimpl.explain.scene import Scene, Text
from refimpl.tokens import Tokenizer

SHOWN_TRUNCATED = 40  # truncated pieces that are shown; the others are counted


def panel(scene: Scene) -> Panel:
    """Collect every text's tokens."""
    return Panel(
        "tokens",
        "Tokens",
        (
            "Each text is lower-cased and split into word pieces of a fixed vocabulary of "
            f"{scene.weights.config.vocab_size:,}, where ## marks a piece that continues a word and [UNK] a word that "
            "the vocabulary cannot spell.",
            f"[CLS] and [SEP] are added around it, and a text of more than {scene.max_length} tokens is truncated.",
        ),
        (Tokenizer.__call__,),
        {"texts": [_text(text) for text in scene.texts], "max_length": scene.max_length},
    )


def _text(text: Text) -> dict[str, Any]:
    return {
        "name": text.name,
        "tokens": text.tokens,
        "ids": text.input_ids.tolist(),
        "segments": text.token_type_ids.tolist(),
        "truncated": text.truncated[:SHOWN_TRUNCATED],
        "truncated_count": len(text.truncated),
    }
