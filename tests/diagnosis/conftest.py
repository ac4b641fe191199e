"""A small model whose every fault shows, and texts on which they do."""

from pathlib import Path

import pytest
from faulty_bert import write_small_model


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path) -> Path:
    return write_small_model(tmp_path_factory.mktemp("small-minilm"), minilm_folder / "tokenizer.json")


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return [
        "Grüße aus Łódź, sagte Zoë!",
        "Two ROADS diverged in a yellow wood.",
        "春の海 終日のたり",
        "",
        "hm",
        "And looked down one as far as I could to where it bent in the undergrowth; " * 10,  # cut at 136
    ]


@pytest.fixture
def quick(unchecked: None) -> None:
    """Without the shape and type checks, which take longer than the small model; each diagnosis is checked once too."""
