"""The indexes of Milvus' vector fields and their parameters, by Milvus' documentation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

Parameters: TypeAlias = Mapping[str, int | float | str]
NO_PARAMETERS: Parameters = MappingProxyType({})


@dataclass(frozen=True)
class Index:
    """An index of a vector field: Milvus' name of its type, such as HNSW, and its build parameters, such as M."""

    type: str
    build: Parameters = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Type and build parameters, for messages and tables: `HNSW M=16 efConstruction=100`."""
        return " ".join([self.type, *(f"{name}={value}" for name, value in self.build.items())])


class BuildTime(NamedTuple):
    """Seconds until Milvus reports the index as built, and then until the collection is loaded."""

    build_s: float
    load_s: float
