"""Below a session: connections that end at the deadline, one pool of them per process, and the schedule of retries."""

import ipaddress
import os
import queue
import random
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry, Timeout
from urllib3.util.connection import create_connection

from refimpl.http.deadline import Cut
from refimpl.http.framing import Response


def addresses_of(host: str, port: int, timeout_s: float) -> list[str]:
    """IP addresses of `host`; TimeoutError when the resolver does not answer in time, OSError for no such host.

    The resolver cannot be interrupted: it runs in a thread, which is left behind then.
    """
    literal = host.strip("[]").partition("%")[0]
    try:
        ipaddress.ip_address(literal)
    except ValueError:
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=_resolve, args=(host, port, answers), name="refimpl-resolver", daemon=True).start()
        try:
            answer = answers.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError(f"looking up {host} timed out") from None
        if isinstance(answer, Exception):
            raise answer from None
        return answer
    return [host.strip("[]")]


def _resolve(host: str, port: int, answers: "queue.SimpleQueue[Any]") -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        answers.put(list(dict.fromkeys(str(address[0]) for *_, address in found)))
    except Exception as error:  # the caller raises it
        answers.put(error)


def _connect(connection: Any) -> socket.socket:
    """A socket connected to one of the host's addresses; the timeout is one for all of them."""
    cut = Cut.current()
    limit_s = connection.timeout if isinstance(connection.timeout, int | float) else threading.TIMEOUT_MAX
    until = time.monotonic() + (limit_s if cut is None else min(limit_s, cut.remaining_s()))
    failure: OSError = OSError("no address")
    try:
        for address in addresses_of(connection._dns_host, connection.port, max(0.001, until - time.monotonic())):
            try:
                return create_connection(
                    (address, connection.port),
                    max(0.001, until - time.monotonic()),
                    source_address=connection.source_address,
                    socket_options=connection.socket_options,
                )
            except OSError as error:
                failure = error
            if time.monotonic() >= until:
                break
        raise failure
    except (socket.gaierror, UnicodeError) as error:
        unresolved = error if isinstance(error, socket.gaierror) else socket.gaierror("no such host")
        raise NameResolutionError(connection.host, connection, unresolved) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, "connecting timed out") from error
    except OSError as error:
        raise NewConnectionError(connection, str(error)) from error


class _CutConnection(HTTPConnection):
    response_class = Response

    def _new_conn(self) -> socket.socket:
        connected = _connect(self)
        Cut.attach(connected)
        return connected

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # reused
            Cut.attach(self.sock)
        super().putrequest(*args, **kwargs)


class _CutTLSConnection(HTTPSConnection, _CutConnection):
    pass


class _CutPool(HTTPConnectionPool):
    ConnectionCls = _CutConnection


class _CutTLSPool(HTTPSConnectionPool):
    ConnectionCls = _CutTLSConnection


POOLS = {"http": _CutPool, "https": _CutTLSPool}


class CutAdapter(HTTPAdapter):
    """requests' adapter, which applies its proxies and certificates, with connections under `Cut`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Build the pool manager with pools of connections under `Cut`."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Build a proxy's manager with pools of connections under `Cut`; ValueError for a proxy other than http(s)."""
        scheme = proxy.partition(":")[0].lower()
        if scheme not in POOLS:
            raise ValueError(f"expected a proxy at http:// or https://, got {scheme[:20]}://: change the environment")
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager


class Connections:
    """Open connections to a server and to those that it redirects to; a process after a fork opens its own.

    `environment` is whether the proxies and certificates that the environment names apply. No cookie is kept, and no
    redirect is followed or read.
    """

    def __init__(self, *, environment: bool) -> None:
        self._environment = environment
        self._own = self._opened()

    def _opened(self) -> tuple[int, CutAdapter, requests.Session]:
        return os.getpid(), CutAdapter(), requests.Session()

    def post(self, url: str, data: bytes, headers: Mapping[str, str], timeout: tuple[float, float]) -> BaseHTTPResponse:
        """The response to a POST, its body not yet read; `timeout` bounds connecting and each wait, in seconds."""
        if self._own[0] != os.getpid():  # a socket shared with the parent would give it this process's answers
            self._own = self._opened()
        adapter: Any = self._own[1]
        session = self._own[2]
        request = requests.PreparedRequest()
        request.prepare_url(url, None)
        proxies: dict[str, str] = {}
        verify: Any = True
        if self._environment:
            settings = session.merge_environment_settings(request.url, {}, True, None, None)
            proxies, verify = dict(settings["proxies"]), settings["verify"]
        pool: Any = adapter.get_connection_with_tls_context(request, verify, proxies=proxies)
        adapter.cert_verify(pool, request.url, verify, None)
        response: BaseHTTPResponse = pool.urlopen(
            "POST",
            adapter.request_url(request, proxies),
            body=data,
            headers=headers,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            retries=False,
            timeout=Timeout(connect=timeout[0], read=timeout[1]),
        )
        return response

    def close(self) -> None:
        """Close them; new ones are opened by the next request."""
        self._own[1].close()


class Schedule(Retry):
    """urllib3's count of retries, with waits of 0.5, 1, 2, 4, 8, 8... s, each shortened at random by at most a half."""

    def __init__(self, total: int = 3, **kwargs: Any) -> None:
        super().__init__(total, **{"backoff_factor": 0.5, "backoff_max": 8.0, **kwargs})

    def wait_s(self, requested_s: float | None) -> float:
        """Seconds before the next attempt: those that the server requested, capped, or else the backoff."""
        if requested_s is not None:
            return min(requested_s, self.retry_after_max)
        backoff_s = min(self.backoff_max, self.backoff_factor * 2.0 ** max(0, len(self.history) - 1))
        return backoff_s * random.uniform(0.5, 1.0)
