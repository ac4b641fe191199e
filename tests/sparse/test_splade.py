"""SPLADE on splade-tiny: the published scores, transformers' float64, and padding in pymilvus.model."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_array

from refimpl.sparse import splade as splade_module
from refimpl.sparse.splade import SpladeEmbeddingFunction, activated, largest_logits, pruned
from refimpl.tokens import TruncationWarning

# rasyosef/splade-index, tests: the query's two best scores among these documents
DOCUMENTS = [
    "a cat is a feline and likes to purr",
    "a dog is the human's best friend and loves to play",
    "a bird is a beautiful animal that can fly",
    "a fish is a creature that lives in water and swims",
]
QUERY = "does the fish purr like a cat?"
MIXED = ["", "naïve 東京 🙂", "word " * 300, *DOCUMENTS, QUERY]


@pytest.fixture(scope="module")
def splade():
    return SpladeEmbeddingFunction("splade-tiny")


@pytest.fixture(scope="module")
def splade64():
    return SpladeEmbeddingFunction("splade-tiny", dtype="float64")


@pytest.fixture(scope="module")
def torch_splade():
    """The tokenizer and the float64 model, by transformers."""
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    from refimpl import models

    folder = models.path("splade-tiny")
    return AutoTokenizer.from_pretrained(folder), AutoModelForMaskedLM.from_pretrained(folder).double().eval()


def test_published_scores(splade):
    scores = (splade.encode_queries([QUERY]) @ splade.encode_documents(DOCUMENTS).T).toarray()[0]
    assert np.argsort(-scores)[:2].tolist() == [0, 3]
    assert scores[[0, 3]] == pytest.approx([15.67, 8.17], abs=0.005)


@pytest.mark.parametrize("tile", [1, 4, 1 << 18])
def test_the_weight_is_the_maximum_over_a_texts_own_tokens(tile, monkeypatch, unchecked):
    """Two texts of two tokens and one; logits and weights by hand, for every width of a tile."""
    logits = np.array([[1.0, -2.0, 0.5, -1.0], [0.25, 3.0, 0.5, -3.0], [9.0, 0.0, -4.0, 1.0]])
    bias = np.array([0.0, 0.0, -1.0, 0.5])
    monkeypatch.setattr(splade_module, "TILE_LOGITS", tile)
    monkeypatch.setattr(splade_module, "masked_lm_transform", lambda weights, hidden_states: hidden_states)
    monkeypatch.setattr(splade_module, "masked_lm_decoder", lambda weights: (np.eye(4), bias))
    maxima = largest_logits(SimpleNamespace(), logits, np.array([2, 1]))
    assert maxima.tolist() == [[1.0, 3.0, -0.5, -0.5], [9.0, 0.0, -5.0, 1.5]]
    rows = activated(maxima)
    assert rows.indices.tolist() == [0, 1, 0, 3]
    assert rows.data == pytest.approx([np.log(2), np.log(4), np.log(10), np.log(2.5)], rel=1e-15)


def test_an_empty_text_has_the_row_of_its_special_tokens(splade):
    rows = splade.encode_queries(["", QUERY, ""])
    assert rows.shape == (3, 30522)
    assert abs(rows[[0]] - rows[[2]]).max() == 0
    assert abs(rows[[1]] - splade.encode_queries([QUERY])).max() <= 3e-5


def test_rows_are_canonical_and_positive(splade):
    vectors = splade(MIXED)
    assert isinstance(vectors, csr_array)
    assert vectors.shape == (len(MIXED), 30522)
    assert vectors.dtype == np.float32
    assert vectors.has_canonical_format
    assert vectors.data.min() > 0


def test_float32_stays_near_float64(splade, splade64):
    assert abs(splade(MIXED) - splade64(MIXED)).max() <= 3e-5  # weights of up to 3; observed 2.8e-6


@pytest.mark.parametrize("settings", [{"batch_size": 1}, {"batch_size": 3, "num_workers": 1}])
def test_batches_and_other_texts_of_a_batch_change_nothing(splade, settings):
    other = SpladeEmbeddingFunction("splade-tiny", **settings)
    assert abs(other(MIXED) - splade(MIXED)).max() <= 3e-5


def test_empty_list_and_wrong_types(splade, unchecked):
    assert splade([]).shape == (0, 30522)
    with pytest.raises(TypeError, match="queries must be a list of str, got one str"):
        splade.encode_queries("one")


def test_pruning_keeps_the_largest_and_breaks_ties_by_column():
    dense = np.array([[0.5, 2.0, 0.5, 0.0, 3.0], [0.0, 0.0, 1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(pruned(csr_array(dense), 3).toarray(), [[0.5, 2, 0, 0, 3], [0, 0, 1, 0, 0]])
    np.testing.assert_array_equal(pruned(csr_array(dense), None).toarray(), dense)
    assert pruned(csr_array(dense), 3).nnz == 4
    assert pruned(csr_array(dense), 3).has_canonical_format


def test_pruning_differs_for_queries_and_documents(splade):
    tight = SpladeEmbeddingFunction("splade-tiny", k_tokens_query=2, k_tokens_document=5)
    assert np.diff(tight.encode_queries(DOCUMENTS).indptr).tolist() == [2] * 4
    assert np.diff(tight.encode_documents(DOCUMENTS).indptr).tolist() == [5] * 4
    whole, kept = splade(DOCUMENTS).toarray(), tight.encode_documents(DOCUMENTS).toarray()
    np.testing.assert_array_equal(np.sort(whole, axis=1)[:, -5:], np.sort(kept, axis=1)[:, -5:])


def test_instructions_are_put_before_the_text(splade):
    instructed = SpladeEmbeddingFunction("splade-tiny", query_instruction="find: ", doc_instruction="text: ")
    assert abs(instructed.encode_queries(["cats"]) - splade(["find: cats"])).max() == 0
    assert abs(instructed.encode_documents(["cats"]) - splade(["text: cats"])).max() == 0


def test_a_row_without_weights_and_a_limit_of_tokens_above_its_number():
    empty = activated(np.array([[-1.0, 0.0], [0.0, 2.0]]))
    assert np.diff(empty.indptr).tolist() == [0, 1]
    np.testing.assert_array_equal(pruned(empty, 1).toarray(), empty.toarray())
    np.testing.assert_array_equal(pruned(empty, 9).toarray(), empty.toarray())


def test_decode_lists_the_largest_weights_first(splade):
    terms = splade.decode(splade([QUERY])[0])
    assert {"cat", "fish", "pu", "##rr"} <= {term for term, _ in terms[:5]}
    assert [weight for _, weight in terms] == sorted((weight for _, weight in terms), reverse=True)
    assert splade.decode(splade([QUERY])[[0]]) == terms
    with pytest.raises(ValueError, match="expected one row of 30522 columns, got shape"):
        splade.decode(splade(DOCUMENTS))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k_tokens_query": 0}, "k_tokens_query must be a whole number, at least 1, or None for all, got 0"),
        ({"k_tokens_document": -1}, "k_tokens_document must be a whole number, at least 1"),
        ({"k_tokens_document": 2.5}, "at least 1, or None for all, got 2.5"),
        ({"k_tokens_query": "3"}, "at least 1, or None for all, got '3'"),
        ({"k_tokens_query": True}, "at least 1, or None for all, got True"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"model_name": "all-MiniLM-L6-v2"}, "no masked-LM head: give a SPLADE model"),
    ],
)
def test_wrong_settings_are_refused(settings, message, unchecked):
    with pytest.raises(ValueError, match=message):
        SpladeEmbeddingFunction(**{"model_name": "splade-tiny", **settings})


def test_instructions_and_rows_of_another_type_are_refused(splade, unchecked):
    with pytest.raises(TypeError, match="query_instruction must be a str, '' for none, got NoneType"):
        SpladeEmbeddingFunction("splade-tiny", query_instruction=None)
    with pytest.raises(TypeError, match="doc_instruction must be a str, '' for none, got int"):
        SpladeEmbeddingFunction("splade-tiny", doc_instruction=3)
    with pytest.raises(TypeError, match=r"row must be one row that encode_\* returned, got dict"):
        splade.decode({"cat": 2.0})


def test_truncated_texts_give_a_warning(splade):
    with pytest.warns(TruncationWarning, match="1 of 2 texts exceed max_length=512 tokens and were truncated"):
        truncated = splade(["cat " * 600, "a cat"])
    assert abs(truncated[[0]] - splade(["cat " * 510])).max() <= 3e-5


@pytest.mark.peer
def test_float64_equals_transformers_text_by_text(splade64, torch_splade):
    import torch

    tokenizer, model = torch_splade
    mine = splade64(MIXED).toarray()
    for row, text in enumerate(MIXED):
        batch = tokenizer(text, truncation=True, max_length=512, return_tensors="pt")
        with torch.no_grad():
            weights = torch.log1p(torch.relu(model(**batch).logits)).amax(dim=1)[0].numpy()
        assert np.abs(mine[row] - weights).max() <= 1e-10, text[:40]


@pytest.mark.peer
def test_the_sum_and_the_maximum_over_padding_differ(splade64, torch_splade):
    """SPLADE v1's sum in place of the maximum, and pymilvus.model's maximum over padding: far outside the tolerance."""
    import torch

    tokenizer, model = torch_splade
    batch = tokenizer([QUERY, "word " * 40], padding=True, return_tensors="pt")
    with torch.no_grad():
        activations = torch.log1p(torch.relu(model(**batch).logits))[0]
    mine = splade64([QUERY]).toarray()[0]
    tokens = int(batch["attention_mask"][0].sum())
    assert np.abs(activations[:tokens].amax(dim=0).numpy() - mine).max() <= 1e-10
    assert np.abs(activations[:tokens].sum(dim=0).numpy() - mine).max() > 0.1
    assert np.abs(activations.amax(dim=0).numpy() - mine).max() > 0.01
