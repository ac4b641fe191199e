"""The vector fields of a Milvus collection: dense, sparse, and full text, whose vectors Milvus makes itself."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, TypeAlias, get_args

Metric = Literal["IP", "COSINE", "L2"]


@dataclass(frozen=True)
class DenseField:
    """Dense vectors of `dim` values, searched exhaustively (index FLAT) by `metric`."""

    name: str
    dim: int
    metric: Metric = "IP"
    kind: ClassVar[str] = "dense"
    index_type: ClassVar[str] = "FLAT"


@dataclass(frozen=True)
class SparseField:
    """Sparse vectors, searched by inner product."""

    name: str
    metric: ClassVar[Literal["IP"]] = "IP"
    kind: ClassVar[str] = "sparse"
    index_type: ClassVar[str] = "SPARSE_INVERTED_INDEX"


@dataclass(frozen=True)
class FullTextField:
    """Sparse vectors that Milvus' BM25 function computes from the stored text; queries are texts."""

    name: str
    metric: ClassVar[Literal["BM25"]] = "BM25"
    kind: ClassVar[str] = "bm25"
    index_type: ClassVar[str] = "SPARSE_INVERTED_INDEX"


Field: TypeAlias = DenseField | SparseField | FullTextField
KINDS: dict[str, type[DenseField | SparseField | FullTextField]] = {
    cls.kind: cls for cls in (DenseField, SparseField, FullTextField)
}


def field_to_dict(field: Field) -> dict[str, Any]:
    """`{name, kind, metric, dim}` of a field, as index.json and results.json store it; `dim` is 0 unless dense."""
    return {"name": field.name, "kind": field.kind, "metric": field.metric, "dim": 0} | asdict(field)


def field_from_dict(values: Mapping[str, Any]) -> Field:
    """The field that `field_to_dict` wrote.

    Raises ValueError for an unknown kind, KeyError where a value is missing.
    """
    kind, name = values["kind"], values["name"]
    if not isinstance(kind, str) or not isinstance(name, str) or kind not in KINDS:
        raise ValueError(f"field {name!r}: expected a kind of {', '.join(KINDS)}, got {kind!r}")
    if kind == DenseField.kind:
        if type(values["dim"]) is not int or values["metric"] not in get_args(Metric):
            raise ValueError(f"field {name!r}: dim is {values['dim']!r:.40}, metric {values['metric']!r:.40}")
        return DenseField(name, values["dim"], values["metric"])
    return SparseField(name) if kind == SparseField.kind else FullTextField(name)
