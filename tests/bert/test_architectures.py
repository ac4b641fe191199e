"""Every architecture against transformers in float64, the packed forward against the textbook one, and refusals."""

import json

import numpy as np
import pytest
import seeded

from refimpl.bert.config import BertConfig
from refimpl.bert.files import WeightsError
from refimpl.bert.forward import forward
from refimpl.bert.heads import next_token_logits
from refimpl.bert.positions import alibi_slopes, position_bias, position_buckets, rotary_angles, rotate
from refimpl.bert.weights import BertWeights
from refimpl.tokens import Tokens

LENGTHS = [180, 3, 1, 40, 40, 130]


@pytest.fixture(scope="module", params=sorted(seeded.CONFIGS))
def small(request, tmp_path_factory):
    """An architecture's small model by transformers, in float64, and the folder that it saves."""
    folder = tmp_path_factory.mktemp(request.param)
    model = seeded.torch_model(request.param)
    model.save_pretrained(folder)
    return model, folder


def packed_ids(lengths: list[int], pad: int) -> Tokens:
    ids = np.concatenate(seeded.token_ids(lengths)).astype(np.int64)
    return Tokens(ids, np.zeros_like(ids), np.array(lengths), np.zeros(len(lengths), dtype=bool), pad)


def reference_states(model, ids):
    """Of one text: the last hidden state, and the first layer's, in float64."""
    import torch

    with torch.no_grad(), seeded.float64_throughout():
        inputs = {"input_ids": torch.tensor(ids.astype(np.int64))[None]}
        if not hasattr(model, "settings"):
            inputs["output_hidden_states"] = True
        states = model(**inputs)
    return states.last_hidden_state[0].numpy(), states.hidden_states[1][0].numpy()


@pytest.mark.peer
def test_hidden_states_equal_transformers_in_float64(small):
    model, folder = small
    weights = BertWeights.load(folder, "float64")
    batch = packed_ids(LENGTHS, 0).padded()
    result = forward(weights, batch.input_ids, batch.attention_mask, batch.token_type_ids, trace=True)
    for text, ids in enumerate(seeded.token_ids(LENGTHS)):
        last, first = reference_states(model, ids)
        assert np.abs(result.last_hidden_state[text, : len(ids)] - last).max() <= 1e-12, text
        # observed 3e-14, Gemma's, whose states before the last norm are of about 20
        assert np.abs(result.trace["layer.0.hidden_states"][text, : len(ids)] - first).max() <= 1e-12, text
        assert np.abs(first - last).max() > 0.1, "the other layers change the states"


WITHOUT_TABLE = sorted(kind for kind in seeded.TODAY)


@pytest.mark.parametrize("kind", WITHOUT_TABLE)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_nothing(kind, side, tmp_path):
    """Positions count by distance, so that padding before a text shifts nothing."""
    weights = BertWeights.load(seeded.model_folder(tmp_path, kind), "float64")
    ids = seeded.token_ids([30, 11])
    alone = [forward(weights, *whole(text)).last_hidden_state[0] for text in ids]
    places = slice(-11, None) if side == "left" else slice(0, 11)
    batch, mask = np.zeros((2, 30), np.int64), np.zeros((2, 30), bool)
    batch[0], mask[0] = ids[0], True
    batch[1, places], mask[1, places] = ids[1], True
    together = forward(weights, batch, mask, np.zeros_like(batch)).last_hidden_state
    assert np.abs(together[0] - alone[0]).max() <= 1e-12
    assert np.abs(together[1, places] - alone[1]).max() <= 1e-12


def whole(ids):
    ids = ids.astype(np.int64)[None]
    return ids, np.ones(ids.shape, bool), np.zeros_like(ids)


@pytest.mark.parametrize("kind", sorted(seeded.CONFIGS))
@pytest.mark.parametrize("few", [0, 1000])
def test_packed_is_near_textbook_for_every_architecture(kind, few, tmp_path, monkeypatch):
    from refimpl.bert import packed

    monkeypatch.setattr(packed, "few_tokens", lambda: few)
    folder = seeded.model_folder(tmp_path, kind)
    lengths = [150, 3, 1, 40, 40]
    weights = BertWeights.load(folder, "float64")
    exact = np.concatenate([forward(weights, *whole(ids)).last_hidden_state[0] for ids in seeded.token_ids(lengths)])
    quick = packed.PackedForward(BertWeights.load(folder))(packed_ids(lengths, 0))
    assert np.abs(exact - quick).max() <= 1e-4  # observed 4e-5, of entries of up to 8 after states of 20; torch 4e-5


@pytest.mark.peer
def test_buckets_equal_transformers_at_every_distance():
    import torch
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distances = np.arange(-600, 601)
    theirs = MPNetEncoder.relative_position_bucket(torch.tensor(distances)).numpy()
    np.testing.assert_array_equal(position_buckets(distances), theirs)


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("mpnet", {"relative_attention_num_buckets": 64}, "relative_attention_num_buckets is 64, expected 32"),
        ("albert", {"num_hidden_groups": 9}, "num_hidden_groups 9 times inner_group_num 2 is more than the 6 layers"),
        ("albert", {"embedding_size": 0}, "embedding_size must be a positive integer"),
        ("distilbert", {"n_heads": None}, "n_heads must be a positive integer"),
        ("distilbert", {"activation": "swoosh"}, "activation 'swoosh' is not one of"),
        ("roberta", {"max_position_embeddings": 2}, "max_position_embeddings 2 leaves no position"),
    ],
)
def test_a_setting_outside_the_architecture_is_named_as_published(tmp_path, kind, changes, message):
    config = {**seeded.published()[kind]["config"], **changes}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=message):
        BertConfig.load(tmp_path)


SHARED_LAYERS = [  # layers, groups, layers in a group: floor(i / (layers / groups)) by hand
    (5, 2, 1, "0.0 0.0 0.0 1.0 1.0"),
    (7, 3, 1, "0.0 0.0 0.0 1.0 1.0 2.0 2.0"),
    (4, 4, 1, "0.0 1.0 2.0 3.0"),
    (3, 2, 2, "0.0 0.1 0.0 0.1 1.0 1.1"),
    (12, 1, 1, " ".join(["0.0"] * 12)),
]


@pytest.mark.parametrize(("layers", "groups", "inner", "expected"), SHARED_LAYERS)
def test_a_shared_layer_is_repeated_as_published(tmp_path, layers, groups, inner, expected):
    sizes = {"vocab_size": 9, "type_vocab_size": 1, "layer_norm_eps": 1e-12, "hidden_act": "gelu", **seeded.SIZES}
    own = {"embedding_size": 16, "num_hidden_groups": groups, "inner_group_num": inner, "num_hidden_layers": layers}
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "albert", "max_position_embeddings": 9, **sizes, **own})
    )
    config = BertConfig.load(tmp_path)
    assert [config.stored_layer(i) for i in range(config.num_hidden_layers)] == expected.split()
    assert config.stored_layers == sorted(set(expected.split()))


def config(**changes):
    sizes = {"vocab_size": 9, "type_vocab_size": 1, "max_position_embeddings": 9, "layer_norm_eps": 1e-12}
    return BertConfig(**sizes, **seeded.SIZES, hidden_act="gelu", **changes)


def test_the_bias_is_the_tables_row_at_each_distance():
    table = np.arange(128.0).reshape(32, 4)
    words = {"embeddings.word_embeddings.weight": table}
    bias = position_bias({"encoder.relative_attention_bias.weight": table, **words}, config(), 0, 4)
    assert bias.shape == (4, 4, 4)
    np.testing.assert_array_equal(bias[0, 2], table[[2, 1, 0, 17], 0])  # two before, one before, itself, one after
    assert position_bias(words, config(), 0, 4) is None


@pytest.mark.parametrize(
    ("changes", "window", "expected"),
    [
        ({"causal": True}, 0, [[0, -np.inf, -np.inf], [0, 0, -np.inf], [0, 0, 0]]),
        ({}, 1, [[0, 0, -np.inf], [0, 0, 0], [-np.inf, 0, 0]]),
        ({"causal": True}, 1, [[0, -np.inf, -np.inf], [0, 0, -np.inf], [-np.inf, 0, 0]]),
    ],
)
def test_range_of_attention(changes, window, expected):
    words = {"embeddings.word_embeddings.weight": np.zeros((1, 1))}
    np.testing.assert_array_equal(position_bias(words, config(**changes), window, 3)[0], expected)


def test_alibi_slopes_of_four_and_of_six_heads():
    """Press et al. 2022: 2^-2, 2^-4, 2^-6, 2^-8; then those of eight heads, every second: 2^-1, 2^-3."""
    np.testing.assert_array_equal(alibi_slopes(4), [2**-2, 2**-4, 2**-6, 2**-8])
    np.testing.assert_array_equal(alibi_slopes(6), [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3])


def test_rotation_by_hand():
    """Four features of base 100: angles p and p / 10; feature 0 turns with 2, 1 with 3."""
    angles = rotary_angles(config(head_size=4, rope_thetas=(100.0,)), 0, np.array([0, 3]))
    np.testing.assert_allclose(angles, [[0, 0], [3, 0.3]], rtol=0, atol=1e-15)
    turned = rotate(np.array([[1.0, 0, 0, 2], [1, 0, 0, 2]]), angles)
    expected = [np.cos(3), -2 * np.sin(0.3), np.sin(3), 2 * np.cos(0.3)]
    np.testing.assert_allclose(turned, [[1, 0, 0, 2], expected], rtol=0, atol=1e-15)


def test_long_texts_take_attention_in_parts(tiny_folder, monkeypatch):
    """As few scores at a time as one query has: the same numbers to the last bits."""
    from refimpl.bert import packed, packed_attention

    tokens = packed_ids([9, 9, 30], 0)
    tokens.input_ids[:] %= 50
    whole = packed.PackedForward(BertWeights.load(tiny_folder))(tokens)
    monkeypatch.setattr(packed_attention, "MOST_SCORES", 1)
    monkeypatch.setattr(packed_attention, "LEAST_QUERIES", 1)
    assert np.abs(packed.PackedForward(BertWeights.load(tiny_folder))(tokens) - whole).max() <= 1e-6


@pytest.mark.peer
def test_next_token_logits_equal_transformers(tmp_path):
    """Qwen3-Reranker's head: the tied word embeddings at the last token."""
    import torch

    ids = seeded.token_ids([20])[0]
    model = seeded.torch_model("qwen3", "AutoModelForCausalLM", tie_word_embeddings=True)
    model.save_pretrained(tmp_path)
    with torch.no_grad(), seeded.float64_throughout():
        theirs = model(input_ids=torch.tensor(ids.astype(np.int64))[None]).logits[0, -1].numpy()
    weights = BertWeights.load(tmp_path, "float64")
    last = forward(weights, *whole(ids)).last_hidden_state[:, -1]
    logits = next_token_logits(weights, last, np.array([7, 30]))
    assert np.abs(logits[0] - theirs[[7, 30]]).max() <= 1e-12
    assert abs(theirs[7] - theirs[30]) > 0.1


@pytest.mark.peer
def test_the_encoder_of_a_whole_t5_is_read(tmp_path):
    """t5-base holds a decoder too; its tensors are skipped by name, and nothing else is."""
    import torch
    from safetensors.numpy import load_file, save_file

    ids = seeded.token_ids([20])[0]
    model = seeded.torch_model("t5", "AutoModelForSeq2SeqLM", tie_word_embeddings=False)
    model.save_pretrained(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert any(name.startswith("decoder.block") for name in stored)
    with torch.no_grad(), seeded.float64_throughout():
        theirs = model.encoder(input_ids=torch.tensor(ids.astype(np.int64))[None]).last_hidden_state[0].numpy()
    weights = BertWeights.load(tmp_path, "float64")
    assert not any("decoder" in name for name in weights)
    assert np.abs(forward(weights, *whole(ids)).last_hidden_state[0] - theirs).max() <= 1e-12
    save_file(stored | {"adapter.weight": stored["shared.weight"]}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"unknown: adapter\.weight"):
        BertWeights.load(tmp_path)


@pytest.mark.peer
@pytest.mark.parametrize("factor", [1.0, 2.0, 8.0])
def test_gtes_ntk_scaling_equals_stretched_wavelengths(factor, tmp_path):
    """Su 2023 (kexue.fm/archives/9706): wavelength m of d / 2 is factor^(2 m / d) times as long.

    transformers' model computes with frequencies from these wavelengths; its configuration has no NTK.
    """
    import torch

    theta, head_dim, ids = 20_000.0, 8, seeded.token_ids([60])[0]
    model = seeded.torch_model("gte")
    model.save_pretrained(tmp_path)
    lengths = [2 * np.pi * theta ** ((m - 1) / (head_dim / 2)) * factor ** (m / (head_dim / 2)) for m in range(1, 5)]
    buffers = [module for module in model.modules() if hasattr(module, "inv_freq")]
    assert [len(module.inv_freq) for module in buffers] == [head_dim // 2]
    buffers[0].inv_freq = 2 * np.pi / torch.tensor(lengths, dtype=torch.float64)
    with torch.no_grad(), seeded.float64_throughout():
        theirs = model(input_ids=torch.tensor(ids.astype(np.int64))[None]).last_hidden_state[0].numpy()
    published = json.loads((tmp_path / "config.json").read_text())
    del published["rope_parameters"]
    scaling = {"rope_theta": theta, "rope_scaling": {"type": "ntk", "factor": factor}}
    (tmp_path / "config.json").write_text(json.dumps({**published, **scaling}))
    states = forward(BertWeights.load(tmp_path, "float64"), *whole(ids)).last_hidden_state[0]
    assert np.abs(states - theirs).max() <= 1e-12
