"""docs/rerankers.md: every block of code runs, in order, and prints what stands under it."""

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

PAGE = Path(__file__).parents[2] / "docs" / "rerankers.md"


@pytest.fixture
def cross_encoder(tmp_path: Path, minilm_folder: Path) -> Path:
    """Stands in for the hub's cross-encoder: MiniLM with a classifier of zeros."""
    tensors = load_file(minilm_folder / "model.safetensors")
    tensors |= {"classifier.weight": np.zeros((1, 384), np.float32), "classifier.bias": np.zeros(1, np.float32)}
    save_file(tensors, tmp_path / "model.safetensors")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((minilm_folder / name).read_bytes())
    assert "BertModel" in json.loads((tmp_path / "config.json").read_text())["architectures"]
    return tmp_path


def test_every_block_runs_and_prints_what_the_page_says(url: str, cross_encoder: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```\n(?:```text\n(.*?)```)?", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 6
    names: dict[str, Any] = {}
    for code, expected in blocks:
        code = code.replace("http://127.0.0.1:8080", url)
        code = code.replace("cross-encoder/ms-marco-MiniLM-L6-v2", str(cross_encoder))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(PAGE), "exec"), names)
        assert printed.getvalue() == expected
