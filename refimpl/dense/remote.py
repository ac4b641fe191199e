"""Client of any provider's embedding service; the public classes beside it have pymilvus.model's signatures."""

import os
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from refimpl.base import BaseEmbeddingFunction, Usage
from refimpl.common.texts import check_encodable, check_texts
from refimpl.common.types import Array
from refimpl.http import ProtocolError, Secret
from refimpl.http.bodies import MIB
from refimpl.providers import EmbeddingService, provider_named
from refimpl.providers.client import SERVED_MODEL, Connection, RemoteFunction, key_in_environment
from refimpl.providers.reading import tokens_in
from refimpl.providers.services import Kind, Options


class RemoteEmbeddingFunction(RemoteFunction, BaseEmbeddingFunction):
    """Embeds by a provider's service, in as many requests as its limits need.

    Parameters
    ----------
    provider
        A name in `refimpl.providers.PROVIDERS`.
    model_name
        The model that requests name.
    api_key
        Sent as Bearer; None takes the provider's environment variable, for the provider's own address alone.
    base_url
        The server's address; None for the provider's own.
    version
        API version, such as "v1"; None for that of `base_url`, or else the newest.
    dimensions
        Width of the vectors that requests state; None for the model's own.
    options
        Further fields of requests; None leaves a field out.
    connection
        Timeout in seconds, retries, texts per request.

    Raises
    ------
    ValueError
        For an unknown provider, an address or a limit that is none, and at the provider's own address without a key.
    """

    LIMIT: ClassVar[str] = "batch_size"
    KEPT: ClassVar[tuple[str, ...]] = ("usage", "_width")
    MAX_RESPONSE_BYTES: ClassVar[int] = 256 * MIB  # 2,048 vectors of 3,072 numbers are 140 MB as decimal text
    _service: EmbeddingService

    def __init__(
        self,
        provider: str,
        model_name: str = SERVED_MODEL,
        api_key: str | Secret | None = None,
        *,
        base_url: str | None = None,
        version: str | None = None,
        dimensions: int | None = None,
        options: Options | None = None,
        connection: Connection = Connection(),  # noqa: B008 - frozen
    ) -> None:
        if dimensions is not None and (isinstance(dimensions, bool) or not isinstance(dimensions, int)):
            raise TypeError(f"dimensions must be a whole number or None for the model's own, got {dimensions!r}")
        if dimensions is not None and dimensions < 1:
            raise ValueError(f"dimensions must be 1 or more, or None for the model's own, got {dimensions}")
        record = provider_named(provider)
        if base_url is None and record.url_variable and (base_url := os.environ.get(record.url_variable)):
            self._arguments["base_url"] = base_url  # a copy elsewhere uses the same server
            api_key = api_key if api_key is not None else key_in_environment(record.key_variables)
        base_url = record.address(base_url)
        service = record.embedding_service(base_url, version)
        super().__init__(record, service, model_name, api_key, base_url, options or {}, connection)
        self.dimensions = dimensions
        self.usage = Usage()
        self._width = dimensions or service.widths.get(model_name, (None,))[0]  # None: that of the first response
        self._lock = threading.Lock()

    @property
    def dim(self) -> int:
        """Width of a vector: `dimensions`, the documented one, or that of an earlier response; sends no request.

        Raises ValueError while none of these is known.
        """
        if self._width is None:
            raise ValueError(
                f"{self!r}: the width of its vectors is not known before a response has shown it: encode something "
                "first, call ask_dim() (it sends one request), or pass the width as dimensions"
            )
        return self._width

    def ask_dim(self) -> int:
        """Width of the server's vectors, by one request for the vector of one word."""
        self._encode(["width"], "text", "texts")
        return self.dim

    def encode_documents(self, documents: Sequence[str]) -> Float[Array, "texts dim"]:
        """Vectors of documents in input order, float32; an empty list gives `(0, dim)` and sends no request.

        Raises TypeError or ValueError for anything but a list of texts, ValueError for an empty list while `dim` is not
        known, a RemoteError when the server cannot be reached, refuses the request, or violates its protocol.
        """
        return self._encode(documents, "document", "documents")

    def encode_queries(self, queries: Sequence[str]) -> Float[Array, "texts dim"]:
        """Vectors of queries; otherwise as `encode_documents`."""
        return self._encode(queries, "query", "queries")

    def __call__(self, texts: Sequence[str]) -> Float[Array, "texts dim"]:
        """Vectors of texts that are neither; otherwise as `encode_documents`."""
        return self._encode(texts, "text", "texts")

    def _encode(self, texts: object, kind: Kind, name: str) -> Array:
        checked = check_texts(texts, name)
        check_encodable(checked, name)
        if not checked:
            return np.empty((0, self.dim), dtype=np.float32)
        parts = []
        for _, batch in self._batches(checked):
            read = partial(self._read, texts=len(batch))
            vectors, tokens = self._session.post("", self._body(batch, kind), read=read)
            with self._lock:
                self.usage = self.usage.plus(tokens)
                self._width = self._width or vectors.shape[1]
            parts.append(vectors)
        return np.concatenate(parts)

    def _body(self, texts: list[str], kind: Kind) -> dict[str, Any]:
        width = self._service.width_field
        options = self._current_options() | ({} if width is None else {width: self.dimensions})
        return self._service.body(self.model_name, texts, kind, options)

    def _read(self, answer: Any, texts: int) -> tuple[Array, int | None]:
        vectors = self._service.read(answer, texts, repr(self))
        if self._width is not None and vectors.shape[1] != self._width:
            raise ProtocolError(
                f"{self!r}: the vectors are {vectors.shape[1]} wide, expected {self._width}: the server runs another "
                "model, or does not shorten vectors; name its model as model_name, or its width as dimensions"
            )
        return vectors, tokens_in(answer, self._service.token_paths)
