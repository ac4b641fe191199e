"""Systems whose vectors come from a server: `openai:MODEL`, `openai:MODEL@ADDRESS`, `tei:ADDRESS` and the like."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from jaxtyping import Float

from refimpl.base import Usage
from refimpl.common.types import Array
from refimpl.dense.remote import RemoteEmbeddingFunction
from refimpl.providers import PROVIDERS
from refimpl.providers.client import SERVED_MODEL
from refimpl.search.fields import DenseField
from refimpl.search.plan import Encoder


def grammar() -> str:
    """The names of remote systems: providers with an address of their own serve many models, the others one."""
    hosted = [one.name for one in PROVIDERS.values() if one.embeddings and one.system and one.home]
    local = [one.name for one in PROVIDERS.values() if one.embeddings and one.system and not one.home]
    return ", ".join([f"{'|'.join(hosted)}:MODEL[@ADDRESS]", *(f"{name}:ADDRESS" for name in local)])


@dataclass(frozen=True)
class Service:
    """A parsed system name: provider, model (empty where a server has only one, as TEI), the server's address."""

    provider: str
    model: str
    address: str | None

    @classmethod
    def parse(cls, name: str) -> "Service | None":
        """The service that a system of this name uses; None for any other name."""
        provider, _, rest = name.partition(":")
        record = PROVIDERS.get(provider)
        if record is None or not record.embeddings or not record.system or not rest:
            return None
        if record.home is None:
            return cls(provider, "", rest)
        model, _, address = rest.partition("@")
        return cls(provider, model, address or None) if model else None

    @property
    def field(self) -> str:
        """Name of its field in Milvus: letters, digits and underscores."""
        return re.sub(r"\W", "_", f"{self.provider}_{self.model}_{self.address or ''}", flags=re.ASCII)

    @property
    def name(self) -> str:
        """Name of the system in results and files: without slashes and without the scheme of an address."""
        where = urlsplit(self.address or "").netloc
        called = self.model.rsplit("/", 1)[-1] + (f"@{where}" if where and self.model else where)
        return f"{self.provider}:{called}"

    @property
    def about(self) -> str:
        """Description of the system, one sentence."""
        at = f" at {self.address}" if self.address else ""
        return f"vectors of {self.provider} {self.model}{at}, an empty text sent as a space, cosine".replace("  ", " ")

    def encoder(self) -> Encoder:
        """The encoder of its field; one request determines the width where no documentation states it.

        Vectors of a provider's own model are cached, since its name identifies it; those of another server are not.
        """
        service = PROVIDERS[self.provider].embedding_service(self.address)
        truncate = (
            {} if service.truncates_by_default or service.truncate_field is None else {service.truncate_field: True}
        )
        function = RemoteEmbeddingFunction(
            self.provider, self.model or SERVED_MODEL, base_url=self.address, options=truncate
        )
        try:
            dim = function.dim
        except ValueError:
            dim = function.ask_dim()
        key = {"provider": self.provider, "model": self.model, "address": self.address}
        field = DenseField(self.field, dim, "COSINE")
        return Encoder(field, EmptyTextsAsSpaces(function), key, cached=self.address is None)


class EmptyTextsAsSpaces:
    """A remote embedding function that sends a space for an empty text, which most servers refuse."""

    def __init__(self, function: RemoteEmbeddingFunction) -> None:
        self._function = function

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._function.dim

    @property
    def usage(self) -> Usage:
        """Requests so far, and the tokens that the responses state."""
        return self._function.usage

    def encode_documents(self, documents: Sequence[str]) -> Float[Array, "texts dim"]:
        """One row per document."""
        return self._function.encode_documents([text or " " for text in documents])

    def encode_queries(self, queries: Sequence[str]) -> Float[Array, "texts dim"]:
        """One row per query."""
        return self._function.encode_queries([text or " " for text in queries])
