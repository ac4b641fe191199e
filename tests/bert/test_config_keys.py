"""Every key of config.json is read, known not to matter, or refused by name."""

import json

import pytest
import seeded

from refimpl.bert.architectures import ARCHITECTURES
from refimpl.bert.architectures.keys import IRRELEVANT, ONLY
from refimpl.bert.config import BertConfig
from refimpl.bert.files import WeightsError


def load(folder, kind, **changes):
    config = {**seeded.published()[kind]["config"], **changes}
    (folder / "config.json").write_text(json.dumps(config))
    return BertConfig.load(folder)


@pytest.mark.parametrize("kind", sorted(seeded.CONFIGS))
def test_an_unknown_key_is_refused_with_its_file(tmp_path, kind):
    with pytest.raises(WeightsError, match=r"config\.json: residual_scale is '0\.5', a setting .* does not compute"):
        load(tmp_path, kind, residual_scale=0.5)


@pytest.mark.parametrize("kind", sorted(seeded.CONFIGS))
@pytest.mark.parametrize("key", ["hidden_dropout_prob", "torch_dtype", "id2label", "top_k", "eos_token_id"])
def test_keys_that_change_no_number_are_skipped(tmp_path, kind, key):
    assert load(tmp_path, kind, **{key: 0.123}) == load(tmp_path, kind)


def test_no_key_is_both_read_and_skipped():
    for name, architecture in ARCHITECTURES.items():
        read = {*architecture.settings.values(), *architecture.more, *architecture.derived_keys}
        assert not read & (IRRELEVANT | architecture.irrelevant), name
        assert not read & {*ONLY, *architecture.only}, name


REFUSED = {
    "bert": {
        "position_embedding_type": "relative_key_query",
        "is_decoder": True,
        "add_cross_attention": True,
        "pruned_heads": {"0": [1]},
        "quantization_config": {"bits": 4},
        "rope_theta": 10_000.0,
        "embedding_size": 16,
    },
    "modernbert": {
        "rope_scaling": {"rope_type": "yarn", "factor": 4.0},
        "layer_types": ["full_attention"],
        "hidden_activation": "swoosh",
        "norm_eps": 0.0,
        "local_attention": 0,
    },
    "qwen3": {
        "use_sliding_window": True,
        "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e6, "factor": 2.0},
        "num_key_value_heads": 3,
        "head_dim": 0,
    },
    "gemma3_text": {"attn_logit_softcapping": 50.0, "query_pre_attn_scalar": None, "layer_types": ["chunked"] * 4},
    "t5": {
        "feed_forward_proj": "swish-gelu",
        "relative_attention_max_distance": 64,
        "relative_attention_num_buckets": 16,
    },
    "nomic_bert": {"hidden_act": "swiglu"},
    "gte": {
        "logn_attention_scale": True,
        "layer_norm_type": "rms_norm",
        "rope_scaling": {"type": "ntk", "factor": 8.0, "mixed_b": 0.5},
    },
    "jina_bert": {"feed_forward_type": "original"},
    "jina_embeddings_v3": {
        "rope_parameters": {"rope_type": "default", "rope_theta": 1.0, "partial_rotary_factor": 0.5}
    },
}


@pytest.mark.parametrize(
    ("kind", "key", "value"), [(kind, key, value) for kind, keys in REFUSED.items() for key, value in keys.items()]
)
def test_a_value_that_is_not_computed_is_refused_by_its_key(tmp_path, kind, key, value):
    message = "key heads" if key == "num_key_value_heads" else key
    with pytest.raises(WeightsError, match=message):
        load(tmp_path, kind, **{key: value})


ORIGINAL_NOMIC = {  # nomic-ai/nomic-embed-text-v1.5, config.json, at the small model's sizes
    "model_type": "nomic_bert",
    "activation_function": "swiglu",
    "attn_pdrop": 0.0,
    "causal": False,
    "dense_seq_output": True,
    "embd_pdrop": 0.0,
    "fused_bias_fc": True,
    "fused_dropout_add_ln": True,
    "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-12,
    "max_trained_positions": 2048,
    "mlp_fc1_bias": False,
    "mlp_fc2_bias": False,
    "n_embd": 32,
    "n_head": 4,
    "n_inner": 48,
    "n_layer": 2,
    "n_positions": 2048,
    "pad_vocab_size_multiple": 64,
    "parallel_block": False,
    "parallel_block_tied_norm": False,
    "prenorm": False,
    "qkv_proj_bias": False,
    "reorder_and_upcast_attn": False,
    "resid_pdrop": 0.0,
    "rotary_emb_base": 1000,
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
    "rotary_scaling_factor": None,
    "scale_attn_by_inverse_layer_idx": False,
    "scale_attn_weights": True,
    "type_vocab_size": 2,
    "use_cache": True,
    "use_flash_attn": True,
    "use_rms_norm": False,
    "use_xentropy": True,
    "vocab_size": 90,
}


def test_nomics_own_configuration_is_that_of_transformers(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(ORIGINAL_NOMIC))
    own, other = BertConfig.load(tmp_path), load(tmp_path, "nomic_bert")
    changed = {name for name in vars(own) if getattr(own, name) != getattr(other, name)}
    assert changed == {"model_type", "head_size"}
    assert own.head_dim == other.head_dim


@pytest.mark.parametrize("key", ["prenorm", "causal", "rotary_emb_interleaved", "mlp_fc1_bias", "parallel_block"])
def test_nomics_other_variants_are_refused(tmp_path, key):
    (tmp_path / "config.json").write_text(json.dumps({**ORIGINAL_NOMIC, key: True}))
    with pytest.raises(WeightsError, match=f"{key} is True, and this encoder computes False"):
        BertConfig.load(tmp_path)


def test_gtes_ntk_scaling_by_hand(tmp_path):
    """The base times the factor, and the frequencies over factor^(2 / head_dim): 8^(2 / 8) = 1.6818 here."""
    original = {"model_type": "new", "position_embedding_type": "rope", "rope_theta": 20_000, "rope_parameters": None}
    config = load(tmp_path, "gte", **original, rope_scaling={"type": "ntk", "factor": 8.0})
    assert config.rope_thetas == (160_000.0, 160_000.0)
    assert config.rope_divisor == pytest.approx(1.681792830507429, abs=1e-15)


def test_gte_without_token_types(tmp_path):
    assert not load(tmp_path, "gte", type_vocab_size=0).has_segments


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, (0, 4, 4, 0)), ({"layer_types": None, "global_attn_every_n_layers": 2}, (0, 4, 0, 4))],
)
def test_modernberts_windows(tmp_path, changes, expected):
    assert load(tmp_path, "modernbert", **changes).windows == expected


def test_modernberts_first_configurations_name_both_bases(tmp_path):
    bases = {"rope_parameters": None, "global_rope_theta": 80_000.0, "local_rope_theta": 5_000.0}
    assert load(tmp_path, "modernbert", **bases).rope_thetas == (80_000.0, 5_000.0, 5_000.0, 80_000.0)


@pytest.mark.parametrize(
    ("projection", "gated", "activation"),
    [("relu", False, "relu"), ("gated-gelu", True, "gelu_new"), ("gated-silu", True, "silu"), ("gelu", False, "gelu")],
)
def test_t5s_feed_forward(tmp_path, projection, gated, activation):
    config = load(tmp_path, "t5", feed_forward_proj=projection)
    assert (config.gated, config.hidden_act) == (gated, activation)
