"""The API reference: one page per public class or function, rendered from its docstring, and the navigation to them."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from mkdocs.structure.files import File, Files

import refimpl
from refimpl import oracle

GROUPS = {  # by the subpackage that defines the name, in the order of the navigation
    "dense": "Dense embeddings",
    "sparse": "Sparse embeddings",
    "hybrid": "Dense and sparse in one pass",
    "reranker": "Rerankers",
    "base": "Base classes and results",
    "oracle": "Assertions",
}


@dataclass(frozen=True)
class Entry:
    """A public class or function: the import statement that users write, its definition, and its other names."""

    name: str
    statement: str
    value: Any
    aliases: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The full name of the definition, which mkdocstrings reads."""
        return f"{self.value.__module__}.{self.value.__qualname__}"

    @property
    def group(self) -> str:
        """The subpackage that defines it."""
        return str(self.value.__module__).split(".")[1]

    @property
    def page(self) -> str:
        """The path of its page within the site's sources."""
        return f"api/{self.name}.md"

    @property
    def summary(self) -> str:
        """The first paragraph of its docstring, on one line."""
        return " ".join((inspect.getdoc(self.value) or "").partition("\n\n")[0].split())


def entries() -> list[Entry]:
    """The public classes and functions of `refimpl` and `refimpl.oracle`, by group, then by name."""
    values: dict[Any, list[str]] = {}
    for name in refimpl.__all__:
        if not isinstance(value := getattr(refimpl, name), ModuleType):
            values.setdefault(value, []).append(name)
    public = [_entry("refimpl", names, value) for value, names in values.items()]
    public += [_entry("refimpl.oracle", [name], getattr(oracle, name)) for name in oracle.__all__]
    return sorted(public, key=lambda entry: (list(GROUPS).index(entry.group), entry.name))


def _entry(package: str, names: list[str], value: Any) -> Entry:
    name = value.__name__
    return Entry(name, f"from {package} import {name}", value, tuple(sorted({*names} - {name})))


def page(entry: Entry) -> str:
    """The Markdown of an entry's page: its import statement, its aliases, and mkdocstrings' rendering of it."""
    aliases = "".join(f"\n\nAlso importable as `{alias}`." for alias in entry.aliases)
    return f"# {entry.name}\n\n```python\n{entry.statement}\n```{aliases}\n\n::: {entry.path}\n"


def index() -> str:
    """The Markdown of the API's first page: every public name with its summary, by group."""
    sections = [
        f"## {title}\n\n| name | summary |\n|---|---|\n" + "\n".join(_row(entry) for entry in listed)
        for title, listed in _by_group()
    ]
    introduction = (
        "What `refimpl` and `refimpl.oracle` export. Names and signatures of embedding functions and rerankers are "
        "those of `pymilvus.model`. Modules that are not listed here may change without notice."
    )
    return "\n\n".join(["# API", introduction, *sections]) + "\n"


def _row(entry: Entry) -> str:
    summary = entry.summary.replace("|", "\\|")
    return f"| [`{entry.name}`]({entry.name}.md) | {summary} |"


def _by_group() -> Iterator[tuple[str, list[Entry]]]:
    public = entries()
    for group, title in GROUPS.items():
        yield title, [entry for entry in public if entry.group == group]


def on_config(config: Any) -> Any:
    """Put the API's pages into the navigation, by group."""
    groups = [{title: [{entry.name: entry.page} for entry in listed]} for title, listed in _by_group()]
    pages = [{"Overview": "api/index.md"}, *groups]
    config.nav = [{"API": pages} if item == {"API": []} else item for item in config.nav]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the API's pages."""
    files.append(File.generated(config, "api/index.md", content=index()))
    for entry in entries():
        files.append(File.generated(config, entry.page, content=page(entry)))
    return files
