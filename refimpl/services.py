"""Systems whose vectors come from a server: `openai:MODEL`, `openai:MODEL@ADDRESS`, `tei:ADDRESS` and their kin."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jaxtyping import Float

from refimpl.dense.cohere import CohereEmbeddingFunction
from refimpl.dense.jinaai import JinaEmbeddingFunction
from refimpl.dense.openai import OpenAIEmbeddingFunction
from refimpl.dense.remote import Array, RemoteEmbeddingFunction
from refimpl.dense.tei import TEIEmbeddingFunction
from refimpl.dense.voyageai import VoyageEmbeddingFunction
from refimpl.search.plan import Encoder
from refimpl.search.records import Field

Make = Callable[..., RemoteEmbeddingFunction]
PROVIDERS: dict[str, Make] = {
    "openai": OpenAIEmbeddingFunction,
    "jina": JinaEmbeddingFunction,
    "voyage": VoyageEmbeddingFunction,
    "cohere": CohereEmbeddingFunction,
}
GRAMMAR = f"{'|'.join(PROVIDERS)}:MODEL[@ADDRESS], tei:ADDRESS"


@dataclass(frozen=True)
class Service:
    """A system's name taken apart: the provider, the model (empty for TEI, which serves one), the server's address."""

    provider: str
    model: str
    address: str | None

    @classmethod
    def parse(cls, name: str) -> "Service | None":
        """The service that `name` asks for, None where it asks for none."""
        provider, _, rest = name.partition(":")
        if provider == "tei" and rest:
            return cls(provider, "", rest)
        model, _, address = rest.partition("@")
        return cls(provider, model, address or None) if provider in PROVIDERS and model else None

    @property
    def field(self) -> str:
        """Its field in Milvus, whose names hold letters, digits and underscores."""
        return re.sub(r"\W", "_", f"{self.provider}_{self.model}_{self.address or ''}", flags=re.ASCII)

    @property
    def name(self) -> str:
        """What the system is called in results and files: without slashes, and without an address's scheme."""
        where = urlsplit(self.address or "").netloc
        called = self.model.rsplit("/", 1)[-1] + (f"@{where}" if where and self.model else where)
        return f"{self.provider}:{called}"

    @property
    def about(self) -> str:
        """The system in a sentence."""
        at = f" at {self.address}" if self.address else ""
        return f"vectors of {self.provider} {self.model}{at}, an empty text sent as a blank, cosine".replace("  ", " ")

    def encoder(self) -> Encoder:
        """What fills its field; one request asks for the vectors' width where nobody documents it.

        Vectors of a provider's own model are cached, for it is known by name; those of another server are not.
        """
        if self.provider == "tei":
            address = self.address or ""
            cut = True if address.rstrip("/").endswith("/embed") else None  # TEI's own route cuts only when told to
            function: RemoteEmbeddingFunction = TEIEmbeddingFunction(address, truncate=cut)
        else:
            options: dict[str, Any] = {"base_url": self.address} if self.address else {}
            function = PROVIDERS[self.provider](self.model, **options)
        try:
            dim = function.dim
        except ValueError:
            dim = function.ask_dim()
        key = {"provider": self.provider, "model": self.model, "address": self.address}
        return Encoder(Field(self.field, "dense", "COSINE", dim), _Filled(function), key, cached=self.address is None)


class _Filled:
    """A remote embedder that is sent a blank for an empty text, which most servers refuse, and collections hold."""

    def __init__(self, function: RemoteEmbeddingFunction) -> None:
        self._function = function

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._function.dim

    def encode_documents(self, documents: Sequence[str]) -> Float[Array, "texts dim"]:
        """One row a document."""
        return self._function.encode_documents([text or " " for text in documents])

    def encode_queries(self, queries: Sequence[str]) -> Float[Array, "texts dim"]:
        """One row a query."""
        return self._function.encode_queries([text or " " for text in queries])
