"""Run the application under uvicorn until SIGINT or SIGTERM, which let running requests finish within a grace."""

import os
import signal
import socket
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, cast

import uvicorn

from refimpl.http import Secret, is_loopback
from refimpl.serve.app import build_app
from refimpl.serve.engine import Engine
from refimpl.serve.limits import Limits
from refimpl.serve.metrics import Metrics
from refimpl.serve.protocol import Connections

BACKLOG = 128  # connections that wait to be accepted
AT_ONCE = 32  # connections that asyncio accepts in one step of its loop
STEPS = 4  # from a connection being accepted to one beyond the cap being closed
OTHER_FILES = 64


class Server(uvicorn.Server):
    """uvicorn's server for refimpl's application; what waits is refused when it stops."""

    def __init__(self, engine: Engine, key: Secret | None, limits: Limits, hosts: Collection[str] = ()) -> None:
        metrics = Metrics()
        self.app = build_app(engine, key, limits, hosts, metrics)
        connections = Connections(limits, metrics, most_connections(limits))
        super().__init__(
            uvicorn.Config(
                self.app,
                http=cast("Any", connections.protocol),
                ws="none",
                lifespan="off",
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=AT_ONCE,
                timeout_graceful_shutdown=cast("int", limits.grace_s),  # passed to asyncio.wait_for
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and let more connections wait than asyncio accepts at once: it has one number for both."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse what waits, then wait for what is computed."""
        self.app.state.admission.stop()
        await super().shutdown(sockets)

    @property
    def computing(self) -> bool:
        """Whether a step is being computed, which nothing can interrupt."""
        return bool(self.app.state.batches.computing)


def run(engine: Engine, host: str, port: int, key: Secret | None, limits: Limits, hosts: Collection[str] = ()) -> None:
    """Serve on `host:port` (port 0 for any free one) and print the address once connections are accepted.

    Raises OSError when the port is not available.
    """
    server = Server(engine, key, limits, {host, *hosts})
    if (most := most_connections(limits)) < limits.max_connections:
        wanted = f"{limits.max_connections} connections"
        print(f"refimpl: expected files for {wanted}, got {most}: raise `ulimit -n`", file=sys.stderr)

    def stop(signum: int, frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn raises a caught signal again at its end, for the earlier handler: this one then has no effect
    with listening(host, port) as listener, _handling(stop):
        url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        if key is None and not is_loopback(url):
            print(f"refimpl: {url} is open to the network without a key: pass --api-key-file", file=sys.stderr)
        print(f"{url}  embeddings: {engine.embed_name}  rerank: {engine.rerank_name}  (Ctrl-C stops)", flush=True)
        server.run(sockets=[listener])
    if server.computing:  # its requests were refused when the grace ended; Python would wait for its thread
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


@contextmanager
def _handling(stop: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle SIGINT and SIGTERM by `stop`, and by the earlier handlers again afterwards."""
    former = {signum: signal.signal(signum, stop) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in former.items():
            signal.signal(signum, handler)


def most_connections(limits: Limits) -> int:
    """`max_connections`, or fewer where the limit on open files leaves no more.

    asyncio accepts up to `AT_ONCE` connections in each of `STEPS` steps before the first has displaced another. Where
    no file is left, it logs an error for each and tries again: hundreds of megabytes in a minute.
    """
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return limits.max_connections
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return limits.max_connections
    return max(1, min(limits.max_connections, files - STEPS * AT_ONCE - OTHER_FILES))


def listening(host: str, port: int) -> socket.socket:
    """A listening TCP socket; OSError when the port is not available.

    It names its protocol, without which asyncio does not set TCP_NODELAY on connections: the end of each response then
    waits for the client's delayed acknowledgement, 40 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise OSError(f"cannot listen on {host} port {port} ({error.strerror}): choose another with --port") from error
    return socket.socket(family, listener.type, socket.IPPROTO_TCP, fileno=listener.detach())
