"""A sentence-transformers folder as published: modules.json and the folders that it names, read and checked.

What is understood is computed exactly; any other module, mode or activation is named and refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float

from refimpl.bert.files import WeightsError, as_float, read_json, read_list
from refimpl.bert.heads import l2_normalize
from refimpl.bert.ops import Array, gelu, linear, relu, sigmoid, silu
from refimpl.bert.pooling import POOLINGS
from refimpl.bert.weights import Shapes, map_weights

Vectors = Float[Array, "texts features"]
Step = Callable[[Vectors], Vectors]

LEGACY_MODES = {  # before version 5.4 a flag each, in the order in which they are concatenated
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
ACTIVATIONS: dict[str, Step] = {
    "Tanh": np.tanh,
    "Identity": lambda x: x,
    "ReLU": relu,
    "GELU": gelu,
    "SiLU": silu,
    "Sigmoid": sigmoid,
}
SENTENCE = "sentence_embedding"


@dataclass(frozen=True)
class Modules:
    """What stands in a sentence-transformers folder: the encoder's folder, its pooling, and the steps on vectors."""

    transformer: Path
    lowercase: bool
    pooling: tuple[str, ...]
    include_prompt: bool
    dim: int
    steps: tuple[Step, ...]
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str | None = None

    def prompt(self, name: str | None) -> str:
        """The named prompt, the folder's default one for None; ValueError for a name that the folder has not."""
        name = self.default_prompt if name is None else name
        if name is not None and name not in self.prompts:
            has = ", ".join(self.prompts) or "none"
            raise ValueError(f"the model has no prompt {name!r}; it has {has}")
        return "" if name is None else self.prompts[name]


def read_modules(folder: Path) -> Modules:
    """The folder's modules; a folder without modules.json is an encoder and mean pooling, as in sentence-transformers.

    Raises WeightsError naming what is broken, unknown or does not fit, and FileNotFoundError for what is missing.
    """
    kinds = _kinds(folder)
    transformer = kinds[0][1]
    hidden = _width(transformer)
    pooling, include_prompt = _pooling(kinds[1][1], hidden) if len(kinds) > 1 else (("mean",), True)
    dim, steps = hidden * len(pooling), list[Step]()
    for kind, there in kinds[2:]:
        if kind == "Dense":
            dim, step = _dense(there, dim)
            steps.append(step)
        else:
            _check_sentence(there / "config.json", _settings(there))
            steps.append(l2_normalize)
    prompts, default = _prompts(folder)
    lowercase = _lowercase(transformer)
    return Modules(transformer, lowercase, pooling, include_prompt, dim, tuple(steps), prompts, default)


def _kinds(folder: Path) -> list[tuple[str, Path]]:
    """Each module's class and folder: Transformer, Pooling, then Dense and Normalize in any number and order."""
    file = folder / "modules.json"
    if not file.is_file():
        return [("Transformer", folder)]
    kinds = [_kind(file, module) for module in read_list(file)]
    if [kind for kind, _ in kinds[:2]] != ["Transformer", "Pooling"]:
        listed = ", ".join(kind for kind, _ in kinds) or "nothing"
        raise WeightsError(f"{file} lists {listed}, expected Transformer, Pooling, then Dense or Normalize")
    if unknown := [kind for kind, _ in kinds[2:] if kind not in ("Dense", "Normalize")]:
        raise WeightsError(f"{file} lists {', '.join(unknown)}, and only Dense and Normalize may follow")
    return kinds


def _kind(file: Path, module: Any) -> tuple[str, Path]:
    kind, path = (module.get(key) for key in ("type", "path")) if isinstance(module, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(path, str):
        raise WeightsError(f"{file}: each module is an object with a type and a path, got {str(module)[:80]}")
    if not kind.startswith("sentence_transformers."):
        raise WeightsError(f"{file} lists {kind}, code of its own that is not run here")
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise WeightsError(f"{file} lists the path {path!r}, which is outside of the folder")
    return kind.rpartition(".")[2], file.parent / path


def _width(transformer: Path) -> int:
    config = read_json(transformer / "config.json")
    width = config.get("hidden_size", config.get("dim"))
    if type(width) is not int or width < 1:
        raise WeightsError(f"{transformer / 'config.json'} states no hidden_size")
    return width


def _pooling(folder: Path, hidden: int) -> tuple[tuple[str, ...], bool]:
    file = folder / "config.json"
    config = read_json(file)
    width = config.get("embedding_dimension", config.get("word_embedding_dimension"))
    if width != hidden:
        raise WeightsError(f"{file} pools vectors of {width}, and the encoder gives {hidden}")
    stated = config.get("pooling_mode") or [mode for key, mode in LEGACY_MODES.items() if config.get(key)] or "mean"
    modes = [stated] if isinstance(stated, str) else stated
    if not isinstance(modes, list) or not all(isinstance(mode, str) and mode in POOLINGS for mode in modes):
        raise WeightsError(f"{file} pools by {stated!r}, and known are {', '.join(POOLINGS)}")
    unknown = [key for key in config if key.startswith("pooling_mode_") and key not in LEGACY_MODES and config[key]]
    if unknown:
        raise WeightsError(f"{file} pools by {', '.join(unknown)}, and known are {', '.join(LEGACY_MODES)}")
    return tuple(modes), bool(config.get("include_prompt", True))


def _dense(folder: Path, width: int) -> tuple[int, Step]:
    """An affine map and its activation, tanh unless another is named; with a residual where the folder has it."""
    file = folder / "config.json"
    config = read_json(file)
    _check_sentence(file, config)
    named = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = ACTIVATIONS.get(named.rpartition(".")[2]) if named.startswith("torch.nn.") else None
    if activation is None:
        raise WeightsError(f"{file} names the activation {named!r}, and known are {', '.join(ACTIVATIONS)} of torch.nn")
    out = config.get("out_features")
    if config.get("in_features") != width or type(out) is not int:
        raise WeightsError(f"{file} maps {config.get('in_features')!r} features to {out!r}, and is given {width}")
    shapes: Shapes = {"linear.weight": (out, width)} | ({"linear.bias": (out,)} if config.get("bias", True) else {})
    residual = bool(config.get("use_residual", False))
    if residual and out != width:
        shapes["residual.weight"] = (out, width)
    tensors = _tensors(folder, shapes)

    def step(x: Float[Array, "texts in_features"]) -> Float[Array, "texts out_features"]:
        mapped = activation(linear(x, tensors["linear.weight"], tensors.get("linear.bias", np.zeros(out))))
        if not residual:
            return mapped
        return mapped + (x @ tensors["residual.weight"].T if "residual.weight" in tensors else x)

    return out, step


def _tensors(folder: Path, shapes: Shapes) -> dict[str, Array]:
    file, stored = map_weights(folder)
    found = {name: tensor.shape for name, tensor in stored.items()}
    if found != shapes:
        raise WeightsError(f"{file} holds {found}, expected {shapes}")
    tensors = {name: as_float(tensor, np.dtype(np.float64)) for name, tensor in stored.items()}
    if broken := [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]:
        raise WeightsError(f"{file}: NaN or infinity in {', '.join(broken)}")
    return tensors


def _check_sentence(file: Path, config: dict[str, Any]) -> None:
    for key in ("module_input_name", "module_output_name"):
        if (stated := config.get(key) or SENTENCE) != SENTENCE:
            raise WeightsError(f"{file}: {key} is {stated!r}, and only {SENTENCE} is computed here")


def _settings(folder: Path) -> dict[str, Any]:
    return read_json(folder / "config.json") if (folder / "config.json").is_file() else {}


def _lowercase(transformer: Path) -> bool:
    files: Sequence[Path] = sorted(transformer.glob("sentence_*_config.json"))
    settings = read_json(files[0]) if files else {}
    for key, known in (("transformer_task", "feature-extraction"), ("module_output_name", "token_embeddings")):
        if (stated := settings.get(key, known)) != known:
            raise WeightsError(f"{files[0]}: {key} is {stated!r}, and a sentence encoder's is {known!r}")
    return bool(settings.get("do_lower_case", False))


def _prompts(folder: Path) -> tuple[dict[str, str], str | None]:
    file = folder / "config_sentence_transformers.json"
    config = read_json(file) if file.is_file() else {}
    if (kind := config.get("model_type", "SentenceTransformer")) != "SentenceTransformer":
        raise WeightsError(f"{file}: model_type is {kind!r}, and this is for SentenceTransformer")
    prompts = config.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(text, str | None) for text in prompts.values()):
        raise WeightsError(f"{file}: prompts must be texts by name, got {str(prompts)[:80]}")
    default = config.get("default_prompt_name")
    if default is not None and default not in prompts:
        raise WeightsError(f"{file}: default_prompt_name {default!r} is none of its prompts")
    return {name: text or "" for name, text in prompts.items()}, default
