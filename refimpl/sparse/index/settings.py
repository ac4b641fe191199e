"""What an index file says of its scores: the weighting, and the counts of the collection."""

from collections.abc import Mapping
from dataclasses import dataclass

from refimpl.sparse.bm25.weighting import Weighting


@dataclass(frozen=True)
class IndexSettings:
    """The weighting, and the counts of the collection that it needs."""

    weighting: Weighting
    n_docs: int
    avgdl: float

    def to_metadata(self) -> dict[str, str]:
        """As strings, from which `from_metadata` restores every bit."""
        weighting = self.weighting
        numbers = {name: getattr(weighting, name) for name in ("k1", "b", "epsilon", "delta")} | {"avgdl": self.avgdl}
        return {
            "variant": weighting.variant.name,
            "n_docs": str(self.n_docs),
            **{name: repr(number) for name, number in numbers.items()},
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> "IndexSettings":
        """Inverse of `to_metadata`; KeyError or ValueError for a missing or damaged entry."""
        numbers = [float(metadata[name]) for name in ("k1", "b", "epsilon", "delta")]
        weighting = Weighting.checked(metadata["variant"], *numbers)
        if str(int(metadata["n_docs"])) != metadata["n_docs"]:  # int() accepts 1_0, blanks and other digits
            raise ValueError(f"n_docs is {metadata['n_docs']!r:.40}")
        return cls(weighting, int(metadata["n_docs"]), float(metadata["avgdl"]))
