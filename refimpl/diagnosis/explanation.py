"""What a search for the causes of mismatching vectors found: groups of texts with a cause, and hints."""

from dataclasses import dataclass

from refimpl.diagnosis.hypotheses import Combination


@dataclass(frozen=True)
class Group:
    """Texts and the combination of hypotheses that explains every entry of their vectors."""

    combination: Combination
    rows: tuple[int, ...]
    residual: float


@dataclass(frozen=True)
class Near:
    """A combination that explains a part, so that it is a hint."""

    combination: Combination
    residual: float
    share: float
    """Of the squared difference of a few texts."""
    left: tuple[int, ...] = ()
    """Mismatching texts that it does not explain."""
    changed: tuple[int, ...] = ()
    """Matching texts that it changes."""
    exact: bool = False
    """Whether it explains every entry of some texts."""


@dataclass(frozen=True)
class Explanation:
    """What a search found."""

    groups: tuple[Group, ...]
    equivalents: tuple[Combination, ...]
    """Other combinations that explain everything, where the first group has all texts."""
    unexplained: tuple[int, ...]
    nearest: tuple[Near, ...]
    """Combinations that explain a part of the unexplained texts, or of their difference."""
    untried: str
    """What the limit of work left out: "" for nothing, "pairs" of hypotheses, or "hypotheses"."""
