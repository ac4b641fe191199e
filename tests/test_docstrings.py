"""Docstrings of the public classes: every parameter is described, and the examples run."""

import dataclasses
import doctest
import inspect
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import seeded
from served import served

import refimpl
from refimpl import models, oracle
from refimpl.common.resources import data_path

NAMES = [name for name in refimpl.__all__ if not inspect.ismodule(getattr(refimpl, name))]
PUBLIC = {name: getattr(refimpl, name) for name in NAMES} | {name: getattr(oracle, name) for name in oracle.__all__}


def sections(text: str) -> dict[str, str]:
    """Content of each numpydoc section by its title; the part before the first has the title ""."""
    parts = re.split(r"^(\w+)\n-{3,}\n", text, flags=re.MULTILINE)
    return dict(zip(["", *parts[1::2]], parts[::2], strict=True))


def described(section: str) -> set[str]:
    """Names that a Parameters or Raises section describes."""
    lines = [line for line in section.splitlines() if line and not line.startswith(" ")]
    return {name.strip().lstrip("*") for line in lines for name in line.split(",")}


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path) -> Path:
    """A folder for REFIMPL_MODEL_DIR: small models under the names in the examples, some of random weights."""
    root = tmp_path_factory.mktemp("models")
    (root / "all-MiniLM-L6-v2").symlink_to(minilm_folder)
    (root / "splade-tiny").symlink_to(models.path("splade-tiny"))
    seeded.model2vec_folder(root / "potion-base-8M", dim=256)
    seeded.bge_m3_folder(root / "bge-m3")
    seeded.mgte_folder(root / "gte-multilingual-base")
    for name in ("paraphrase-albert-onnx", "paraphrase-albert-small-v2"):
        shutil.copytree(seeded.ONNX, root / name)
    seeded.instructor_folder(root / "instructor-xl")
    seeded.qwen3_reranker_folder(root / "Qwen3-Reranker-0.6B")
    for name in ("ms-marco-MiniLM-L6-v2", "bge-reranker-v2-m3"):
        shutil.copytree(data_path("vectors") / "rerank" / "model", root / name)
    return root


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of `refimpl serve`."""
    with served() as address:
        yield address


def failures(owner: Any, name: str, **names: object) -> str:
    """Report of the examples of `owner` that fail, "" if all pass; `names` are defined before they run."""
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    tests = doctest.DocTestFinder(exclude_empty=True, recurse=False).find(owner, name, globs=names)
    assert sum(len(test.examples) for test in tests)
    for test in tests:
        runner.run(test, out=report.append)
    return "".join(report)


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")
def test_examples_run(
    name: str, stand_ins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    needs_server = "at `url`" in (inspect.getdoc(PUBLIC[name]) or "")
    names = {"url": request.getfixturevalue("url")} if needs_server else {}
    monkeypatch.setenv("REFIMPL_MODEL_DIR", str(stand_ins))
    monkeypatch.chdir(tmp_path)
    assert failures(PUBLIC[name], name, **names) == ""


def test_the_example_of_models_path_runs() -> None:
    assert failures(refimpl.models.path, "path") == ""


@pytest.mark.parametrize("name", PUBLIC)
def test_every_parameter_and_section_is_there(name: str) -> None:
    owner = PUBLIC[name]
    documented = sections(inspect.cleandoc(owner.__doc__))
    assert re.fullmatch(r"[A-Z].*\.", documented[""].strip().partition("\n\n")[0], re.DOTALL)
    assert "Examples" in documented
    if inspect.isfunction(owner) or "__init__" in vars(owner):
        assert described(documented["Parameters"]) == set(inspect.signature(owner).parameters)
        assert dataclasses.is_dataclass(owner) or {"Raises", "Notes"} <= set(documented)
    if inspect.isfunction(owner):
        assert ("Returns" in documented) == (inspect.signature(owner).return_annotation is not None)


def test_a_wrong_example_is_reported() -> None:
    class Wrong:
        """One sentence.

        >>> 1 + 1
        3
        """

    assert "Expected:\n    3\nGot:\n    2" in failures(Wrong, "Wrong")


def test_sections_and_names_are_split_as_numpydoc_does() -> None:
    text = "One.\n\nParameters\n----------\na, b\n    Two.\n**kwargs\n    Rest.\n\nNotes\n-----\nc\n"
    assert list(sections(text)) == ["", "Parameters", "Notes"]
    assert described(sections(text)["Parameters"]) == {"a", "b", "kwargs"}
