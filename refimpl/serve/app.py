"""The ASGI application: requests of every provider's API in, responses and errors in the shapes of the same API out."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette import routing
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from refimpl.http import Secret
from refimpl.providers import Provider
from refimpl.providers.requests import RequestRefused
from refimpl.serve.admission import SMALL_BYTES, Admission
from refimpl.serve.batches import Batches
from refimpl.serve.bodies import parsed
from refimpl.serve.engine import Engine
from refimpl.serve.information import Pages
from refimpl.serve.limits import Limits
from refimpl.serve.metrics import Metrics
from refimpl.serve.preparing import Context, Immediate, Prepared, prepare
from refimpl.serve.routes import Route, routes
from refimpl.serve.security import HostCheck, check_content_type, check_key

log = logging.getLogger(__name__)
MESSAGE_CHARS = 500  # of an error, which may repeat what the request holds
SMALL_TEXTS = 4  # a response to so few is written at once: a thread takes longer
T = TypeVar("T")


@dataclass(frozen=True)
class Server:
    """What all routes share."""

    context: Context
    key: Secret | None
    batches: Batches
    admission: Admission
    large: CapacityLimiter
    """One large body at a time is parsed, or written: each takes many times its bytes."""


@dataclass
class Call:
    """A request that is being served; `provider` is the one whose errors are its responses, as far as is known."""

    request: Request
    route: Route
    provider: Provider


def build_app(
    engine: Engine,
    key: Secret | None = None,
    limits: Limits | None = None,
    hosts: Collection[str] = (),
    metrics: Metrics | None = None,
) -> Starlette:
    """The ASGI application: every route of `refimpl.serve.routes`, and the pages of `refimpl.serve.information`.

    A `key` protects all but /health. `hosts` are names under which clients reach the server, beside localhost and IP
    addresses. `app.state.admission.stop()` refuses what waits, before the server ends.
    """
    limits = limits or Limits()
    metrics = metrics or Metrics()
    batches = Batches(metrics)
    admission = Admission(batches, limits, metrics)
    context = Context(engine, limits, engine.served(limits))
    served_routes = routes(context.served)
    server = Server(context, key, batches, admission, CapacityLimiter(1))
    pages = Pages(context, metrics, served_routes).routes(key)
    paths = [*(route.path for route in served_routes), *(page.path for page in pages)]
    app = Starlette(
        routes=[*(_route(one, server) for one in served_routes), *pages],
        exception_handlers={HTTPException: _no_route},
        middleware=[Middleware(Measured, metrics=metrics, paths=paths), Middleware(HostCheck, names=hosts)],
    )
    app.state.admission = admission
    app.state.batches = batches
    return app


def _route(route: Route, server: Server) -> routing.Route:
    """The Starlette route, with errors in the shape of the provider that a request is for."""

    async def endpoint(request: Request) -> Response:
        call = Call(request, route, route.provider)

        def error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
            return JSONResponse(call.provider.error(status, message[:MESSAGE_CHARS]), status, headers)

        try:
            return await _respond(call, server)
        except RequestRefused as refused:
            return error(refused.status, str(refused), refused.headers)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:  # reported to the client as a server error, with the cause in the log; the server continues
            log.exception("%s failed", route.path)
            return error(500, "the server failed: see its log")

    return routing.Route(route.path, endpoint, methods=["POST"])


async def _respond(call: Call, server: Server) -> Response:
    """Check, receive, parse, compute and write, each step only where the one before let the request through."""
    check_key(call.request, server.key)
    check_content_type(call.request)
    server.admission.check()
    with server.admission.body() as body:
        await server.admission.read(call.request, body)
        large = server.large if len(body.data) > SMALL_BYTES else None
        prepared = await _apart(large, lambda: _prepared(call, bytes(body.data), server.context))
        server.admission.check()
        if isinstance(prepared, Immediate):
            return await _apart(server.large, lambda: JSONResponse(prepared.write()))
        rows = await _unless_left(call.request, server.batches.compute(prepared.work))
        large = server.large if len(prepared.work.texts) > SMALL_TEXTS else None
        return await _apart(large, lambda: JSONResponse(prepared.write(rows)))


def _prepared(call: Call, data: bytes, context: Context) -> Prepared | Immediate:
    """What a request is for; its provider's errors are the responses from then on."""
    body = parsed(data, context.limits)
    candidate = call.route.identify(body)
    call.provider = candidate.provider
    return prepare(body, candidate, call.route.path, context)


async def _apart(limiter: CapacityLimiter | None, run: Callable[[], T]) -> T:
    """`run()`, in a thread where there is a `limiter`, which bounds their number."""
    return run() if limiter is None else await run_sync(run, limiter=limiter)


async def _unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; when the client closes the connection before it, `work` is cancelled: ClientDisconnect."""
    computing = asyncio.ensure_future(work)
    left = asyncio.ensure_future(request.receive())  # after the body, this can only be a disconnect
    either: set[asyncio.Future[Any]] = {computing, left}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not computing.done():
            raise ClientDisconnect
        return computing.result()
    finally:
        computing.cancel()
        left.cancel()


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{request.method[:20]} {request.url.path[:100]}: {error.detail}"
    return JSONResponse({"detail": message}, error.status_code, error.headers)


class Measured:
    """ASGI middleware: counts responses by route and status, and their seconds."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Collection[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._patterns = {path: routing.compile_path(path)[0] for path in paths}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application."""
        started = time.perf_counter()
        status = 500

        async def measured(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, measured)
        finally:
            path = scope.get("path", "")
            route = next((name for name, pattern in self._patterns.items() if pattern.match(path)), "other")
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)
