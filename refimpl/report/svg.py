"""A matplotlib figure as an `<svg>` that inherits its colours and its font from the page."""

import io
import re
from typing import Any
from xml.etree import ElementTree

from refimpl.common.text_files import printable

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"

# matplotlib has no CSS variables: it draws in placeholder colours, which are replaced afterwards
INK, LINE, PAPER = "#010101", "#010102", "#010103"
SIDES = tuple(f"#0102{i:02x}" for i in range(8))
CSS = {INK: "var(--ink)", LINE: "var(--line)", PAPER: "var(--paper)"} | {
    colour: f"var(--side-{i})" for i, colour in enumerate(SIDES)
}

STYLE: Any = {  # matplotlib types its keys by a list of them all
    "svg.fonttype": "none",
    "svg.hashsalt": "refimpl",  # ids by content: the same result gives the same page
    "text.parse_math": False,  # a "$" in a name is a dollar, not a formula
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "figure.facecolor": "none",
    "legend.frameon": False,
}


def inline(figure: Any, number: int, label: str) -> str:
    """Return `figure` as an `<svg>` element; its ids begin with p`number`, so that they are unique on a page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(printable(buffer.getvalue()))
    for unwanted in (f"{{{SVG}}}metadata", f"{{{SVG}}}defs/{{{SVG}}}style"):
        parent = root.find(unwanted.rpartition("/")[0] or ".")
        if parent is not None and (child := root.find(unwanted)) is not None:
            parent.remove(child)
    for element in root.iter():
        _adapt(element, f"p{number}-")
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    root.attrib |= {"role": "img", "aria-label": label, "class": "plot"}
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _adapt(element: ElementTree.Element, prefix: str) -> None:
    if "id" in element.attrib:
        element.attrib["id"] = prefix + element.attrib["id"]
    for name, value in element.attrib.items():
        if name == f"{{{XLINK}}}href" and value.startswith("#"):
            element.attrib[name] = f"#{prefix}{value[1:]}"
        elif value.startswith("url(#"):
            element.attrib[name] = f"url(#{prefix}{value[5:]}"
    style = element.attrib.get("style", "")
    for colour, variable in CSS.items():
        style = style.replace(colour, variable)
    style = re.sub(r"font: ([\d.]+)px [^;]*", r"font-size: \1px", style)
    if style:
        element.attrib["style"] = style
