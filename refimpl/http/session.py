"""A session with one server: POST JSON, get JSON or a RemoteError, within the deadline."""

import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3
from urllib3.exceptions import MaxRetryError

from refimpl.http.answers import Reply, asked_wait_s, server_message, strict_json
from refimpl.http.errors import ADVICE, DeadlineError, ProtocolError, RemoteError, UnreachableError, kind_of
from refimpl.http.safety import Secret, check_address, is_loopback, origin
from refimpl.http.wire import Bearer, Cut, CutAdapter, Deadline, Schedule

log = logging.getLogger(__name__)

MIB = 1 << 20
CHUNK_BYTES = 1 << 16
MAX_REDIRECTS = 3
# 501 and 505 say that the server never will; every other 5xx may pass
RETRY_STATUSES = frozenset({408, 429}) | frozenset(range(500, 600)) - {501, 505}
# identity: a bound on the body's size then is one on what is received, too
HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}


class Session:
    """POSTs JSON to one server and gives its JSON back, or raises a RemoteError.

    `key` is sent as `Authorization: Bearer`, and never to another host than `base_url`'s. `timeout_s` bounds a whole
    call, retries and waits included; `connect_timeout_s` and `read_timeout_s` bound an attempt's connecting and
    silence. Retried at most `max_retries` times, with exponential backoff and jitter: `retry_statuses`, lost
    connections, silence. A server's `retry-after-ms`, `Retry-After` or `X-RateLimit-Reset` is obeyed up to
    `retry_after_max_s`. Raises ValueError for a plain-http address outside this machine unless `allow_http`.
    """

    def __init__(
        self,
        base_url: str,
        key: Secret | str | None = None,
        *,
        timeout_s: float = 60.0,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 30.0,
        max_retries: int = 3,
        retry_after_max_s: float = 30.0,
        retry_statuses: frozenset[int] = RETRY_STATUSES,
        max_response_bytes: int = 64 * MIB,
        allow_http: bool = False,
    ) -> None:
        check_address(base_url, allow_http=allow_http)
        Deadline.after(timeout_s)
        if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
            raise ValueError(f"max_retries must be a whole number, 0 or more, got {max_retries!r}")
        self.base_url = base_url.rstrip("/")
        self.timeout_s = timeout_s
        self._key = Secret(key) if isinstance(key, str) else key
        self._limits = (connect_timeout_s, read_timeout_s)
        self._schedule = Schedule(max_retries, retry_after_max=retry_after_max_s)
        self._retry_statuses = retry_statuses
        self._max_response_bytes = max_response_bytes
        self._allow_http = allow_http
        self._http = requests.Session()
        self._http.trust_env = not is_loopback(base_url)  # no proxy stands between us and this machine
        self._http.mount("http://", CutAdapter())
        self._http.mount("https://", CutAdapter())

    def __repr__(self) -> str:
        return f"Session({self.base_url})"

    def post(
        self, path: str, body: Any, deadline: Deadline | None = None, read: Callable[[Any], Any] = lambda answer: answer
    ) -> Any:
        """The JSON that answers `body` at `base_url + path`, as `read` understands it.

        A `deadline` may be shared by several calls. A ProtocolError of `read` leaves here with the key hidden, should
        the server have echoed it.
        """
        deadline = deadline or Deadline.after(self.timeout_s)
        data = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        schedule = self._schedule
        while True:
            outcome = self._follow(self.base_url + path, data, deadline)
            if not isinstance(outcome, RemoteError):
                outcome = self._understood(outcome, read)
            if not isinstance(outcome, RemoteError):
                return outcome
            if not outcome.retryable:
                break
            try:
                schedule = schedule.increment("POST", path)
            except MaxRetryError:
                break
            wait_s = schedule.wait_s(outcome.retry_after_s)
            if wait_s >= deadline.remaining_s():
                break
            log.info("%s; trying again in %.2f s", outcome, wait_s)
            time.sleep(wait_s)
        raise outcome

    def close(self) -> None:
        """Close the connections; the session opens new ones when it is used again."""
        self._http.close()

    def _understood(self, answer: Any, read: Callable[[Any], Any]) -> Any:
        try:
            return read(answer)
        except ProtocolError as error:
            said = error.server_message and self._clean(error.server_message)
            return ProtocolError(self._clean(str(error)), status=error.status, server_message=said)

    def _follow(self, url: str, data: bytes, deadline: Deadline) -> Any:
        """One attempt's JSON or RemoteError; 307 and 308 are followed, without the key to another host."""
        home = origin(url)
        for _ in range(MAX_REDIRECTS + 1):
            key = self._key if origin(url) == home else None
            reply = self._attempt(url, data, key, deadline)
            if isinstance(reply, RemoteError):
                return reply
            location = reply.headers.get("Location")
            if reply.status not in (301, 302, 303, 307, 308) or not location:
                return self._judged(reply, keyless=key is not self._key)
            url = urljoin(url, location)
            if reply.status not in (307, 308):
                said = f"moved to {self._clean(url)} ({reply.status}): give that address as base_url"
                return ProtocolError(f"{self.base_url} has {said}", status=reply.status)
            try:
                check_address(url, allow_http=self._allow_http)
            except ValueError as error:
                return ProtocolError(f"{self.base_url} redirects: {self._clean(str(error))}", status=reply.status)
        return ProtocolError(f"{self.base_url} redirects more than {MAX_REDIRECTS} times")

    def _attempt(self, url: str, data: bytes, key: Secret | None, deadline: Deadline) -> Reply | RemoteError:
        """One exchange; a failure is returned, not raised, so that it holds no frame in which the key is a local."""
        remaining_s = deadline.remaining_s()
        if remaining_s <= 0:
            return self._too_late(deadline)
        connect_s, read_s = (min(limit, remaining_s) for limit in self._limits)
        reply: Reply | RemoteError
        with Cut(deadline) as cut:
            try:
                with self._send(url, data, key, (connect_s, read_s)) as response:
                    reply = self._read(response)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                reply = self._lost(error)
        if cut.fired or deadline.remaining_s() <= 0:
            return self._too_late(deadline)
        return reply

    def _send(self, url: str, data: bytes, key: Secret | None, timeout: tuple[float, float]) -> requests.Response:
        """`requests.post` without merging a session's defaults of which there are none: a third of a call's cost."""
        request = requests.PreparedRequest()
        request.prepare("POST", url, headers=HEADERS, data=data, auth=Bearer(key))
        environment: dict[str, Any] = {"proxies": {}}
        if self._http.trust_env:  # proxies and certificates that the environment names
            environment = dict(self._http.merge_environment_settings(url, {}, True, None, None))
        environment["stream"] = True  # the body is read here, and bounded
        return self._http.send(request, timeout=timeout, allow_redirects=False, **environment)

    def _read(self, response: requests.Response) -> Reply | RemoteError:
        """The whole answer, or a ProtocolError as soon as it is known to be too long."""
        announced = response.headers.get("Content-Length", "")
        body = bytearray()
        if not (announced.isdecimal() and int(announced) > self._max_response_bytes):
            for chunk in response.iter_content(CHUNK_BYTES):
                body += chunk
                if len(body) > self._max_response_bytes:
                    break
            else:
                framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
                if response.status_code == 200 and not body and not framed:
                    raise requests.ConnectionError("the connection closed amid the headers or after them")
                return Reply(response.status_code, response.headers, bytes(body))
        most = f"{self._max_response_bytes / MIB:g} MiB"
        return ProtocolError(f"{self.base_url} answered with more than {most}", status=response.status_code)

    def _judged(self, reply: Reply, *, keyless: bool) -> Any:
        """The parsed JSON of a 2xx, otherwise the error that the status stands for."""
        if 200 <= reply.status < 300:
            try:
                return strict_json(reply.body)
            except ValueError as error:
                found = self._clean(f"{reply.described()}: {error}")
                return ProtocolError(f"{self.base_url} answered {reply.status} with {found}", status=reply.status)
        said = self._clean(server_message(reply.body) or "") or None
        kind = kind_of(reply.status)
        hint = " (the key was held back, because the server had redirected to another host)" if keyless else ""
        return kind(
            f"{self.base_url} answered {reply.status}, {said or 'without a message'}{hint}{ADVICE.get(kind, '')}",
            status=reply.status,
            server_message=said,
            retry_after_s=asked_wait_s(reply.headers),
            retryable=reply.status in self._retry_statuses,
        )

    def _lost(self, error: Exception) -> RemoteError:
        said = self._clean(_root(error))
        if "timed out" in said or isinstance(error, requests.Timeout):
            limits = "connect within {:g} s and never be silent for {:g} s".format(*self._limits)
            return DeadlineError(f"{self.base_url} did not {limits}: raise the timeouts", retryable=True)
        if isinstance(error, requests.exceptions.SSLError):
            return UnreachableError(f"{self.base_url} shows a certificate that is not accepted here: {said}")
        return UnreachableError(
            f"{self.base_url} gave no whole answer ({said}): check the address and that it runs", retryable=True
        )

    def _too_late(self, deadline: Deadline) -> DeadlineError:
        return DeadlineError(f"{self.base_url} gave no whole answer within {deadline.total_s:g} s: raise timeout_s")

    def _clean(self, text: str) -> str:
        return self._key.hidden_in(text) if self._key else text


def _root(error: BaseException) -> str:
    """The innermost cause's own words: what the operating system or TLS said, without the layers around it."""
    while True:
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        inner = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
        if inner is None or inner is error:
            return f"{type(error).__name__}: {error}"[:200]
        error = inner
