"""Shared fixtures: the model's folder, its two embedding functions, a small random encoder."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import type_checks
from hypothesis import settings
from safetensors.numpy import save_file

SHARED = Path(__file__).parents[2] / "shared"

settings.register_profile("no deadline", deadline=None)  # a busy machine is no failure
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    from refimpl import models

    return models.path("all-MiniLM-L6-v2")


@pytest.fixture(scope="session")
def minilm32(minilm_folder):
    from refimpl import MiniLMEmbeddingFunction

    return MiniLMEmbeddingFunction(minilm_folder)


@pytest.fixture(scope="session")
def minilm64(minilm_folder):
    from refimpl import MiniLMEmbeddingFunction

    return MiniLMEmbeddingFunction(minilm_folder, dtype="float64")


@pytest.fixture(scope="session")
def sts_pairs() -> list[tuple[float, str, str]]:
    """STS-Benchmark's test split: score, sentence1, sentence2."""
    file = SHARED / "sts" / "stsbenchmark-test.tsv"
    if not file.is_file():
        pytest.skip(
            f"STS-Benchmark is not part of this project; put its test split at ../{file.relative_to(SHARED.parent)}"
        )
    rows = [line.split("\t") for line in file.read_text(encoding="utf-8").split("\n") if line]
    return [(float(row[4]), row[5], row[6]) for row in rows]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    """A BERT of 2 layers, 3 heads and 24 features with random weights, written by the safetensors library."""
    from refimpl.bert.config import BertConfig
    from refimpl.bert.shapes import encoder_shapes

    folder = tmp_path_factory.mktemp("tiny-bert")
    published = {
        "model_type": "bert",
        "vocab_size": 50,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "max_position_embeddings": 32,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
    }
    (folder / "config.json").write_text(json.dumps(published))
    rng = np.random.default_rng(0)
    shapes = encoder_shapes(BertConfig.load(folder))
    save_file({n: rng.normal(0, 0.4, s).astype(np.float32) for n, s in shapes.items()}, folder / "model.safetensors")
    return folder


@pytest.fixture
def unchecked():
    """Disable the shape and type checks that run in tests, as they are for a user."""
    import jaxtyping

    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True)
def checked_anew() -> None:
    """Check the first calls of each function of refimpl in each test."""
    type_checks.next_test()


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread():
    """Limit BLAS to one thread: for small products on a busy machine, more threads mostly wait."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="module", autouse=True)
def no_event_loop_left() -> None:
    """Fail a module before which another left an event loop running: `asyncio.run` would fail in each later test."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


@pytest.fixture(scope="module")
def chromium(no_event_loop_left: None) -> Iterator[Any]:
    """A running browser, with Playwright's event loop; skips where Chromium is not installed."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
