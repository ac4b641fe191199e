"""What all functions behind a server share, rerankers and embedders: address, key, and which texts go together."""

import json
import os
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import urlsplit

from refimpl.http.session import MIB, RETRY_STATUSES, Session


class RemoteFunction:
    """A model behind a server; subclasses state the provider's address, its limits and the body of a request."""

    HOME: ClassVar[str | None] = None  # the provider's own address; only there is the key read from the environment
    KEY_VARIABLES: ClassVar[tuple[str, ...]] = ()
    MAX_TEXTS: ClassVar[int] = 1000  # of one request
    MAX_BYTES: ClassVar[int | None] = None  # of one request's texts as JSON; None where the provider names no limit
    MAX_RESPONSE_BYTES: ClassVar[int] = 64 * MIB
    RETRY_STATUSES: ClassVar[frozenset[int]] = RETRY_STATUSES

    def __init__(
        self,
        model_name: str,
        api_key: str | None,
        url: str,
        *,
        timeout_s: float,
        max_retries: int,
        batch: int | None,
        batch_name: str,
        allow_http: bool,
    ) -> None:
        self.model_name = model_name
        self._batch = self.MAX_TEXTS if batch is None else batch
        if isinstance(self._batch, bool) or not isinstance(self._batch, int) or self._batch < 1:
            raise ValueError(f"{batch_name} must be a whole number, 1 or more, got {batch!r}")
        self._session = Session(
            url,
            self._found_key(api_key, url),
            timeout_s=timeout_s,
            read_timeout_s=timeout_s,
            max_retries=max_retries,
            retry_statuses=self.RETRY_STATUSES,
            max_response_bytes=self.MAX_RESPONSE_BYTES,
            allow_http=allow_http,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model_name!r} at {self._session.base_url})"

    def _batches(self, texts: list[str]) -> Iterator[tuple[int, list[str]]]:
        """Runs of texts that one request may hold, each with its first index; a too long one travels alone."""
        if self.MAX_BYTES is None:
            for start in range(0, len(texts), self._batch):
                yield start, texts[start : start + self._batch]
            return
        start = size = 0
        for index, text in enumerate(texts):
            length = len(json.dumps(text, ensure_ascii=False).encode()) + 1
            if index > start and (index - start == self._batch or size + length > self.MAX_BYTES):
                yield start, texts[start:index]
                start, size = index, 0
            size += length
        yield start, texts[start:]

    @classmethod
    def _found_key(cls, given: str | None, url: str) -> str | None:
        if given is not None or not cls._is_home(url):
            return given
        for variable in cls.KEY_VARIABLES:
            if key := os.environ.get(variable):
                return key
        names = " or ".join(cls.KEY_VARIABLES)
        raise ValueError(f"{cls.__name__} needs a key: set {names}, pass api_key, or name your own server in base_url")

    @classmethod
    def _is_home(cls, url: str) -> bool:
        return cls.HOME is not None and urlsplit(url).hostname == urlsplit(cls.HOME).hostname


def endpoint(base_url: Any, names: tuple[str, ...], version: str | None = None) -> str:
    """`base_url` up to `/names[0]`: whole addresses stay; `version` (such as v1) is added where it is not there yet.

    A whole address ends in one of `names`.
    """
    if not isinstance(base_url, str):
        raise TypeError(f"base_url must be a str, got {type(base_url).__name__}")
    url = base_url.rstrip("/")
    last = url.rsplit("/", 1)[-1]
    if last in names:
        return url
    if version is None or last in ("v1", "v2"):
        return f"{url}/{names[0]}"
    return f"{url}/{version}/{names[0]}"
