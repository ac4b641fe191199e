"""A tokenizer is measured by the texts that have one vector, whatever the vectors are computed by."""

import numpy as np
import pytest
from faulty_bert import FaultyBert
from token_faults import Rules

from refimpl.diagnosis import diagnose_embeddings
from refimpl.diagnosis.same_tokens import measured_tokenizer

LIMIT = 136  # of the small model
TEXTS = ["Zoë said so", "two roads [SEP]", "hm", "a wood", "x_y ラー", "春の海"]

pytestmark = pytest.mark.usefixtures("quick")


def any_function(folder, **faults):
    """Vectors that have nothing of the model but the order of its tokens."""
    tokenizer = FaultyBert(folder, **faults)
    random = np.random.default_rng(5)
    of_token, of_position = random.normal(size=(30522, 16)), random.normal(size=(700, 16))

    def encode(texts):
        return np.array([np.sum(of_token[ids] * of_position[: len(ids)], axis=0) for ids in tokenizer.ids(texts)])

    return encode


@pytest.mark.parametrize(
    ("faults", "names"),
    [
        ({}, set()),
        ({"rules": Rules(unknown="by character")}, {"unknown words by character"}),
        ({"cut": "left", "max_length": 64}, {"truncation at the left", "truncation at 64"}),
        ({"special_room": "beside"}, {"special tokens not counted"}),
        (
            {"rules": Rules(kana=True, special="text", controls="spaces", fold="NFKC")},
            {"control characters as spaces", "kana split", "special tokens read as text", "compatibility forms folded"},
        ),
    ],
)
def test_deviations_are_found_together(faults, names, small_folder):
    measured = measured_tokenizer(any_function(small_folder, **faults), small_folder, LIMIT)
    assert {hypothesis.name for hypothesis in measured.combination} == names, str(measured)
    assert measured.contradictions == ()


def test_a_tokenizer_of_no_known_kind_is_contradicted(small_folder):
    def one_digit(texts):
        return any_function(small_folder)([text.replace("2", "1") for text in texts])

    measured = measured_tokenizer(one_digit, small_folder, LIMIT)
    assert "'1' and '2' have one vector" in measured.contradictions
    assert "those of no listed tokenizer ('1' and '2' have one vector)" in str(measured)


def test_vectors_that_vary_from_call_to_call_show_no_tokenizer(small_folder):
    def noisy(texts):
        return any_function(small_folder)(texts) + np.random.default_rng().normal(size=(len(texts), 16))

    assert measured_tokenizer(noisy, small_folder, LIMIT) is None


def test_a_diagnosis_with_the_implementation_names_tokenizer_and_pooling_together(small_folder):
    bert = FaultyBert(small_folder, pooling="max", rules=Rules(punctuation="no underscore", kana=True, special="text"))
    diagnosis = diagnose_embeddings(bert(TEXTS), TEXTS, model_path=small_folder, tolerance=1e-10, encode=bert)
    (cause,) = diagnosis.causes
    names = {"max pooling", "underscore not split", "kana split", "special tokens read as text"}
    assert set(cause.names) == names, str(diagnosis)
    assert cause.explains_all
    assert "tokens, measured by" in str(diagnosis)


def test_words_in_another_order_have_one_vector_without_position_embeddings(small_folder):
    encode = FaultyBert(small_folder, zero=("position_embeddings",))
    diagnosis = diagnose_embeddings(
        encode(TEXTS), TEXTS, model_path=small_folder, tolerance=1e-10, labels=TEXTS, encode=encode
    )
    assert diagnosis.causes[0].names == ("no position embeddings",)
    assert "as under this cause" in str(diagnosis)
    assert "another deviation" not in str(diagnosis)
