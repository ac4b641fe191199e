"""Limits of `refimpl serve`: what one client, and all clients together, may use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of the server.

    Parameters
    ----------
    max_documents, max_bytes
        Texts and bytes of one request's body; beyond, 422 and 413.
    max_text_chars
        Characters of one text; beyond, 413, also where truncation is allowed. A rerank query times the number of
        documents, with each of which it is read, may hold as many characters as a body may hold bytes.
    max_waiting
        Requests that wait while one is computed; beyond, 429 before the body is read.
    max_held_bytes
        Bytes of all bodies that are being received or computed; a body beyond 64 KiB that exceeds it gets 429.
    max_connections
        Open connections, lowered to what the limit on open files allows. A further one displaces the connection that
        has waited longest without a whole request head; where none has, it gets 503.
    header_timeout_s, body_timeout_s, response_timeout_s
        Seconds in which a client must send a request's head and its body, and read the response.
    grace_s
        Seconds after SIGINT or SIGTERM in which the process ends. What waits gets 503 at once; what is being computed
        may finish, and gets 503 when four fifths of the time have passed.
    """

    max_documents: int = 1000
    max_bytes: int = 8 << 20
    max_text_chars: int = 1 << 18
    max_waiting: int = 128
    max_held_bytes: int = 64 << 20
    max_connections: int = 512
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    response_timeout_s: float = 60.0
    grace_s: float = 10.0
