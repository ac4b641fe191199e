"""refimpl.sweep.truth against scores and recalls worked out by hand."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from refimpl.search.topk import TopK
from refimpl.sweep import truth as module
from refimpl.sweep.truth import Truth, buckets, selected

# inner products with the query (1, 0): 5, 4, 3, 3, 3, 1
DOCUMENTS = np.array([[5, 1], [4, 9], [3, 2], [3, 7], [3, 5], [1, 8]], np.float32)
QUERY = np.array([[1, 0]], np.float32)


def hits(ids, scores):
    return TopK(np.array([ids]), np.array([scores], float))


@pytest.fixture
def truth():
    return Truth(QUERY, DOCUMENTS, "IP")


@pytest.mark.parametrize(
    ("ids", "scores", "k", "recall"),
    [
        ([0, 1, 2], [5, 4, 3], 3, 1.0),
        ([0, 1, 4], [5, 4, 3], 3, 1.0),  # documents 2, 3 and 4 tie for the third place
        ([0, 2, 3], [5, 3, 3], 3, 2 / 3),  # document 1 is missing; one tie counts, the other has no place
        ([0, 1, 5], [5, 4, 1], 3, 2 / 3),
        ([0, 1, 5], [5, 4, 1], 1, 1.0),
        ([1, 5, -1], [4, 1, -np.inf], 3, 1 / 3),  # fewer than k hits
    ],
)
def test_recall_counts_ties_at_the_last_place(truth, ids, scores, k, recall):
    validation = truth.compare(hits(ids, scores), k)
    assert validation.recall == pytest.approx(recall)
    assert validation.max_error == 0
    assert validation.problems == ()


def test_a_score_that_is_not_that_of_its_document_is_an_error(truth):
    assert truth.compare(hits([0, 1], [5, 4.1]), 2).max_error == pytest.approx(0.1 / 4)
    assert truth.compare(hits([5, 4], [1.5, 3]), 2).max_error == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("ids", "scores", "problem"),
    [
        ([0, 0], [5, 5], "duplicate"),
        ([0, 6], [5, 5], "not in the collection"),
        ([1, 0], [4, 5], "not in descending order"),
        ([0, 1], [5, np.nan], "not finite"),
    ],
)
def test_other_errors_are_problems(truth, ids, scores, problem):
    (found,) = truth.compare(hits(ids, scores), 2).problems
    assert problem in found


def test_only_the_allowed_documents_count(truth):
    allowed = np.array([False, True, False, True, True, True])
    assert truth.compare(hits([1, 4], [4, 3]), 2, allowed).recall == 1.0
    (problem,) = truth.compare(hits([0, 1], [5, 4]), 2, allowed).problems
    assert "not in the collection" in problem
    assert truth.compare(hits([1, 3], [4, 3]), 2, np.array([False, True, *[False] * 4])).problems


def test_l2_scores_are_negated_squared_distances():
    truth = Truth(QUERY, DOCUMENTS, "L2")  # squared distances: 17, 90, 8, 53, 29, 64
    assert truth.compare(hits([2, 0], [-8, -17]), 2).recall == 1.0
    assert truth.compare(hits([2, 0], [-8, -17]), 2).max_error < 1e-12


def test_sparse_documents_without_a_common_term_are_not_expected():
    documents = csr_array(np.array([[0, 2.0], [1.0, 0], [3.0, 1.0]]))
    truth = Truth(csr_array(np.array([[2.0, 0]])), documents, "IP")
    assert truth.compare(hits([2, 1, -1], [6, 2, -np.inf]), 3).recall == 1.0
    assert truth.compare(hits([2, 1, 0], [6, 2, 0]), 3).problems


def test_scores_that_do_not_fit_raise(monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 47)
    with pytest.raises(ValueError, match=r"must fit into 47 bytes, got 48: use fewer queries"):
        Truth(QUERY, DOCUMENTS, "IP")


@pytest.mark.parametrize(("share", "count"), [(0.01, 3), (0.1, 30), (0.5, 150), (0.99, 297)])
def test_a_filter_selects_its_share_of_the_documents(share, count):
    filter, allowed = selected(buckets(300), share)
    assert allowed.sum() == count
    assert filter == f'text < "{round(share * 100):02d}"'


@pytest.mark.parametrize("share", [0.0, 0.001, 1.0, 1.5])
def test_a_share_without_a_label_raises(share):
    with pytest.raises(ValueError, match=r"must be from 0\.01 to 0\.99"):
        selected(buckets(300), share)
