"""The one HTTP session: JSON out, JSON in, with timeouts, retries, bounded answers, and a key that shows nowhere."""

from refimpl.http.errors import (
    AuthenticationError,
    BadRequestError,
    DeadlineError,
    ProtocolError,
    QuotaError,
    RateLimitError,
    RemoteError,
    ServerError,
    UnreachableError,
)
from refimpl.http.safety import Secret, is_loopback
from refimpl.http.session import RETRY_STATUSES, Session
from refimpl.http.wire import Deadline

__all__ = [
    "RETRY_STATUSES",
    "AuthenticationError",
    "BadRequestError",
    "Deadline",
    "DeadlineError",
    "ProtocolError",
    "QuotaError",
    "RateLimitError",
    "RemoteError",
    "Secret",
    "ServerError",
    "Session",
    "UnreachableError",
    "is_loopback",
]
