"""Pages about the server that clients GET: its health, metrics and models, and the description of its API."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as StarletteRoute

from refimpl import __version__
from refimpl.http import Secret
from refimpl.providers.openai import openai_error
from refimpl.providers.requests import RequestRefused
from refimpl.serve.metrics import Metrics
from refimpl.serve.openapi import description
from refimpl.serve.preparing import Context
from refimpl.serve.routes import Route
from refimpl.serve.security import check_key

MODELS = ("/v1/models", "/models")
OPENAPI = ("/openapi.json", "/api-doc/openapi.json")
"""The paths of FastAPI's servers (vLLM, Infinity) and of TEI."""


@dataclass(frozen=True)
class Pages:
    """The pages of a server."""

    context: Context
    metrics: Metrics
    post_routes: Sequence[Route]

    def routes(self, key: Secret | None) -> list[StarletteRoute]:
        """The pages as Starlette's routes; a `key` protects all but /health."""
        api = description(self.post_routes, self.context.served, key_needed=key is not None)

        def page(path: str, respond: Callable[[Request], Response], key: Secret | None = key) -> StarletteRoute:
            async def endpoint(request: Request) -> Response:
                try:
                    check_key(request, key)
                    return respond(request)
                except RequestRefused as refused:
                    return JSONResponse({"detail": str(refused)}, refused.status, refused.headers)

            return StarletteRoute(path, endpoint)

        return [
            page("/health", lambda _: JSONResponse(self.health()), None),
            page("/metrics", lambda _: Response(self.metrics.text(), headers={"Content-Type": Metrics.content_type})),
            page("/info", lambda _: JSONResponse(self.info())),
            *(page(path, lambda _: JSONResponse(self.models())) for path in MODELS),
            *(page(f"{path}/{{model:path}}", self._model) for path in MODELS),
            *(page(path, lambda _: JSONResponse(api)) for path in OPENAPI),
        ]

    def health(self) -> dict[str, str]:
        """That the server runs, and the names of its models."""
        engine = self.context.engine
        return {"status": "ok", "embeddings": engine.embed_name, "rerank": engine.rerank_name}

    def info(self) -> dict[str, Any]:
        """TEI's description of the embedding model."""
        engine, limits, served = self.context.engine, self.context.limits, self.context.served
        return {
            "model_id": engine.embed_name,
            "model_sha": None,
            "model_dtype": engine.embedder.weights.dtype.name,
            "model_type": {"embedding": {"pooling": "mean"}},
            "max_concurrent_requests": limits.max_waiting,
            "max_input_length": served.max_length,
            "max_batch_tokens": served.max_texts * served.max_length,
            "max_batch_requests": None,
            "max_client_batch_size": served.max_texts,
            "auto_truncate": False,
            "tokenization_workers": 1,
            "version": __version__,
            "sha": None,
            "docker_label": None,
        }

    def models(self) -> dict[str, Any]:
        """OpenAI's list of models; a request may name any, and gets the served one."""
        engine = self.context.engine
        names = [engine.embed_name, engine.rerank_name]
        return {"object": "list", "data": [_entry(name) for name in dict.fromkeys(names)]}

    def _model(self, request: Request) -> Response:
        """One entry of the list; OpenAI's error for a name that is not in it."""
        name = request.path_params["model"]
        found = next((one for one in self.models()["data"] if one["id"] == name), None)
        message = f"The model {name[:100]!r} does not exist"
        return JSONResponse(openai_error(404, message), 404) if found is None else JSONResponse(found)


def _entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "refimpl"}
