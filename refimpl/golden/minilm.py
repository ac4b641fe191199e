"""Compares the MiniLM encoder with its golden vectors, stage by stage."""

from functools import cache

import numpy as np

from refimpl import golden
from refimpl.bert.forward import forward
from refimpl.bert.heads import l2_normalize
from refimpl.common.types import Array
from refimpl.common.warning import silenced
from refimpl.compare import Comparison, compare_arrays
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.tokens import TruncationWarning


class ComputedStages:
    """What refimpl computes for the golden texts, by the stages of the manifest."""

    def __init__(self, model_path: str | None) -> None:
        texts = golden.texts()
        self.rows = {name: row for row, name in enumerate(texts)}
        self.float64 = MiniLMEmbeddingFunction(model_path, dtype="float64", normalize=False)
        self.tokens = self.float64.tokenizer(list(texts.values()))
        pooled = self.float64(list(texts.values()))
        float32 = MiniLMEmbeddingFunction(model_path, dtype="float32")(list(texts.values()))
        self.arrays = {
            "input_ids": self.tokens.input_ids,
            "lengths": self.tokens.lengths,
            "truncated": self.tokens.truncated.astype(np.uint8),
            "pooled": pooled,
            "normalized": l2_normalize(pooled),
            "normalized_sentence_transformers": float32,
            "normalized_onnxruntime": float32,
        }

    def array(self, vector: golden.GoldenVector) -> Array:
        """Return the array to compare with `vector`."""
        if vector.stage in self.arrays:
            return self.arrays[vector.stage]
        return self._trace(vector.input)[vector.stage][0]

    @cache  # noqa: B019  an instance lives as long as one verification
    def _trace(self, name: str) -> dict[str, Array]:
        batch = self.tokens.select(np.array([self.rows[name]])).padded()
        ids = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
        return forward(self.float64.weights, *ids, trace=True).trace


def verify(model_path: str | None = None) -> list[Comparison]:
    """Compare refimpl's float64 and float32 with every golden vector of MiniLM, in the manifest's order."""
    with silenced(TruncationWarning):  # some golden texts are longer than the limit on purpose
        computed = ComputedStages(model_path)
    return [compare_arrays(v.name, computed.array(v), golden.array(v), v.tolerance) for v in golden.vectors()]
