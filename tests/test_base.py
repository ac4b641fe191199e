import dataclasses
import inspect

import pytest

from refimpl.base import EmbeddingFunction, RerankFunction, RerankResult


def test_a_rerank_result_has_pymilvus_three_fields_and_is_frozen() -> None:
    result = RerankResult(text="a", score=0.5, index=3)
    assert result.to_dict() == {"text": "a", "score": 0.5, "index": 3}
    assert (result.text, result.score, result.index) == ("a", 0.5, 3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.score = 1.0  # type: ignore[misc] - the assignment must fail


@pytest.mark.peer
def test_a_rerank_result_is_pymilvus_models() -> None:
    from pymilvus.model.base import RerankResult as Published

    ours, theirs = RerankResult("a", 0.5, 3), Published("a", 0.5, 3)
    assert ours.to_dict() == theirs.to_dict()
    fields = [field.name for field in dataclasses.fields(RerankResult)]
    assert fields == [name for name in inspect.signature(Published).parameters if name != "self"]


def test_instances_with_the_methods_satisfy_the_protocols() -> None:
    class Embeds:
        dim = 3

        def encode_documents(self, documents: list[str]) -> None: ...

        def encode_queries(self, queries: list[str]) -> None: ...

    class Reranks:
        def __call__(self, query: str, documents: list[str], top_k: int | None = 5) -> list[RerankResult]:
            return []

    assert isinstance(Embeds(), EmbeddingFunction)
    assert not isinstance(Reranks(), EmbeddingFunction)
    assert isinstance(Reranks(), RerankFunction)
    assert not isinstance(3, RerankFunction)
