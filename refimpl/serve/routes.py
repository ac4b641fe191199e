"""Routes of the server, derived from the records of the providers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from refimpl.providers import PROVIDERS, Provider, RerankService
from refimpl.providers.fields import Field, Served
from refimpl.providers.parsing import json_object
from refimpl.providers.services import Endpoint


@dataclass(frozen=True)
class Candidate:
    """A service that a request may be for, its provider, and the fields of its requests."""

    provider: Provider
    service: Endpoint
    fields: dict[str, Field]


@dataclass(frozen=True)
class Route:
    """A path with the services that have it, in the order of the registry, and others that share its clients.

    Clients of every rerank service are pointed at any rerank path, so that all of those services are candidates there.
    """

    path: str
    own: tuple[Candidate, ...]
    others: tuple[Candidate, ...] = ()

    @property
    def provider(self) -> Provider:
        """The first service's provider, whose errors are the responses to what cannot be read."""
        return self.own[0].provider

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All services, the path's own first."""
        return *self.own, *self.others

    def identify(self, body: Any) -> Candidate:
        """The candidate that has most of the request's fields, the first of equals; RequestRefused for no object."""
        names = json_object(body).keys()
        return min(self.candidates, key=lambda one: len(names - one.fields.keys()))


def routes(served: Served) -> list[Route]:
    """One route per path of a service."""
    own: dict[str, list[Candidate]] = {}
    for candidate in _candidates(served):
        for path in candidate.service.paths:
            own.setdefault(path, []).append(candidate)
    reranking = [one for one in _candidates(served) if isinstance(one.service, RerankService)]
    return [
        Route(path, tuple(ones), tuple(one for one in reranking if one not in ones) if _reranks(ones) else ())
        for path, ones in own.items()
    ]


def _candidates(served: Served) -> Iterator[Candidate]:
    for provider in PROVIDERS.values():
        for service in provider.services:
            yield Candidate(provider, service, service.request_fields(served))


def _reranks(candidates: list[Candidate]) -> bool:
    """Whether all services rerank."""
    return all(isinstance(one.service, RerankService) for one in candidates)
