"""The activation of a cross-encoder: identity, sigmoid, or the caller's function of the logits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from refimpl.bert.files import read_json
from refimpl.bert.sentence_files import sentence_settings
from refimpl.common.types import Array

Activation = Callable[..., Any]
Named = Literal["sigmoid", "none"]
ACTIVATIONS: dict[str, Activation] = {"sigmoid": expit, "none": lambda logits: logits}
IN_TORCH = {"Sigmoid": "sigmoid", "Identity": "none"}
"""The name in `ACTIVATIONS` of each supported class of torch.nn."""


def resolve_activation(fct: object, name: str | None, folder: Path, transformer: Path) -> tuple[str, Activation]:
    """Return the name ("custom" for the caller's function) and the function of a cross-encoder's activation.

    Parameters
    ----------
    fct
        `activation_fct`: a callable, a name, an object of torch.nn, or None.
    name
        `activation`: a name or None.
    folder
        The model's folder, whose files name the activation if both are None.
    transformer
        The folder of its config.json.

    Raises
    ------
    ValueError
        If both are given, or if it is another name or another object of torch.
    TypeError
        If it is neither a name nor callable.
    """
    if fct is not None and name is not None:
        raise ValueError("expected activation or activation_fct, got both: give one")
    activation = name if fct is None else fct
    if activation is None:
        activation = _published_activation(folder, transformer)
    kind = type(activation)
    if kind.__module__.partition(".")[0] == "torch":
        if kind.__name__ not in IN_TORCH:
            raise ValueError(
                f"activation_fct must be a callable on numpy arrays, got torch's {kind.__name__}: give the same "
                f"function in numpy; of torch.nn, {' and '.join(IN_TORCH)} are supported"
            )
        activation = IN_TORCH[kind.__name__]
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be 'sigmoid' or 'none', got {activation!r}: or give a callable")
        return activation, ACTIVATIONS[activation]
    if not callable(activation):
        raise TypeError(f"activation_fct must be a callable or a name, got {kind.__name__}: leave it out")
    return "custom", activation


def apply_activation(activation: Activation, logits: Float[Array, "documents"]) -> Float[Array, "documents"]:
    """Return the activation of the logits in their dtype; ValueError unless it is as many finite numbers."""
    scores = np.asarray(activation(logits), dtype=logits.dtype)
    if scores.shape != logits.shape or not np.isfinite(scores).all():
        raise ValueError(
            f"activation_fct must return {len(logits)} finite scores, one per document, got {scores.shape}: "
            f"{scores.ravel()[:3].tolist()}"
        )
    return scores


def _published_activation(folder: Path, transformer: Path) -> str:
    """Return the activation that sentence-transformers reads, in its order of files, else sigmoid.

    config_sentence_transformers.json, then config.json (before sentence-transformers 4 under another key).
    """
    file, key = folder / "config_sentence_transformers.json", "activation_fn"
    name = sentence_settings(folder, "CrossEncoder").get(key)
    if name is None:
        file = transformer / "config.json"
        config = read_json(file)
        name = (config.get("sentence_transformers") or {}).get(key)
        name = name or config.get("sbert_ce_default_activation_function") or "torch.nn.Sigmoid"
    kind = str(name).rsplit(".", 1)[-1]
    if kind not in IN_TORCH or not str(name).startswith("torch."):
        raise ValueError(
            f"{file}: expected the activation {' or '.join(IN_TORCH)}, got {name!r}: "
            "give activation='sigmoid' or 'none'"
        )
    return IN_TORCH[kind]
