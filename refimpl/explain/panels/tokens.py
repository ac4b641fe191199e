"""The first step: a text as word pieces with their ids, positions and segments, and the truncated rest."""

from typing import Any

from refimpl.explain.panel import Panel, quoted
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
        _look_for(scene.texts),
        (Tokenizer.__call__,),
        {"texts": [_text(text) for text in scene.texts], "max_length": scene.max_length},
    )


def _look_for(texts: list[Text]) -> str:
    """The word of most pieces, or that there is none."""
    words = [(text.name, word) for text in texts for word in _words(text.tokens[1:-1])]
    name, pieces = max(words, key=lambda named: len(named[1]), default=("", []))
    if len(pieces) < 2:
        return "Every word here is one piece of the vocabulary, so each token is a whole word or a punctuation mark."
    word = quoted("".join(piece.removeprefix("##") for piece in pieces))
    listed = " ".join(pieces[:6]) + (" …" if len(pieces) > 6 else "")
    return (
        f"{name}: the vocabulary lacks {word}, which becomes {len(pieces)} pieces, {quoted(listed)}; "
        "the model must rebuild its meaning from them."
    )


def _words(tokens: list[str]) -> list[list[str]]:
    words: list[list[str]] = []
    for token in tokens:
        if token.startswith("##") and words:
            words[-1].append(token)
        else:
            words.append([token])
    return words


def _text(text: Text) -> dict[str, Any]:
    return {
        "name": text.name,
        "tokens": text.tokens,
        "ids": text.input_ids.tolist(),
        "segments": text.token_type_ids.tolist(),
        "truncated": text.truncated[:SHOWN_TRUNCATED],
        "truncated_count": len(text.truncated),
    }
