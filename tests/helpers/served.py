"""`refimpl serve`'s application, running on loopback in a thread."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from refimpl import MaxSimRerankFunction, MiniLMEmbeddingFunction
from refimpl.http import Secret
from refimpl.serve.app import Limits, build_app
from refimpl.serve.engine import Engine


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


@contextmanager
def served() -> Iterator[str]:
    """The address of a server of MiniLM's vectors and MaxSim's scores, without a key."""
    engine = Engine(MiniLMEmbeddingFunction(), MaxSimRerankFunction(), "all-MiniLM-L6-v2", "maxsim")
    with running(engine, None, Limits()) as url:
        yield url
