"""HTTP session for JSON: timeouts, retries, bounded responses, and a key that is printed nowhere."""

from refimpl.http.deadline import Deadline
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
