"""The MiniLM encoder held against its golden vectors, stage by stage."""

from collections.abc import Callable

import numpy as np

from refimpl.bert.forward import forward
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.oracle import golden
from refimpl.oracle.compare import Array, Comparison, compare


class Walk:
    """What refimpl computes for the golden texts, by the names of the manifest's stages."""

    def __init__(self, float64: MiniLMEmbeddingFunction, float32: MiniLMEmbeddingFunction) -> None:
        self.texts = golden.texts()
        self.float64 = float64
        self.float32 = float32
        self.tokens = float64.tokenizer(list(self.texts.values()))
        self.order = {name: i for i, name in enumerate(self.texts)}
        self._normalized64 = float64(list(self.texts.values()))
        self._normalized32 = float32(list(self.texts.values()))

    def value(self, vector: golden.Vector) -> Array:
        """The array that refimpl puts beside `vector`."""
        stages: dict[str, Callable[[], Array]] = {
            "input_ids": lambda: self.tokens.input_ids,
            "lengths": lambda: self.tokens.lengths,
            "truncated": lambda: self.tokens.truncated.astype(np.uint8),
            "pooled": lambda: self._pooled(),
            "normalized": lambda: self._normalized64,
            "normalized_sentence_transformers": lambda: self._normalized32,
            "normalized_onnxruntime": lambda: self._normalized32,
        }
        if vector.stage in stages:
            return stages[vector.stage]()
        return self._trace(vector.input)[vector.stage][0]

    def _pooled(self) -> Array:
        from refimpl.bert.heads import mean_pool

        rows = []
        for i in range(len(self.tokens)):
            batch = self.tokens.select(np.array([i])).padded()
            states = forward(self.float64.weights, batch.input_ids, batch.attention_mask, batch.token_type_ids)
            rows.append(mean_pool(states.last_hidden_state, batch.attention_mask))
        return np.concatenate(rows)

    def _trace(self, name: str) -> dict[str, Array]:
        batch = self.tokens.select(np.array([self.order[name]])).padded()
        ids = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
        return forward(self.float64.weights, *ids, trace=True).trace


def verify(model_path: str | None = None) -> list[Comparison]:
    """Every golden vector of MiniLM against refimpl's float64 and float32, in the manifest's order."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some golden texts are there to be truncated
        walk = Walk(
            MiniLMEmbeddingFunction(model_path, dtype="float64"), MiniLMEmbeddingFunction(model_path, dtype="float32")
        )
    return [compare(v.name, walk.value(v), golden.array(v), v.tolerance) for v in golden.vectors()]
