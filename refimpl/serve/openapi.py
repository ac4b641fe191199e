"""The server's description in OpenAPI 3.1, made of the fields that requests are checked by.

Schemas of responses are those of examples, which the services write as they write responses.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from refimpl import __version__
from refimpl.base import RerankResult
from refimpl.http.session import BEARER_HEADER
from refimpl.providers import PROVIDERS, EmbeddingService, Provider, RerankService, SparseService
from refimpl.providers.fields import Served, object_schema
from refimpl.providers.requests import EmbedRequest, RerankRequest, Token
from refimpl.providers.services import MODEL, Endpoint, TokenService
from refimpl.providers.tei import DecodeService, SimilarityService
from refimpl.serve.routes import Candidate, Route

TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
REFUSED = ("400", "401", "408", "413", "415", "421", "422", "424", "429", "500", "503")
"""Statuses of errors; each has the provider's shape, or `detail` where the request has none."""


def description(routes: Sequence[Route], served: Served, *, key_needed: bool) -> dict[str, Any]:
    """The OpenAPI document of `routes`; `key_needed` is whether requests need a key."""
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "refimpl serve", "version": __version__},
        "paths": {route.path: _in_path(route.path) | {"post": _operation(route)} for route in routes},
    }
    if key_needed:
        schemes = {"key": {"type": "http", "scheme": "bearer"}} | {
            header: {"type": "apiKey", "in": "header", "name": header}
            for header in sorted({one.key_header for one in PROVIDERS.values()} - {BEARER_HEADER})
        }
        document["components"] = {"securitySchemes": schemes}
        document["security"] = [{name: []} for name in schemes]
    return document


def _in_path(path: str) -> dict[str, Any]:
    """The parameters of a path: none, or the model, which may be any."""
    if MODEL not in path:
        return {}
    return {"parameters": [{"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}]}


def _operation(route: Route) -> dict[str, Any]:
    candidates = [one for one, _ in reachable(route.candidates)]
    errors = _any_of([_error(one.provider) for one in candidates] + [schema_of([{"detail": ""}])])
    responses = _any_of(schema_of(list(_examples(one.service))) for one in candidates)
    return {
        "summary": f"{', '.join(dict.fromkeys(one.service.task for one in route.own))}, in the format of "
        f"{', '.join(dict.fromkeys(one.provider.title for one in candidates))}",
        "requestBody": {
            "required": True,
            "content": _json(_any_of(request_schema(one, names) for one, names in reachable(route.candidates))),
        },
        "responses": {
            "200": {"description": "The response.", "content": _json(responses)},
            **{status: {"description": "An error.", "content": _json(errors)} for status in REFUSED},
        },
    }


def reachable(candidates: Sequence[Candidate]) -> Iterator[tuple[Candidate, list[list[str]]]]:
    """The candidates that a request may be for, with lists of names, of each of which it then has one.

    `Route.identify` takes the first of those that have most of a request's fields, so that a request for a later one
    has a field that an earlier one has not.
    """
    for number, candidate in enumerate(candidates):
        names = [[name for name in candidate.fields if name not in one.fields] for one in candidates[:number]]
        if all(names):
            yield candidate, names


def request_schema(candidate: Candidate, names: Sequence[Sequence[str]]) -> dict[str, Any]:
    """JSON Schema of the requests for a service, which have one of each list of `names`."""
    distinguished = {"allOf": [{"anyOf": [{"required": [name]} for name in some]} for some in names]} if names else {}
    return {
        **distinguished,
        **object_schema(candidate.fields.values()),
        "title": f"{candidate.provider.title} {candidate.service.path}",
        "additionalProperties": candidate.provider.unknown_field is None,
    }


def schema_of(examples: Sequence[Any]) -> dict[str, Any]:
    """JSON Schema of the values like the examples: of their types, with all of the keys that each of a kind has."""
    kinds = {type(one) for one in examples}
    if len(kinds) != 1:
        return _any_of(schema_of([one for one in examples if type(one) is kind]) for kind in sorted(kinds, key=str))
    (kind,) = kinds
    if kind is list:
        items = [item for one in examples for item in one]
        return {"type": "array", "items": schema_of(items)} if items else {"type": "array"}
    if kind is dict:
        keys = dict.fromkeys(key for one in examples for key in one)
        properties = {key: schema_of([one[key] for one in examples if key in one]) for key in keys}
        required = [key for key in keys if all(key in one for one in examples)]
        return {"type": "object", "properties": properties, "required": required}
    return {"type": TYPES[kind]}


def _examples(service: Endpoint) -> Iterator[Any]:
    """A response of each form."""
    if isinstance(service, EmbeddingService):
        types = ("float", "base64") if service.keyed_by_encoding else ("float", "binary")
        for kind, base64, by_type in product(types, (False, True), (False, True)):
            request = EmbedRequest(["a"], encodings=(kind,), base64=base64, by_type=by_type)
            if kind != "base64" or by_type:
                yield service.write(request, np.full((1, 8), 0.5), 1, "m")
    elif isinstance(service, RerankService):
        for echo in (False, True):
            yield service.write(RerankRequest("q", ["a"], 1, echo, False, True), [RerankResult("a", 0.5, 0)], 1, "m")
    elif isinstance(service, SparseService):
        yield service.write(csr_array(np.full((1, 1), 0.5)))
    elif isinstance(service, TokenService):
        yield service.write([[Token(1, "a", False, 0, 1), Token(1, "a", True, None, None)]])
    elif isinstance(service, DecodeService):
        yield service.write(["a"])
    elif isinstance(service, SimilarityService):
        yield service.write(np.array([0.5]))


def _error(provider: Provider) -> dict[str, Any]:
    return schema_of([provider.error(int(status), "m") for status in REFUSED])


def _any_of(schemas: Iterable[dict[str, Any]]) -> dict[str, Any]:
    distinct: list[dict[str, Any]] = []
    for schema in schemas:
        if schema not in distinct:
            distinct.append(schema)
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
