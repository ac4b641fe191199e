"""One change of the reference, stated as data: which settings of a variant take which other values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

Settings = TypeVar("Settings")


@dataclass(frozen=True, eq=False)
class Knob:
    """A hypothesis: `settings` are fields of the variant (a dataclass of the domain) and their values under it.

    Two knobs that set one field to different values exclude each other, except that tuples add up.
    """

    name: str
    explanation: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def effort(self) -> int:
        """0; 1 where it pads the texts to the longest, 2 to a fixed number of tokens, so that it is tried later."""
        padded_to = self.settings.get("padded_to", 0)
        return 0 if not padded_to else 1 if padded_to < 0 else 2


def compatible(first: Knob, second: Knob) -> bool:
    """Whether the two can be turned together."""
    ours, theirs = first.settings, second.settings
    return first is not second and all(
        isinstance(ours[name], tuple) or ours[name] == theirs[name] for name in ours.keys() & theirs.keys()
    )


def turned(variant: Settings, knobs: Sequence[Knob]) -> Settings:
    """`variant`, a frozen dataclass, with the knobs' settings; tuples of several knobs one after the other."""
    merged: dict[str, Any] = {}
    for knob in knobs:
        for name, value in knob.settings.items():
            merged[name] = merged[name] + value if isinstance(value, tuple) and name in merged else value
    return replace(variant, **merged)  # type: ignore[type-var]  # Settings is a dataclass, which typing cannot say
