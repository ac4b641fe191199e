"""refimpl's value for every golden vector of data/vectors/family, compared with it; no torch."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import seeded

from refimpl import (
    BGEM3EmbeddingFunction,
    Qwen3RerankFunction,
    SentenceTransformerEmbeddingFunction,
    SpladeEmbeddingFunction,
    golden,
)
from refimpl.bert import heads as module
from refimpl.bert.forward import forward
from refimpl.bert.weights import BertWeights
from refimpl.compare import Comparison, compare_arrays
from refimpl.dense.modules import LEGACY_MODES

Arrays = Iterator[tuple[str, np.ndarray]]


def compared(folder: Path, *computations: Callable[[Path], Arrays]) -> Iterator[Comparison]:
    """A comparison for each row of the manifest that `computations` yield; writes the small models to `folder`."""
    computed = {name: array for compute in computations for name, array in compute(folder)}
    for vector in golden.vectors("family"):
        if vector.tensor in computed:
            yield compare_arrays(vector.name, computed[vector.tensor], golden.array(vector), vector.tolerance)


def encoders(folder: Path) -> Arrays:
    """Hidden states, sentence vectors, BGE-M3, SPLADE."""
    for kind in seeded.CONFIGS:
        weights = BertWeights.load(seeded.model_folder(folder / kind, kind), "float64")
        texts = [ids.astype(np.int64)[None] for ids in seeded.token_ids(seeded.GOLDEN_LENGTHS)]
        states = [forward(weights, ids, np.ones_like(ids), np.zeros_like(ids)).last_hidden_state[0] for ids in texts]
        yield f"last_hidden_state/{kind}", np.concatenate(states)
    weights = BertWeights.load(seeded.lora_folder(folder / "lora"), "float64", task=seeded.TASK)
    states = [forward(weights, ids, np.ones_like(ids), np.zeros_like(ids)).last_hidden_state[0] for ids in texts]
    yield "last_hidden_state/jina_embeddings_v3-lora", np.concatenate(states)
    for name in (*LEGACY_MODES, "all"):
        seeded.sentence_folder(folder / "bert", {mode: name in (mode, "all") for mode in LEGACY_MODES})
        function = SentenceTransformerEmbeddingFunction(folder / "bert", dtype="float64", normalize_embeddings=False)
        yield f"sentence_vectors/{name.removeprefix('pooling_mode_')}", function(seeded.TEXTS)
    bge = BGEM3EmbeddingFunction(seeded.bge_m3_folder(folder / "m3"), dtype="float64", return_colbert_vecs=True)
    vectors = bge(seeded.TEXTS)
    yield "dense", vectors["dense"]
    yield "sparse", vectors["sparse"].toarray()
    yield "colbert_vecs", np.concatenate(vectors["colbert_vecs"])
    yield from splade()


def heads(folder: Path) -> Arrays:
    """Logits of masked-LM heads and classifiers, Qwen3-Reranker's scores, vectors of jina-embeddings-v3's tasks."""
    ids = seeded.token_ids([seeded.HEAD_LENGTH])[0].astype(np.int64)[None]
    for kind in seeded.HEADED:
        for head, logits in LOGITS.items():
            weights = BertWeights.load(seeded.model_folder(folder / head / kind, kind, head), "float64")
            states = forward(weights, ids, np.ones_like(ids), np.zeros_like(ids)).last_hidden_state[0]
            yield f"{head}/{kind}", logits(weights, states)
    rerank = Qwen3RerankFunction(seeded.qwen3_reranker_folder(folder / "reranker"), dtype="float64")
    yield "qwen3_reranker", rerank.scores(seeded.TEXTS[1], seeded.TEXTS)
    model = seeded.lora_sentences(folder / "tasks")
    for task in seeded.JINA_PROMPTS:
        function = SentenceTransformerEmbeddingFunction(model, dtype="float64", task=task, query_prompt_name=task)
        yield f"task_vectors/{task}", function.encode_queries(seeded.TEXTS)


LOGITS: dict[str, Callable[[BertWeights, np.ndarray], np.ndarray]] = {
    "MaskedLM": lambda weights, states: module.masked_lm_logits(weights, states),
    "SequenceClassification": lambda weights, states: module.sequence_logits(
        weights, module.classifier_input(weights, states, np.array([len(states)]))
    ),
}


def splade() -> Arrays:
    rows = SpladeEmbeddingFunction("splade-tiny", dtype="float64")(seeded.SPLADE_TEXTS)
    count = golden.array(next(v for v in golden.vectors("family") if v.tensor == "top_terms")).shape[1]
    dense = rows.toarray()
    order = np.stack([np.lexsort((np.arange(rows.shape[1]), -row))[:count] for row in dense])
    yield "top_terms", order.astype(np.int32)
    yield "top_weights", np.take_along_axis(dense, order, axis=1)
    yield "nonzero", np.diff(rows.indptr).astype(np.int32)
