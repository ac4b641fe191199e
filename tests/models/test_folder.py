"""Where model folders are searched, which names are accepted, and what is verified."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from model_shell import FILES, ROOT, SHA256, WHEEL, Shell, error_line, write_model

from refimpl import models

# A directory as an argument or in REFIMPL_MODEL_DIR


@pytest.mark.parametrize("name", ["models", "models/toy", "with space/ü 模型/toy", 'toy\'s "best"/toy'])
def test_the_directory_may_be_the_model_folder_or_contain_it(toy: str, tmp_path: Path, name: str) -> None:
    folder = write_model(tmp_path / name)
    assert models.path(toy, folder) == folder
    if folder.name == toy:
        assert models.path(toy, str(folder.parent)) == folder


def test_no_other_place_is_searched_when_a_directory_is_passed(toy: str, tmp_path: Path) -> None:
    write_model(models.cached(toy))
    with pytest.raises(
        models.ModelUnavailableError, match=r"directory must contain toy, got .*elsewhere: it is not a folder"
    ):
        models.path(toy, tmp_path / "elsewhere")
    (tmp_path / "partly").mkdir()
    (tmp_path / "partly/config.json").write_bytes(FILES["config.json"])
    with pytest.raises(models.ModelUnavailableError, match=r"partly lacks model\.safetensors, 1_Pooling/config\.json$"):
        models.path(toy, tmp_path / "partly")


@pytest.mark.parametrize("kind", ["model folder", "folder of model folders", "a home folder"])
def test_model_dir_precedes_the_cache(toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    write_model(models.cached(toy))
    folder = write_model(tmp_path / "mine/toy")
    monkeypatch.setenv("HOME", str(tmp_path))
    values = {"model folder": folder, "folder of model folders": folder.parent, "a home folder": "~/mine"}
    monkeypatch.setenv("REFIMPL_MODEL_DIR", str(values[kind]))
    assert models.path(toy) == folder


def test_model_dir_without_the_model_falls_back_to_the_cache(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(models.cached(toy))
    monkeypatch.setenv("REFIMPL_MODEL_DIR", str(tmp_path))
    assert models.path(toy) == models.cached(toy)


def test_model_dir_that_is_no_folder_is_an_error(toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(models.cached(toy))
    monkeypatch.setenv("REFIMPL_MODEL_DIR", str(tmp_path / "mistyped"))
    with pytest.raises(
        models.ModelUnavailableError, match=r"REFIMPL_MODEL_DIR must be a folder, got .*mistyped: correct"
    ):
        models.path(toy)


def test_files_missing_from_model_dir_are_named_when_every_source_fails(shell: Shell) -> None:
    write_model(shell.home / "mine/toy", {"config.json": b"{}"})
    shell.env["REFIMPL_MODEL_DIR"] = str(shell.home / "mine")
    message = error_line(shell.run("path", "toy"))
    assert f"{shell.home}/mine/toy lacks model.safetensors, 1_Pooling/config.json" in message


def test_a_changed_file_is_refused_in_every_place(toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {**FILES, "model.safetensors": FILES["model.safetensors"][:-1] + b"!"}
    actual, published = hashlib.sha256(changed["model.safetensors"]).hexdigest(), SHA256["model.safetensors"]
    message = rf"model\.safetensors must have the published sha256 {published}, got {actual}"
    folder = write_model(tmp_path / "mine", changed)
    with pytest.raises(models.ModelCorruptError, match=rf"{message}: replace the folder"):
        models.path(toy, folder)
    monkeypatch.setenv("REFIMPL_MODEL_DIR", str(folder))
    with pytest.raises(models.ModelCorruptError, match=message):
        models.path(toy)
    monkeypatch.delenv("REFIMPL_MODEL_DIR")
    write_model(models.cached(toy), changed)
    with pytest.raises(models.ModelCorruptError, match=rf"{message}: run `refimpl models fetch toy --force`"):
        models.path(toy)


def test_a_file_missing_in_the_cache_is_named(toy: str) -> None:
    write_model(models.cached(toy))
    (models.cached(toy) / "1_Pooling/config.json").unlink()
    with pytest.raises(models.ModelCorruptError, match=r"1_Pooling/config\.json is missing: run `refimpl models fetch"):
        models.path(toy)


# Names


@pytest.mark.parametrize(
    "name", ["", " ", "a/b/c", "../secret", "a/..", "/no/such/folder", "~nobody-here/x", "a\0b", "x"]
)
def test_an_invalid_name_is_an_error_that_lists_the_choices(toy: str, name: str) -> None:
    with pytest.raises(models.ModelUnavailableError, match=r"give one of all-MiniLM-L6-v2, .*, a hub repository"):
        models.path(name)


def test_a_file_instead_of_its_folder_is_an_error(toy: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(models.ModelUnavailableError, match="is a file, not its folder"):
        models.path(str(tmp_path / "model.safetensors"))


def test_an_existing_folder_is_its_own_path(toy: str, tmp_path: Path) -> None:
    assert models.path(str(tmp_path)) == tmp_path
    assert models.path(tmp_path) == tmp_path


def test_none_as_a_name_is_a_type_error_that_lists_the_choices() -> None:
    # In another process: here beartype would raise its own error first.
    code = """
from refimpl import models
for name in (None, 3, b"x"):
    try:
        models.path(name)
    except TypeError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    for line, kind in zip(done.stdout.splitlines(), ("NoneType", "int", "bytes"), strict=True):
        assert line.startswith(f"name must be a str, got {kind}: give one of all-MiniLM-L6-v2, splade-tiny, nltk-data")


@pytest.mark.parametrize("function", [models.fetch, lambda name: models.verify(name, Path())])
@pytest.mark.parametrize("name", ["..", "owner/unknown", "ALL-MINILM-L6-V2"])
def test_fetch_and_verify_accept_only_registered_names(toy: str, function: Callable[[str], object], name: str) -> None:
    with pytest.raises(models.ModelUnavailableError, match=r"is not one of all-MiniLM-L6-v2, splade-tiny, nltk-data"):
        function(name)


def test_the_hub_name_of_a_registered_model_is_that_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.SOURCES, "toy", models.Source(files=SHA256, wheel=WHEEL, hub="owner/toy"))
    folder = write_model(tmp_path / "toy")
    assert models.path("owner/toy", tmp_path) == folder


def test_an_unregistered_hub_repository_may_be_in_a_directory(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_model(tmp_path / "reranker")
    assert models.path("owner/reranker", tmp_path) == folder
    assert models.path("owner/reranker", folder) == folder
    monkeypatch.setenv("REFIMPL_MODEL_DIR", str(tmp_path))
    assert models.path("owner/reranker") == folder


def test_reading_a_cached_model_writes_nothing(toy: str) -> None:
    folder = write_model(models.cached(toy))
    before = sorted(folder.parent.rglob("*"))
    assert models.path(toy) == folder
    assert sorted(folder.parent.rglob("*")) == before, "no lock file, so a read-only cache will do"
