"""The API reference: a page for each room of the package, made of its docstrings, and the navigation to them."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "refimpl"
LEFT_OUT = ("cli", "report")  # commands and a page's drawing: nothing to call
NOT_YET: tuple[str, ...] = ()  # guides that the navigation names before they are written


def rooms() -> dict[str, list[str]]:
    """The modules with something public in them, by room; what lies in no folder is `refimpl` itself."""
    found: dict[str, list[str]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] in LEFT_OUT or parts[-1].startswith("__"):
            continue
        room = parts[0] if len(parts) > 1 else "refimpl"
        found.setdefault(room, []).append(".".join(("refimpl", *parts)))
    return dict(sorted(found.items(), key=lambda item: (item[0] != "refimpl", item[0])))


def on_config(config: Any) -> Any:
    """Name the rooms in the navigation, and leave guides out that are not written yet."""
    listed = {"API": [{room: f"api/{room}.md"} for room in rooms()]}
    config.nav = [listed if item == {"API": []} else _written(item) for item in config.nav]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add each room's page."""
    for room, modules in rooms().items():
        sections = "\n\n".join(f"## `{module}`\n\n::: {module}" for module in modules)
        first = f"\n\n{public_names()}" if room == "refimpl" else ""
        files.append(File.generated(config, f"api/{room}.md", content=f"# {room}{first}\n\n{sections}\n"))
    return files


def public_names() -> str:
    """What `from refimpl import ...` gives, each linked to where it is described."""
    import refimpl

    found = {name: getattr(refimpl, name) for name in refimpl.__all__}
    links = [f"- [`{name}`][{value.__module__}.{value.__qualname__}]" for name, value in found.items()]
    return "`from refimpl import ...` gives:\n\n" + "\n".join(links)


def _written(item: Any) -> Any:
    if isinstance(item, dict):
        return {
            title: [one for one in pages if one not in NOT_YET or (ROOT / "docs" / one).exists()]
            if isinstance(pages, list)
            else pages
            for title, pages in item.items()
        }
    return item
