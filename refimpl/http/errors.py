"""Errors of requests to a server, all of them subclasses of RemoteError."""


class RemoteError(RuntimeError, OSError):
    """A request failed: an OSError as network failures are, a RuntimeError as in pymilvus.model.

    Attributes
    ----------
    status
        HTTP status; None without a response.
    server_message
        The server's message; None where it sent none.
    retry_after_s
        Seconds that the server requested to wait before a retry; None where it did not.
    retryable
        Whether the same request may succeed later.
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
    """The account's quota is used up (402)."""


class RateLimitError(RemoteError):
    """Too many requests, still after the last retry (429)."""


class BadRequestError(RemoteError):
    """The server refuses the request (any other 4xx)."""


class ServerError(RemoteError):
    """The server failed, still after the last retry (5xx)."""


class ProtocolError(RemoteError):
    """The response violates the protocol: no JSON, a wrong shape, an impossible value."""


class UnreachableError(RemoteError):
    """No complete response: no address, connection refused or reset, certificate not accepted."""


class DeadlineError(RemoteError, TimeoutError):
    """No complete response in time."""


ADVICE: dict[type[RemoteError], str] = {
    AuthenticationError: ": check api_key",
    QuotaError: ": the account's quota is used up, raise it or give another api_key",
    RateLimitError: ": send less at a time, or raise max_retries and timeout_s",
}


def error_class(status: int) -> type[RemoteError]:
    """The error class for an HTTP status outside 2xx."""
    if status in (401, 403, 498):
        return AuthenticationError
    if status == 402:
        return QuotaError
    if status == 429:
        return RateLimitError
    if 400 <= status < 500:
        return BadRequestError
    return ServerError if status >= 500 else ProtocolError
