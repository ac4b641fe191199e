import numpy as np
import pytest

from refimpl.reranker.ranking import check_request, ranked


@pytest.mark.parametrize(
    ("query", "kind"), [("", ValueError), (" \n", ValueError), (None, TypeError), (["q"], TypeError), (b"q", TypeError)]
)
def test_a_query_must_be_text(query: object, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="query"):
        check_request(query, ["a"], 1)


@pytest.mark.parametrize(
    ("documents", "kind"),
    [
        ([], ValueError),
        ("abc", TypeError),
        (None, TypeError),
        (["a", None], TypeError),
        (["a", b"b"], TypeError),
        ([{"text": "a"}], TypeError),
    ],
)
def test_documents_must_be_texts(documents: object, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="documents"):
        check_request("q", documents, 1)


@pytest.mark.parametrize(
    ("top_k", "kind"), [(0, ValueError), (-1, ValueError), (1.0, TypeError), ("1", TypeError), (True, TypeError)]
)
def test_top_k_must_be_a_count(top_k: object, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="top_k"):
        check_request("q", ["a"], top_k)


@pytest.mark.parametrize(("top_k", "count"), [(None, 3), (1, 1), (3, 3), (9, 3), (np.int64(2), 2)])
def test_top_k_is_at_most_all(top_k: object, count: int) -> None:
    assert check_request("q", iter(["a", "b", ""]), top_k) == ("q", ["a", "b", ""], count)


def test_a_lone_surrogate_is_named() -> None:
    with pytest.raises(ValueError, match=r"documents\[1\] must be Unicode text, got a lone surrogate .* at position 2"):
        check_request("q", ["a", "ab\ud800"], 1)
    with pytest.raises(ValueError, match="query must be Unicode text"):
        check_request("\udfff", ["a"], 1)


def test_ties_go_by_index() -> None:
    results = ranked(list(np.array([0.5, 0.9, 0.5, 0.9])), list("abcd"), 3)
    assert [(result.index, result.text) for result in results] == [(1, "b"), (3, "d"), (0, "a")]
    assert type(results[0].score) is float
