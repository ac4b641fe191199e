"""Runs the application under uvicorn until SIGINT or SIGTERM; requests under way are finished first."""

import signal
import socket
import sys
from types import FrameType

import uvicorn

from refimpl.http import Secret, is_loopback
from refimpl.serve.app import Limits, build_app
from refimpl.serve.engine import Engine

GRACE_S = 10


def run(engine: Engine, host: str, port: int, key: Secret | None, limits: Limits) -> None:
    """Serve on `host:port` (port 0 takes any free one) and print the address once connections are accepted.

    Raises OSError when the port cannot be had.
    """
    config = uvicorn.Config(
        build_app(engine, key, limits), log_level="warning", lifespan="off", timeout_graceful_shutdown=GRACE_S
    )
    server = uvicorn.Server(config)

    def stop(signum: int, frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn raises a caught signal again when it is done, for the handler that stood before: ours then ends nothing
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)
    with _listening(host, port) as listener:
        url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        if key is None and not is_loopback(url):
            print(f"refimpl: {url} is open to the network without a key: give --api-key", file=sys.stderr)
        print(f"{url}  embeddings: {engine.embed_name}  rerank: {engine.rerank_name}  (Ctrl-C stops)", flush=True)
        server.run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise OSError(f"cannot listen on {host} port {port} ({error.strerror}): choose another with --port") from error
