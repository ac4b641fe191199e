"""Settings that several architectures compute from config.json, and their common tensor names."""

from collections.abc import Callable
from typing import Any

from refimpl.bert.architectures.record import Published

UNLIMITED = 2**31 - 1  # positions
NO_TABLE = {"has_positions": False}
NO_SEGMENTS = {"type_vocab_size": 2, "has_segments": False}
ROPE_KEYS = frozenset({"rope_theta", "rope_parameters", "rope_scaling"})
SELF_ATTENTION = {
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.o_proj": "attention.output.dense",
}
GATED = {"mlp.gate_proj": "gate.dense", "mlp.up_proj": "intermediate.dense", "mlp.down_proj": "output.dense"}


def rope_theta(published: Published, layer_type: str = "", default: float | None = None) -> float:
    """The base of the rotary frequencies; ValueError for a scaling of them, or without a base."""
    parameters = published.get("rope_parameters") or {}
    parameters = parameters.get(layer_type, parameters) or {}
    scaling = published.get("rope_scaling") or {}
    for name, settings in (("rope_parameters", parameters), ("rope_scaling", scaling)):
        kind = settings.get("rope_type", settings.get("type", "default"))
        if kind != "default":
            raise ValueError(f"{name} of type {kind!r}, expected 'default'")
        if unknown := sorted(settings.keys() - {"rope_type", "type", "rope_theta", "partial_rotary_factor"}):
            raise ValueError(f"{name} has {', '.join(unknown)}, expected rope_type and rope_theta")
        if settings.get("partial_rotary_factor", 1.0) != 1.0:
            raise ValueError(f"{name}.partial_rotary_factor is {settings['partial_rotary_factor']!r}, expected 1.0")
    theta = parameters.get("rope_theta", published.get("rope_theta", default))
    if not isinstance(theta, int | float) or not 0 < theta < float("inf"):
        raise ValueError(f"rope_theta must be a positive number, got {theta!r}")
    return float(theta)


def layers_of(published: Published, key: str = "num_hidden_layers") -> int:
    """Number of layers, 0 where the configuration has no sensible one."""
    layers = published.get(key)
    return layers if type(layers) is int and 0 < layers < 1000 else 0


def layer_types(published: Published, is_full: Callable[[int], bool]) -> list[str]:
    """Full or sliding attention per layer: layer_types, else by `is_full` of the layer's number."""
    types = published.get("layer_types")
    if types is None:
        types = ["full_attention" if is_full(i) else "sliding_attention" for i in range(layers_of(published))]
    known = ("full_attention", "sliding_attention")
    if type(types) is not list or len(types) != layers_of(published) or any(kind not in known for kind in types):
        raise ValueError(f"layer_types must list {' or '.join(known)} for each layer, got {str(types)[:80]}")
    return types


def same_theta(published: Published, default: float | None = None, key: str = "num_hidden_layers") -> dict[str, Any]:
    """The setting `rope_thetas` of a model with one base for all layers."""
    return {"rope_thetas": (rope_theta(published, default=default),) * layers_of(published, key)}


def integer(published: Published, key: str, default: int | None) -> int:
    """A positive integer of config.json; ValueError for another value, or none without a default."""
    value = published.get(key, default)
    if type(value) is not int or not 0 < value < UNLIMITED:
        raise ValueError(f"{key} must be a positive integer, got {value!r}")
    return value
