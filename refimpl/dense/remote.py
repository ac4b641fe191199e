"""What all remote embedders share: batches, vectors put in their places, what was used, and a width never guessed.

A protocol is a subclass in a file of its own that says its address, limits, models' widths and the body of a request.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

import numpy as np
from jaxtyping import Float

from refimpl.base import check_encodable, check_texts
from refimpl.dense.answers import indexed_vectors, tokens_in
from refimpl.http import ProtocolError
from refimpl.http.provider import RemoteFunction, endpoint
from refimpl.http.session import MIB

Array = np.ndarray
Kind = Literal["document", "query", "text"]
"""What a text is: providers embed a query otherwise than a document; "text" is a plain call of the function."""


@dataclass(frozen=True)
class Usage:
    """What a function's calls came to: answers, tokens that the answers stated, answers that stated none."""

    requests: int = 0
    tokens: int = 0
    unstated: int = 0

    def plus(self, tokens: int | None) -> "Usage":
        """One answer more."""
        unstated = self.unstated + (tokens is None)
        return replace(self, requests=self.requests + 1, tokens=self.tokens + (tokens or 0), unstated=unstated)


class RemoteEmbeddingFunction(RemoteFunction):
    """An embedding server as an EmbeddingFunction; subclasses state the protocol.

    Texts go in as many requests as the provider's limits ask for; `timeout_s` bounds each with its retries.
    """

    DIMS: ClassVar[Mapping[str, int]] = {}  # the widths that the provider documents, by model
    TOKEN_PLACES: ClassVar[tuple[tuple[str, ...], ...]] = (("usage", "total_tokens"), ("usage", "prompt_tokens"))
    MAX_RESPONSE_BYTES: ClassVar[int] = 256 * MIB  # 2,048 vectors of 3,072 numbers are 140 MB as decimal text

    def __init__(
        self,
        model_name: str,
        api_key: str | None,
        url: str,
        *,
        dimensions: int | None,
        timeout_s: float,
        max_retries: int,
        batch_size: int | None,
        allow_http: bool,
    ) -> None:
        if dimensions is not None and (isinstance(dimensions, bool) or not isinstance(dimensions, int)):
            raise TypeError(f"dimensions must be a whole number or None for the model's own, got {dimensions!r}")
        if dimensions is not None and dimensions < 1:
            raise ValueError(f"dimensions must be 1 or more, or None for the model's own, got {dimensions}")
        super().__init__(
            model_name,
            api_key,
            url,
            timeout_s=timeout_s,
            max_retries=max_retries,
            batch=batch_size,
            batch_name="batch_size",
            allow_http=allow_http,
        )
        self.dimensions = dimensions
        self.usage = Usage()
        self._width = dimensions or self.DIMS.get(model_name)  # known before any answer, or else from the first one
        self._lock = threading.Lock()

    @property
    def dim(self) -> int:
        """Width of a vector: `dimensions`, the provider's documented one, or an earlier answer's; never asked for here.

        Raises ValueError while none of these is known.
        """
        if self._width is None:
            raise ValueError(
                f"{self!r}: the width of its vectors is not known before an answer has shown it: encode something "
                "first, call ask_dim() (it sends one request), or pass the width as dimensions"
            )
        return self._width

    def ask_dim(self) -> int:
        """The width of the server's vectors, by one request for the vector of one word."""
        self._encode(["width"], "text", "texts")
        return self.dim

    def encode_documents(self, documents: Sequence[str]) -> Float[Array, "texts dim"]:
        """Vectors of documents in input order, float32; an empty list gives `(0, dim)` and no request.

        Raises TypeError or ValueError for what is no list of texts, ValueError for an empty list while `dim` is not
        known, a RemoteError when the server cannot be reached, refuses, or answers out of its protocol.
        """
        return self._encode(documents, "document", "documents")

    def encode_queries(self, queries: Sequence[str]) -> Float[Array, "texts dim"]:
        """Vectors of queries; otherwise as `encode_documents`."""
        return self._encode(queries, "query", "queries")

    def __call__(self, texts: Sequence[str]) -> Float[Array, "texts dim"]:
        """Vectors of texts that are neither; otherwise as `encode_documents`."""
        return self._encode(texts, "text", "texts")

    def _encode(self, given: object, kind: Kind, name: str) -> Array:
        texts = check_texts(given, name)
        check_encodable(texts, lambda index: f"{name}[{index}]")
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        parts = []
        for _, batch in self._batches(texts):
            read = partial(self._read, texts=len(batch))
            vectors, tokens = self._session.post("", self._body(batch, kind), read=read)
            with self._lock:
                self.usage = self.usage.plus(tokens)
                self._width = self._width or vectors.shape[1]
            parts.append(vectors)
        return np.concatenate(parts)

    def _read(self, answer: Any, texts: int) -> tuple[Array, int | None]:
        vectors = self._vectors(answer, texts)
        if self._width is not None and vectors.shape[1] != self._width:
            raise ProtocolError(
                f"{self!r}: the vectors are {vectors.shape[1]} wide, expected {self._width}: the server runs another "
                "model, or does not shorten vectors; name its model as model_name, or its width as dimensions"
            )
        return vectors, tokens_in(answer, self.TOKEN_PLACES)

    def _vectors(self, answer: Any, texts: int) -> Array:
        return indexed_vectors(answer, texts, repr(self))

    def _body(self, texts: list[str], kind: Kind) -> dict[str, Any]:
        """The request for the vectors of `texts`."""
        raise NotImplementedError


def embeddings_address(base_url: str) -> str:
    """`base_url` up to `/embeddings`, as OpenAI's SDK has it; a bare host is taken to mean its `/v1`."""
    bare = isinstance(base_url, str) and urlsplit(base_url).path in ("", "/")
    return endpoint(base_url, ("embeddings",), "v1" if bare else None)


def given(**fields: Any) -> dict[str, Any]:
    """The fields that are not None: what nobody chose is left to the server."""
    return {name: value for name, value in fields.items() if value is not None}


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
