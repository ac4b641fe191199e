"""The API reference: a page for each public name and for nothing else, rendered from its docstring.

tests/test_docstrings.py runs the examples of all of them.
"""

from pathlib import Path
from types import ModuleType

import pytest
import yaml

import refimpl
from docs.hooks import reference
from refimpl import oracle

ENTRIES = reference.entries()


def test_every_public_name_is_on_exactly_one_page():
    public = {name for name in refimpl.__all__ if not isinstance(getattr(refimpl, name), ModuleType)}
    listed = [name for entry in ENTRIES for name in (entry.name, *entry.aliases)]
    assert sorted(listed) == sorted(public | set(oracle.__all__))
    assert len({entry.page.lower() for entry in ENTRIES}) == len(ENTRIES)


def test_every_subpackage_with_a_public_name_has_a_group():
    assert {entry.group for entry in ENTRIES} == set(reference.GROUPS)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_page_imports_and_renders_one_definition(entry):
    namespace = {}
    exec(entry.statement, namespace)
    assert namespace[entry.name] is entry.value
    markdown = reference.page(entry)
    assert [line for line in markdown.splitlines() if line.startswith(":::")] == [f"::: {entry.path}"]
    assert all(f"`{alias}`" in markdown for alias in entry.aliases)
    assert entry.summary
    assert entry.summary in reference.index().replace("\\|", "|")


def test_source_code_and_private_members_are_not_rendered():
    config = yaml.safe_load((Path(__file__).parents[2] / "mkdocs.yml").read_text("utf-8"))
    (options,) = (plugin["mkdocstrings"] for plugin in config["plugins"] if "mkdocstrings" in plugin)
    python = options["handlers"]["python"]["options"]
    assert python["show_source"] is False
    assert python["docstring_style"] == "numpy"
    assert python["show_root_heading"] is True, "it has the signature of the constructor"
    assert "!^_" in python["filters"]
