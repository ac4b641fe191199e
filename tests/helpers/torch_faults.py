"""Structural faults drawn at random and put into transformers' BertModel, each with the name that is true of it.

`python tests/helpers/torch_faults.py 48` puts so many into all-MiniLM-L6-v2 and prints how many are named.
"""

import copy
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer, BertModel, logging

from refimpl import models
from refimpl.diagnosis import diagnose_embeddings

TEXTS = [
    "hm",
    "An apple a day keeps the doctor away.",
    "It never rains in Southern California",
    "Où est la bibliothèque?",
    "Machine learning is programming by example, said one of those who had looked at it for a long time.",
]
DENSE = {
    "attention.self.query": lambda layer: layer.attention.self.query,
    "attention.self.key": lambda layer: layer.attention.self.key,
    "attention.self.value": lambda layer: layer.attention.self.value,
    "attention.output.dense": lambda layer: layer.attention.output.dense,
    "intermediate.dense": lambda layer: layer.intermediate.dense,
    "output.dense": lambda layer: layer.output.dense,
}
NORMS = {
    "attention.output.LayerNorm": lambda layer: layer.attention.output,
    "output.LayerNorm": lambda layer: layer.output,
}
SQUARE = list(DENSE)[:4]

Draw = Callable[[BertModel, random.Random], str]
"""Changes the model; returns the name of the fault."""


def tensor(model: BertModel, draw: random.Random) -> tuple[int, str, torch.Tensor]:
    """A layer's number, a tensor's name in it, and the tensor."""
    number = draw.randrange(len(model.encoder.layer))
    named = dict(model.encoder.layer[number].named_parameters())
    name = draw.choice([name for name in named if name != "attention.self.key.bias"])  # which softmax removes
    return number, name, named[name].data


def left_out(model: BertModel, draw: random.Random) -> str:
    number, name, data = tensor(model, draw)
    data.fill_(1.0 if name.endswith("LayerNorm.weight") else 0.0)
    return f"encoder.layer.{number}.{name} left out"


def doubled(model: BertModel, draw: random.Random) -> str:
    number, name, data = tensor(model, draw)
    data.mul_(2)
    return f"encoder.layer.{number}.{name} doubled"


def swapped(model: BertModel, draw: random.Random) -> str:
    _, name, _ = tensor(model, draw)
    first = draw.randrange(len(model.encoder.layer) - 1)
    one, other = (model.encoder.layer[first + i].get_parameter(name).data for i in (0, 1))
    kept = one.clone()
    one.copy_(other)
    other.copy_(kept)
    return f"encoder.layer.{first}.{name} and encoder.layer.{first + 1}.{name} swapped"


def from_another(model: BertModel, draw: random.Random) -> str:
    number, name, data = tensor(model, draw)
    source = draw.choice([i for i in range(len(model.encoder.layer)) if i != number])
    data.copy_(model.encoder.layer[source].get_parameter(name).data)
    return f"encoder.layer.{number}.{name} from layer {source}"


def transposed(model: BertModel, draw: random.Random) -> str:
    number, name = draw.randrange(len(model.encoder.layer)), draw.choice(SQUARE)
    weight = DENSE[name](model.encoder.layer[number]).weight
    weight.data = weight.data.T.contiguous()
    return f"encoder.layer.{number}.{name}.weight transposed"


def whole_layer(model: BertModel, draw: random.Random) -> str:
    layers, number = model.encoder.layer, draw.randrange(len(model.encoder.layer) - 1)
    kind = draw.choice(["left out", "computed twice", "swapped"])
    if kind == "left out":
        del layers[number]
    elif kind == "computed twice":
        layers.insert(number, copy.deepcopy(layers[number]))
    else:
        layers[number], layers[number + 1] = layers[number + 1], layers[number]
        return f"encoder.layer.{number} and encoder.layer.{number + 1} swapped"
    return f"encoder.layer.{number} {kind}"


class OtherNorm(torch.nn.Module):
    """A layer norm computed by `compute(x, weight, bias)`."""

    def __init__(self, norm: torch.nn.LayerNorm, compute: Callable) -> None:
        super().__init__()
        self.norm, self.compute = norm, compute

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.compute(x, self.norm.weight, self.norm.bias)


def _normed(*dims: int, unbiased: bool = False, centre: bool = True) -> Callable:
    def compute(x, weight, bias):
        mean = x.mean(dim=dims, keepdim=True)
        variance = torch.var(x, dim=dims, unbiased=unbiased, keepdim=True)
        if not centre:
            return x / torch.sqrt((x * x).mean(dim=dims, keepdim=True) + 1e-12) * weight + bias
        return (x - mean) / torch.sqrt(variance + 1e-12) * weight + bias

    return compute


NORM_FAULTS = {
    "left out": lambda x, weight, bias: x,
    "over the tokens": _normed(1),
    "over tokens and features": _normed(1, 2),
    "with unbiased variance": _normed(-1, unbiased=True),
    "as RMS norm": _normed(-1, centre=False),
    "without weight and bias": lambda x, weight, bias: torch.nn.functional.layer_norm(x, x.shape[-1:]),
    "with eps 1e-2": lambda x, weight, bias: torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias, 1e-2),
    "with eps 1e-3": lambda x, weight, bias: torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias, 1e-3),
}


def norm(model: BertModel, draw: random.Random) -> str:
    what = draw.choice(list(NORM_FAULTS))
    if draw.random() < 0.25:
        model.embeddings.LayerNorm = OtherNorm(model.embeddings.LayerNorm, NORM_FAULTS[what])
        return f"embeddings.LayerNorm {what}"
    number, name = draw.randrange(len(model.encoder.layer)), draw.choice(list(NORMS))
    owner = NORMS[name](model.encoder.layer[number])
    owner.LayerNorm = OtherNorm(owner.LayerNorm, NORM_FAULTS[what])
    return f"encoder.layer.{number}.{name} {what}"


def residual(model: BertModel, draw: random.Random) -> str:
    """The sum of a sublayer's input and output, made in another way by its output module."""
    number, name = draw.randrange(len(model.encoder.layer)), draw.choice(list(NORMS))
    owner = NORMS[name](model.encoder.layer[number])
    what, join = draw.choice(
        [
            ("without residual", lambda f, x: owner.LayerNorm(f)),
            ("with a doubled residual", lambda f, x: owner.LayerNorm(f + x + x)),
            ("normalised before the residual is added", lambda f, x: x + owner.LayerNorm(f)),
            ("left out", lambda f, x: owner.LayerNorm(x)),
            ("normalised twice", lambda f, x: owner.LayerNorm(owner.LayerNorm(x + f))),
        ]
    )
    owner.forward = lambda hidden_states, input_tensor: join(owner.dense(hidden_states), input_tensor)
    part = "attention" if name.startswith("attention") else "feed forward"
    return f"{part} in layer {number} {what}"


def pre_norm(model: BertModel, draw: random.Random) -> str:
    number = draw.randrange(len(model.encoder.layer))
    layer = model.encoder.layer[number]

    def chunk(x):
        return x + layer.output.dense(layer.intermediate(layer.output.LayerNorm(x)))

    layer.feed_forward_chunk = chunk
    return f"feed forward in layer {number} normalised before, not after"


ACTIVATIONS = {
    "gelu_new": torch.nn.GELU("tanh"),
    "relu": torch.nn.ReLU(),
    "silu": torch.nn.SiLU(),
    "no activation": torch.nn.Identity(),
    "tanh": torch.nn.Tanh(),
    "leaky ReLU": torch.nn.LeakyReLU(),
    "ELU": torch.nn.ELU(),
    "Mish": torch.nn.Mish(),
    "hard swish": torch.nn.Hardswish(),
    "softplus": torch.nn.Softplus(threshold=200),
}


def activation(model: BertModel, draw: random.Random) -> str:
    last, name = len(model.encoder.layer) - 1, draw.choice(list(ACTIVATIONS))
    kind, at = draw.choice(["one", "first", "last"]), draw.randrange(1, last)
    numbers = {"one": range(at, at + 1), "first": range(at + 1), "last": range(at, last + 1)}[kind]
    for number in numbers:
        model.encoder.layer[number].intermediate.intermediate_act_fn = ACTIVATIONS[name]
    return f"{name} in layer {at}" if kind == "one" else f"{name} in layers {numbers[0]} to {numbers[-1]}"


class Attention(torch.nn.Module):
    """BERT's self attention with each step a field."""

    def __init__(self, old: torch.nn.Module) -> None:
        super().__init__()
        self.query, self.key, self.value = old.query, old.key, old.value
        self.heads = old.num_attention_heads
        self.scale: float | None = None
        self.split = lambda x, heads: x.unflatten(-1, (heads, -1)).transpose(1, 2)
        self.merge = lambda x: x.transpose(1, 2).flatten(2)
        self.probabilities = lambda scores, padding: torch.softmax(scores.masked_fill(padding, -torch.inf), -1)

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        q, k, v = (self.split(f(hidden_states), self.heads) for f in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) * (self.scale or q.shape[-1] ** -0.5)
        padding = torch.zeros(1, dtype=torch.bool) if attention_mask is None else attention_mask < 0
        weights = self.probabilities(scores, padding)
        return self.merge(weights @ v), weights


def _attention(model: BertModel, draw: random.Random) -> tuple[str, list[Attention]]:
    """The attention of one layer, or of all."""
    number = draw.randrange(len(model.encoder.layer))
    numbers = list(range(len(model.encoder.layer))) if draw.random() < 0.2 else [number]
    for i in numbers:
        attention = model.encoder.layer[i].attention
        attention.self = Attention(attention.self)
    where = "in every layer" if len(numbers) > 1 else f"in layer {number}"
    return where, [model.encoder.layer[i].attention.self for i in numbers]


def heads(model: BertModel, draw: random.Random) -> str:
    where, attentions = _attention(model, draw)
    others = [n for n in (1, 2, 3, 6, 8, 16, 24) if model.config.hidden_size % n == 0 and n != attentions[0].heads]
    count = draw.choice(others)
    for each in attentions:
        each.heads = count
    return f"{count} heads {where}"


HEAD_FAULTS = {
    "split interleaved": {"split": lambda x, n: x.unflatten(-1, (-1, n)).permute(0, 3, 1, 2)},
    "merged interleaved": {"merge": lambda x: x.permute(0, 2, 3, 1).flatten(2)},
    "merged without transpose": {"merge": lambda x: x.reshape(x.shape[0], x.shape[2], -1)},
    "split without transpose": {"split": lambda x, n: x.reshape(x.shape[0], n, x.shape[1], -1)},
    "merged in reverse order": {"merge": lambda x: x.flip(1).transpose(1, 2).flatten(2)},
}
SCALE_FAULTS = {
    "1": lambda d, hidden: 1.0,
    "1 / head_dim": lambda d, hidden: 1 / d,
    "1 / sqrt(hidden_size)": lambda d, hidden: hidden**-0.5,
    "1 / hidden_size": lambda d, hidden: 1 / hidden,
}
SOFTMAX_FAULTS = {
    "causal": lambda s, p: torch.softmax(s + torch.full(s.shape[-2:], -torch.inf, dtype=s.dtype).triu(1), -1),
    "uniform": lambda s, p: torch.full_like(s, 1 / s.shape[-1]),
    "over the queries": lambda s, p: torch.softmax(s, -2),
    "over the heads": lambda s, p: torch.softmax(s, 1),
    "without softmax": lambda s, p: s,
    "by softmax to base 2": lambda s, p: 2**s / (2**s).sum(-1, keepdim=True),
    "to itself only": lambda s, p: torch.eye(s.shape[-1], dtype=s.dtype).expand_as(s),
    "by sigmoid": lambda s, p: torch.sigmoid(s),
}


def head_order(model: BertModel, draw: random.Random) -> str:
    where, attentions = _attention(model, draw)
    what = draw.choice(list(HEAD_FAULTS))
    for each in attentions:
        vars(each).update(HEAD_FAULTS[what])
    return f"heads {where} {what}"


def scale(model: BertModel, draw: random.Random) -> str:
    where, attentions = _attention(model, draw)
    what, hidden = draw.choice(list(SCALE_FAULTS)), model.config.hidden_size
    for each in attentions:
        each.scale = SCALE_FAULTS[what](hidden // each.heads, hidden)
    return f"attention scale {what} {where}"


def softmax(model: BertModel, draw: random.Random) -> str:
    where, attentions = _attention(model, draw)
    what = draw.choice(list(SOFTMAX_FAULTS))
    for each in attentions:
        each.probabilities = SOFTMAX_FAULTS[what]
    return f"attention {where} {what}"


MASK_FAULTS = {
    "padding attended to": lambda s, p: torch.softmax(s, -1),
    "mask of -1": lambda s, p: torch.softmax(torch.where(p, s - 1, s), -1),
    "mask of -10": lambda s, p: torch.softmax(torch.where(p, s - 10, s), -1),
    "mask after softmax": lambda s, p: torch.softmax(s, -1) * ~p,
    "mask by multiplication": lambda s, p: torch.softmax(s * ~p, -1),
}


def mask(model: BertModel, draw: random.Random) -> str:
    what = draw.choice(list(MASK_FAULTS))
    for layer in model.encoder.layer:
        layer.attention.self = Attention(layer.attention.self)
        layer.attention.self.probabilities = MASK_FAULTS[what]
    return f"{what}, padded to the longest"


def embedding(model: BertModel, draw: random.Random) -> str:
    tables = {
        "word_embeddings": model.embeddings.word_embeddings,
        "position_embeddings": model.embeddings.position_embeddings,
    }
    root = math.sqrt(model.config.hidden_size)
    name, (what, factor) = (
        draw.choice(list(tables)),
        draw.choice([("doubled", 2), ("halved", 0.5), ("times sqrt(hidden_size)", root), ("subtracted", -1)]),
    )
    tables[name].weight.data.mul_(factor)
    return f"embeddings.{name}.weight {what}"


FAMILIES: list[Draw] = [
    *(left_out, doubled, swapped, from_another, transposed, whole_layer, norm, residual, pre_norm, activation),
    *(heads, head_order, scale, softmax, mask, embedding),
]


def noise(model: BertModel, draw: random.Random) -> str:
    number, name, data = tensor(model, draw)
    data.add_(torch.from_numpy(np.random.default_rng(number).normal(0, 0.02, data.shape)))
    return f"noise in encoder.layer.{number}.{name}"


def other_factor(model: BertModel, draw: random.Random) -> str:
    number, name, data = tensor(model, draw)
    data.mul_(draw.choice([0.9, 1.1, 1.5, -0.5]))  # -1 would be a hypothesis: a negated key negates the scores
    return f"encoder.layer.{number}.{name} times a number"


def no_head(model: BertModel, draw: random.Random) -> str:
    number = draw.randrange(len(model.encoder.layer))
    attention = model.encoder.layer[number].attention
    attention.output.dense.weight.data[:, : attention.self.attention_head_size] = 0
    return f"a head of layer {number} left out"


def row_exchanged(model: BertModel, draw: random.Random) -> str:
    number, name, data = tensor(model, draw)
    data.copy_(data.roll(1, 0))
    return f"encoder.layer.{number}.{name} rolled"


def other_residual(model: BertModel, draw: random.Random) -> str:
    number, name = draw.randrange(len(model.encoder.layer)), draw.choice(list(NORMS))
    owner = NORMS[name](model.encoder.layer[number])
    owner.forward = lambda hidden_states, input_tensor: owner.LayerNorm(owner.dense(hidden_states) + input_tensor / 3)
    return f"a third of the residual in layer {number}"


def two(model: BertModel, draw: random.Random) -> str:
    return f"{doubled(model, draw)} and {left_out(model, draw)} and {transposed(model, draw)}"


UNKNOWN: list[Draw] = [noise, other_factor, no_head, row_exchanged, other_residual, two]
"""Faults that no hypothesis describes: a diagnosis must have no cause."""


def unknown(folder: Path, seed: int) -> tuple[str, np.ndarray]:
    """A fault that no hypothesis describes, and the vectors with it."""
    model, family = loaded(folder), UNKNOWN[seed % len(UNKNOWN)]
    return family(model, random.Random(seed)), vectors(model, folder)


ALSO = {  # listed hypotheses that are the same as a structural one in every layer
    "attention scale 1 in every layer": "scores not scaled",
    "attention scale 1 / head_dim in every layer": "scores scaled twice",
    "attention scale 1 / sqrt(hidden_size) in every layer": "scores scaled by hidden size",
    "attention in every layer causal": "causal mask",
    "heads in every layer split interleaved": "heads interleaved",
}


def faulty(folder: Path, seed: int) -> tuple[str, np.ndarray]:
    """The name of the fault of this number, and the vectors of `TEXTS` with it; families take turns."""
    model, draw, family = loaded(folder), random.Random(seed), FAMILIES[seed % len(FAMILIES)]
    return family(model, draw), vectors(model, folder, together=family is mask)


def loaded(folder: Path) -> BertModel:
    """The model in float64, with the attention whose steps are PyTorch's operations."""
    logging.set_verbosity_error()
    return BertModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float64).eval()


def vectors(model: BertModel, folder: Path, *, together: bool = False) -> np.ndarray:
    """Means of the last hidden states, of unit length; `together` in one padded batch."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for texts in [TEXTS] if together else [[text] for text in TEXTS]:
        batch = tokenizer(texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            states = model(**batch).last_hidden_state
        real = batch["attention_mask"][..., None].to(states.dtype)
        found.append(torch.nn.functional.normalize((states * real).sum(1) / real.sum(1)).numpy())
    return np.concatenate(found)


def outcome(folder: Path, seed: int, tolerance: float) -> tuple[str, str]:
    """Whether the diagnosis is "true", "false" or "none" ("unseen" without an effect), and a line about it."""
    name, actual = faulty(folder, seed)
    begin = time.process_time()
    diagnosis = diagnose_embeddings(actual, TEXTS, model_path=folder, tolerance=tolerance)
    line = f"{time.process_time() - begin:5.1f} s CPU  {name}"
    if diagnosis.matches:
        return "unseen", line
    exact = [cause.names for cause in diagnosis.causes if cause.explains_all]
    if any(names in ((name,), (ALSO.get(name),)) for names in exact):
        return "true", line
    partial = any(cause.texts for cause in diagnosis.causes)
    return ("false" if exact or partial else "none"), f"{line}\n{diagnosis}"


if __name__ == "__main__":
    minilm = models.path("all-MiniLM-L6-v2")
    counts: Counter[str] = Counter()
    for number in range(int(sys.argv[1])):
        result, about = outcome(minilm, number, 1e-6)
        counts[result] += 1
        print(result, about, flush=True)
    for number in range(int(sys.argv[1]) // 4):
        title, actual = unknown(minilm, number)
        started = time.process_time()
        explained = diagnose_embeddings(actual, TEXTS, model_path=minilm).explained
        counts["explained, though unknown" if explained else "unknown, none"] += 1
        print(f"unknown {time.process_time() - started:5.1f} s CPU  {title}: {explained}", flush=True)
    print(dict(counts))
