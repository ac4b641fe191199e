"""What keeps a key from the wrong eyes: a Secret that prints as ***, and addresses that are checked before use."""

import ipaddress
from urllib.parse import urlsplit


class Secret:
    """A key that shows itself only to `reveal`; white space around it is cut, what no HTTP header may hold refused."""

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"the API key must be a str, got {type(value).__name__}")
        self._value = value.strip()
        if not self._value:
            raise ValueError("the API key is empty: give the key, or None for a server that needs none")
        if not all("!" <= letter <= "~" for letter in self._value):
            raise ValueError("the API key holds white space or a non-ASCII letter inside: copy it again")

    def reveal(self) -> str:
        """The key itself."""
        return self._value

    def hidden_in(self, text: str) -> str:
        """`text` with every occurrence of the key replaced by ***."""
        return text.replace(self._value, "***")

    def __repr__(self) -> str:
        return "Secret(***)"


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine by name (localhost) or by address (127.0.0.0/8, ::1)."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: what must stay equal for a key to be sent again."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def check_address(url: str, *, allow_http: bool) -> None:
    """Raise TypeError or ValueError unless `url` is an http(s) address that texts and a key may be sent to."""
    if not isinstance(url, str):
        raise TypeError(f"base_url must be a str, got {type(url).__name__}")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"base_url must begin with http:// or https:// and name a host, got {url!r}")
    if parts.username or parts.password:
        raise ValueError(f"base_url of {parts.hostname} holds a user or password: give the key as api_key instead")
    if parts.query or parts.fragment:
        raise ValueError(f"base_url must end with its path, got {url!r}: leave out what follows ? or #")
    if parts.scheme == "http" and not is_loopback(url) and not allow_http:
        raise ValueError(
            f"{url} would send texts and key unencrypted to another machine: use https, or say allow_http=True"
        )
