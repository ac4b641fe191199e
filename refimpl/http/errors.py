"""One family of errors for everything that can go wrong between us and a server."""


class RemoteError(RuntimeError, OSError):
    """A call to a server failed: an OSError as network failures are, a RuntimeError as in pymilvus.model.

    `status` is the HTTP status (None when no answer came), `server_message` the server's own words (None when it had
    none), `retry_after_s` the wait in seconds that it asked for (None when it did not), `retryable` whether the same
    request may succeed later.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        server_message: str | None = None,
        retry_after_s: float | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.server_message = server_message
        self.retry_after_s = retry_after_s
        self.retryable = retryable


class AuthenticationError(RemoteError):
    """The key is missing, wrong or not allowed to do this (401, 403, Cohere's 498)."""


class QuotaError(RemoteError):
    """The account has nothing left to spend (402)."""


class RateLimitError(RemoteError):
    """Too many requests, still after the last retry (429)."""


class BadRequestError(RemoteError):
    """The server refuses what was sent (any other 4xx)."""


class ServerError(RemoteError):
    """The server failed, still after the last retry (5xx)."""


class ProtocolError(RemoteError):
    """The server answered, and not in the protocol: no JSON, a wrong shape, an impossible value."""


class UnreachableError(RemoteError):
    """No whole answer came: no address, refused, reset, certificate not accepted."""


class DeadlineError(RemoteError, TimeoutError):
    """The answer did not come in time."""


ADVICE: dict[type[RemoteError], str] = {
    AuthenticationError: ": check api_key",
    QuotaError: ": the account is used up, add to it or give another api_key",
    RateLimitError: ": send less at a time, or raise max_retries and timeout_s",
}


def kind_of(status: int) -> type[RemoteError]:
    """The error that an HTTP status outside 2xx stands for."""
    if status in (401, 403, 498):
        return AuthenticationError
    if status == 402:
        return QuotaError
    if status == 429:
        return RateLimitError
    if 400 <= status < 500:
        return BadRequestError
    return ServerError if status >= 500 else ProtocolError
