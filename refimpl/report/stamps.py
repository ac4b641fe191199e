"""The machine stamp as rows of label and value."""

from collections.abc import Mapping
from typing import Any

from refimpl.report import figures

LABELS = {
    "at": "measured",
    "cpu": "CPU",
    "cores": "cores",
    "cores_usable": "cores usable",
    "memory_bytes": "memory",
    "os": "system",
    "load_1min": "load at the end (1 min)",
    "python": "Python",
    "commit": "commit",
    "versions": "libraries",
    "dataset": "data set",
    "settings": "settings",
    "blas": "BLAS",
}


def rows(stamp: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return every entry of a stamp, known ones under their labels and in order, others under their own names."""
    flat = {key: value for key, value in stamp.items() if key != "machine"}
    machine = stamp.get("machine")
    if isinstance(machine, Mapping):
        flat |= machine
    elif machine:
        flat["machine"] = machine
    known = [key for key in LABELS if key in flat]
    unknown = [key for key in flat if key not in LABELS]
    lines = ((LABELS.get(key, key), _formatted(key, flat[key])) for key in known + unknown)
    return tuple((label, value) for label, value in lines if value)


def _formatted(key: str, value: Any) -> str:
    if value is None:  # not available on that system
        return ""
    if key.endswith("_bytes") and isinstance(value, int | float):
        return figures.size(float(value))
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name} {_formatted(name, one)}" for name, one in value.items() if one not in ({}, [], None, "")
        )
    if isinstance(value, list):
        return "; ".join(_formatted("", one) for one in value)
    return str(value)
