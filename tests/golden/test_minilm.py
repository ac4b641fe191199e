"""The encoder matches every golden vector, and no seeded fault does."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from refimpl import golden
from refimpl.bert import forward as textbook
from refimpl.bert import packed, pooling
from refimpl.bert.encoder import Encoder
from refimpl.bert.weights import BertWeights
from refimpl.compare import compare_arrays
from refimpl.dense import minilm
from refimpl.golden.minilm import verify
from refimpl.tokens import Tokenizer, Tokens


def test_every_golden_vector_matches():
    comparisons = verify()
    assert len(comparisons) == len(golden.vectors())
    assert [str(c) for c in comparisons if not c.matches] == []


def changed_config(**fields):
    """The weights with other values in their configuration."""

    def load(folder, dtype):
        weights = BertWeights.load(folder, dtype)
        return BertWeights(dataclasses.replace(weights.config, **fields), dict(weights))

    return {"BertWeights": SimpleNamespace(load=load)}


def changed_tensors(change):
    """The weights with some tensors replaced: `change(name, tensors) -> tensor`."""

    def load(folder, dtype):
        weights = BertWeights.load(folder, dtype)
        return BertWeights(weights.config, {name: change(name, weights) for name in weights})

    return {"BertWeights": SimpleNamespace(load=load)}


def swapped(name, weights):
    if "self.query" in name:
        return weights[name.replace("query", "key")]
    return weights[name.replace("key", "query")] if "self.key" in name else weights[name]


def transposed(name, weights):
    return weights[name].T if name.endswith("attention.output.dense.weight") else weights[name]


def without_types(name, weights):
    return np.zeros_like(weights[name]) if "token_type" in name else weights[name]


def rounded(name, weights):
    return weights[name].astype(np.float16).astype(weights.dtype)


def positions_off_by_one(name, weights):
    return np.roll(weights[name], -1, axis=0) if "position_embeddings" in name else weights[name]


class TypesOfOnes(Tokenizer):
    def __call__(self, texts):
        tokens = super().__call__(texts)
        return dataclasses.replace(tokens, token_type_ids=np.ones_like(tokens.token_type_ids))


class NoSpecialTokens(Tokenizer):
    def __call__(self, texts):
        tokens = super().__call__(texts)
        special = np.isin(tokens.input_ids, (101, 102))
        of_text = np.repeat(np.arange(len(tokens)), tokens.lengths)
        lengths = np.bincount(of_text[~special], minlength=len(tokens))
        nothing = lengths == 0
        keep = ~special | nothing[of_text]
        ids, types = tokens.input_ids[keep], tokens.token_type_ids[keep]
        return Tokens(ids, types, np.where(nothing, 2, lengths), tokens.truncated)


class Truncating128(Tokenizer):
    def __init__(self, folder, max_length, **settings):
        super().__init__(folder, 128, **settings)


class PaddingPooled(Encoder):
    """Every text padded to the longest, and the padding's hidden states averaged with the others."""

    def map(self, tokens, head):
        batch = tokens.padded()
        states = textbook.forward(self.weights, batch.input_ids, batch.attention_mask, batch.token_type_ids)
        yield np.arange(len(tokens)), states.last_hidden_state.mean(axis=1)


class PaddingAttended(Encoder):
    """Every text padded to the longest, and the padding attended to like words."""

    def map(self, tokens, head):
        batch = tokens.padded()
        everything = np.ones_like(batch.attention_mask)
        states = textbook.forward(self.weights, batch.input_ids, everything, batch.token_type_ids)
        yield np.arange(len(tokens)), head(states.last_hidden_state[batch.attention_mask], tokens.lengths)


TEXTBOOK_FAULTS = {
    "tanh GELU": {minilm: changed_config(hidden_act="gelu_new")},
    "eps 1e-5": {minilm: changed_config(layer_norm_eps=1e-5)},
    "eps 1e-6": {minilm: changed_config(layer_norm_eps=1e-6)},
    "last layer left out": {minilm: changed_config(num_hidden_layers=5)},
    "token types dropped": {minilm: changed_tensors(without_types)},
    "token types of ones": {minilm: {"Tokenizer": TypesOfOnes}},
    "positions off by one": {minilm: changed_tensors(positions_off_by_one)},
    "query and key swapped": {minilm: changed_tensors(swapped)},
    "dense transposed": {minilm: changed_tensors(transposed)},
    "float16 weights": {minilm: changed_tensors(rounded)},
    "truncation at 128": {minilm: {"Tokenizer": Truncating128}},
    "no special tokens": {minilm: {"Tokenizer": NoSpecialTokens}},
    "CLS pooled": {pooling: {"POOLINGS": pooling.POOLINGS | {"mean": pooling.cls}}},
    "padding pooled": {minilm: {"Encoder": PaddingPooled}},
    "padding attended": {minilm: {"Encoder": PaddingAttended}},
    "no normalisation": {minilm: {"l2_normalize": lambda x: x}},
}


FAULTY_TEXTS = ("published-1", "empty", "accents", "emoji", "tokens-129")  # a few suffice, and are soon computed


def normalized(stage: str, dtype: str):
    """Compare the unit vectors of the embedding function, patched or not, with `stage` of the golden vectors."""
    vector = next(v for v in golden.vectors() if v.stage == stage)
    texts = golden.texts()
    rows = [list(texts).index(name) for name in FAULTY_TEXTS]
    mine = minilm.MiniLMEmbeddingFunction(dtype=dtype)([texts[name] for name in FAULTY_TEXTS])
    return compare_arrays(vector.name, mine, golden.array(vector)[rows], vector.tolerance)


def test_without_a_fault_the_same_check_passes():
    assert normalized("normalized", "float64").matches
    assert normalized("normalized_sentence_transformers", "float32").matches


@pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")
@pytest.mark.parametrize("fault", TEXTBOOK_FAULTS)
def test_golden_vectors_catch_the_fault(monkeypatch, fault):
    for module, replacements in TEXTBOOK_FAULTS[fault].items():
        for name, replacement in replacements.items():
            monkeypatch.setattr(module, name, replacement)
    comparison = normalized("normalized", "float64")
    assert not comparison.matches
    assert comparison.max_abs > 100 * comparison.tolerance


PACKED_FAULTS = {
    "tanh GELU": {minilm: changed_config(hidden_act="gelu_new")},
    "eps 1e-5": {minilm: changed_config(layer_norm_eps=1e-5)},
    "token types dropped": {minilm: changed_tensors(without_types)},
    "float16 weights": {minilm: changed_tensors(rounded)},
    "texts of one length attending to each other": {
        packed: {"equal_length_groups": lambda lengths: [(slice(0, int(lengths.sum())), int(lengths.sum()))]}
    },
}


@pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")
@pytest.mark.parametrize("fault", PACKED_FAULTS)
def test_golden_vectors_catch_the_fault_in_float32(monkeypatch, fault):
    for module, replacements in PACKED_FAULTS[fault].items():
        for name, replacement in replacements.items():
            monkeypatch.setattr(module, name, replacement)
    assert not normalized("normalized_sentence_transformers", "float32").matches
