"""docs/pymilvus-model.md: its code prints what stands under it, and its table has every class of pymilvus.model."""

import contextlib
import importlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "pymilvus-model.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([\w.]+)` \| [^|]+ \| [^|]+ \|$", TEXT, re.MULTILINE)


def test_every_block_runs_and_prints_what_the_page_says() -> None:
    blocks = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == TEXT.count("```python") == 2
    names: dict[str, Any] = {}
    for code, expected in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(PAGE), "exec"), names)
        assert printed.getvalue() == expected


@pytest.mark.parametrize("row", ROWS)
def test_every_class_of_the_table_is_here(row: str) -> None:
    package, _, name = row.rpartition(".")
    assert isinstance(getattr(importlib.import_module(f"refimpl.{package}".rstrip(".")), name), type)


@pytest.mark.peer
def test_the_table_has_every_class_of_pymilvus_model() -> None:
    from pymilvus.model import dense, hybrid, reranker, sparse

    theirs = {"DefaultEmbeddingFunction"}
    for package in (dense, hybrid, reranker, sparse):
        where = package.__name__.removeprefix("pymilvus.model.")
        theirs |= {f"{where}.{name}" for name in package.__all__ if name.endswith("Function")}
    assert set(ROWS) == theirs
    assert len(ROWS) == len(theirs)
