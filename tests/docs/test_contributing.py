"""CONTRIBUTING.md: the files that its sections name exist, and each kind of addition has a section."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
FOLDERS = ("bench", "data", "docs", "refimpl", "tests")
ADDITIONS = [
    "A BM25 variant",
    "An encoder architecture",
    "A hypothesis",
    "A remote provider",
    "A published package",
    "A data set",
    "A benchmark",
    "A golden vector",
    "A chapter of the tour",
]


def paths(text: str) -> list[str]:
    """The paths of the repository in backticks, without placeholders such as NAME.py."""
    listed = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]+)`", text)
    return [path for path in listed if not re.search(r"NAME|NN-", path)]


def missing(text: str, root: Path = ROOT) -> list[str]:
    return [path for path in paths(text) if not (root / path).exists()]


def test_every_path_exists():
    assert len(paths(TEXT)) > 30
    assert missing(TEXT) == []


def test_a_path_that_does_not_exist_is_reported():
    assert missing("`refimpl/bert/ops.py`, `refimpl/bert/op.py`, `bench/test_NAME.py`") == ["refimpl/bert/op.py"]


def test_each_kind_of_addition_has_a_section_with_a_table_of_files():
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))
    assert [name for name in ADDITIONS if "| file | change |" not in sections.get(name, "")] == []


def test_the_tables_that_it_names_exist():
    from refimpl.bert import architectures, ops
    from refimpl.diagnosis import bm25_hypotheses
    from refimpl.sparse.bm25 import formulas

    modules = (architectures, ops, bm25_hypotheses, formulas)
    named = [name for name in re.findall(r"`([A-Z_]{4,})`", TEXT) if name not in ("CONFIGS", "PROVIDERS")]
    assert set(named) >= {"ACTIVATIONS", "ARCHITECTURES", "ORIGINS", "VARIANTS"}
    assert [name for name in named if not any(hasattr(module, name) for module in modules)] == []
