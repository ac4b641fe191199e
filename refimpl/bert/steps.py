"""The modules of a sentence-transformers folder around the encoder: Pooling, and steps on vectors such as Dense.

Each is read key by key; anything unsupported is an error that names the file and the key, module or activation.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from refimpl.bert.files import WeightsError, read_json
from refimpl.bert.heads import l2_normalize
from refimpl.bert.ops import layer_norm, linear, relu
from refimpl.bert.pooling import POOLINGS
from refimpl.bert.sentence_files import Module, boolean, check_keys
from refimpl.bert.shapes import Shapes
from refimpl.bert.torch_activations import ACTIVATIONS, torch_activation
from refimpl.bert.weights import map_weights
from refimpl.common.tensors import as_float
from refimpl.common.types import Array

Vectors = Float[Array, "rows features"]
Step = Callable[[Vectors], Vectors]
Reader = Callable[[Path, int], tuple[int, Step]]
"""From a module's folder and the number of features to the number of features and the function of a step."""

LEGACY_MODES = {  # flags of versions before 5.4, in the order in which the poolings are concatenated
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
INPUT, OUTPUT = "module_input_name", "module_output_name"
SENTENCE, TOKENS = "sentence_embedding", "token_embeddings"
LATENT_EPS = 1e-5
BETWEEN_TEXTS = ("Softmax", "Softmin", "LogSoftmax")
"""Classes whose default axis for `(texts, tokens, features)` is that of texts."""


def read_steps(modules: Sequence[Module], width: int, readers: Mapping[str, Reader]) -> tuple[int, tuple[Step, ...]]:
    """Return the number of features after `modules`, of the kinds of `readers`, and each one's function."""
    steps = list[Step]()
    for kind, folder in modules:
        width, step = readers[kind](folder, width)
        steps.append(step)
    return width, tuple(steps)


def encoder_width(transformer: Path) -> int:
    """Return the number of features of the hidden states, as config.json publishes it."""
    config = read_json(transformer / "config.json")
    width = next((config[name] for name in ("hidden_size", "dim", "d_model", "n_embd") if name in config), None)
    if type(width) is not int or width < 1:
        raise WeightsError(f"{transformer / 'config.json'}: expected a hidden_size of 1 or more, got {width!r}")
    return width


def read_pooling(folder: Path, hidden: int) -> tuple[tuple[str, ...], bool]:
    """Return the modes of a Pooling module, and whether it pools the tokens of a prompt."""
    file = folder / "config.json"
    config = read_json(file)
    width = config.get("embedding_dimension", config.get("word_embedding_dimension"))
    if width != hidden:
        raise WeightsError(f"{file}: expected the encoder's {hidden} dimensions, got {width}")
    published = config.get("pooling_mode") or [mode for key, mode in LEGACY_MODES.items() if config.get(key)] or "mean"
    modes = [published] if isinstance(published, str) else published
    if not isinstance(modes, list) or not all(isinstance(mode, str) and mode in POOLINGS for mode in modes):
        raise WeightsError(f"{file}: expected pooling modes of {', '.join(POOLINGS)}, got {published!r}")
    unsupported = [key for key in config if key.startswith("pooling_mode_") and key not in LEGACY_MODES and config[key]]
    if unsupported:
        raise WeightsError(f"{file}: expected flags of {', '.join(LEGACY_MODES)}, got {', '.join(unsupported)}")
    widths = ("embedding_dimension", "word_embedding_dimension")
    check_keys(file, config, (*widths, "pooling_mode", "include_prompt", *LEGACY_MODES, *_flags(config)))
    return tuple(modes), boolean(file, config, "include_prompt", default=True)


def _flags(config: dict[str, Any]) -> list[str]:
    return [key for key in config if key.startswith("pooling_mode_") and not config[key]]


def _dense(folder: Path, width: int, feature: str = SENTENCE) -> tuple[int, Step]:
    """Return the dimensions and the function of a Dense module: activation(x W^T + b), plus a residual if it has one.

    The default activation is tanh. `feature` is what it maps: vectors of texts, or of tokens.
    """
    file = folder / "config.json"
    config = read_json(file)
    _check_feature(file, config, feature, "in_features", "out_features", "bias", "activation_function", "use_residual")
    name = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = torch_activation(name)
    if activation is None:
        raise WeightsError(f"{file}: expected an activation of torch.nn, {', '.join(ACTIVATIONS)}, got {name!r}")
    if feature == TOKENS and name.rpartition(".")[2] in BETWEEN_TEXTS:
        raise WeightsError(f"{file}: expected an activation of each token, got {name!r}, which torch takes over texts")
    out = config.get("out_features")
    if config.get("in_features") != width or type(out) is not int or out < 1:
        raise WeightsError(
            f"{file}: expected in_features {width}, got {config.get('in_features')!r} (out_features {out!r})"
        )
    shapes: Shapes = {"linear.weight": (out, width)} | ({"linear.bias": (out,)} if config.get("bias", True) else {})
    residual = bool(config.get("use_residual", False))
    features = _features(file, name, activation, out)
    if residual and features != out:
        raise WeightsError(f"{file}: expected use_residual false with {name}, which halves the features, got true")
    if residual and out != width:
        shapes["residual.weight"] = (out, width)
    tensors = _tensors(folder, shapes)

    def step(x: Float[Array, "rows in_features"]) -> Float[Array, "rows out_features"]:
        mapped = activation(linear(x, tensors["linear.weight"], tensors.get("linear.bias", np.zeros(out))))
        if not residual:
            return mapped
        return mapped + (x @ tensors["residual.weight"].T if "residual.weight" in tensors else x)

    return features, step


def _features(file: Path, name: str, activation: Step, out: int) -> int:
    if name.endswith(".GLU") and out % 2:
        raise WeightsError(f"{file}: expected an even number of out_features with {name}, got {out}")
    return int(activation(np.zeros((1, out))).shape[1])


def _tensors(
    folder: Path, shapes: Shapes, *, same: Mapping[str, str] | None = None, unused: Sequence[str] = ()
) -> dict[str, Array]:
    """The float64 tensors of a module; `same` has other names of some, `unused` names that may be stored too."""
    file, stored = map_weights(folder)
    for other, name in (same or {}).items():
        if other in stored:
            stored = {key: tensor for key, tensor in stored.items() if key != other} | {name: stored[other]}
    stored = {name: tensor for name, tensor in stored.items() if name not in unused}
    actual = {name: tensor.shape for name, tensor in stored.items()}
    if actual != shapes:
        raise WeightsError(f"{file}: expected the tensors {shapes}, got {actual}")
    tensors = {name: as_float(tensor, np.dtype(np.float64)) for name, tensor in stored.items()}
    if invalid := [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]:
        raise WeightsError(f"{file}: NaN or infinity in {', '.join(invalid)}")
    return tensors


def _check_feature(file: Path, config: dict[str, Any], feature: str, *honoured: str) -> None:
    check_keys(file, config, (INPUT, OUTPUT, *honoured))
    for key in (INPUT, OUTPUT):
        if (value := config.get(key) or (SENTENCE if key == INPUT else feature)) != feature:
            raise WeightsError(f"{file}: {key} must be {feature!r}, got {value!r}")


def _settings(folder: Path) -> dict[str, Any]:
    return read_json(folder / "config.json") if (folder / "config.json").is_file() else {}


def _normalize(folder: Path, width: int, feature: str = SENTENCE) -> tuple[int, Step]:
    _check_feature(folder / "config.json", _settings(folder), feature)
    return width, l2_normalize


def _dropout(folder: Path, width: int) -> tuple[int, Step]:
    """Dropout is inactive outside training."""
    check_keys(folder / "config.json", _settings(folder), ("dropout",))
    return width, _unchanged


def _unchanged(x: Vectors) -> Vectors:
    return x


def _layer_norm(folder: Path, width: int) -> tuple[int, Step]:
    """Layer normalisation with torch's default eps, 1e-5."""
    file = folder / "config.json"
    config = read_json(file)
    check_keys(file, config, ("dimension",))
    if config.get("dimension") != width:
        raise WeightsError(f"{file}: expected dimension {width}, got {config.get('dimension')!r}")
    tensors = _tensors(folder, {"norm.weight": (width,), "norm.bias": (width,)})
    return width, lambda x: layer_norm(x, tensors["norm.weight"], tensors["norm.bias"], 1e-5)


def read_auto_encoder(folder: Path, width: int) -> tuple[int, Step, int]:
    """Return the features, the function and the `k` of a SparseAutoEncoder (Wen et al. 2025, CSR, section 3).

    The function is relu(W (x - b) + c), of which the k largest are to be kept; with `normalize` x is first reduced to
    mean 0 and unbiased standard deviation 1. The decoder, the same W, and `k_aux` are of training alone.
    """
    file = folder / "config.json"
    config = read_json(file)
    check_keys(file, config, ("input_dim", "hidden_dim", "k", "k_aux", "dead_threshold"), {"normalize": (False, True)})
    hidden, k = config.get("hidden_dim", 512), config.get("k", 8)
    if config.get("input_dim") != width or type(hidden) is not int or type(k) is not int or not 1 <= k <= hidden:
        got = f"{config.get('input_dim')!r}, hidden_dim {hidden!r}, k {k!r}"
        raise WeightsError(f"{file}: expected input_dim {width}, and k from 1 to hidden_dim, got {got}")
    shapes: Shapes = {"encoder.weight": (hidden, width), "latent_bias": (hidden,), "pre_bias": (width,)}
    tensors = _tensors(folder, shapes, same={"decoder.linear.weight": "encoder.weight"}, unused=("stats_last_nonzero",))
    weight, latent_bias, pre_bias = (tensors[name] for name in shapes)

    def step(x: Float[Array, "rows in_features"]) -> Float[Array, "rows out_features"]:
        if config.get("normalize", False):
            x = x - x.mean(axis=-1, keepdims=True)
            x = x / (x.std(axis=-1, ddof=1, keepdims=True) + LATENT_EPS)
        return relu(linear(x - pre_bias, weight, latent_bias))

    return hidden, step, k


AFTER_POOLING: dict[str, Reader] = {
    "Dense": _dense,
    "Normalize": _normalize,
    "LayerNorm": _layer_norm,
    "Dropout": _dropout,
}
"""The modules that may follow Pooling: steps on the vectors of texts."""
BEFORE_POOLING: dict[str, Reader] = {
    "Dense": partial(_dense, feature=TOKENS),
    "Normalize": partial(_normalize, feature=TOKENS),
}
"""The modules that may precede Pooling: steps on the vectors of tokens."""
