"""An independent BERT, one text at a time, with the faults that a diagnosis has to name; nothing of refimpl in it."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import token_faults
import tokenizers
from safetensors.numpy import load_file, save_file

ACTIVATION_CLASSES = {
    "Identity": "torch.nn.modules.linear.Identity",
    "Sigmoid": "torch.nn.modules.activation.Sigmoid",
}
SIZES = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}


def write_small_model(
    folder: Path, tokenizer_json: Path, vocab_size: int = 30522, activation: str = "Identity", layers: int = 3
) -> Path:
    """A random model with every head and the first `vocab_size` entries of MiniLM's vocabulary.

    Texts are truncated at 136 tokens; `folder / "pairs"` is the same model for pairs, truncated at 24.
    """
    tokenizer = json.loads(tokenizer_json.read_text("utf-8"))
    tokenizer["model"]["vocab"] = {token: i for token, i in tokenizer["model"]["vocab"].items() if i < vocab_size}
    config = {
        "model_type": "bert",
        "vocab_size": vocab_size,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "pad_token_id": 0,
        "sentence_transformers": {"activation_fn": ACTIVATION_CLASSES[activation]},
        **SIZES,
        "num_hidden_layers": layers,
    }
    tensors = _noise(config)
    for place, max_length in ((folder, 136), (folder / "pairs", 24)):
        place.mkdir(exist_ok=True)
        (place / "config.json").write_text(json.dumps(config))
        (place / "tokenizer_config.json").write_text(json.dumps({"model_max_length": max_length}))
        (place / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
        save_file(tensors, place / "model.safetensors")
    return folder


def _noise(config: dict[str, Any]) -> dict[str, np.ndarray]:
    random = np.random.default_rng(11)
    hidden, wide, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (vocab, hidden),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], hidden),
        "embeddings.token_type_embeddings.weight": (2, hidden),
        "cls.predictions.bias": (vocab,),
    }
    dense = {"pooler.dense": (hidden, hidden), "classifier": (1, hidden)}
    dense["cls.predictions.transform.dense"] = (hidden, hidden)
    norms = ["embeddings.LayerNorm", "cls.predictions.transform.LayerNorm"]
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}."
        dense |= {f"{layer}attention.self.{name}": (hidden, hidden) for name in ("query", "key", "value")}
        dense[f"{layer}attention.output.dense"] = (hidden, hidden)
        dense[f"{layer}intermediate.dense"], dense[f"{layer}output.dense"] = (wide, hidden), (hidden, wide)
        norms += [f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"]
    for name, shape in dense.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    tensors = {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    for name in norms:
        tensors[f"{name}.weight"] = random.normal(1, 0.2, hidden).astype(np.float32)
        tensors[f"{name}.bias"] = random.normal(0, 0.2, hidden).astype(np.float32)
    return tensors


@dataclass
class Faults:
    """The settings of the computation; the defaults are right."""

    act: str = "erf"
    eps: float = 1e-12
    special: str = "[CLS] [SEP]"
    special_times: int = 1
    lower: bool = True
    accents: bool | None = None
    han: bool = True
    clean: bool = True
    max_length: int = 136
    cut: str = "right"
    special_room: str = "inside"
    rules: token_faults.Rules | None = None
    prefix: str = ""
    segment: int = 0
    first_position: int = 0
    pad_to: int = 0
    mask_attention: bool = True
    mask_pooling: bool = True
    block: str = "post"
    swap: tuple[str, str] | None = None
    transpose: tuple[str, ...] = ()
    zero: tuple[str, ...] = ()
    plain_norms: bool = False
    more_weight: float = 0.0  # that is added to the weights of layer norms
    divisor: str = "sqrt(head_dim)"
    interleave: bool = False
    fused: str = ""  # how the outputs of Q, K and V are joined and split: "split by head" or "joined by head"
    ddof: int = 0
    rounding: str = ""
    layers: int | None = None
    """Of all; a negative number leaves that many out."""
    backwards: bool = False
    averaged: Callable[[list[np.ndarray]], list[np.ndarray]] | None = None
    """Takes the embeddings and the states after each layer; returns those whose mean is pooled."""
    window: int | None = None
    unseen: str = ""  # keys: c [CLS], s [SEP], i the query itself, e earlier ones
    rows: int = 0
    """Added to every id where word embeddings are read."""
    query_bias: bool = True
    """Whether the queries' biases are divided as their weights are."""
    pooling: str = "mean"
    norm: str = "L2"
    stored: str = ""


class FaultyBert:
    """Vectors of texts, float64, with `faults`."""

    def __init__(self, folder: Path, **faults: Any) -> None:
        self.f = Faults(**faults)
        config = json.loads((folder / "config.json").read_text())
        self.heads, self.layers = config["num_attention_heads"], config["num_hidden_layers"]
        self.w = {name: self._loaded(name, t) for name, t in load_file(folder / "model.safetensors").items()}
        if self.f.swap:
            a, b = self.f.swap
            for name in [name for name in self.w if f"self.{a}" in name]:
                other = name.replace(a, b)
                self.w[name], self.w[other] = self.w[other], self.w[name]
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(
            clean_text=self.f.clean,
            lowercase=self.f.lower,
            strip_accents=self.f.accents,
            handle_chinese_chars=self.f.han,
        )

    def __call__(self, texts: list[str]) -> np.ndarray:
        return np.array([self.vector(ids) for ids in self.ids(texts)])

    def ids(self, texts: list[str]) -> list[list[int]]:
        times = self.f.special_times
        first, last = times * ("[CLS]" in self.f.special), times * ("[SEP]" in self.f.special)
        sequences = []
        for text in texts:
            words = self._pieces(self.f.prefix + text)
            room = self.f.max_length - (first + last if self.f.special_room == "inside" else 0)
            words = token_faults.truncated(words, room, self.f.cut)
            ids = [101] * first + words + [102] * last
            sequences.append(ids[: self.f.max_length] if self.f.special_room == "cut" else ids)
        self.longest = max(map(len, sequences))
        return sequences

    def _pieces(self, text: str) -> list[int]:
        if self.f.rules is not None:
            return token_faults.pieces(self.tokenizer.get_vocab(), text, self.f.rules)
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def hidden(self, ids: list[int], segments: list[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Hidden states `(seq, hidden)` and which of them are tokens."""
        f, n = self.f, len(ids)
        size = max(n, self.longest if f.pad_to == -1 else f.pad_to)
        real = np.arange(size) < n
        segments = (segments or [f.segment] * n) + [0] * (size - n)
        table = self.w["embeddings.word_embeddings.weight"]
        x = table[[(token + f.rows) % len(table) for token in ids + [0] * (size - n)]]
        x = x + self.w["embeddings.position_embeddings.weight"][f.first_position : f.first_position + size]
        x = x + self.w["embeddings.token_type_embeddings.weight"][segments]
        x = self._norm(x, "embeddings.LayerNorm")
        visible = np.tile(real if f.mask_attention else np.ones(size, bool), (size, 1))
        if f.block == "causal":
            visible &= np.tri(size, dtype=bool)
        if f.window is not None:
            visible &= abs(np.subtract.outer(np.arange(size), np.arange(size))) <= f.window
        visible = self._seen(visible, n)
        self.states = [x]
        for i in list(range(self.layers))[:: -1 if f.backwards else 1][: f.layers]:
            x = self._layer(x, f"encoder.layer.{i}.", visible)
            self.states.append(x)
        if f.averaged is not None:
            x = sum(f.averaged(self.states)) / len(f.averaged(self.states))
        return x, real

    def _seen(self, visible: np.ndarray, n: int) -> np.ndarray:
        """What queries see, without the keys `unseen`; a query that sees nothing then sees everything."""
        seen = visible.copy()
        for key in self.f.unseen:
            if key == "i":
                np.fill_diagonal(seen, False)
            elif key == "e":
                seen = np.triu(seen)
            else:
                seen[:, {"c": 0, "s": n - 1}[key]] = False
        blind = ~seen.any(axis=1)
        seen[blind] = visible[blind]
        return seen

    def vector(self, ids: list[int]) -> np.ndarray:
        if not ids:
            return np.zeros(SIZES["hidden_size"])
        x, real = self.hidden(ids)
        used = x[real] if self.f.mask_pooling else x
        words = used[1:-1] if len(used) > 2 else used
        v = {
            "mean": lambda: used.sum(0) / len(used),
            "CLS": lambda: x[0],
            "max": lambda: used.max(0),
            "last": lambda: used[-1],
            "words": lambda: words.sum(0) / len(words),
            "pooler": lambda: np.tanh(self._affine(x[0], "pooler.dense")),
            "sum": lambda: used.sum(0),
            "root": lambda: used.sum(0) / math.sqrt(len(used)),
            "unit": lambda: np.mean([t / math.sqrt(t @ t) for t in used], axis=0),
        }[self.f.pooling]()
        by = {"L2": math.sqrt(v @ v), "none": 1.0, "L1": abs(v).sum(), "max": abs(v).max(), "squared": v @ v}
        return self._stored(v / by[self.f.norm])

    def _layer(self, x: np.ndarray, at: str, visible: np.ndarray) -> np.ndarray:
        norm1, norm2 = f"{at}attention.output.LayerNorm", f"{at}output.LayerNorm"
        if self.f.block == "pre":
            x = x + self._attention(self._norm(x, norm1), at, visible)
            return x + self._feed_forward(self._norm(x, norm2), at)
        keep = 0.0 if self.f.block == "no residual" else 1.0
        x = self._norm(keep * x + self._attention(x, at, visible), norm1)
        return self._norm(keep * x + self._feed_forward(x, at), norm2)

    def _attention(self, x: np.ndarray, at: str, visible: np.ndarray) -> np.ndarray:
        hidden = x.shape[1]
        dim = hidden // self.heads
        divisor = {"sqrt(head_dim)": math.sqrt(dim), "1": 1.0, "sqrt(hidden)": math.sqrt(hidden), "head_dim": dim}
        q, k, v = (self._affine(x, f"{at}attention.self.{name}") for name in ("query", "key", "value"))
        if self.f.fused == "split by head":
            q, k, v = np.hstack([q, k, v]).reshape(-1, self.heads, 3, dim).transpose(2, 0, 1, 3).reshape(3, -1, hidden)
        elif self.f.fused:
            by_head = [each[:, head * dim :][:, :dim] for head in range(self.heads) for each in (q, k, v)]
            q, k, v = np.split(np.hstack(by_head), 3, axis=1)
        if not self.f.query_bias:
            q = q + (math.sqrt(dim) - 1) * self.w[f"{at}attention.self.query.bias"]
        context = np.zeros_like(x)
        for head in range(self.heads):
            columns = slice(head * dim, (head + 1) * dim)
            read = slice(head, hidden, self.heads) if self.f.interleave else columns
            scores = np.einsum("id,jd->ij", q[:, read], k[:, read]) / divisor[self.f.divisor]
            weights = np.where(visible, np.exp(scores - np.where(visible, scores, -np.inf).max(1)[:, None]), 0.0)
            context[:, columns] = np.einsum("ij,jd->id", weights / weights.sum(1)[:, None], v[:, read])
        return self._affine(context, f"{at}attention.output.dense")

    def _feed_forward(self, x: np.ndarray, at: str) -> np.ndarray:
        x = self._affine(x, f"{at}intermediate.dense")
        return self._affine(ACTS[self.f.act](x), f"{at}output.dense")

    def _affine(self, x: np.ndarray, name: str) -> np.ndarray:
        weight, bias = self.w[f"{name}.weight"], self.w[f"{name}.bias"]
        if any(name.endswith(part) for part in self.f.transpose):
            weight = np.swapaxes(weight, 0, 1)
        return np.einsum("...i,oi->...o", x, weight) + bias

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True, ddof=self.f.ddof) + self.f.eps)
        if self.f.plain_norms:
            return scaled
        return scaled * (self.w[f"{name}.weight"] + self.f.more_weight) + self.w[f"{name}.bias"]

    def _loaded(self, name: str, tensor: np.ndarray) -> np.ndarray:
        if any(part in name for part in self.f.zero):
            tensor = tensor * 0
        return ROUNDINGS[self.f.rounding](tensor).astype(np.float64)

    def _stored(self, v: np.ndarray) -> np.ndarray:
        kind = self.f.stored
        if kind.isdigit():
            return np.array([float(f"{x:.{kind}f}") for x in v])
        if kind == "int8":
            return np.rint(v * 127) / 127
        if kind == "bfloat16 cut":
            return _bfloat16_cut(v.astype(np.float32)).astype(float)
        return v.astype({"": np.float64, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}[kind]).astype(float)


ACTS = {
    "erf": lambda x: x * np.vectorize(lambda t: 0.5 * math.erfc(-t / math.sqrt(2)))(x),
    "tanh": lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "quick": lambda x: x / (1 + np.exp(-1.702 * x)),
    "relu": lambda x: np.where(x > 0, x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


def _int8(tensor: np.ndarray, axis: int | None) -> np.ndarray:
    if tensor.ndim == 1 or len(tensor) < 8:  # exporters do not quantise the token types
        return tensor
    scale = np.max(np.abs(tensor), axis=axis, keepdims=True).astype(np.float32) / np.float32(127)
    return np.rint(tensor / scale).astype(np.int8).astype(np.float32) * scale


def _uint8(tensor: np.ndarray) -> np.ndarray:
    """ONNX's DynamicQuantizeLinear: q = saturate(round(x / scale) + zero point)."""
    if tensor.ndim == 1 or len(tensor) < 8:
        return tensor
    low, high = min(0.0, float(tensor.min())), max(0.0, float(tensor.max()))
    scale = (high - low) / 255
    zero = np.rint(-low / scale)
    codes = np.clip(np.rint(tensor / np.float32(scale)) + zero, 0, 255).astype(np.uint8)
    return (codes.astype(np.float32) - np.float32(zero)) * np.float32(scale)


def _q8_0(tensor: np.ndarray) -> np.ndarray:
    """ggml's: per 32 values, d = max |x| / 127 kept as float16, and round(x / d) as int8."""
    if tensor.ndim == 1 or len(tensor) < 8:
        return tensor
    blocks = tensor.reshape(-1, 32)
    d = np.abs(blocks).max(axis=1)[:, None] / np.float32(127)
    return (np.rint(blocks / d).astype(np.int8) * d.astype(np.float16).astype(np.float32)).reshape(tensor.shape)


def _q4_0(tensor: np.ndarray) -> np.ndarray:
    """ggml's quantize_row_q4_0_ref: d = the largest / -8 kept as float16, codes min(15, floor(x / d + 8.5))."""
    if tensor.ndim == 1 or len(tensor) < 8:
        return tensor
    blocks = tensor.reshape(-1, 32)
    rows = []
    for block in blocks:
        d = block[np.argmax(np.abs(block))] / np.float32(-8)
        codes = np.minimum(15, (block / d + np.float32(8.5)).astype(np.int8)) - 8
        rows.append(codes * np.float32(np.float16(d)))
    return np.array(rows).reshape(tensor.shape)


def _q4_1(tensor: np.ndarray) -> np.ndarray:
    """ggml's quantize_row_q4_1_ref: d = (max - min) / 15, min, both float16, codes min(15, (x - min) / d + 0.5)."""
    if tensor.ndim == 1 or len(tensor) < 8:
        return tensor
    rows = []
    for block in tensor.reshape(-1, 32):
        d = (block.max() - block.min()) / np.float32(15)
        codes = np.minimum(15, ((block - block.min()) / d + np.float32(0.5)).astype(np.int8))
        rows.append(codes * np.float32(np.float16(d)) + np.float32(np.float16(block.min())))
    return np.array(rows).reshape(tensor.shape)


def _bfloat16_cut(tensor: np.ndarray) -> np.ndarray:
    """The upper two of a float32's four bytes."""
    octets = np.ascontiguousarray(tensor, "<f4").view(np.uint8).reshape(*tensor.shape, 4).copy()
    octets[..., :2] = 0
    return octets.view("<f4").reshape(tensor.shape)


def _float8(tensor: np.ndarray) -> np.ndarray:
    return tensor if tensor.ndim == 1 or len(tensor) < 8 else tensor.astype(ml_dtypes.float8_e4m3fn)


ROUNDINGS = {
    "": lambda t: t,
    "float16": lambda t: t.astype(np.float16),
    "bfloat16": lambda t: t.astype(ml_dtypes.bfloat16).astype(np.float32),
    "int8": lambda t: _int8(t, None),
    "int8 by row": lambda t: _int8(t, 1),
    "uint8": _uint8,
    "q8_0": _q8_0,
    "q4_0": _q4_0,
    "q4_1": _q4_1,
    "bfloat16 cut": _bfloat16_cut,
    "float8": _float8,
}
