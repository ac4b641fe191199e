"""What refimpl computes for every golden vector of data/vectors/family, beside it; no torch."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import seeded

from refimpl import BGEM3EmbeddingFunction, SentenceTransformerEmbeddingFunction, SpladeEmbeddingFunction
from refimpl.bert.forward import forward
from refimpl.bert.weights import BertWeights
from refimpl.dense.modules import LEGACY_MODES
from refimpl.oracle import golden
from refimpl.oracle.compare import Comparison, compare


def compared(folder: Path) -> Iterator[Comparison]:
    """A comparison for each row of the manifest that `walk` computes; the small models are written to `folder`."""
    computed = dict(walk(folder))
    for vector in golden.vectors("family"):
        yield compare(vector.name, computed[vector.tensor], golden.array(vector), vector.tolerance)


def walk(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    for kind in seeded.CONFIGS:
        weights = BertWeights.load(seeded.model_folder(folder / kind, kind), "float64")
        texts = [ids.astype(np.int64)[None] for ids in seeded.token_ids(seeded.GOLDEN_LENGTHS)]
        states = [forward(weights, ids, np.ones_like(ids), np.zeros_like(ids)).last_hidden_state[0] for ids in texts]
        yield f"last_hidden_state/{kind}", np.concatenate(states)
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


def splade() -> Iterator[tuple[str, np.ndarray]]:
    rows = SpladeEmbeddingFunction("splade-tiny", dtype="float64")(seeded.SPLADE_TEXTS)
    count = golden.array(next(v for v in golden.vectors("family") if v.tensor == "top_terms")).shape[1]
    dense = rows.toarray()
    order = np.stack([np.lexsort((np.arange(rows.shape[1]), -row))[:count] for row in dense])
    yield "top_terms", order.astype(np.int32)
    yield "top_weights", np.take_along_axis(dense, order, axis=1)
    yield "nonzero", np.diff(rows.indptr).astype(np.int32)
