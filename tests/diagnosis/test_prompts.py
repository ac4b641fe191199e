"""Prefixes and suffixes, of which some are on no list, are recovered from the vectors of an independent BERT."""

import numpy as np
import pytest
from faulty_bert import FaultyBert

from refimpl.bert.forward import forward
from refimpl.bert.weights import BertWeights
from refimpl.diagnosis import diagnose_embeddings
from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.encoder import WORD_EMBEDDINGS, VariedEncoder
from refimpl.diagnosis.gradients import word_gradient
from refimpl.diagnosis.prompts import PromptSearch

TEXTS = ["", "hm", "two roads diverged in a wood"]

pytestmark = pytest.mark.usefixtures("quick")


def diagnosed(folder, before="", after="", **faults):
    actual = FaultyBert(folder, **faults)([before + text + after for text in TEXTS])
    return diagnose_embeddings(actual, TEXTS, model_path=folder)


def test_the_gradient_is_that_of_central_differences(small_folder):
    published = BertWeights.load(small_folder)
    tensors = {name: np.asarray(tensor, dtype=np.float64) for name, tensor in published.items()}
    weights, ids = BertWeights(published.config, tensors), np.array([101, 2048, 4925, 102])
    by_states = np.random.default_rng(0).normal(size=(4, published.config.hidden_size))
    gradient = word_gradient(weights, ids, lambda states: by_states)[1]
    table = weights[WORD_EMBEDDINGS]
    for position, column in ((0, 3), (1, 0), (2, 17), (3, 31)):
        values = []
        for step in (1e-5, -1e-5):
            table[ids[position], column] += step
            ones = np.ones((1, 4), dtype=int)
            states = forward(weights, ids[None], ones, np.zeros_like(ones)).last_hidden_state[0]
            values.append(np.sum(states * by_states))
            table[ids[position], column] -= step
        assert gradient[position, column] == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5)


@pytest.mark.parametrize("before", ["zebra mountains quickly ~ ", "corporate memo # "])
def test_a_prefix_that_is_on_no_list_is_solved_for(before, minilm_folder):
    diagnosis = diagnosed(minilm_folder, before)
    assert diagnosis.causes[0].names == (f"prefix {before!r}",), str(diagnosis)
    assert diagnosis.causes[0].explains_all


def test_a_suffix_that_is_on_no_list_is_solved_for(minilm_folder):
    diagnosis = diagnosed(minilm_folder, after=" thanks professor")
    assert diagnosis.causes[0].names == ("suffix ' thanks professor'",), str(diagnosis)
    assert diagnosis.causes[0].explains_all


@pytest.mark.parametrize(
    ("faults", "more"),
    [
        ({}, ()),
        ({"pooling": "CLS"}, ("CLS pooling",)),
        ({"pooling": "max"}, ("max pooling",)),
        ({"act": "tanh"}, ("tanh GELU",)),
    ],
)
def test_a_published_prompt_is_named_with_another_fault(faults, more, small_folder):
    before = "Represent this sentence for searching relevant passages: "
    diagnosis = diagnosed(small_folder, before, **faults)
    assert set(diagnosis.causes[0].names) == {f"prefix {before!r}", *more}, str(diagnosis)
    assert diagnosis.causes[0].explains_all


@pytest.mark.parametrize(("last", "more"), [(None, ""), (-1, " and the last")])
def test_a_prompt_that_is_left_out_of_the_mean_is_named(last, more, minilm_folder):
    """[CLS] and 8 tokens of the prompt, as with sentence-transformers' include_prompt=False; then also [SEP]."""
    before = "Represent this sentence for searching relevant passages: "
    texts = TEXTS[1:]
    encoder = FaultyBert(minilm_folder)
    ids = [encoder.tokenizer.encode(before + text).ids for text in texts]
    means = np.array([encoder.hidden(each)[0][9 : len(each) if last is None else last].mean(axis=0) for each in ids])
    vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
    diagnosis = diagnose_embeddings(vectors, texts, model_path=minilm_folder)
    names = {f"mean without the first 9 tokens{more}", f"prefix {before!r}"}
    assert set(diagnosis.causes[0].names) == names, str(diagnosis)
    assert diagnosis.causes[0].explains_all


def test_the_search_ends_where_no_token_brings_the_vector_nearer(minilm_folder):
    whole, half = (FaultyBert(minilm_folder, layers=layers)(TEXTS) for layers in (6, 3))
    vectors = (whole + half) / np.linalg.norm(whole + half, axis=1, keepdims=True)
    search = PromptSearch(EmbeddingProblem(vectors, VariedEncoder(minilm_folder, TEXTS), 1e-6))
    assert search([()], range(len(TEXTS))) == []
    assert 500 < search.tried < 3000  # some 6,000 at the limit of work
