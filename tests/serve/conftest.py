"""`refimpl serve`'s application, running on loopback in a thread."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn

from refimpl import MaxSimRerankFunction, MiniLMEmbeddingFunction
from refimpl.http import Secret
from refimpl.serve.app import Limits, build_app
from refimpl.serve.engine import Engine, Reranker

KEY = "the-key"
Serve = Callable[..., str]


@contextmanager
def running(engine: Engine, key: Secret | None, limits: Limits) -> Iterator[str]:
    config = uvicorn.Config(build_app(engine, key, limits), log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine(MiniLMEmbeddingFunction(), MaxSimRerankFunction(), "all-MiniLM-L6-v2", "maxsim")


@pytest.fixture(scope="session")
def serve(engine: Engine) -> Iterator[Serve]:
    """`serve(key=..., limits=..., reranker=...)` starts a server and gives its address."""
    with ExitStack() as stack:

        def start(key: str | None = None, limits: Limits | None = None, reranker: Reranker | None = None) -> str:
            chosen = Engine(engine.embedder, reranker or engine.reranker, "all-MiniLM-L6-v2", "maxsim")
            return stack.enter_context(running(chosen, Secret(key) if key else None, limits or Limits()))

        yield start


@pytest.fixture(scope="session")
def url(serve: Serve) -> str:
    return serve()


@pytest.fixture(scope="session")
def locked_url(serve: Serve) -> str:
    return serve(key=KEY)
