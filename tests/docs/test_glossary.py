"""docs/glossary.md: every link to it has a definition, and every definition is linked from a page."""

import re
from pathlib import Path

from markdown.extensions.toc import slugify

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"


def definitions(glossary: str) -> dict[str, str]:
    """The text under each term's heading, by the heading's anchor."""
    parts = re.split(r"^#{2,3} (.+)$", glossary, flags=re.MULTILINE)[1:]
    titles, bodies = parts[::2], parts[1::2]
    terms = re.findall(r"^### (.+)$", glossary, flags=re.MULTILINE)
    return {slugify(title, "-"): body.strip() for title, body in zip(titles, bodies, strict=True) if title in terms}


def links(folder: Path) -> dict[str, list[str]]:
    """The pages that link each anchor of the glossary; the glossary's own links to itself are not counted."""
    linked: dict[str, list[str]] = {}
    for page in [*folder.glob("*.md"), *(folder / "docs").rglob("*.md")]:
        for anchor in re.findall(r"\]\((?:[\w./]*/)?glossary\.md#([^)]*)\)", page.read_text("utf-8")):
            linked.setdefault(anchor, []).append(page.relative_to(folder).as_posix())
    return linked


def faults(folder: Path) -> tuple[list[str], list[str]]:
    """The linked anchors that have no definition, and the terms that no page links."""
    defined = definitions((folder / "docs" / "glossary.md").read_text("utf-8"))
    linked = links(folder)
    return sorted(linked.keys() - defined.keys()), sorted(defined.keys() - linked.keys())


def test_every_link_has_a_definition_and_every_definition_is_linked():
    assert faults(ROOT) == ([], [])


def test_each_term_is_defined_once_and_briefly():
    terms = re.findall(r"^### (.+)$", GLOSSARY.read_text("utf-8"), flags=re.MULTILINE)
    defined = definitions(GLOSSARY.read_text("utf-8"))
    assert len(terms) == len(set(terms)) == len(defined) >= 60
    assert [term for term, text in defined.items() if not 20 <= len(text) <= 400] == []


def test_a_missing_definition_and_an_unlinked_term_are_reported(tmp_path):
    (tmp_path / "docs" / "tour").mkdir(parents=True)
    (tmp_path / "docs" / "glossary.md").write_text("## Text\n\n### Mean pooling\n\nAn average.\n\n### tf\n\nA count.\n")
    (tmp_path / "docs" / "tour" / "a.md").write_text("[mean](../glossary.md#mean-pooling) [idf](../glossary.md#idf)")
    (tmp_path / "README.md").write_text("[section](docs/glossary.md#text)")
    assert faults(tmp_path) == (["idf", "text"], ["tf"])
