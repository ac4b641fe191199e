"""A JSON object read with care: each field checked, each complaint naming the field."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fields:
    """One JSON object and where it stands; a field of the wrong kind is a ValueError that says so."""

    values: Mapping[str, Any]
    where: str

    def sub(self, key: str) -> "Fields":
        """The object under `key`; an empty one where it is absent."""
        found = self.values.get(key)
        if found is None:
            return Fields({}, f"{self.where}: {key}")
        if not isinstance(found, dict):
            raise ValueError(f"{self.where}: {key} must be an object, got {type(found).__name__}")
        return Fields(found, f"{self.where}: {key}")

    def items(self, key: str) -> list["Fields"]:
        """The objects of the list under `key`; none where it is absent."""
        found = self.values.get(key, [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise ValueError(f"{self.where}: {key} must be a list of objects, got {_shown(found)}")
        return [Fields(one, f"{self.where}: {key}[{i}]") for i, one in enumerate(found)]

    def text(self, key: str, default: str) -> str:
        """The text under `key`, or the default."""
        found = self.values.get(key)
        if found is not None and not isinstance(found, str):
            raise ValueError(f"{self.where}: {key} must be text, got {_shown(found)}")
        return default if found is None else found

    def positive(self, key: str, default: float | None = None) -> float:
        """A finite number above 0."""
        found = self.values.get(key, default)
        if not _finite(found) or found <= 0:
            raise ValueError(f"{self.where}: {key} must be a number above 0, got {_shown(found)}")
        return float(found)

    def not_negative(self, key: str) -> float | None:
        """A finite number from 0, or None where it is absent."""
        return self._within(key, math.inf, "a number from 0")

    def fraction(self, key: str) -> float | None:
        """A number in [0, 1], or None where it is absent."""
        return self._within(key, 1.0, "a number in [0, 1]")

    def number(self, key: str) -> float | None:
        """A finite number, or None where it is absent."""
        found = self.values.get(key)
        if found is None:
            return None
        if not _finite(found):
            raise ValueError(f"{self.where}: {key} must be a number, got {_shown(found)}")
        return float(found)

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of finite numbers; empty where it is absent."""
        found = self.values.get(key, [])
        if not isinstance(found, list) or not all(_finite(one) for one in found):
            raise ValueError(f"{self.where}: {key} must be a list of numbers, got {_shown(found)}")
        return tuple(map(float, found))

    def _within(self, key: str, most: float, wanted: str) -> float | None:
        found = self.number(key)
        if found is not None and not 0 <= found <= most:
            raise ValueError(f"{self.where}: {key} must be {wanted}, got {_shown(found)}")
        return found


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
