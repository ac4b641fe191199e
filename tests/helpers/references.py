"""refimpl's own functions with the signatures that the check suites call, as a user would wrap theirs."""

from functools import cache
from typing import Any

import numpy as np

from refimpl import BM25Index, CrossEncoderRerankFunction, MiniLMEmbeddingFunction, SpladeEmbeddingFunction
from refimpl.check.suites.rerank_scores import model_folder
from refimpl.evaluate import evaluate
from refimpl.search import fusion
from refimpl.search.topk import TopK


@cache
def minilm() -> MiniLMEmbeddingFunction:
    return MiniLMEmbeddingFunction()


@cache
def reranker() -> CrossEncoderRerankFunction:
    return CrossEncoderRerankFunction(model_folder(), activation="none")


@cache
def splade_tiny() -> SpladeEmbeddingFunction:
    return SpladeEmbeddingFunction("splade-tiny")


def embed(texts: list[str]) -> np.ndarray:
    return minilm()(texts)


def tokens(texts: list[str]) -> list[list[int]]:
    batch = minilm().tokenizer(texts)
    return [part.tolist() for part in np.split(batch.input_ids, np.cumsum(batch.lengths)[:-1])]


def trace(texts: list[str]) -> list[dict[str, np.ndarray]]:
    return [minilm().trace(text) for text in texts]


def bm25(corpus: list[str], queries: list[str], k1: float, b: float, variant: str) -> np.ndarray:
    index = BM25Index.build(corpus, analyzer=str.split, variant=variant, k1=k1, b=b)
    ids, scores = index.search(queries, k=len(corpus))
    dense = np.zeros((len(queries), len(corpus)))
    for row, (docs, values) in enumerate(zip(ids, scores, strict=True)):
        dense[row, docs[docs >= 0]] = values[docs >= 0]
    return dense


def splade(texts: list[str]) -> list[dict[int, float]]:
    rows = splade_tiny()(texts)
    parts = [slice(rows.indptr[i], rows.indptr[i + 1]) for i in range(len(texts))]
    return [dict(zip(rows.indices[p].tolist(), rows.data[p].tolist(), strict=True)) for p in parts]


def rerank(query: str, documents: list[str], top_k: int | None) -> Any:
    return reranker()(query, documents, top_k)


def fuse(routes: list[Any], method: str, **settings: Any) -> list[tuple[str, float]]:
    names = sorted({doc for route in routes for doc, _ in route})
    numbers = {doc: number for number, doc in enumerate(names)}
    hits = [
        TopK(np.array([[numbers[doc] for doc, _ in route]]), np.array([[float(score) for _, score in route]]))
        for route in routes
    ]
    if method == "rrf":
        fused = fusion.rrf(hits, len(names), rrf_k=settings["k"])
    else:
        fused = fusion.weighted(
            hits, settings["weights"], settings["metrics"], len(names), norm_score=settings["norm_score"]
        )
    return [(names[i], float(s)) for i, s in zip(fused.ids[0], fused.scores[0], strict=True) if i >= 0]


def metrics(qrels: dict[str, Any], run: dict[str, Any]) -> dict[str, float]:
    return evaluate(run, qrels).mean
