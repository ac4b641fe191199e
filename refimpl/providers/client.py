"""What the clients of all providers share, embedding functions and rerankers: address, key, options, batches."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from refimpl.common.arguments import refuse_keywords
from refimpl.http.bodies import MIB
from refimpl.http.safety import Secret, checked_headers, hides
from refimpl.http.session import Session
from refimpl.pickling import Rebuilt
from refimpl.providers import Provider
from refimpl.providers.services import Endpoint, Options

ANY_KEY_VARIABLE = "REFIMPL_API_KEY"
SERVED_MODEL = "the served model"  # name of the model where requests do not choose one

TIMEOUT_S = 60.0
"""Default bound of a request with its retries, in seconds."""


@dataclass(frozen=True)
class Connection:
    """How a client sends requests.

    `timeout_s` bounds a request with its retries; `max_texts` is the number of texts per request (None: the service's
    limit); `allow_http` permits unencrypted requests to another machine; `headers` go to the server at `base_url` only,
    and the values of those whose name is a credential's are hidden and not pickled.
    """

    timeout_s: float = TIMEOUT_S
    max_retries: int = 3
    max_texts: int | None = None
    allow_http: bool = False
    headers: Mapping[str, str | Secret] = field(default_factory=dict)


Connection.__init__ = hides(headers=checked_headers)(Connection.__init__)  # type: ignore[method-assign]


class RemoteFunction(Rebuilt):
    """Base class of the clients of a provider's service.

    A pickle holds no key, only that there was one: unpickled elsewhere, the client takes REFIMPL_API_KEY or, for the
    provider's own address alone, the provider's variable, and raises ValueError where none is set.
    """

    LIMIT: ClassVar[str]  # the parameter that bounds the texts per request
    ATTRIBUTES: ClassVar[tuple[str, ...]] = ()  # options of a request that are attributes of the same name
    MAX_RESPONSE_BYTES: ClassVar[int] = 64 * MIB

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = hides(api_key=Secret)(cls.__init__)  # type: ignore[method-assign]

    def __init__(
        self,
        provider: Provider,
        service: Endpoint,
        model_name: str,
        api_key: str | Secret | None,
        base_url: str,
        options: Options,
        connection: Connection,
    ) -> None:
        self.model_name = model_name
        self._provider = provider
        self._service = service
        self._options = {**service.options, **options}
        self._batch = service.max_texts if connection.max_texts is None else connection.max_texts
        if isinstance(self._batch, bool) or not isinstance(self._batch, int) or self._batch < 1:
            raise ValueError(f"{self.LIMIT} must be a whole number, 1 or more, got {connection.max_texts!r}")
        url = service.url(base_url, model_name)
        self._session = Session(
            url,
            self._key_for(api_key, url),
            timeout_s=connection.timeout_s,
            read_timeout_s=connection.timeout_s,
            max_retries=connection.max_retries,
            retry_statuses=provider.retry_statuses,
            max_response_bytes=self.MAX_RESPONSE_BYTES,
            allow_http=connection.allow_http,
            headers=connection.headers,
            key_header=provider.key_header,
        )

    def __repr__(self) -> str:
        if "_session" not in vars(self):  # in a traceback out of the constructor
            return f"{type(self).__name__}(...)"
        return f"{type(self).__name__}({self.model_name!r} at {self._session.base_url})"

    def _client_options(
        self,
        keywords: Mapping[str, Any],
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        unsupported: Mapping[str, str] | None = None,
    ) -> tuple[float, dict[str, str]]:
        """Timeout in seconds and HTTP headers from `keywords` of the provider's own client.

        `timeout` is that client's name of `timeout_s`, None for the default; `headers` maps each further keyword to the
        header that it is sent as. `unsupported` has the reasons for keywords of that client that have no effect here.
        Raises TypeError for any other keyword and for both timeouts, ValueError for a value that no header can hold.
        """
        names = dict(headers or {})
        timeout = keywords.get("timeout")
        if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float)):
            raise TypeError(f"timeout must be a number of seconds, got {timeout!r}: give timeout_s")
        if timeout is not None and timeout_s != TIMEOUT_S:
            raise TypeError("timeout and timeout_s are two names of one parameter, got both: give one")
        further = {key: value for key, value in keywords.items() if key not in {"timeout", *names}}
        refuse_keywords(self, further, unsupported)
        sent = {names[key]: value for key, value in keywords.items() if key in names and value is not None}
        for header, value in sent.items():
            if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
                raise ValueError(f"the header {header} must be printable ASCII, got {value!r:.40}: correct it")
        return (timeout_s if timeout is None else float(timeout)), sent

    def _current_options(self) -> dict[str, Any]:
        """Options of the next request: those of the constructor, and the attributes as they are now."""
        return self._options | {name: getattr(self, name) for name in self.ATTRIBUTES}

    def _batches(self, texts: list[str]) -> Iterator[tuple[int, list[str]]]:
        """Batches that one request may hold, each with its first index; a text beyond the limit is sent alone."""
        max_bytes = self._service.max_bytes
        if max_bytes is None:
            for start in range(0, len(texts), self._batch):
                yield start, texts[start : start + self._batch]
            return
        start = size = 0
        for index, text in enumerate(texts):
            length = len(json.dumps(text, ensure_ascii=False).encode()) + 1
            if index > start and (index - start == self._batch or size + length > max_bytes):
                yield start, texts[start:index]
                start, size = index, 0
            size += length
        yield start, texts[start:]

    def _pickled(self) -> dict[str, Any]:
        own = self._provider.key_variables if self._at_home(self._session.base_url) else ()
        variables = (ANY_KEY_VARIABLE, *own) if self._session.key is not None else ()
        return {"arguments": self._arguments, "key_variables": variables}

    @classmethod
    def _unpickled(cls, pickled: dict[str, Any]) -> Any:
        variables = pickled["key_variables"]
        if not variables:
            return cls(**pickled["arguments"], api_key=None)
        if key := key_in_environment(variables):
            return cls(**pickled["arguments"], api_key=key)
        raise ValueError(f"{cls.__name__} was pickled without its key: set {' or '.join(variables)} before unpickling")

    def _copied(self) -> dict[str, Any]:
        return self._arguments | {"api_key": self._session.key}

    def _key_for(self, api_key: str | Secret | None, url: str) -> str | Secret | None:
        """`api_key`, or at the provider's own address the key in the environment."""
        variables = self._provider.key_variables
        if api_key is not None or not self._at_home(url):
            return api_key
        if key := key_in_environment(variables):
            return key
        raise ValueError(
            f"{type(self).__name__} needs a key: set {' or '.join(variables)}, pass api_key, "
            "or name your own server in base_url"
        )

    def _at_home(self, url: str) -> bool:
        home = self._provider.home
        return home is not None and urlsplit(url).hostname == urlsplit(home).hostname


def key_in_environment(variables: Sequence[str]) -> Secret | None:
    """The first of the environment variables that is set and not empty."""
    name = next(filter(os.environ.get, variables), None)
    return None if name is None else Secret(os.environ[name])


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
