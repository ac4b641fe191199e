"""The first step: a text as word pieces with their ids, positions and segments, and what the window cut off."""

from typing import Any

from refimpl.explain.panel import Panel
from refimpl.explain.scene import Scene, Text
from refimpl.tokens import Tokenizer

SHOWN_LOST = 40  # pieces beyond the window that are shown; the rest is counted


def panel(scene: Scene) -> Panel:
    """Every text's tokens."""
    return Panel(
        "tokens",
        "Tokens",
        (
            "The model reads no letters: each text is lower-cased and split into word pieces of a fixed vocabulary of "
            f"{scene.weights.config.vocab_size:,}, where ## marks a piece that continues a word and [UNK] one that no "
            "piece can spell.",
            f"[CLS] and [SEP] are put around it, and whatever lies beyond {scene.max_length} tokens is cut off and "
            "never read.",
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
        "lost": text.lost[:SHOWN_LOST],
        "lost_count": len(text.lost),
    }
