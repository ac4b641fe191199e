"""`refimpl serve`'s application, running on loopback in a thread."""

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from refimpl import MaxSimRerankFunction, MiniLMEmbeddingFunction
from refimpl.http import Secret
from refimpl.serve.engine import Engine
from refimpl.serve.limits import Limits
from refimpl.serve.run import Server, listening


@contextmanager
def running_server(
    engine: Engine, key: Secret | None = None, limits: Limits | None = None, hosts: Collection[str] = ()
) -> Iterator[tuple[Server, int]]:
    """A server in a thread, and its port."""
    server = Server(engine, key, limits or Limits(), hosts)
    with listening("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield server, listener.getsockname()[1]
        server.should_exit = True
        thread.join(10)


@contextmanager
def running(engine: Engine, key: Secret | None, limits: Limits) -> Iterator[str]:
    with running_server(engine, key, limits) as (_, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def served() -> Iterator[str]:
    """The address of a server of MiniLM's vectors and MaxSim's scores, without a key."""
    engine = Engine(MiniLMEmbeddingFunction(), MaxSimRerankFunction(), "all-MiniLM-L6-v2", "maxsim")
    with running(engine, None, Limits()) as url:
        yield url
