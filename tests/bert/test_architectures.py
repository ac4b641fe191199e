"""Every architecture against transformers in float64, the packed forward against the textbook one, and refusals."""

import json

import numpy as np
import pytest
import seeded

from refimpl.bert.architectures import ARCHITECTURES, position_buckets, relative_position_bias
from refimpl.bert.config import BertConfig
from refimpl.bert.encoder import Encoder
from refimpl.bert.files import WeightsError
from refimpl.bert.forward import forward
from refimpl.bert.heads import masked_lm_logits
from refimpl.bert.weights import BertWeights
from refimpl.tokens import Tokens

LENGTHS = [180, 3, 1, 40, 40, 130]


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def small(request, tmp_path_factory):
    """An architecture's small model by transformers, in float64, and the folder that it saves."""
    folder = tmp_path_factory.mktemp(request.param)
    model = seeded.torch_model(request.param)
    model.save_pretrained(folder)
    return model, folder


def packed_ids(lengths: list[int], pad: int) -> Tokens:
    ids = np.concatenate(seeded.token_ids(lengths)).astype(np.int64)
    return Tokens(ids, np.zeros_like(ids), np.array(lengths), np.zeros(len(lengths), dtype=bool), pad)


@pytest.mark.peer
def test_hidden_states_equal_transformers_in_float64(small):
    import torch

    model, folder = small
    weights = BertWeights.load(folder, "float64")
    batch = packed_ids(LENGTHS, model.config.pad_token_id).padded()
    given = {
        "input_ids": torch.tensor(batch.input_ids),
        "attention_mask": torch.tensor(batch.attention_mask.astype(int)),
    }
    with torch.no_grad():
        theirs = model(**given, output_hidden_states=True)
    walk = forward(weights, batch.input_ids, batch.attention_mask, batch.token_type_ids, trace=True)
    mask = batch.attention_mask
    assert np.abs(walk.last_hidden_state - theirs.last_hidden_state.numpy())[mask].max() <= 1e-12
    first = theirs.hidden_states[1].numpy()
    assert np.abs(walk.trace["layer.0.hidden_states"] - first)[mask].max() <= 1e-12
    assert np.abs(first - theirs.last_hidden_state.numpy())[mask].max() > 0.1, "the second layer does something"


@pytest.mark.peer
def test_packed_float32_stays_near_textbook_float64(small):
    model, folder = small
    tokens = packed_ids(LENGTHS, model.config.pad_token_id)
    exact, quick = (
        {
            int(row): states
            for rows, parts in Encoder(BertWeights.load(folder, dtype)).map(tokens, split)
            for row, states in zip(rows, parts, strict=True)
        }
        for dtype in ("float64", "float32")
    )
    assert sorted(exact) == list(range(len(LENGTHS)))
    worst = max(np.abs(exact[i] - quick[i]).max() for i in exact)
    print(model.config.model_type, worst)
    assert worst <= 1e-5  # entries of up to 3


def split(states: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    return np.split(states, np.cumsum(lengths)[:-1])


@pytest.mark.peer
@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_masked_lm_logits_equal_transformers(kind, tmp_path):
    import torch

    model = seeded.torch_model(kind, "AutoModelForMaskedLM")
    model.save_pretrained(tmp_path)
    weights = BertWeights.load(tmp_path, "float64")
    batch = packed_ids([9], model.config.pad_token_id).padded()
    with torch.no_grad():
        theirs = model(input_ids=torch.tensor(batch.input_ids)).logits.numpy()
    states = forward(weights, batch.input_ids, batch.attention_mask, batch.token_type_ids).last_hidden_state
    assert np.abs(masked_lm_logits(weights, states) - theirs).max() <= 1e-11


@pytest.mark.peer
def test_buckets_equal_transformers_at_every_distance():
    import torch
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distances = np.arange(-600, 601)
    theirs = MPNetEncoder.relative_position_bucket(torch.tensor(distances)).numpy()
    np.testing.assert_array_equal(position_buckets(distances), theirs)


@pytest.mark.parametrize(
    ("kind", "changes", "told"),
    [
        ("mpnet", {"relative_attention_num_buckets": 64}, "relative_attention_num_buckets is 64, and .* knows 32"),
        ("albert", {"num_hidden_groups": 9}, "num_hidden_groups 9 times inner_group_num 1 is more than the 2 layers"),
        ("albert", {"embedding_size": 0}, "embedding_size must be a positive integer"),
        ("distilbert", {"n_heads": None}, "n_heads must be a positive integer"),
        ("distilbert", {"activation": "swoosh"}, "activation 'swoosh' is not one of"),
        ("roberta", {"max_position_embeddings": 2}, "max_position_embeddings 2 leaves no position"),
    ],
)
def test_a_setting_that_the_architecture_has_not_is_named_as_published(tmp_path, kind, changes, told):
    sizes = {"vocab_size": 9, "type_vocab_size": 1, "layer_norm_eps": 1e-12, "hidden_act": "gelu", **seeded.SIZES}
    own = {"relative_attention_num_buckets": 32, "embedding_size": 16, "num_hidden_groups": 1, "inner_group_num": 1}
    config = {"model_type": kind, "activation": "gelu", **sizes, **own, **seeded.CONFIGS["distilbert"], **changes}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=told):
        BertConfig.load(tmp_path)


def test_a_shared_layer_is_walked_through_as_often_as_published(tmp_path):
    """ALBERT's rule, group = floor(i / (layers / groups)) by hand for five layers in two groups of one."""
    sizes = {"vocab_size": 9, "type_vocab_size": 1, "layer_norm_eps": 1e-12, "hidden_act": "gelu", **seeded.SIZES}
    own = {"embedding_size": 16, "num_hidden_groups": 2, "inner_group_num": 1, "num_hidden_layers": 5}
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "albert", "max_position_embeddings": 9, **sizes, **own})
    )
    config = BertConfig.load(tmp_path)
    assert [config.stored_layer(i) for i in range(5)] == ["0.0", "0.0", "0.0", "1.0", "1.0"]
    assert config.stored_layers == ["0.0", "1.0"]


def test_the_bias_is_the_tables_row_at_each_distance():
    table = np.arange(64.0).reshape(32, 2)
    bias = relative_position_bias({"encoder.relative_attention_bias.weight": table}, 4)
    assert bias.shape == (2, 4, 4)
    np.testing.assert_array_equal(bias[0, 2], table[[2, 1, 0, 17], 0])  # two before, one before, itself, one after
    assert relative_position_bias({}, 4) is None


def test_long_texts_take_attention_in_parts(tiny_folder, monkeypatch):
    """As few scores at a time as one query has: the same numbers to the last bits."""
    from refimpl.bert import packed

    tokens = packed_ids([9, 9, 30], 0)
    tokens.input_ids[:] %= 50
    whole = packed.PackedForward(BertWeights.load(tiny_folder))(tokens)
    monkeypatch.setattr(packed, "MOST_SCORES", 1)
    monkeypatch.setattr(packed, "LEAST_QUERIES", 1)
    assert np.abs(packed.PackedForward(BertWeights.load(tiny_folder))(tokens) - whole).max() <= 1e-6
