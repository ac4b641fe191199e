"""llama.cpp's HTTP server, for tests of clients."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gguf_files import write_gguf

from refimpl import models

KEY = "the-key"


def llama_server(file: Path, *, pooling: str) -> Any:
    """A running server, which stops when it is garbage-collected; `listening_address` is its URL."""
    import xllamacpp

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.embedding = True
    params.pooling_type = getattr(xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{pooling}")
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED  # for its accuracy
    params.n_ctx = params.n_batch = params.n_ubatch = 512
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.warmup = False
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.api_keys = [KEY]
    return xllamacpp.Server(params)


@pytest.fixture(scope="module")
def llama() -> Iterator[Callable[..., str]]:
    """Starts llama.cpp's server on a GGUF file, and returns its address."""
    servers: list[Any] = []

    def start(file: Path, *, pooling: str) -> str:
        servers.append(llama_server(file, pooling=pooling))
        return servers[-1].listening_address

    yield start
    servers.clear()


@pytest.fixture(scope="module")
def embedding_url(llama: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("gguf") / "minilm.gguf"
    return llama(write_gguf(models.path("all-MiniLM-L6-v2"), file, rank=False), pooling="MEAN")
