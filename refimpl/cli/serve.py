"""`refimpl serve`: the reference as a server, for clients of several known protocols."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refimpl.cli.app import app

if TYPE_CHECKING:
    from refimpl.http import Secret
    from refimpl.serve.engine import Engine

KEY_VARIABLE = "REFIMPL_SERVE_KEY"


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default accepts only local connections.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 8080,
    rerank_model: Annotated[
        str | None, typer.Option(help="Cross-encoder: a folder or owner/name. Default: MaxSim over MiniLM's tokens.")
    ] = None,
    splade_model: Annotated[
        str | None, typer.Option(help="For /embed_sparse: splade-tiny, a folder or owner/name. Default: none.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32, or float64 as in the oracle.")] = "float32",
    api_key: Annotated[
        str | None, typer.Option(help=f"Clients must send this key. Better in {KEY_VARIABLE} or in a file.")
    ] = None,
    api_key_file: Annotated[Path | None, typer.Option(help="File that holds the key, and nothing else.")] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Name under which clients reach the server, beside localhost and addresses; '*': any."),
    ] = None,
    max_documents: Annotated[int, typer.Option(min=1, help="Maximum number of texts per request.")] = 1000,
    max_waiting: Annotated[
        int, typer.Option(min=0, help="Maximum number of waiting requests; others get status 429.")
    ] = 128,
    max_connections: Annotated[int, typer.Option(min=1, help="Maximum number of open connections.")] = 512,
) -> None:
    """Serve the APIs of OpenAI, Jina, Voyage, Cohere, TEI and llama.cpp; /openapi.json describes its routes.

    /health shows that the server runs, and /metrics its metrics in Prometheus' format.
    """
    try:
        from refimpl.serve.limits import Limits
        from refimpl.serve.run import run
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "starlette", "prometheus_client", "jsonschema"):
            raise
        raise OSError(f"refimpl serve needs {error.name}: pip install 'refimpl[serve]'") from error
    key = _key(api_key, api_key_file)
    limits = Limits(max_documents=max_documents, max_waiting=max_waiting, max_connections=max_connections)
    run(_engine(rerank_model, splade_model, dtype), host, port, key, limits, allow_host or ())


def _key(on_command_line: str | None, file: Path | None) -> "Secret | None":
    """The key of the command line, with a warning, of the file, or of the environment."""
    from refimpl.common.inputs import read_bytes
    from refimpl.http import Secret

    if file is not None:
        if on_command_line is not None:
            raise ValueError("expected one API key, got --api-key and --api-key-file: give one of them")
        try:
            return Secret(read_bytes(file).decode())
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None
    if on_command_line is not None:
        print(
            "refimpl: --api-key can be read in the list of processes by every user of this machine: use "
            f"{KEY_VARIABLE} or --api-key-file",
            file=sys.stderr,
        )
        return Secret(on_command_line)
    in_environment = os.environ.get(KEY_VARIABLE)
    return None if in_environment is None else Secret(in_environment)


def _engine(rerank_model: str | None, splade_model: str | None, dtype: str) -> "Engine":
    from refimpl import CrossEncoderRerankFunction, MaxSimRerankFunction, MiniLMEmbeddingFunction
    from refimpl.serve.engine import Engine
    from refimpl.sparse.splade import SpladeEmbeddingFunction

    embedder = MiniLMEmbeddingFunction(dtype=dtype)
    reranker = (
        MaxSimRerankFunction(dtype=dtype)
        if rerank_model is None
        else CrossEncoderRerankFunction(rerank_model, dtype=dtype)
    )
    splade = SpladeEmbeddingFunction(splade_model, dtype=dtype) if splade_model is not None else None
    return Engine(embedder, reranker, "all-MiniLM-L6-v2", rerank_model or "all-MiniLM-L6-v2-maxsim", splade)
