"""`refimpl serve`'s application, running on loopback in a thread."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from served import running
from strangers import Instant

from refimpl import MaxSimRerankFunction, MiniLMEmbeddingFunction, SpladeEmbeddingFunction
from refimpl.http import Secret
from refimpl.serve.engine import Engine, Reranker
from refimpl.serve.limits import Limits

KEY = "the-key"
Serve = Callable[..., str]


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine(MiniLMEmbeddingFunction(), MaxSimRerankFunction(), "all-MiniLM-L6-v2", "maxsim")


@pytest.fixture(scope="session")
def serve(engine: Engine) -> Iterator[Serve]:
    """`serve(key=..., limits=..., reranker=..., splade=...)` starts a server and gives its address."""
    with ExitStack() as stack:

        def start(
            key: str | None = None,
            limits: Limits | None = None,
            reranker: Reranker | None = None,
            splade: SpladeEmbeddingFunction | None = None,
        ) -> str:
            chosen = Engine(engine.embedder, reranker or engine.reranker, "all-MiniLM-L6-v2", "maxsim", splade)
            return stack.enter_context(running(chosen, Secret(key) if key else None, limits or Limits()))

        yield start


@pytest.fixture(scope="session")
def url(serve: Serve) -> str:
    return serve()


@pytest.fixture(scope="session")
def sparse_url(serve: Serve) -> str:
    """One that serves splade-tiny too."""
    return serve(splade=SpladeEmbeddingFunction("splade-tiny"))


@pytest.fixture(scope="session")
def locked_url(serve: Serve) -> str:
    return serve(key=KEY)


@pytest.fixture
def instant() -> Instant:
    return Instant()


@pytest.fixture
def fake(engine: Engine, instant: Instant) -> Engine:
    """The session's encoder with a reranker that computes nothing."""
    return Engine(engine.embedder, instant, "minilm", "instant")
