import dataclasses
import inspect
from typing import Any

import pytest

from refimpl.base import EmbeddingFunction, RerankFunction, RerankResult, check_texts


@pytest.mark.parametrize(
    "texts",
    [["a", "b"], ("a", "b"), (letter for letter in "ab"), dict.fromkeys("ab").keys(), {1: "a", 2: "b"}.values()],
)
def test_any_iterable_of_str_is_taken_as_a_list(texts: Any) -> None:
    assert check_texts(texts, "documents") == ["a", "b"]


def test_numpy_and_subclassed_strings_are_strings() -> None:
    import numpy as np

    class Title(str):
        __slots__ = ()

    assert check_texts(np.array(["a", "b"]), "documents") == ["a", "b"]
    assert check_texts([Title("a")], "documents") == ["a"]


def test_no_texts_are_no_texts() -> None:
    assert check_texts([], "documents") == []


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ("hello", "documents must be a list of str, got one str: wrap it in a list, ['hello']"),
        ("x" * 100, f"documents must be a list of str, got one str: wrap it in a list, ['{'x' * 37}...']"),
        (b"hello", "documents must be a list of str, got bytes: decode it first, for example with .decode('utf-8')"),
        (bytearray(b"h"), "documents must be a list of str, got bytearray: decode it first"),
        (None, "documents must be a list of str, got NoneType: leave missing texts out, or give '' for an empty one"),
        (3, "documents must be a list of str, got int: convert it with str() if that is its text"),
        (["a", 3.5], "documents[1] must be a str, got float: convert it with str() if that is its text"),
        (["a", None], "documents[1] must be a str, got NoneType: leave missing texts out"),
        ([b"a"], "documents[0] must be a str, got bytes: decode it first"),
        ([["a"]], "documents[0] must be a str, got list"),
        ({"id": "a"}, "documents must be a list of str, got dict: choose its keys with list(d) or its values"),
        ({"a"}, "documents must be a list of str, got set: its order is nobody's choice: make a list of it"),
        ([{"text": "a"}], "documents[0] must be a str, got dict: choose its keys"),
    ],
)
def test_what_is_no_list_of_str_is_told_with_its_remedy(texts: Any, told: str) -> None:
    with pytest.raises(TypeError) as raised:
        check_texts(texts, "documents")
    assert str(raised.value).startswith(told)


def test_a_rerank_result_has_pymilvus_three_fields_and_does_not_change() -> None:
    result = RerankResult(text="a", score=0.5, index=3)
    assert result.to_dict() == {"text": "a", "score": 0.5, "index": 3}
    assert (result.text, result.score, result.index) == ("a", 0.5, 3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.score = 1.0  # type: ignore[misc] - that it cannot be done is the test


@pytest.mark.peer
def test_a_rerank_result_is_pymilvus_models() -> None:
    from pymilvus.model.base import RerankResult as Published

    ours, theirs = RerankResult("a", 0.5, 3), Published("a", 0.5, 3)
    assert ours.to_dict() == theirs.to_dict()
    fields = [field.name for field in dataclasses.fields(RerankResult)]
    assert fields == [name for name in inspect.signature(Published).parameters if name != "self"]


def test_protocols_tell_what_has_their_methods() -> None:
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
