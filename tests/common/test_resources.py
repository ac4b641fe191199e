import json
from pathlib import Path

import pytest

from refimpl.common import resources


def test_the_golden_vectors_are_found_in_a_checkout() -> None:
    manifest = json.loads((resources.data_path("vectors") / "manifest.json").read_text(encoding="utf-8"))
    assert manifest


def test_the_packages_own_data_comes_before_the_checkouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "__file__", str(tmp_path / "refimpl" / "common" / "resources.py"))
    beside, inside = tmp_path / "data" / "vectors", tmp_path / "refimpl" / "data" / "vectors"
    beside.mkdir(parents=True)
    assert resources.data_path("vectors") == beside
    inside.mkdir(parents=True)
    assert resources.data_path("vectors") == inside


def test_missing_data_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match=r"refimpl's data folder 'no-such' is missing: reinstall refimpl"):
        resources.data_path("no-such")


def test_the_cache_is_the_named_folder_then_the_xdg_cache_then_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("REFIMPL_CACHE", "~/my cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert resources.cache_dir() == tmp_path / "my cache"
    monkeypatch.setenv("REFIMPL_CACHE", "")
    assert resources.cache_dir() == tmp_path / "xdg" / "refimpl"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert resources.cache_dir() == tmp_path / ".cache" / "refimpl"
    assert not (tmp_path / ".cache").exists(), "no folder is created"
