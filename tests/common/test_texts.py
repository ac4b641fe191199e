"""Validation of texts: what is accepted, and each refusal with its remedy."""

from typing import Any

import pytest

from refimpl.common.texts import check_encodable, check_text, check_texts


@pytest.mark.parametrize(
    "texts",
    [["a", "b"], ("a", "b"), (letter for letter in "ab"), dict.fromkeys("ab").keys(), {1: "a", 2: "b"}.values()],
)
def test_any_ordered_iterable_of_str_becomes_a_list(texts: Any) -> None:
    assert check_texts(texts, "documents") == ["a", "b"]


def test_numpy_and_subclassed_strings_are_strings() -> None:
    import numpy as np

    class Title(str):
        __slots__ = ()

    assert check_texts(np.array(["a", "b"]), "documents") == ["a", "b"]
    assert check_texts([Title("a")], "documents") == ["a"]


def test_an_empty_list_stays_empty() -> None:
    assert check_texts([], "documents") == []


@pytest.mark.parametrize(
    ("texts", "message"),
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
        ({"a"}, "documents must be a list of str, got set: its order is arbitrary, make a list of it"),
        ([{"text": "a"}], "documents[0] must be a str, got dict: choose its keys"),
    ],
)
def test_anything_else_is_a_type_error_with_a_remedy(texts: Any, message: str) -> None:
    with pytest.raises(TypeError) as raised:
        check_texts(texts, "documents")
    assert str(raised.value).startswith(message)


def test_a_single_text_must_be_a_str() -> None:
    check_text("", "query_instruction")
    with pytest.raises(TypeError, match="query_instruction must be a str, '' for none, got NoneType"):
        check_text(None, "query_instruction")


@pytest.mark.parametrize("code", [0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_a_lone_surrogate_is_an_error_with_its_place_and_a_repair_that_works(code: int) -> None:
    text = f"caf{chr(code)}"
    with pytest.raises(ValueError, match=r"^texts\[2\] must be Unicode text, got a lone surrogate '\\u") as raised:
        check_encodable(["fine", "\U0010ffff \ud7ff \ue000", text], "texts")
    assert "at position 3: repair it with " in str(raised.value)
    repair = str(raised.value).partition("repair it with ")[2]
    repaired = eval(repair, {"text": text})
    assert repaired.startswith("caf")
    check_encodable([repaired], "texts")


def test_the_repair_joins_a_pair_of_surrogates() -> None:
    with pytest.raises(ValueError, match="lone surrogate") as raised:
        check_encodable(["\ud83d\ude00"], "texts")
    repair = str(raised.value).partition("repair it with ")[2]
    assert eval(repair, {"text": "\ud83d\ude00"}) == "😀"


def test_the_name_in_the_message_may_depend_on_the_index() -> None:
    with pytest.raises(ValueError, match=r"^query must be Unicode text"):
        check_encodable(["\udfff", "a"], lambda index: ("query", "documents[0]")[index])


def test_two_texts_never_join_to_a_pair() -> None:
    with pytest.raises(ValueError, match=r"^texts\[0\] .* at position 0"):
        check_encodable(["\ud83d", "\ude00"], "texts")
