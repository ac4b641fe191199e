"""A remote provider as one record, from which its clients, check targets, serve routes and systems derive."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from refimpl.http import RETRY_STATUSES
from refimpl.http.session import BEARER_HEADER
from refimpl.providers.services import EmbeddingService, Endpoint, RerankService, SparseService, TokenService

S = TypeVar("S", bound=Endpoint)


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A remote API: its services, its own address and key, and the shape of its errors.

    Attributes
    ----------
    name, title
        Name in `--protocol` and in systems such as `openai:MODEL`; name to print.
    embeddings, rerank
        Services, the one that a client uses by default first.
    others
        Services that `refimpl serve` offers and no client of refimpl calls.
    home
        The provider's own base URL, the only one that a key from the environment is sent to; None for software that
        users run themselves.
    key_header
        Header of the key; "Authorization" has it after "Bearer ".
    key_variables, url_variable
        Environment variables of the key, tried in order, and of the base URL.
    retry_statuses
        HTTP statuses after which a client sends the request again.
    error
        Error body for an HTTP status and a message.
    invalid_status
        HTTP status of the response to a field with a value that is not allowed.
    unknown_field
        HTTP status and message, with `{name}`, of the response to a request with a field that the API does not have;
        None where such fields are ignored.
    system
        Whether `refimpl run` has a system of this name: not where the server is reached as another provider's.
    """

    name: str
    title: str
    embeddings: tuple[EmbeddingService, ...] = ()
    rerank: tuple[RerankService, ...] = ()
    sparse: SparseService | None = None
    tokens: TokenService | None = None
    others: tuple[Endpoint, ...] = ()
    home: str | None = None
    key_header: str = BEARER_HEADER
    key_variables: tuple[str, ...] = ()
    url_variable: str | None = None
    retry_statuses: frozenset[int] = RETRY_STATUSES
    error: Callable[[int, str], dict[str, Any]] = lambda status, message: {"detail": message}
    invalid_status: int = 422
    unknown_field: tuple[int, str] | None = None
    system: bool = True

    @property
    def services(self) -> tuple[Endpoint, ...]:
        """All services."""
        single = (service for service in (self.sparse, self.tokens) if service is not None)
        return *self.embeddings, *self.rerank, *single, *self.others

    def checked(self) -> dict[str, Endpoint]:
        """The service that a check uses, by task."""
        chosen: dict[str, Endpoint] = {}
        for service in self.services:
            if service.check_options is not None:
                chosen.setdefault(service.task, service)
        return chosen

    def address(self, base_url: str | None) -> str:
        """`base_url`, or the provider's own; TypeError where it has none."""
        if base_url is None and self.home is None:
            raise TypeError(
                f"base_url must be a str, got None: {self.title} has no address of its own, name your server's"
            )
        return self.home or "" if base_url is None else base_url

    def embedding_service(self, base_url: str | None = None, version: str | None = None) -> EmbeddingService:
        """The service of `version`, or the one whose path `base_url` ends with, or the first."""
        return _choose(self, self.embeddings, base_url, version)

    def rerank_service(self, base_url: str | None = None, version: str | None = None) -> RerankService:
        """As `embedding_service`, for reranking."""
        return _choose(self, self.rerank, base_url, version)


def _choose(provider: Provider, services: tuple[S, ...], base_url: str | None, version: str | None) -> S:
    if not services:
        raise ValueError(f"{provider.title} has no such service: choose another provider")
    last = str(base_url or "").rstrip("/").rsplit("/", 1)[-1]
    if version is not None:
        found = (service for service in services if service.version == version)
    else:
        found = (service for service in services if last in service.names)
    return next(found, services[0])
