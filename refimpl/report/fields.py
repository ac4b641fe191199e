"""Typed access to a JSON object: each field is checked, and an error names the field."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fields:
    """A JSON object and its location; a field of the wrong type raises a ValueError that names it."""

    values: Mapping[str, Any]
    where: str

    def sub(self, key: str) -> "Fields":
        """Return the object under `key`; an empty one where it is absent."""
        value = self.values.get(key)
        if value is None:
            return Fields({}, f"{self.where}: {key}")
        if not isinstance(value, dict):
            raise ValueError(f"{self.where}: {key} must be an object, got {type(value).__name__}")
        return Fields(value, f"{self.where}: {key}")

    def items(self, key: str) -> list["Fields"]:
        """Return the objects of the list under `key`; none where it is absent."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise ValueError(f"{self.where}: {key} must be a list of objects, got {_shown(value)}")
        return [Fields(one, f"{self.where}: {key}[{i}]") for i, one in enumerate(value)]

    def text(self, key: str, default: str) -> str:
        """Return the text under `key`, or the default."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{self.where}: {key} must be text, got {_shown(value)}")
        return default if value is None else value

    def positive(self, key: str, default: float | None = None) -> float:
        """Return a finite number above 0."""
        value = self.values.get(key, default)
        if not _finite(value) or value <= 0:
            raise ValueError(f"{self.where}: {key} must be a number above 0, got {_shown(value)}")
        return float(value)

    def not_negative(self, key: str) -> float | None:
        """Return a finite number from 0, or None where it is absent."""
        return self._within(key, math.inf, "a number from 0")

    def fraction(self, key: str) -> float | None:
        """Return a number in [0, 1], or None where it is absent."""
        return self._within(key, 1.0, "a number in [0, 1]")

    def number(self, key: str) -> float | None:
        """Return a finite number, or None where it is absent."""
        value = self.values.get(key)
        if value is None:
            return None
        if not _finite(value):
            raise ValueError(f"{self.where}: {key} must be a number, got {_shown(value)}")
        return float(value)

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return a list of finite numbers; empty where it is absent."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(_finite(one) for one in value):
            raise ValueError(f"{self.where}: {key} must be a list of numbers, got {_shown(value)}")
        return tuple(map(float, value))

    def _within(self, key: str, most: float, expected: str) -> float | None:
        value = self.number(key)
        if value is not None and not 0 <= value <= most:
            raise ValueError(f"{self.where}: {key} must be {expected}, got {_shown(value)}")
        return value


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
