"""Render a scene and its panels as one HTML page: no requests, no text as markup, only the page's own scripts."""

import base64
import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import refimpl
from refimpl.common.extras import importing
from refimpl.explain.panel import Panel
from refimpl.explain.scene import Scene

with importing("explain"):
    import vl_convert
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("numbers.js", "charts.js", "figures.js", "panels.js", "page.js")
ROOT = Path(refimpl.__file__).parent


@dataclass(frozen=True)
class Source:
    """A function shown on the page: its file and line, and its code."""

    anchor: str
    name: str
    location: str
    code: str


def html(title: str, scene: Scene, panels: Sequence[Panel]) -> str:
    """Return the page; its content security policy allows its two scripts by hash, inline styles, and nothing else."""
    environment = Environment(
        loader=PackageLoader("refimpl.explain"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    scripts = [f"(function () {{{_library()}\n}})();", _own_script()]
    sources = {panel.key: [source_of(function) for function in panel.sources] for panel in panels}
    return environment.get_template("page.html.j2").render(
        title=title,
        scene=scene,
        dtype=scene.weights.dtype,
        panels=panels,
        sources=sources,
        all_sources=list({source.anchor: source for listed in sources.values() for source in listed}.values()),
        style=Markup(_read("page.css")),
        scripts=[Markup(script) for script in scripts],
        policy=f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {_hashes(scripts)}",
        data=Markup(as_script_data({panel.key: panel.data for panel in panels})),
        version=refimpl.__version__,
        vega=f"Vega {vl_convert.get_vega_version()}, Vega-Lite {vl_convert.get_vegalite_versions()[-1]}",
    )


def as_script_data(value: object) -> str:
    """Return JSON that cannot end the script element that contains it, whatever its strings are.

    Raises ValueError for a number that is not finite.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def source_of(function: Callable[..., Any]) -> Source:
    """Return name, location and code of a function of refimpl."""
    plain = inspect.unwrap(function)
    lines, first = inspect.getsourcelines(plain)
    path = Path(inspect.getsourcefile(plain) or "").resolve().relative_to(ROOT.parent).as_posix()
    name = plain.__qualname__
    return Source(
        f"source-{name.replace('.', '-')}", name, f"{path}, line {first}", inspect.cleandoc("".join(lines)).rstrip()
    )


@cache
def _library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed, as bundled by vl-convert, which sets `window.vegaEmbed`."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


def _own_script() -> str:
    code = "\n".join(_read(name) for name in SCRIPTS)
    return f'(function () {{\n"use strict";\n{code}\n}})();'


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _hashes(scripts: Sequence[str]) -> str:
    return " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')}'" for script in scripts
    )
