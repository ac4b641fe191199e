"""`refimpl serve`: the reference's numbers for any client that speaks a known protocol."""

from typing import Annotated

import typer

from refimpl.cli.app import app


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; the default is this machine only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port.")] = 8080,
    rerank_model: Annotated[
        str | None, typer.Option(help="Cross-encoder: a folder or owner/name. Default: MaxSim over MiniLM's tokens.")
    ] = None,
    splade_model: Annotated[
        str | None, typer.Option(help="For /embed_sparse: splade-tiny, a folder or owner/name. Default: none.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32, or float64 for the oracle's digits.")] = "float32",
    api_key: Annotated[
        str | None, typer.Option(envvar="REFIMPL_SERVE_KEY", show_envvar=True, help="Clients must send this key.")
    ] = None,
    max_documents: Annotated[int, typer.Option(min=1, help="Texts in one request.")] = 1000,
    max_waiting: Annotated[int, typer.Option(min=0, help="Requests that may wait; more get 429.")] = 32,
) -> None:
    """Answer /rerank, /v1/rerank, /v2/rerank, /embed, /v1/embed, /v2/embed, /v1/embeddings, /embed_sparse, /health."""
    try:
        from refimpl.serve.app import Limits
        from refimpl.serve.run import run
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "starlette"):
            raise
        raise OSError("refimpl serve needs uvicorn and starlette: pip install 'refimpl[serve]'") from error
    from refimpl import CrossEncoderRerankFunction, MaxSimRerankFunction, MiniLMEmbeddingFunction
    from refimpl.http import Secret
    from refimpl.serve.engine import Engine
    from refimpl.sparse.splade import SpladeEmbeddingFunction

    key = Secret(api_key) if api_key is not None else None
    embedder = MiniLMEmbeddingFunction(dtype=dtype)
    reranker = (
        MaxSimRerankFunction(dtype=dtype)
        if rerank_model is None
        else CrossEncoderRerankFunction(rerank_model, dtype=dtype)
    )
    splade = SpladeEmbeddingFunction(splade_model, dtype=dtype) if splade_model is not None else None
    engine = Engine(embedder, reranker, "all-MiniLM-L6-v2", rerank_model or "all-MiniLM-L6-v2-maxsim", splade)
    run(engine, host, port, key, Limits(max_documents=max_documents, max_waiting=max_waiting))
