"""Protection of API keys: a Secret that prints as ***, and checks of addresses before use."""

import functools
import inspect
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from html.entities import codepoint2name
from typing import Any
from urllib.parse import urlsplit

CREDENTIAL = re.compile("auth|key|token|secret|cookie|passw|credential|signature", re.IGNORECASE)
USER_INFO = re.compile(r"(//)[^/@\s'\"]{1,500}@")
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
LONGEST_FORM = 12  # characters that one character of a key may take when it is escaped
WINDOW_CHARS = 4096
CONTROLS = {"b": r"\x08", "f": r"\x0c", "n": r"\x0a", "r": r"\x0d", "t": r"\x09"}


class Secret:
    """An API key that only `reveal` returns; whitespace around it is stripped, what no header may hold refused."""

    __slots__ = ("_pattern", "_value")
    WHAT = "an API key is not pickled: set its environment variable where it is needed"

    def __init__(self, value: str) -> None:
        error = self._refusal(value)
        stripped = "" if error else value.strip()
        del value  # a traceback with locals shows this frame
        if error:
            raise error
        self._value = stripped
        self._pattern = re.compile("|".join(map(_any_form, self._parts())))

    @staticmethod
    def _refusal(value: Any) -> Exception | None:
        if not isinstance(value, str):
            return TypeError(f"the API key must be a str, got {type(value).__name__}")
        if not (stripped := value.strip()):
            return ValueError("the API key is empty: give the key, or None for a server that needs none")
        if not all("!" <= character <= "~" for character in stripped):
            return ValueError("the API key holds whitespace or a non-ASCII character inside: copy it again")
        return None

    def _parts(self) -> tuple[str, ...]:
        """What to hide, longest first."""
        return (self._value,)

    def reveal(self) -> str:
        """The key itself."""
        return self._value

    @property
    def span(self) -> int:
        """The most characters that the key takes in a text, escaped."""
        return LONGEST_FORM * len(self._value)

    def hidden_in(self, text: str) -> str:
        """`text` with every occurrence of the key replaced by ***, escaped for JSON, Python, HTML or a URL or not."""
        return self._pattern.sub("***", text)

    def __repr__(self) -> str:
        return "Secret(***)"

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Secret":
        return self

    def __getstate__(self) -> object:
        raise TypeError(self.WHAT)

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(self.WHAT)


class SecretHeader(Secret):
    """The value of a header that holds a credential, such as `api-key` or `Cookie`; it may contain spaces."""

    __slots__ = ()
    WHAT = "a header with a credential is not pickled: build the client where it is needed, with its headers"

    @staticmethod
    def _refusal(value: Any) -> Exception | None:
        return check_header_value("with a credential", value) if not value or not value.strip() else None

    def _parts(self) -> tuple[str, ...]:
        return self._value, self._value.split()[-1]  # "Bearer KEY" is echoed as KEY too


class Secrets:
    """The secrets of a session, to hide in what a server sent before any part of it is shown."""

    __slots__ = ("_all",)

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._all = tuple(secrets)

    def __repr__(self) -> str:
        return f"Secrets({len(self._all)})"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("secrets are not pickled")

    def hidden_in(self, text: str) -> str:
        """`text` without any secret, and without a user and password before a host."""
        for secret in self._all:
            text = secret.hidden_in(text)
        return USER_INFO.sub(r"\1***@", text)

    def head(self, text: str, *, whole: bool) -> str:
        """`hidden_in(text)`; of a text that is not whole, less the end, where a secret may be half."""
        hidden = self.hidden_in(text)
        span = max((secret.span for secret in self._all), default=0)
        return hidden if whole else hidden[: max(0, len(hidden) - span)]

    def cut(self, text: str, chars: int) -> str:
        """At most `chars` printable characters of `text`: secrets are hidden first, so none is cut and half shown."""
        window = WINDOW_CHARS + chars + 2 * max((secret.span for secret in self._all), default=0)
        shown = self.head(text[:window], whole=len(text) <= window)
        return "".join(c if c.isprintable() else "\ufffd" for c in shown[:chars])


NO_SECRETS = Secrets(())


def hides(**conversions: Callable[[Any], Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Wrap a constructor to receive its arguments of these names converted, such as a key as a Secret.

    A traceback with locals then shows no frame that holds the key, also where the key or another argument is refused.
    """

    def wrap(init: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(init)

        @functools.wraps(init)
        def hiding(*args: Any, **kwargs: Any) -> None:
            args, kwargs, error = _converted(conversions, signature, args, kwargs)
            if error is not None:
                raise error
            init(*args, **kwargs)

        return hiding if conversions.keys() & signature.parameters.keys() else init

    return wrap


def _converted(
    conversions: Mapping[str, Callable[[Any], Any]],
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[tuple[Any, ...], dict[str, Any], Exception | None]:
    """The arguments, converted; or none of them, and the error, without the frames that hold them."""
    try:
        bound = signature.bind(*args, **kwargs)
        for name, convert in conversions.items():
            value = bound.arguments.get(name)
            if value is not None and not isinstance(value, Secret):
                bound.arguments[name] = convert(value)
        return bound.args, bound.kwargs, None
    except (TypeError, ValueError) as error:
        return (), {}, error.with_traceback(None)


def check_header_value(name: str, value: Any) -> Exception | None:
    """The error for a header's value that is none; None for a str of printable ASCII."""
    if not isinstance(value, str):
        return TypeError(f"the header {name} must be a str, got {type(value).__name__}")
    if not value.strip() or not (value.isascii() and value.isprintable()):
        return ValueError(f"the header {name} must be printable ASCII and not empty: correct it")
    return None


def checked_headers(headers: Mapping[str, str | Secret]) -> dict[str, str | Secret]:
    """A copy of `headers` with the values of credentials hidden; TypeError or ValueError for what is no header."""
    checked: dict[str, str | Secret] = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ValueError(f"expected a header's name as in HTTP, got {name!r:.40}: correct it")
        if not isinstance(value, Secret) and (error := check_header_value(name, value)):
            raise error
        checked[name] = SecretHeader(value) if isinstance(value, str) and CREDENTIAL.search(name) else value
    return checked


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
    """Scheme, host and port, which must be equal for a key to be sent after a redirect."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def check_address(url: str, *, allow_http: bool) -> None:
    """Raise TypeError or ValueError unless texts and a key may be sent to `url`, an http(s) address."""
    if not isinstance(url, str):
        raise TypeError(f"base_url must be a str, got {type(url).__name__}")
    shown = _public_part(url)
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError as error:
        raise ValueError(f"base_url must be an address with a valid host and port, got {shown!r} ({error})") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(f"base_url must begin with http:// or https:// and name a host, got {shown!r}")
    if parts.username or parts.password:
        raise ValueError(f"base_url of {parts.hostname} holds a user or password: give the key as api_key instead")
    if parts.query or parts.fragment:
        raise ValueError(f"base_url must end with its path, got more after {shown!r}: leave out what follows ? or #")
    if not url.isprintable() or " " in url:
        raise ValueError(f"base_url must contain no blanks and no control characters, got {shown!r}: correct it")
    if parts.scheme == "http" and not is_loopback(url) and not allow_http:
        raise ValueError(
            f"{shown} would send texts and key unencrypted to another machine: use https, or pass allow_http=True"
        )


def _public_part(url: str) -> str:
    """At most 200 characters of an address, for a message: without user, password and query."""
    shown = re.split("[?#]", url, maxsplit=1)[0]
    if "@" in shown:
        scheme, slashes, rest = shown.partition("//") if "//" in shown else ("", "", shown)
        shown = f"{scheme}{slashes}***@{rest.rpartition('@')[2]}"
    return shown[:200]


def _any_form(secret: str) -> str:
    """A regular expression for `secret`, each character as it is or escaped.

    A backslash and `n` are a line break where a server quotes the key in JSON without escapes.
    """
    pattern = "".join(map(_any_form_of, secret))
    for letter, control in CONTROLS.items():
        pair = _any_form_of("\\") + _any_form_of(letter)
        pattern = pattern.replace(pair, f"(?:{pair}|{control})")
    return pattern


def _any_form_of(character: str) -> str:
    code = ord(character)
    digits = "".join(f"[{digit}{digit.upper()}]" for digit in f"{code:02x}")
    forms = [rf"\\{{0,3}}{re.escape(character)}", rf"\\{{1,2}}(?:u00|x){digits}", rf"%(?:25)?{digits}"]
    forms.append(rf"&#(?:0{{0,4}}{code}|[xX]0{{0,4}}{digits});")
    if name := codepoint2name.get(code):
        forms.append(f"&{name};")
    return f"(?:{'|'.join(forms)})"
