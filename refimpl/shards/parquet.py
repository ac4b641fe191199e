"""One shard: documents and their vectors as a Parquet file that pyarrow, DuckDB, Polars and Milvus' bulk import read.

Columns: `id` and `text`, strings; per dense field a list of float32; per sparse field a struct of `indices`, a list of
uint32, and `values`, a list of float32, the form that Milvus documents for imports. The file has no Arrow schema of its
own: Parquet knows no list of fixed size, and Milvus 2.6 refuses a file whose Arrow schema has one. The number of
columns of each field is in the file's metadata, under `refimpl`.

Milvus refuses a sparse vector without entries. Such a row is stored as one entry, 1.0, in the column after the last.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy.sparse import csr_array

from refimpl.common.atomic import open_atomically
from refimpl.common.extras import importing
from refimpl.common.json_reader import parse_json

with importing("run"):
    import pyarrow as pa
    from pyarrow import parquet as pq

SCHEMA = "refimpl.shard/1"
METADATA = b"refimpl"
RESERVED = ("id", "text")
Vectors: TypeAlias = np.ndarray | csr_array


class ShardError(ValueError):
    """A shard or manifest that is damaged, incomplete or of other settings; the message has the file and a remedy."""


class Column(NamedTuple):
    """A vector column: `kind` "dense" or "sparse", and `dim`, the number of values or terms."""

    kind: str
    dim: int


@dataclass(frozen=True)
class Shard:
    """Documents in order, `(docs,)` ids and texts, and per field `float32 (docs, dim)` or a `csr_array (docs, dim)`.

    A column that was not read is an empty list, or missing in `vectors`.
    """

    ids: list[str]
    texts: list[str]
    vectors: dict[str, Vectors]


class ShardInfo(NamedTuple):
    """What a shard's footer says: number of documents, vector columns, sha256 of what it was computed from."""

    rows: int
    columns: dict[str, Column]
    source: str


def column_of(vectors: Vectors) -> Column:
    """The column that stores these vectors."""
    return Column("dense" if isinstance(vectors, np.ndarray) else "sparse", int(vectors.shape[1]))


def write_shard(
    path: Path, ids: Sequence[str], texts: Sequence[str], vectors: Mapping[str, Vectors], source: str = ""
) -> None:
    """Write one shard, whole or not at all.

    Parameters
    ----------
    path
        The file, replaced in one step.
    ids, texts
        One per document; a lone surrogate, which UTF-8 cannot encode, is stored as "?".
    vectors
        Per field `float32 (docs, dim)`, or a `csr_array (docs, dim)` of float32.
    source
        Recorded in the file: the sha256 of what the vectors were computed from.

    Raises
    ------
    ValueError
        For columns of different lengths, or a field called `id` or `text`.
    OSError
        As `refimpl.common.atomic.open_atomically`.
    """
    _check(ids, texts, vectors)
    columns = {name: column_of(matrix) for name, matrix in vectors.items()}
    arrays = {"id": _strings(ids), "text": _strings(texts)} | {name: _array(matrix) for name, matrix in vectors.items()}
    footer = {"schema": SCHEMA, "columns": columns, "source": source}
    fields = [pa.field(name, array.type, nullable=False) for name, array in arrays.items()]
    schema = pa.schema(fields)
    dense = [name for name, column in columns.items() if column.kind == "dense"]
    leaves = [f"{name}.{leaf}.list.element" for name in columns if name not in dense for leaf in ("indices", "values")]
    options = {
        "compression": dict.fromkeys(["id", "text", *leaves], "zstd"),  # dense vectors hardly compress
        "use_dictionary": False,
        "store_schema": False,
        "write_page_checksum": True,
    }
    with open_atomically(path) as stream, pq.ParquetWriter(stream, schema, **options) as writer:
        writer.write_table(pa.table(list(arrays.values()), schema=schema), row_group_size=max(1, len(ids)))
        writer.add_key_value_metadata({METADATA: json.dumps(footer).encode()})


def read_info(path: Path) -> ShardInfo:
    """Read a shard's footer; ShardError where the file is not a shard, FileNotFoundError where it is missing."""
    try:
        metadata = pq.read_metadata(path)
    except FileNotFoundError:
        raise
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise _named(path, error) from error
    return _info(path, metadata)


def read_shard(path: Path, columns: Collection[str] | None = None) -> Shard:
    """Read the named columns of a shard, by default all, and compare the checksum of every page.

    Raises ShardError for a damaged file or a missing column, FileNotFoundError where the file is missing.
    """
    info = read_info(path)
    wanted = list(columns) if columns is not None else [*RESERVED, *info.columns]
    if unknown := [name for name in wanted if name not in RESERVED and name not in info.columns]:
        raise ShardError(f"{path} has no column {unknown[0]!r}, only {', '.join([*RESERVED, *info.columns])}")
    try:
        table = pq.read_table(path, columns=wanted, page_checksum_verification=True, partitioning=None)
        arrays = {name: table.column(name).combine_chunks() for name in wanted}
        return Shard(
            arrays["id"].to_pylist() if "id" in arrays else [],
            arrays["text"].to_pylist() if "text" in arrays else [],
            {name: _vectors(arrays[name], info.columns[name]) for name in wanted if name not in RESERVED},
        )
    except (FileNotFoundError, ShardError):
        raise
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError, ValueError, OSError) as error:
        raise _named(path, error) from error


def _check(ids: Sequence[str], texts: Sequence[str], vectors: Mapping[str, Vectors]) -> None:
    sizes = {"texts": len(texts)} | {name: int(matrix.shape[0]) for name, matrix in vectors.items()}
    for name, size in sizes.items():
        if size != len(ids):
            raise ValueError(f"expected {len(ids)} {name}, one per id, got {size}")
    for name in RESERVED:
        if name in vectors:
            raise ValueError(f"a vector field must not be called {name!r}: give it another name")


def _strings(values: Sequence[str]) -> Any:
    return pa.array([value.encode("utf-8", "replace") for value in values], pa.binary()).cast(pa.string())


def _array(matrix: Vectors) -> Any:
    """Vectors as an Arrow array: list<float32>, or struct<indices: list<uint32>, values: list<float32>>."""
    if isinstance(matrix, np.ndarray):
        rows, dim = matrix.shape
        values = pa.array(matrix.astype(np.float32, copy=False).ravel())
        return _lists(np.arange(rows + 1, dtype=np.int64) * dim, values)
    indptr, indices, data = _with_placeholders(matrix)
    lists = [_lists(indptr, pa.array(values)) for values in (indices, data)]
    names = ("indices", "values")
    fields = [pa.field(name, array.type, nullable=False) for name, array in zip(names, lists, strict=True)]
    return pa.StructArray.from_arrays(lists, fields=fields)


def _lists(indptr: np.ndarray, values: Any) -> Any:
    if indptr[-1] >= 1 << 31:
        raise ValueError(f"expected fewer than 2^31 values in a column of one shard, got {indptr[-1]}: use fewer rows")
    kind = pa.list_(pa.field("element", values.type, nullable=False))
    return pa.ListArray.from_arrays(pa.array(indptr.astype(np.int32)), values, type=kind)


def _with_placeholders(matrix: csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`indptr`, `indices` and `data`, with one entry in the column after the last for each row that has none."""
    empty = np.flatnonzero(np.diff(matrix.indptr) == 0)
    indices = np.insert(matrix.indices.astype(np.uint32), matrix.indptr[empty], matrix.shape[1])
    data = np.insert(matrix.data.astype(np.float32), matrix.indptr[empty], 1.0)
    lengths = np.maximum(np.diff(matrix.indptr), 1)
    return np.concatenate([[0], np.cumsum(lengths)]), indices, data


def _vectors(array: Any, column: Column) -> Vectors:
    """The vectors of a column, without the placeholders."""
    if column.kind == "dense":
        values = array.flatten().to_numpy(zero_copy_only=False)
        if (np.diff(array.offsets.to_numpy()) != column.dim).any():
            raise ValueError(f"expected {column.dim} values per vector, got others")
        return np.ascontiguousarray(values, dtype=np.float32).reshape(len(array), column.dim)
    lists = array.field("indices"), array.field("values")
    indices, data = (values.flatten().to_numpy(zero_copy_only=False) for values in lists)
    offsets = [values.offsets.to_numpy() - values.offsets.to_numpy()[0] for values in lists]
    if not np.array_equal(*offsets):
        raise ValueError("expected as many indices as values, got others")
    kept = indices < column.dim
    indptr = np.concatenate([[0], np.cumsum(kept)])[offsets[0]]
    return csr_array(
        (data[kept], indices[kept].astype(np.int32), indptr.astype(np.int32)), shape=(len(array), column.dim)
    )


def _info(path: Path, metadata: Any) -> ShardInfo:
    try:
        footer = parse_json((metadata.metadata or {})[METADATA], str(path))
        if footer["schema"] != SCHEMA:
            raise ValueError(f"schema {footer['schema']!r}")
        columns = {name: Column(str(kind), int(dim)) for name, (kind, dim) in footer["columns"].items()}
        return ShardInfo(metadata.num_rows, columns, str(footer["source"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ShardError(f"{path}: expected a shard with {SCHEMA!r} in its metadata, got {error}") from error


def _named(path: Path, error: Exception) -> ShardError:
    return ShardError(f"{path}: expected a shard, a whole Parquet file, got {error}: remove it, and run again")
