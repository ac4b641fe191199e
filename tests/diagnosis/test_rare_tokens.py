"""Rarer faults of tokenizers, each implemented independently: the hypothesis has its ids, and a diagnosis names it."""

import numpy as np
import pytest
import rare_faults
from faulty_bert import FaultyBert

from refimpl import golden
from refimpl.diagnosis import diagnose_embeddings
from refimpl.diagnosis.encoder import EncoderVariant, VariedEncoder
from refimpl.diagnosis.rare_token_hypotheses import RARE, word_limits
from refimpl.diagnosis.same_tokens import measured_tokenizer

WRITTEN = ["a\u0308pfel cafe\u0301", "a\u0085b", "x\U0001f9ffy", "\u0436" * 60, "goool", "ab\ncd"]
TEXTS = [*golden.texts().values(), *WRITTEN]
MARKED = "<b>two</b> roads &amp; 1956 ships"
SHORT = ["", "hm", "a wood", "Zo\u00eb said: so, so", MARKED, "\U0001f9ff a\U0001f9ff", "\u6625\u306e\u6d77"]

pytestmark = pytest.mark.usefixtures("quick")


class RareBert(FaultyBert):
    """With the pieces of a rare fault."""

    pieces: rare_faults.Pieces

    def _pieces(self, text):
        return self.pieces(self.tokenizer.get_vocab(), text)


def faulty(folder, name, **faults):
    bert = RareBert(folder, **faults)
    bert.pieces = rare_faults.FAULTS[name]
    return bert


@pytest.fixture(scope="module")
def encoder(small_folder):
    return VariedEncoder(small_folder, TEXTS, max_length=128)


def ids(encoder, hypothesis=None):
    tokens = encoder.tokens(hypothesis.apply(EncoderVariant()) if hypothesis else EncoderVariant())
    return [each.tolist() for each in np.split(tokens.input_ids, tokens.starts[1:])]


@pytest.mark.parametrize("hypothesis", RARE, ids=lambda each: each.name)
def test_a_hypothesis_has_the_ids_of_its_fault(hypothesis, encoder, small_folder):
    expected = faulty(small_folder, hypothesis.name, max_length=128).ids(TEXTS)
    found = ids(encoder, hypothesis)
    for text, one, other in zip(TEXTS, found, expected, strict=True):
        assert one == other, text
    assert found != ids(encoder)


def test_every_fault_has_a_hypothesis_and_names_are_unique():
    assert sorted(rare_faults.FAULTS) == sorted(each.name for each in RARE)


@pytest.mark.parametrize(
    "name",
    [
        "tags removed",
        "full stop appended",
        "repeated tokens dropped",
        "tokens in reverse order",
        "[UNK] as id 0",
        "pieces grown, not longest",
    ],
)
def test_a_diagnosis_names_it(name, small_folder):
    actual = faulty(small_folder, name)(SHORT)
    diagnosis = diagnose_embeddings(actual, SHORT, model_path=small_folder, tolerance=1e-10)
    assert (name,) in [cause.names for cause in diagnosis.causes if cause.explains_all], str(diagnosis)


def test_the_limit_of_a_word_is_named_as_far_as_the_texts_show_it():
    names = [each.name for each in word_limits(["a", "x" * 20, "x" * 30, "y" * 120, "z" * 150])]
    assert names == [
        "words of at most 20 to 29 characters",
        "words of at most 120 to 149 characters",
    ]


@pytest.mark.parametrize(
    "name", ["accents stripped from NFC", "pieces kept up to the unknown", "words of at most 100 bytes"]
)
def test_texts_of_one_vector_name_it(name, small_folder):
    measured = measured_tokenizer(faulty(small_folder, name), small_folder, 136)
    assert [each.name for each in measured.combination] == [name], str(measured)
    assert str(measured).endswith(f": {name}")
