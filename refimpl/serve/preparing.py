"""From a request's JSON to the texts to compute and to the response, one function per task."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from refimpl.bert.heads import l2_normalize
from refimpl.providers.fields import Served, Values
from refimpl.providers.parsing import (
    decode_request,
    embed_request,
    field_values,
    json_object,
    rerank_request,
    similarity_request,
    tokenize_request,
)
from refimpl.providers.requests import RequestRefused
from refimpl.providers.services import EmbeddingService, RerankService, SparseService, TokenService
from refimpl.providers.tei import DecodeService, SimilarityService
from refimpl.serve.batches import Rows, Work
from refimpl.serve.bodies import check_lengths, check_query
from refimpl.serve.engine import Engine, check_sparse_model, check_truncation
from refimpl.serve.limits import Limits
from refimpl.serve.routes import Candidate

TOKENIZE_CHARS = 1 << 16
"""Characters of all texts of a request for tokens, each of which takes about 500 bytes of memory in the response."""


@dataclass(frozen=True)
class Context:
    """What requests are computed with."""

    engine: Engine
    limits: Limits
    served: Served


@dataclass(frozen=True)
class Prepared:
    """What a request is for: texts to compute, and the response from their rows."""

    work: Work
    write: Callable[[Rows], Any]


@dataclass(frozen=True)
class Immediate:
    """A request whose response needs no model."""

    write: Callable[[], Any]


def prepare(body: Any, candidate: Candidate, path: str, context: Context) -> Prepared | Immediate:
    """What a request for the `candidate` at `path` is for; RequestRefused for what is wrong with it."""
    service = candidate.service
    values = field_values(json_object(body), candidate.fields, candidate.provider)
    values = service.flattened(values)
    if isinstance(service, RerankService):
        return _rerank(service, values, context, echo=service.echoes_by_default and path == service.path)
    if isinstance(service, EmbeddingService):
        return _embed(service, values, context)
    if isinstance(service, SparseService):
        return _embed_sparse(service, values, context)
    if isinstance(service, SimilarityService):
        return _similarity(service, values, context)
    if isinstance(service, TokenService):
        return _tokenize(service, values, context)
    assert isinstance(service, DecodeService)
    decoding = decode_request(service, values, context.served)
    return Immediate(lambda: service.write(context.engine.decode(decoding)))


def _embed(service: EmbeddingService, values: Values, context: Context) -> Prepared:
    engine = context.engine
    request = embed_request(service, values, context.served)
    if request.ids:
        engine.check_ids(request.ids, service.texts_field)
        work = Work("embed ids", engine.embed_ids, request.ids)
    else:
        work = _text_work(request.texts, request.direction, context)

    def write(rows: Rows) -> Any:
        check_truncation(rows, request.truncate)
        return service.write(request, engine.shaped(rows.values, request), rows.tokens, engine.embed_name)

    return Prepared(work, write)


def _text_work(texts: list[str], direction: str, context: Context) -> Work:
    check_lengths(texts, context.limits)
    compute = context.engine.embed_left if direction == "left" else context.engine.embed
    return Work(f"embed {direction}", compute, texts)


def _embed_sparse(service: SparseService, values: Values, context: Context) -> Prepared:
    engine = context.engine
    request = embed_request(service, values, context.served)
    check_sparse_model(engine)
    check_lengths(request.texts, context.limits)

    def write(rows: Rows) -> Any:
        check_truncation(rows, request.truncate)
        return service.write(rows.values)

    return Prepared(Work("embed sparse", engine.embed_sparse, request.texts), write)


def _rerank(service: RerankService, values: Values, context: Context, *, echo: bool) -> Prepared:
    engine = context.engine
    request = rerank_request(service, values, context.served, echo=echo)
    check_lengths([request.query, *request.documents], context.limits)
    check_query(request.query, request.documents, context.limits)

    def write(rows: Rows) -> Any:
        check_truncation(rows, request.truncate)
        return service.write(request, engine.ranked(request, rows.values), rows.tokens, engine.rerank_name)

    key = ("rerank", request.query)
    return Prepared(Work(key, partial(engine.score, request.query), request.documents), write)


def _similarity(service: SimilarityService, values: Values, context: Context) -> Prepared:
    request = similarity_request(service, values, context.served)

    def write(rows: Rows) -> Any:
        check_truncation(rows, request.truncate)
        vectors = l2_normalize(rows.values)
        return service.write(vectors[1:] @ vectors[0])

    return Prepared(_text_work([request.source, *request.sentences], request.direction, context), write)


def _tokenize(service: TokenService, values: Values, context: Context) -> Immediate:
    request = tokenize_request(service, values, context.served)
    check_lengths(request.texts, context.limits)
    characters = sum(map(len, request.texts))
    if characters > TOKENIZE_CHARS:
        raise RequestRefused(413, f"the texts hold {characters} characters, at most {TOKENIZE_CHARS}: send fewer")
    return Immediate(lambda: service.write(context.engine.tokenize(request)))
