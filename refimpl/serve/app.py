"""The routes: each protocol's body in, its shape out, its own way of saying what went wrong."""

import asyncio
import base64
import hmac
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np
from scipy.sparse import csr_array
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from refimpl.base import RerankResult
from refimpl.http import Secret
from refimpl.http.answers import strict_json
from refimpl.serve.bodies import EmbedRequest, Refused, RerankRequest, embed_request, finite, rerank_request
from refimpl.serve.engine import Engine

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What one client may ask of the server: texts and bytes a request, seconds to send it, requests waiting."""

    max_documents: int = 1000
    max_bytes: int = 8 << 20
    body_timeout_s: float = 30.0
    max_waiting: int = 32


class Gate:
    """Lets one request compute at a time; more than `max_waiting` behind it are sent away with 429."""

    def __init__(self, max_waiting: int) -> None:
        self._turn = asyncio.Semaphore(1)
        self._room = max_waiting + 1

    async def run(self, work: Callable[[Any], Any], request: Any) -> Any:
        """`work(request)` in a thread, when its turn comes."""
        if self._room == 0:
            raise Refused(429, "too many requests are waiting", {"Retry-After": "1"})
        self._room -= 1
        try:
            async with self._turn:
                return await run_in_threadpool(work, request)
        finally:
            self._room += 1


def build_app(engine: Engine, key: Secret | None = None, limits: Limits | None = None) -> Starlette:
    """The ASGI application: rerank and embedding routes and /health; with a `key`, all but /health want it."""
    limits = limits or Limits()
    gate = Gate(limits.max_waiting)

    async def rerank(body: Any, path: str) -> Any:
        asked = rerank_request(body, most=limits.max_documents, echo=path == "/v1/rerank")
        results, tokens = await gate.run(engine.rerank, asked)
        return _rerank_answer(engine, path, body, asked, results, tokens)

    async def embed(body: Any, path: str) -> Any:
        asked = embed_request(body, most=limits.max_documents, dim=engine.embedder.dim)
        vectors, tokens = await gate.run(engine.embed, asked)
        return _embed_answer(engine, path, asked, vectors, tokens)

    async def embed_sparse(body: Any, path: str) -> Any:
        asked = embed_request(body, most=limits.max_documents)
        return _sparse_answer(await gate.run(engine.embed_sparse, asked))

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "embeddings": engine.embed_name, "rerank": engine.rerank_name})

    answers = dict.fromkeys(("/v1/rerank", "/v2/rerank", "/rerank"), rerank)
    answers |= dict.fromkeys(("/embed", "/v1/embeddings", "/v1/embed", "/v2/embed"), embed)
    answers["/embed_sparse"] = embed_sparse
    routes = [_route(path, answer, key, limits) for path, answer in answers.items()]
    return Starlette(routes=[*routes, Route("/health", health)], exception_handlers={HTTPException: _no_route})


def _route(path: str, answer: Callable[[Any, str], Awaitable[Any]], key: Secret | None, limits: Limits) -> Route:
    """A route that answers a POST with `answer(body, path)` as JSON, and says in the path's own shape what is wrong."""

    async def endpoint(request: Request) -> Response:
        try:
            _check_key(request, key)
            return JSONResponse(await answer(await _read(request, limits), path))
        except Refused as refused:
            return _error(path, refused.status, str(refused), refused.headers)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:  # the client learns that it was us, the log why; the server goes on
            log.exception("%s failed", path)
            return _error(path, 500, "the server failed: its log says why")

    return Route(path, endpoint, methods=["POST"])


def _rerank_answer(
    engine: Engine, path: str, body: Any, asked: RerankRequest, results: list[RerankResult], tokens: int
) -> Any:
    """TEI's bare list where `texts` were sent, Voyage's `data` where `truncation` or `top_k`, else `results`."""
    if "texts" in body:
        return [
            {"index": r.index, "score": finite(r.score), **({"text": r.text} if asked.echo else {})} for r in results
        ]
    entries = [
        {
            "index": r.index,
            "relevance_score": finite(r.score),
            **({"document": {"text": r.text}} if asked.echo else {}),
        }
        for r in results
    ]
    usage = {"total_tokens": tokens}
    if "truncation" in body or "top_k" in body:
        plain = [
            {**entry, "document": r.text} if asked.echo else entry for entry, r in zip(entries, results, strict=True)
        ]
        return {"object": "list", "data": plain, "model": engine.rerank_name, "usage": usage}
    if path == "/v2/rerank":
        return {"id": str(uuid4()), "results": entries, "meta": {"api_version": {"version": "2"}}}
    return {"id": str(uuid4()), "object": "list", "model": engine.rerank_name, "usage": usage, "results": entries}


def _embed_answer(engine: Engine, path: str, asked: EmbedRequest, vectors: Any, tokens: int) -> Any:
    """TEI's bare list at /embed, Cohere's shapes at its paths, else OpenAI's."""
    if path == "/embed":
        return [_numbers(vector) for vector in vectors]
    encode = _base64 if asked.base64 else _numbers
    if path.endswith("/embed"):
        return _cohere_embeddings(path, asked, [encode(vector) for vector in vectors], tokens)
    data = [{"object": "embedding", "index": i, "embedding": encode(v)} for i, v in enumerate(vectors)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": engine.embed_name, "usage": usage}


def _sparse_answer(rows: csr_array) -> Any:
    """TEI's list of entries for each text, columns ascending."""
    parts = zip(np.split(rows.indices, rows.indptr[1:-1]), np.split(rows.data, rows.indptr[1:-1]), strict=True)
    return [
        [{"index": column, "value": value} for column, value in zip(columns.tolist(), _numbers(values), strict=True)]
        for columns, values in parts
    ]


def _cohere_embeddings(path: str, asked: EmbedRequest, vectors: list[Any], tokens: int) -> Any:
    """By type in version 2 and where `embedding_types` was sent; version 1 has bare vectors."""
    by_type = asked.by_type or path == "/v2/embed"
    return {
        "id": str(uuid4()),
        "texts": asked.texts,
        "embeddings": {"base64" if asked.base64 else "float": vectors} if by_type else vectors,
        "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
        "meta": {"api_version": {"version": path[2]}, "billed_units": {"input_tokens": tokens}},
    }


async def _read(request: Request, limits: Limits) -> Any:
    """The body as strict JSON, no longer and no slower than the limits allow."""
    data = bytearray()
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            async for chunk in request.stream():
                data += chunk
                if len(data) > limits.max_bytes:
                    raise Refused(413, f"the body may hold {limits.max_bytes} bytes: send fewer texts at a time")
    except TimeoutError:
        raise Refused(408, f"the body did not come within {limits.body_timeout_s:g} s") from None
    try:
        return strict_json(bytes(data))
    except ValueError as error:
        raise Refused(400, f"the body is no JSON: {error}") from None


def _check_key(request: Request, key: Secret | None) -> None:
    if key is None:
        return
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), key.reveal().encode()):
        raise Refused(
            401, "the API key is missing or wrong: send it as Authorization: Bearer", {"WWW-Authenticate": "Bearer"}
        )


def _error(path: str, status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The error in the shape that the route's clients look for: OpenAI's, TEI's, Cohere's, or Jina's."""
    kind = "Backend" if status >= 500 or status == 424 else "Overloaded" if status == 429 else "Validation"
    shapes: dict[str, Any] = {
        "/v1/embeddings": {"error": {"message": message, "type": kind, "code": status}},
        "/embed": {"error": message, "error_type": kind},
        "/embed_sparse": {"error": message, "error_type": kind},
        "/rerank": {"error": message, "error_type": kind},
        "/v2/rerank": {"message": message},
        "/v1/embed": {"message": message},
        "/v2/embed": {"message": message},
    }
    return JSONResponse(shapes.get(path, {"detail": message}), status, headers)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse(
        {"detail": f"{request.method} {request.url.path}: {error.detail}"}, error.status_code, error.headers
    )


def _numbers(vector: np.ndarray) -> list[float]:
    return [finite(value) for value in vector.tolist()]


def _base64(vector: np.ndarray) -> str:
    """Little-endian float32, as OpenAI has it."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
