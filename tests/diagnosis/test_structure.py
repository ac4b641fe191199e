"""Structural faults drawn at random and put into transformers' BertModel are named; faults of no family are not."""

import math

import faulty_bert
import numpy as np
import pytest
from faulty_bert import FaultyBert, write_small_model

from refimpl.bert.config import BertConfig
from refimpl.diagnosis import diagnose_embeddings, diagnose_trace
from refimpl.diagnosis.structure.families import MASKS, structural

TOLERANCE = 1e-10  # both compute in float64
DRAWS = 48
LAYERS = 4

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, minilm_folder):
    return write_small_model(tmp_path_factory.mktemp("layers"), minilm_folder / "tokenizer.json", layers=LAYERS)


def by_hand(seeds, quick):
    """The seeds, of which all but the first `quick` are run by hand: each takes up to a minute."""
    return [seed if seed < quick else pytest.param(seed, marks=pytest.mark.huge) for seed in seeds]


@pytest.mark.peer
@pytest.mark.parametrize("seed", by_hand(range(DRAWS), 12))
def test_a_drawn_fault_is_named(seed, folder):
    import torch_faults

    result, line = torch_faults.outcome(folder, seed, TOLERANCE)
    assert result == "true", line


@pytest.mark.peer
@pytest.mark.parametrize("seed", by_hand(range(12), 3))
def test_a_fault_of_no_family_has_no_cause(seed, folder):
    import torch_faults

    name, actual = torch_faults.unknown(folder, seed)
    diagnosis = diagnose_embeddings(actual, torch_faults.TEXTS, model_path=folder, tolerance=TOLERANCE)
    assert not diagnosis.matches
    assert not diagnosis.explained, f"{name}: {diagnosis}"
    assert "ruled out, each alone: " in str(diagnosis)


class ResidualOfInput(FaultyBert):
    """The layer's input is added to the feed forward's output."""

    def _layer(self, x, at, visible):
        attended = self._norm(x + self._attention(x, at, visible), f"{at}attention.output.LayerNorm")
        return self._norm(x + self._feed_forward(attended, at), f"{at}output.LayerNorm")


class ResidualBeforeNorm(FaultyBert):
    """What is added to the feed forward's output is not normalised."""

    def _layer(self, x, at, visible):
        summed = x + self._attention(x, at, visible)
        attended = self._norm(summed, f"{at}attention.output.LayerNorm")
        return self._norm(summed + self._feed_forward(attended, at), f"{at}output.LayerNorm")


class FeedForwardOfInput(FaultyBert):
    """The feed forward reads the layer's input."""

    def _layer(self, x, at, visible):
        attended = self._norm(x + self._attention(x, at, visible), f"{at}attention.output.LayerNorm")
        return self._norm(attended + self._feed_forward(x, at), f"{at}output.LayerNorm")


def test_a_feed_forward_of_another_state_is_named(folder, texts):
    actual = FeedForwardOfInput(folder)(texts)
    diagnosis = diagnose_embeddings(actual, texts, model_path=folder, tolerance=TOLERANCE)
    assert diagnosis.causes[0].names == ("feed forward of the layer's input in every layer",), str(diagnosis)
    assert diagnosis.explained


def test_an_erf_of_three_terms_is_named(folder, texts, monkeypatch):
    """Abramowitz and Stegun 1964, 7.1.25."""

    def erf(x):
        t = 1 / (1 + 0.47047 * abs(x))
        return math.copysign(1 - (0.3480242 * t - 0.0958798 * t**2 + 0.7478556 * t**3) * math.exp(-x * x), x)

    gelu = np.vectorize(lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))))
    monkeypatch.setitem(faulty_bert.ACTS, "erf", gelu)
    diagnosis = diagnose_embeddings(FaultyBert(folder)(texts), texts, model_path=folder, tolerance=TOLERANCE)
    name = "GELU with the erf of Abramowitz and Stegun 7.1.25 in every layer"
    assert diagnosis.causes[0].names == (name,), str(diagnosis)


@pytest.mark.parametrize(
    ("kind", "what"), [(ResidualOfInput, "layer's input"), (ResidualBeforeNorm, "sum before the norm")]
)
def test_a_residual_of_another_state_is_named(kind, what, folder, texts):
    diagnosis = diagnose_embeddings(kind(folder)(texts), texts, model_path=folder, tolerance=TOLERANCE)
    assert diagnosis.causes[0].names == (f"residual of the feed forward in every layer is the {what}",), str(diagnosis)
    assert diagnosis.explained


@pytest.mark.peer
def test_intermediates_name_a_fault_of_each_of_two_layers(folder):
    import torch
    import torch_faults
    from transformers import AutoTokenizer

    model, text = torch_faults.loaded(folder), torch_faults.TEXTS[2]
    model.encoder.layer[1].output.dense.bias.data.fill_(0)
    model.encoder.layer[3].attention.self.query.weight.data.mul_(2)
    with torch.no_grad():
        states = model(
            **AutoTokenizer.from_pretrained(folder)([text], return_tensors="pt"), output_hidden_states=True
        ).hidden_states
    names = ["embeddings.hidden_states", *(f"layer.{i}.hidden_states" for i in range(LAYERS))]
    diagnosis = diagnose_trace(
        {name: state[0].numpy() for name, state in zip(names, states, strict=True)}, text, model_path=folder
    )
    assert diagnosis.causes[0].names == (
        "encoder.layer.1.output.dense.bias left out",
        "encoder.layer.3.attention.self.query.weight doubled",
    )
    assert "explains 5 of 5 stages" in str(diagnosis)
    assert "tokens, embeddings and layer 0 are right: the first fault is in layer 1" in str(diagnosis)
    assert "use encoder.layer.1.output.dense.bias" in diagnosis.causes[0].remedy


def test_every_layer_and_tensor_is_in_the_enumeration(folder):
    """16 tensors in 4 layers; the key's bias, which softmax removes, is the one that is left out."""
    from safetensors import safe_open

    names = [each.name for each in structural(BertConfig.load(folder))]
    assert len(set(names)) == len(names)
    with safe_open(folder / "model.safetensors", "numpy") as file:
        published = [name for name in file.keys() if name.startswith("encoder.layer.")]  # noqa: SIM118
    assert len(published) == 16 * LAYERS
    for name in published:
        found = {"left out", "doubled"} <= {each[len(name) + 1 :] for each in names if each.startswith(f"{name} ")}
        assert found == (not name.endswith("attention.self.key.bias")), name
    assert len(MASKS) == 8


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 8, 12, 13])
def test_noise_above_a_large_tolerance_has_no_cause_by_chance(seed, small_folder):
    """Noise on one text, 5% above the tolerance: without a margin, each of these seeds had a cause."""
    from faulty_bert import FaultyBert

    texts = ["alan turing", "where was he born", "a red planet", "bread is baked in an oven"]
    actual, noise = FaultyBert(small_folder)(texts), np.random.default_rng(seed).normal(size=32)
    actual[seed % 4] += 1.05 * 0.03 * noise / np.abs(noise).max()
    diagnosis = diagnose_embeddings(actual, texts, model_path=small_folder, tolerance=0.03)
    assert not diagnosis.matches
    assert not diagnosis.explained, str(diagnosis)
    assert diagnosis.unexplained == (f"{texts[seed % 4]!r}",)
