"""The MiniLM encoder held against its golden vectors, stage by stage."""

import warnings
from functools import cache

import numpy as np

from refimpl.bert.forward import forward
from refimpl.bert.heads import l2_normalize
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.oracle import golden
from refimpl.oracle.compare import Array, Comparison, compare
from refimpl.tokens import TruncationWarning


class Walk:
    """What refimpl computes for the golden texts, by the names of the manifest's stages."""

    def __init__(self, model_path: str | None) -> None:
        texts = golden.texts()
        self.order = {name: i for i, name in enumerate(texts)}
        self.float64 = MiniLMEmbeddingFunction(model_path, dtype="float64", normalize=False)
        self.tokens = self.float64.tokenizer(list(texts.values()))
        pooled = self.float64(list(texts.values()))
        unit32 = MiniLMEmbeddingFunction(model_path, dtype="float32")(list(texts.values()))
        self.stages = {
            "input_ids": self.tokens.input_ids,
            "lengths": self.tokens.lengths,
            "truncated": self.tokens.truncated.astype(np.uint8),
            "pooled": pooled,
            "normalized": l2_normalize(pooled),
            "normalized_sentence_transformers": unit32,
            "normalized_onnxruntime": unit32,
        }

    def value(self, vector: golden.Vector) -> Array:
        """The array that refimpl puts beside `vector`."""
        if vector.stage in self.stages:
            return self.stages[vector.stage]
        return self._trace(vector.input)[vector.stage][0]

    @cache  # noqa: B019  a walk lives as long as one verification
    def _trace(self, name: str) -> dict[str, Array]:
        batch = self.tokens.select(np.array([self.order[name]])).padded()
        ids = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
        return forward(self.float64.weights, *ids, trace=True).trace


def verify(model_path: str | None = None) -> list[Comparison]:
    """Every golden vector of MiniLM against refimpl's float64 and float32, in the manifest's order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # some golden texts are there to be truncated
        walk = Walk(model_path)
    return [compare(v.name, walk.value(v), golden.array(v), v.tolerance) for v in golden.vectors()]
