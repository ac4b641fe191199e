"""Reranking: MaxSim between the tokens of the question and of each document, and optionally a cross-encoder."""

from typing import Any

import numpy as np

from refimpl.bert.heads import l2_normalize
from refimpl.explain.panel import SHOWN_TOKENS, Panel, digits, float32, quoted
from refimpl.explain.scene import Scene, Text
from refimpl.reranker.cross_encoder import CrossEncoderRerankFunction
from refimpl.reranker.maxsim import MaxSimRerankFunction, max_sim

COSINE_WEIGHT = 0.25  # the default of MaxSimRerankFunction


def panel(scene: Scene, cross_encoder: str | None) -> Panel:
    """Compute token by token cosines and MaxSim scores, and with `cross_encoder` its scores."""
    documents = [_max_sim(scene.question, document) for document in scene.documents]
    data: dict[str, Any] = {
        "question": scene.question.tokens[1:-1][:SHOWN_TOKENS],
        "rest": max(0, len(scene.question.tokens) - 2 - SHOWN_TOKENS),
        "cosine_weight": COSINE_WEIGHT,
        "documents": documents,
    }
    prose = (
        "MaxSim compares a vector for every token: for each of the question's tokens it takes the largest cosine with "
        "any token of the document, and the mean of these is the document's score.",
        f"The score here is a weighted sum with the cosine of the two whole texts, {COSINE_WEIGHT} cosine + "
        f"{1 - COSINE_WEIGHT} MaxSim, and the map shows the cosines with the largest of each row framed.",
    )
    sources: tuple[Any, ...] = (max_sim, MaxSimRerankFunction.similarity)
    if cross_encoder is not None:
        data["cross_encoder"] = _cross_encoder(scene, cross_encoder)
        sources += (CrossEncoderRerankFunction.raw_scores,)
    return Panel("reranking", "Reranking", prose, _look_for(data), sources, data)


def _look_for(data: dict[str, Any]) -> str:
    """The nearest pair of two different tokens, in the first document of the final ranking."""
    scores = [document["score"] for document in data["documents"]]
    number = int(np.argmax(scores))
    pairs = [
        (best["cosine"], token, best["token"])
        for token, best in zip(data["question"], data["documents"][number]["best"], strict=False)
        if best["token"] != token
    ]
    if not pairs:
        return f"Document {number + 1} is first: each token of the question finds itself in it."
    cosine, token, other = max(pairs)
    return (
        f"In document {number + 1}, the first, {quoted(token)} of the question finds {quoted(other)} with cosine "
        f"{digits(cosine)}: the nearest pair of different words, which BM25 would not match."
    )


def _max_sim(question: Text, document: Text) -> dict[str, Any]:
    query_vectors, doc_vectors = l2_normalize(question.hidden_states[1:-1]), l2_normalize(document.hidden_states[1:-1])
    late, cosine = max_sim(query_vectors, doc_vectors), float(question.vector @ document.vector)
    cosines = query_vectors @ doc_vectors.T
    best = cosines.argmax(axis=1) if cosines.size else np.zeros(0, np.int64)
    tokens = document.tokens[1:-1]
    return {
        "tokens": tokens[:SHOWN_TOKENS],
        "rest": max(0, len(tokens) - SHOWN_TOKENS),
        "map": float32(cosines[:SHOWN_TOKENS, :SHOWN_TOKENS]),
        "best": [
            {"at": int(at), "token": tokens[at], "cosine": float(row[at])}
            for row, at in zip(cosines[:SHOWN_TOKENS], best, strict=False)
        ],
        "late": late,
        "cosine": cosine,
        "score": COSINE_WEIGHT * cosine + (1 - COSINE_WEIGHT) * late,
    }


def _cross_encoder(scene: Scene, model: str) -> dict[str, Any]:
    function = CrossEncoderRerankFunction(model, dtype="float64")
    texts = [document.text for document in scene.documents]
    tokens = function.tokens(scene.question.text, texts)
    return {
        "model": model.rstrip("/").rpartition("/")[2],
        "activation": function.activation,
        "logits": function.raw_scores(tokens).tolist(),
        "scores": function.scores(scene.question.text, texts).tolist(),
        "lengths": tokens.lengths.tolist(),
    }
