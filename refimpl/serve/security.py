"""What a request must bring before it is read: a Host that is meant, the key, and a body declared as JSON.

A web page can send requests to a server on its reader's machine. Those that a browser sends without permission (CORS)
cannot declare JSON; and a page whose own name was pointed at this machine (DNS rebinding) sends that name as the Host.
"""

import hmac
import ipaddress
import re
from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from refimpl.http import Secret
from refimpl.http.session import BEARER_HEADER
from refimpl.providers import PROVIDERS
from refimpl.providers.requests import RequestRefused

ANY_HOST = "*"
JSON_TYPE = re.compile(r'application/(?:[\w.+-]+\+)?json\s*(?:;\s*charset="?utf-8"?\s*)?', re.IGNORECASE)


class HostCheck:
    """ASGI middleware: status 421 unless the Host is an IP address, localhost, or one of `names` ("*": any).

    An address or localhost cannot be a name that an attacker's DNS server answers for.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, or refuse."""
        host = Headers(scope=scope).get("Host", "") if scope["type"] == "http" else "localhost"
        if ANY_HOST in self._names or self._allows(host):
            await self._app(scope, receive, send)
            return
        message = (
            f"expected a Host that this server allows, got {host[:100]!r}: start `refimpl serve` with --allow-host"
        )
        await JSONResponse({"detail": message}, 421)(scope, receive, send)

    def _allows(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or name == "localhost" or _is_address(name)


def check_key(request: Request, key: Secret | None) -> None:
    """Raise RequestRefused, 401, unless the request brings the key."""
    if key is None:
        return
    if not any(hmac.compare_digest(sent.encode(), key.reveal().encode()) for sent in _sent_keys(request)):
        raise RequestRefused(
            401, "the API key is missing or wrong: send it as Authorization: Bearer", {"WWW-Authenticate": "Bearer"}
        )


def check_content_type(request: Request) -> None:
    """Raise RequestRefused, 415, unless the body is declared as JSON in UTF-8 without a content encoding."""
    declared = request.headers.get("Content-Type", "")
    if not JSON_TYPE.fullmatch(declared.strip()):
        raise RequestRefused(415, f"expected Content-Type: application/json, got {declared[:100]!r}: send that header")
    coding = request.headers.get("Content-Encoding", "identity")
    if coding.strip().lower() != "identity":
        raise RequestRefused(415, f"expected no Content-Encoding, got {coding[:100]!r}: send the body as it is")


def _sent_keys(request: Request) -> Iterator[str]:
    """What the request has where the providers' clients send their key."""
    for header in sorted({provider.key_header for provider in PROVIDERS.values()}):
        value = request.headers.get(header, "")
        if header != BEARER_HEADER:
            yield value
        elif value.partition(" ")[0].lower() == "bearer":
            yield value.partition(" ")[2].strip()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
