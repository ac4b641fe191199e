"""A hypothesis: one known way to deviate from the reference, with the change of the reference that imitates it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

Variant = TypeVar("Variant")


class NotApplicable(Exception):
    """The change cannot be applied to this model, tokenizer or data: there is nothing to compare.

    The search skips a hypothesis for this exception alone; any other one is a fault of the hypothesis and propagates.
    """


@dataclass(frozen=True)
class Change:
    """New values for fields of a variant; calling it returns the changed variant.

    A variant is a frozen dataclass of the domain. A value is the number, function or object that the computation uses,
    so that there is no table of names to look it up in. Tuples (steps of a sequence) are appended, other values
    replace.
    """

    values: Mapping[str, Any]

    def __call__(self, variant: Variant) -> Variant:
        """`variant` with the new values; TypeError where it lacks one of the fields."""
        merged = {name: _merge(getattr(variant, name, ()), value) for name, value in self.values.items()}
        return replace(variant, **merged)  # type: ignore[type-var]  # Variant is a dataclass, which typing cannot state

    def compatible(self, other: "Change") -> bool:
        """Whether the fields that both change get equal values or tuples, so that neither undoes the other."""
        shared = self.values.keys() & other.values.keys()
        return all(isinstance(self.values[name], tuple) or self.values[name] == other.values[name] for name in shared)


def _merge(current: Any, value: Any) -> Any:
    return current + value if isinstance(value, tuple) else value


def change(variant: type[Any], **values: Any) -> Change:
    """A `Change` of fields of the dataclass `variant`; TypeError at import for a field that it lacks."""
    names = {each.name for each in fields(variant)}
    if unknown := sorted(values.keys() - names):
        raise TypeError(f"expected fields of {variant.__name__} ({', '.join(sorted(names))}), got {', '.join(unknown)}")
    return Change(values)


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """One known deviation.

    Parameters
    ----------
    name, explanation
        As printed in a diagnosis.
    apply
        The change of the reference under this hypothesis.
    cost
        0; 1 for padding to the longest text, 2 for padding to a fixed length: the search tries cheap ones first.
    remedy
        What to change in the implementation, in the imperative; empty where the explanation shows it.
        `{max_length}` is replaced by the model's.
    """

    name: str
    explanation: str
    apply: Change
    cost: int = 0
    remedy: str = ""


Combination = tuple[Hypothesis, ...]


def compatible(first: Hypothesis, second: Hypothesis) -> bool:
    """Whether the two can be combined."""
    return first is not second and first.apply.compatible(second.apply)


def apply_all(variant: Variant, combination: Sequence[Hypothesis]) -> Variant:
    """`variant` with the changes of all hypotheses, in their order."""
    for hypothesis in combination:
        variant = hypothesis.apply(variant)
    return variant
