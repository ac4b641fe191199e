"""The textbook forward: its trace, its refusals, and transformers' numbers on every activation and mask."""

import dataclasses

import numpy as np
import pytest

from refimpl.bert.forward import forward, merge_heads, split_heads
from refimpl.bert.heads import max_pool, mean_pool
from refimpl.bert.weights import BertWeights

IDS = np.array([[2, 7, 9, 11, 3], [2, 8, 3, 0, 0]])
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=bool)
TYPES = np.array([[0, 0, 1, 1, 1], [0, 0, 0, 0, 0]])


@pytest.fixture
def tiny(tiny_folder) -> BertWeights:
    return BertWeights.load(tiny_folder, "float64")


def test_trace_names_every_intermediate_with_true_shapes(tiny):
    trace = forward(tiny, IDS, MASK, TYPES, trace=True).trace
    heads, hidden, wide = (2, 3, 5, 8), (2, 5, 24), (2, 5, 40)
    layer = {
        "query": heads,
        "key": heads,
        "value": heads,
        "attention_scores": (2, 3, 5, 5),
        "attention_probs": (2, 3, 5, 5),
        "context": hidden,
        "attention_dense": hidden,
        "attention_output": hidden,
        "intermediate_dense": wide,
        "intermediate": wide,
        "output_dense": hidden,
        "hidden_states": hidden,
    }
    embeddings = {"word_embeddings": hidden, "position_embeddings": (1, 5, 24), "token_type_embeddings": hidden}
    embeddings |= {"sum": hidden, "hidden_states": hidden}
    expected = {f"embeddings.{name}": shape for name, shape in embeddings.items()}
    expected |= {f"layer.{i}.{name}": shape for i in range(2) for name, shape in layer.items()}
    assert {name: value.shape for name, value in trace.items()} == expected


def test_attention_rows_sum_to_1_and_padding_gets_0(tiny):
    probs = forward(tiny, IDS, MASK, TYPES, trace=True).trace["layer.1.attention_probs"]
    np.testing.assert_allclose(probs.sum(axis=-1), 1.0, atol=1e-15)
    assert np.all(probs[1, :, :, 3:] == 0.0)
    assert np.all(probs[1, :, :, :3] > 0.0)


def test_without_trace_nothing_is_kept(tiny):
    assert forward(tiny, IDS, MASK, TYPES).trace == {}


def test_padding_changes_nothing(tiny):
    alone = forward(tiny, IDS[1:, :3], MASK[1:, :3], TYPES[1:, :3]).last_hidden_state
    beside = forward(tiny, IDS, MASK, TYPES).last_hidden_state[1:, :3]
    np.testing.assert_allclose(beside, alone, rtol=0, atol=1e-14)


def test_heads_split_and_merge():
    x = np.arange(2 * 3 * 8.0).reshape(2, 3, 8)
    np.testing.assert_array_equal(split_heads(x, 4)[0, 1, 2], x[0, 2, 2:4])
    np.testing.assert_array_equal(merge_heads(split_heads(x, 4)), x)


@pytest.mark.parametrize(
    ("ids", "types", "message"),
    [
        (np.full((1, 3), 50), np.zeros((1, 3), int), r"input_ids must lie in \[0, 50\), got 50 to 50"),
        (np.array([[2, -1, 3]]), np.zeros((1, 3), int), r"input_ids must lie in \[0, 50\), got -1"),
        (np.full((1, 3), 1), np.full((1, 3), 2), r"token_type_ids must lie in \[0, 2\), got 2"),
        (np.full((1, 33), 1), np.zeros((1, 33), int), "33 tokens exceed the model's 32 positions: truncate"),
    ],
)
def test_ids_outside_the_tables_are_refused(tiny, ids, types, message):
    with pytest.raises(ValueError, match=message):
        forward(tiny, ids, np.ones(ids.shape, bool), types)


@pytest.mark.peer
@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new", "relu", "silu"])
@pytest.mark.parametrize("eps", [1e-12, 1e-3])
def test_hidden_states_equal_transformers_in_float64(tiny, hidden_act, eps):
    import torch
    from transformers import BertConfig, BertModel

    published = dataclasses.asdict(tiny.config) | {"hidden_act": hidden_act, "layer_norm_eps": eps}
    config = BertConfig(**published, attn_implementation="eager")
    model = BertModel(config, add_pooling_layer=False).double().eval()
    model.load_state_dict({name: torch.tensor(np.array(value)) for name, value in tiny.items()})
    batch = {"input_ids": IDS, "attention_mask": MASK.astype(int), "token_type_ids": TYPES}
    with torch.no_grad():
        theirs = model(**{name: torch.tensor(a) for name, a in batch.items()}, output_hidden_states=True).hidden_states
    changed = dataclasses.replace(tiny.config, hidden_act=hidden_act, layer_norm_eps=eps)
    trace = forward(BertWeights(changed, dict(tiny)), IDS, MASK, TYPES, trace=True).trace
    mine = [trace["embeddings.hidden_states"], *(trace[f"layer.{i}.hidden_states"] for i in range(2))]
    for stage, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        worst = np.abs(a - b.numpy())[MASK].max()
        assert worst <= 1e-12, f"stage {stage}: {worst}"


@pytest.mark.peer
def test_heads_equal_transformers_on_splade_tiny():
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    from refimpl import models
    from refimpl.bert.heads import masked_lm_logits

    folder = models.path("splade-tiny")
    batch = AutoTokenizer.from_pretrained(folder)(
        ["does the fish purr like a cat?", "yes"], padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        theirs = AutoModelForMaskedLM.from_pretrained(folder).double().eval()(**batch).logits.numpy()
    weights = BertWeights.load(folder, "float64")
    ids, mask = batch["input_ids"].numpy(), batch["attention_mask"].numpy().astype(bool)
    hidden_states = forward(weights, ids, mask, np.zeros_like(ids)).last_hidden_state
    assert np.abs(masked_lm_logits(weights, hidden_states) - theirs)[mask].max() <= 1e-10


def test_mean_pool_of_a_hand_worked_batch():
    states = np.array([[[1.0], [3.0], [100.0]], [[2.0], [4.0], [6.0]]])
    pooled = mean_pool(states, np.array([[True, True, False], [True, True, True]]))
    np.testing.assert_array_equal(pooled, [[2.0], [4.0]])


def test_max_pool_of_negative_features_excludes_padding():
    states = np.array([[[-1.0, 2.0], [-3.0, -4.0], [0.0, 100.0]]])
    np.testing.assert_array_equal(max_pool(states, np.array([[True, True, False]])), [[-1.0, 2.0]])
