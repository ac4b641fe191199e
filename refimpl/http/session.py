"""A session with one server: POST JSON, receive JSON or a RemoteError, within the deadline."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import urljoin

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.response import BaseHTTPResponse

from refimpl.http.bodies import CHUNK_BYTES, MAX_JSON_BYTES, MIB, EncodingError, strict_json, unpacked
from refimpl.http.deadline import Cut, Deadline
from refimpl.http.errors import ADVICE, DeadlineError, ProtocolError, RemoteError, UnreachableError, error_class
from refimpl.http.responses import Reply, hiding, requested_wait_s, server_message
from refimpl.http.safety import Secret, Secrets, check_address, checked_headers, hides, is_loopback, origin
from refimpl.http.wire import Connections, Schedule

log = logging.getLogger(__name__)

MAX_REDIRECTS = 3
MAX_ERROR_BYTES = MIB  # of the body of an error or a redirect
CAUSE_CHARS = 200
# 501 and 505 are permanent; every other 5xx may be temporary
RETRY_STATUSES = frozenset({408, 429}) | frozenset(range(500, 600)) - {501, 505}
# identity: a bound on the size of the body is then one on what is received, too
BEARER_HEADER = "Authorization"
HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}


class Session:
    """POSTs JSON to one server and returns its JSON, or raises a RemoteError.

    Parameters
    ----------
    base_url
        The server's address; plain http to another machine needs `allow_http`.
    key, headers
        The API key and further headers; sent to the host of `base_url` alone.
    key_header
        Header of the key; "Authorization" has it after "Bearer ".
    timeout_s
        Bound of a whole call, retries and waits included.
    connect_timeout_s, read_timeout_s
        Bounds of connecting and of silence in one attempt.
    max_retries, retry_statuses
        Number of retries, with exponential backoff and jitter, after these statuses, lost connections and silence.
    retry_after_max_s
        Bound of a wait that the server requests by `retry-after-ms`, `Retry-After` or `X-RateLimit-Reset`.
    max_response_bytes
        Bound of a response's size. The memory of its values is bounded by twice this, or 256 MiB if that is more.

    Raises
    ------
    ValueError
        For a plain-http address outside this machine without `allow_http`, for numbers outside their range, and for
        what no header can hold.

    Notes
    -----
    The deadline covers a whole call: looking up the host, connecting, the proxy's and the TLS handshake, sending, every
    byte of the response, its unpacking and parsing. Parsing itself is not interrupted, but bounded by its memory. A
    forked process opens connections of its own. Whatever a server sends, the result is its JSON or a RemoteError.
    """

    @hides(key=Secret, headers=checked_headers)
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
        headers: Mapping[str, str | Secret] | None = None,
        key_header: str = BEARER_HEADER,
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
        self._headers = dict(headers or {})
        self._key_header = key_header
        hidden = (self._key, *self._headers.values())
        self._secrets = Secrets(secret for secret in hidden if isinstance(secret, Secret))
        # no proxy between this machine and itself
        self._http = Connections(environment=not is_loopback(base_url))

    @property
    def key(self) -> Secret | None:
        """The key that requests carry, hidden; None without one."""
        return self._key

    def __repr__(self) -> str:
        return f"Session({vars(self).get('base_url', '...')})"  # in a traceback out of the constructor it has none

    def post(
        self, path: str, body: Any, deadline: Deadline | None = None, read: Callable[[Any], Any] = lambda answer: answer
    ) -> Any:
        """`read` of the JSON response to `body` at `base_url + path`.

        A `deadline` may be shared by several calls. The key is hidden in a ProtocolError of `read`, since the server
        may have echoed it.
        """
        deadline = deadline or Deadline.after(self.timeout_s)
        data = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        schedule = self._schedule
        while True:
            outcome = self._follow(self.base_url + path, data, deadline)
            if not isinstance(outcome, RemoteError):
                outcome = self._parsed(outcome, read)
            if not isinstance(outcome, RemoteError) and deadline.remaining_s() <= 0:
                outcome = self._too_late(deadline)
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

    def _parsed(self, answer: Any, read: Callable[[Any], Any]) -> Any:
        try:
            with hiding(self._secrets):
                return read(answer)
        except ProtocolError as error:
            message = error.server_message and self._clean(error.server_message)
            return ProtocolError(self._clean(str(error)), status=error.status, server_message=message)

    def _follow(self, url: str, data: bytes, deadline: Deadline) -> Any:
        """JSON or RemoteError of one attempt; 307 and 308 are followed, without the key to another host."""
        home = origin(url)
        for _ in range(MAX_REDIRECTS + 1):
            at_home = origin(url) == home
            reply = self._attempt(url, data, at_home, deadline)
            if isinstance(reply, RemoteError):
                return reply
            location = reply.headers.get("Location")
            if reply.status not in (301, 302, 303, 307, 308) or not location:
                return self._result(reply, deadline, keyless=self._key is not None and not at_home)
            target = self._redirected(url, location, reply.status)
            if isinstance(target, RemoteError):
                return target
            url = target
        return ProtocolError(f"{self.base_url} redirects more than {MAX_REDIRECTS} times")

    def _redirected(self, url: str, location: str, status: int) -> str | ProtocolError:
        """The address that a redirect names, where a request may be sent again."""
        try:
            url = urljoin(url, location)
            if status not in (307, 308):
                moved = f"{self.base_url} has moved to {self._secrets.cut(url, CAUSE_CHARS)} ({status})"
                return ProtocolError(f"{moved}: give that address as base_url", status=status)
            check_address(url, allow_http=self._allow_http)
        except ValueError as error:
            return ProtocolError(
                f"{self.base_url} redirects: {self._secrets.cut(str(error), CAUSE_CHARS)}", status=status
            )
        return url

    def _attempt(self, url: str, data: bytes, at_home: bool, deadline: Deadline) -> Reply | RemoteError:
        """One exchange; a failure is returned, not raised, so that it holds no frame in which the key is a local."""
        remaining_s = deadline.remaining_s()
        if remaining_s <= 0:
            return self._too_late(deadline)
        timeout = (min(self._limits[0], remaining_s), min(self._limits[1], remaining_s))
        reply: Reply | RemoteError
        with Cut(deadline, 2 * self._max_response_bytes + MIB) as cut:
            try:
                reply = self._exchange(url, data, at_home, timeout, cut)
            except Exception as error:  # the libraries below raise whatever a malformed response leads to
                reply = self._lost(error)
            except BaseException as interrupt:  # its traceback would show the frames below
                interrupt.__cause__ = interrupt.__context__ = None
                raise interrupt.with_traceback(None)  # noqa: B904 - no chain
        if cut.overflowed:
            return self._too_large(None)
        if cut.fired or deadline.remaining_s() <= 0:
            return self._too_late(deadline)
        return reply

    def _exchange(
        self, url: str, data: bytes, at_home: bool, timeout: tuple[float, float], cut: Cut
    ) -> Reply | RemoteError:
        headers = dict(HEADERS)
        if at_home:
            revealed = {name: v.reveal() if isinstance(v, Secret) else v for name, v in self._headers.items()}
            headers |= revealed | self._credentials()
        with self._http.post(url, data, headers, timeout) as response:
            return self._read(response, cut)

    def _credentials(self) -> dict[str, str]:
        if self._key is None:
            return {}
        scheme = "Bearer " if self._key_header == BEARER_HEADER else ""
        return {self._key_header: scheme + self._key.reveal()}

    def _read(self, response: BaseHTTPResponse, cut: Cut) -> Reply | RemoteError:
        """The response, of an error at least the start; a ProtocolError as soon as an answer exceeds the bound."""
        is_answer = 200 <= response.status < 300
        most = self._max_response_bytes if is_answer else min(MAX_ERROR_BYTES, self._max_response_bytes)
        announced = response.headers.get("Content-Length", "")
        if is_answer and announced.isdecimal() and (len(announced) > 18 or int(announced) > most):
            return self._too_large(response.status)
        body = bytearray()
        try:
            chunks = response.stream(CHUNK_BYTES, decode_content=False)
            for piece in unpacked(chunks, response.headers.get("Content-Encoding", "")):
                cut.check()
                body += piece
                if len(body) > most and is_answer:
                    return self._too_large(response.status)
                if len(body) > most:
                    break
        except EncodingError as error:
            return ProtocolError(
                f"{self.base_url} answered {response.status} with {self._secrets.cut(str(error), CAUSE_CHARS)}",
                status=response.status,
            )
        return Reply(response.status, response.headers, bytes(body))

    def _result(self, reply: Reply, deadline: Deadline, *, keyless: bool) -> Any:
        """The parsed JSON of a 2xx, otherwise the error for the status."""
        if 200 <= reply.status < 300:
            try:
                answer = strict_json(reply.body, max(MAX_JSON_BYTES, 2 * self._max_response_bytes))
            except ValueError as error:
                body = f"{reply.described(self._secrets)}: {self._secrets.cut(str(error), CAUSE_CHARS)}"
                return ProtocolError(f"{self.base_url} answered {reply.status} with {body}", status=reply.status)
            return answer if deadline.remaining_s() > 0 else self._too_late(deadline)
        message = server_message(reply.body, self._secrets)
        kind = error_class(reply.status)
        hint = " (the key was not sent, because the server had redirected to another host)" if keyless else ""
        return kind(
            f"{self.base_url} answered {reply.status}, {message or 'without a message'}{hint}{ADVICE.get(kind, '')}",
            status=reply.status,
            server_message=message,
            retry_after_s=requested_wait_s(reply.headers),
            retryable=reply.status in self._retry_statuses,
        )

    def _lost(self, error: Exception) -> RemoteError:
        cause = self._secrets.cut(_root(error), CAUSE_CHARS)
        is_timeout = isinstance(error, ConnectTimeoutError | ReadTimeoutError | TimeoutError)
        if "timed out" in cause or (is_timeout and not isinstance(error, NewConnectionError)):
            limits = "connect within {:g} s and never be silent for {:g} s".format(*self._limits)
            return DeadlineError(f"{self.base_url} did not {limits}: raise the timeouts", retryable=True)
        if isinstance(error, SSLError):
            return UnreachableError(f"{self.base_url} has a certificate that is not accepted here: {cause}")
        return UnreachableError(
            f"{self.base_url} gave no complete response ({cause}): check the address and that it runs",
            retryable=isinstance(error, OSError | HTTPError | HTTPException),
        )

    def _too_late(self, deadline: Deadline) -> DeadlineError:
        return DeadlineError(
            f"{self.base_url} gave no complete response within {deadline.total_s:g} s: raise timeout_s"
        )

    def _too_large(self, status: int | None) -> ProtocolError:
        most = f"{self._max_response_bytes / MIB:g} MiB"
        return ProtocolError(f"{self.base_url} answered with more than {most}", status=status)

    def _clean(self, text: str) -> str:
        return self._secrets.hidden_in(text)


def _root(error: BaseException) -> str:
    """Message of the innermost cause: that of the operating system or TLS, without the layers around it."""
    for _ in range(20):
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        inner = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
        if inner is None or inner is error:
            break
        error = inner
    return f"{type(error).__name__}: {error}"
