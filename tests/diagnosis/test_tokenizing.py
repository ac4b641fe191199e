"""Tokenizers with changed settings: one vocabulary for all, other settings for each."""

import pytest
import token_faults
import tokenizers
from faulty_bert import FaultyBert

from refimpl import golden
from refimpl.diagnosis import diagnose_tokens, tokenizing
from refimpl.diagnosis.tokenizing import varied_tokenizer
from refimpl.diagnosis.truncating import LONGEST_FIRST, Truncation
from refimpl.tokens import tokenizer as reader

LONG = "first " + "lorem ipsum dolor " * 1000 + "last"


def library(folder):
    each = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    each.no_padding()
    each.no_truncation()
    return each


def test_other_settings_do_not_read_the_vocabulary_again_nor_change_each_other(small_folder, monkeypatch):
    varied_tokenizer(small_folder, 64, (), LONGEST_FIRST)
    monkeypatch.delattr(reader, "build")
    cased = varied_tokenizer(small_folder, 5, (tokenizing.cased, tokenizing.no_special_tokens), LONGEST_FIRST)
    right = varied_tokenizer(small_folder, 9, (), LONGEST_FIRST)
    whole = library(small_folder).encode("Two ROADS [MASK] diverged in a wood")
    assert right(["Two ROADS [MASK] diverged in a wood"]).input_ids.tolist() == whole.ids[:8] + whole.ids[-1:]
    roads = library(small_folder).encode("two roads diverged").ids
    assert cased(["two roads diverged"]).input_ids.tolist() == roads[1:-1]
    assert cased(["Two"]).input_ids.tolist() != whole.ids[1:2]


@pytest.mark.parametrize("direction", ["left", "right"])
def test_a_text_far_beyond_the_limit_keeps_its_end_or_its_beginning(direction, small_folder):
    right = library(small_folder)
    right.enable_truncation(8, direction=direction)
    varied = varied_tokenizer(small_folder, 8, (), Truncation(direction))
    assert varied([LONG]).input_ids.tolist() == right.encode(LONG).ids


def test_the_faulty_tokenizer_without_a_fault_is_the_tokenizers_library_s(small_folder):
    vocabulary, whole = library(small_folder).get_vocab(), library(small_folder)
    for name, text in golden.texts().items():
        expected = whole.encode(text, add_special_tokens=False).ids
        assert token_faults.pieces(vocabulary, text, token_faults.Rules()) == expected, name


@pytest.mark.parametrize("name", token_faults.FAULTS)
@pytest.mark.usefixtures("quick")
def test_a_fault_of_the_tokenizer_is_named_alone(name, small_folder):
    texts = [*golden.texts().values(), "a control\u0001character"]
    ids = FaultyBert(small_folder, **token_faults.FAULTS[name]).ids(texts)
    diagnosis = diagnose_tokens(ids, texts, model_path=small_folder)
    exact = [cause.names for cause in diagnosis.causes if cause.explains_all]
    assert exact == [(name,)], str(diagnosis)
