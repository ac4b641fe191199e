"""The pictures of the landing page as small SVG files that follow the reader's colour scheme."""

import json
from collections.abc import Iterable
from html import escape
from pathlib import Path

from refimpl import MiniLMEmbeddingFunction

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "docs" / "assets"
TEXT, LAYER, HEAD = "Where was Alan Turing born?", 0, 2
IDENTIFIED = "Milvus Lite BM25 function"
STYLE = """
svg { --paper: #fff; --ink: #1c1d1f; --soft: #5c6066; --blue: #1d6fb8; --orange: #c2410c }
@media (prefers-color-scheme: dark) {
  svg { --paper: #1e2125; --ink: #e9eaec; --soft: #a4a9b1; --blue: #60a5fa; --orange: #fb923c }
}
text { font: 15px system-ui, sans-serif; fill: var(--ink) }
.title { font-weight: 600; font-size: 16px }
.soft { fill: var(--soft) }
.mono { font-family: ui-monospace, monospace }
.found { fill: var(--blue); font-weight: 600 }
.other { fill: var(--orange); font-weight: 600 }
.paper { fill: var(--paper) }
.cell { fill: var(--blue) }
"""


def svg(alt: str, parts: Iterable[str], width: int = 400, height: int = 340) -> str:
    """Return a picture of that size with its alternative text, on paper of its own."""
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(alt)}">\n'
        f'<style>{STYLE}</style>\n<rect class="paper" width="{width}" height="{height}" rx="8"/>\n{body}\n</svg>\n'
    )


def words(x: float, y: float, text: str, kind: str = "", more: str = "") -> str:
    """Return a line of text at a place."""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" {more}>{escape(text)}</text>'


def trace() -> str:
    """The attention of one head: from each token of a question to each other."""
    function = MiniLMEmbeddingFunction(dtype="float64")
    probs = function.trace(TEXT)[f"layer.{LAYER}.attention_probs"][0, HEAD]
    tokens, step, left, top = function.tokenizer.tokens_of(TEXT), 28, 92, 84
    parts = [words(16, 28, "Trace: this head looks one token back", "title")]
    parts += [words(16, 328, f"all-MiniLM-L6-v2, layer {LAYER + 1}, head {HEAD + 1}", "soft")]
    for i, token in enumerate(tokens):
        x = left + step * i
        parts.append(words(left - 8, top + step * i + 19, token, "", 'text-anchor="end"'))
        parts.append(words(x + 17, top - 6, token, "", f'transform="rotate(-45 {x + 17} {top - 6})"'))
        parts += [
            f'<rect class="cell" x="{left + step * j}" y="{top + step * i}" width="26" height="26" opacity="{p:.2f}"/>'
            for j, p in enumerate(probs[i])
            if p >= 0.005
        ]
    if probs[1:].argmax(axis=1).tolist() != list(range(len(tokens) - 1)):
        raise ValueError(f"layer {LAYER + 1}, head {HEAD + 1} does not look one token back")
    alt = f"Attention map of {len(tokens)} tokens: each attends to the one before it."
    return svg(alt, parts)


def identification() -> str:
    """What `refimpl identify` measured in the BM25 of Milvus Lite: its factors, and the nearest known formula."""
    rows = json.loads((ROOT / "data" / "field" / "results.json").read_text("utf-8"))["rows"]
    (row,) = (row for row in rows if row["name"] == IDENTIFIED)
    formula, _, conclusion = row["sentence"].rstrip(".").rpartition(": ")
    parts = [
        words(16, 28, "Identify: which BM25 is this?", "title"),
        words(16, 56, f"{row['name']} {row['version']}", "mono"),
        words(16, 84, "measured by inputs that isolate one factor each:", "soft"),
    ]
    factors = formula.split(", ")
    parts += [words(28, 110 + 24 * i, f"✓ {factor}", "found") for i, factor in enumerate(factors)]
    below = 110 + 24 * len(factors) + 16
    lines = [line for sentence in conclusion.split("; ") for line in wrapped(sentence)]
    parts += [words(16, below + 22 * i, line, "other") for i, line in enumerate(lines)]
    return svg(f"refimpl identify on {row['name']}: {row['sentence']}", parts)


def wrapped(text: str, width: int = 44) -> list[str]:
    """Return the text in lines of at most `width` letters."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


PICTURES = {"trace.svg": trace, "identify.svg": identification}


def write() -> None:
    """Write every picture."""
    for name, draw in PICTURES.items():
        (ASSETS / name).write_text(draw(), encoding="utf-8")
