"""A shard as other libraries read it, and what is refused."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq
from scipy.sparse import csr_array

from refimpl.shards import ShardError, read_info, read_shard, write_shard

IDS = ["a", "ü", "c"]
TEXTS = ["one", "", "zwölf 十二"]
DENSE = np.array([[0.1, -2.5], [np.float32(1e-42), 3.0], [0.0, -0.0]], np.float32)  # a subnormal and a signed zero
ROWS = [{0: 0.5, 3: 2.0}, {}, {1: 1.5}]
SPARSE = csr_array((np.array([0.5, 2.0, 1.5], np.float32), np.array([0, 3, 1]), np.array([0, 2, 2, 3])), shape=(3, 4))


@pytest.fixture
def shard(tmp_path):
    write_shard(tmp_path / "s.parquet", IDS, TEXTS, {"dense": DENSE, "bm25": SPARSE}, "abc")
    return tmp_path / "s.parquet"


def test_arrow_reads_the_documented_columns(shard):
    table = pq.read_table(shard)
    assert table.column("id").to_pylist() == IDS
    assert table.column("text").to_pylist() == TEXTS
    np.testing.assert_array_equal(np.array(table.column("dense").to_pylist(), np.float32), DENSE)
    entries = [dict(zip(row["indices"], row["values"], strict=True)) for row in table.column("bm25").to_pylist()]
    assert entries == [ROWS[0], {4: 1.0}, ROWS[2]]  # an empty row is one entry after the last column
    kinds = {field.name: str(field.type).replace(" not null", "") for field in table.schema}
    sparse = "struct<indices: list<element: uint32>, values: list<element: float>>"
    assert kinds == {"id": "string", "text": "string", "dense": "list<element: float>", "bm25": sparse}


def test_milvus_finds_no_list_of_fixed_size_in_the_file(shard):
    """Milvus 2.6's importer converts list and struct, not fixed_size_list, which only an Arrow schema can have."""
    assert b"ARROW:schema" not in (pq.read_metadata(shard).metadata or {})


def test_a_shard_is_read_as_it_was_written(shard):
    read = read_shard(shard)
    assert (read.ids, read.texts) == (IDS, TEXTS)
    assert read.vectors["dense"].tobytes() == DENSE.tobytes()
    assert read.vectors["bm25"].shape == (3, 4)
    np.testing.assert_array_equal(read.vectors["bm25"].toarray(), SPARSE.toarray())
    assert read.vectors["bm25"].has_canonical_format
    assert read_info(shard) == (3, {"dense": ("dense", 2), "bm25": ("sparse", 4)}, "abc")
    assert read_shard(shard, ["dense"]).ids == []
    assert list(read_shard(shard, ["dense", "id"]).vectors) == ["dense"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(),
            st.dictionaries(st.integers(0, 6), st.floats(0.25, 9, width=32), max_size=4),
            st.floats(width=32, allow_nan=False),
        ),
        max_size=5,
    )
)
def test_any_documents_survive(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("any") / "s.parquet"
    ids = [f"d{number}" for number in range(len(rows))]
    dense = np.array([[value] for _, _, value in rows], np.float32).reshape(len(rows), 1)
    matrix = np.zeros((len(rows), 7), np.float32)
    for number, (_, entries, _) in enumerate(rows):
        matrix[number, list(entries)] = list(entries.values())
    write_shard(file, ids, [text for text, _, _ in rows], {"d": dense, "s": csr_array(matrix)})
    read = read_shard(file)
    assert (read.ids, read.texts) == (ids, [text for text, _, _ in rows])
    np.testing.assert_array_equal(read.vectors["d"], dense)
    np.testing.assert_array_equal(read.vectors["s"].toarray(), matrix)


def test_a_lone_surrogate_is_stored_as_a_question_mark(tmp_path):
    write_shard(tmp_path / "s.parquet", ["a"], ["x \ud800"], {})
    assert pq.read_table(tmp_path / "s.parquet").column("text").to_pylist() == ["x ?"]


@pytest.mark.parametrize(
    ("ids", "texts", "vectors", "message"),
    [
        (IDS, TEXTS[:2], {}, "expected 3 texts, one per id, got 2"),
        (IDS, TEXTS, {"dense": DENSE[:1]}, "expected 3 dense, one per id, got 1"),
        (IDS, TEXTS, {"text": DENSE}, "a vector field must not be called 'text'"),
    ],
)
def test_columns_that_do_not_fit_are_refused(tmp_path, ids, texts, vectors, message):
    with pytest.raises(ValueError, match=message):
        write_shard(tmp_path / "s.parquet", ids, texts, vectors)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_fails_while_writing_leaves_the_old_file(shard, monkeypatch):
    before = shard.read_bytes()

    def full(self, *_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(OSError, match="no space left"):
        write_shard(shard, IDS, TEXTS, {})
    assert shard.read_bytes() == before
    assert list(shard.parent.iterdir()) == [shard]


def test_every_changed_byte_of_a_column_is_detected(shard):
    content = shard.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    undetected = []
    for position in range(4, footer):
        shard.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        try:
            read = read_shard(shard)
        except ShardError:
            continue
        same = read.ids == IDS and read.texts == TEXTS and read.vectors["dense"].tobytes() == DENSE.tobytes()
        if not same or (read.vectors["bm25"].toarray() != SPARSE.toarray()).any():
            undetected.append(position)
    assert undetected == []


@pytest.mark.parametrize("length", [0, 3, 100, -1])
def test_a_truncated_file_is_not_a_shard(shard, length):
    content = shard.read_bytes()
    shard.write_bytes(content[:length])
    with pytest.raises(ShardError, match=r"s\.parquet: expected a shard, .*: remove it, and run again"):
        read_shard(shard)


def footer_with(**changes):
    return json.dumps({"schema": "refimpl.shard/1", "columns": {}, "source": ""} | changes).encode()


@pytest.mark.parametrize(
    "footer",
    [
        b"",
        b"{",
        b"[]",
        footer_with(schema="refimpl.shard/2"),
        footer_with(columns={"dense": 3}),
        footer_with(columns={"dense": ["dense", "x"]}),
    ],
)
def test_another_parquet_file_is_not_a_shard(tmp_path, footer):
    file = tmp_path / "other.parquet"
    with pq.ParquetWriter(file, pa.schema([("id", pa.string())])) as writer:
        writer.write_table(pa.table({"id": ["a"]}))
        writer.add_key_value_metadata({b"refimpl": footer})
    with pytest.raises(ShardError, match=r"other\.parquet: expected a shard"):
        read_info(file)


def test_a_column_that_differs_from_the_footer_is_refused(tmp_path):
    file = tmp_path / "s.parquet"
    table = pa.table({"id": ["a"], "text": [""], "dense": pa.array([[1.0, 2.0]], pa.list_(pa.float32()))})
    with pq.ParquetWriter(file, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({b"refimpl": footer_with(columns={"dense": ["dense", 3]})})
    with pytest.raises(ShardError, match="expected 3 values per vector"):
        read_shard(file)


def test_a_missing_file_and_a_missing_column(shard):
    with pytest.raises(FileNotFoundError) as raised:
        read_shard(shard.with_name("absent.parquet"))
    assert raised.value.__cause__ is None  # not itself: what walks along the causes would not end
    with pytest.raises(ShardError, match="has no column 'splade', only id, text, dense, bm25"):
        read_shard(shard, ["splade"])


@pytest.mark.peer
def test_duckdb_reads_the_same_values(shard):
    import duckdb

    rows = duckdb.sql(f"select id, text, dense, bm25 from '{shard}'").fetchall()
    assert [row[:2] for row in rows] == list(zip(IDS, TEXTS, strict=True))
    np.testing.assert_array_equal(np.array([row[2] for row in rows], np.float32), DENSE)
    assert dict(zip(rows[0][3]["indices"], rows[0][3]["values"], strict=True)) == ROWS[0]
    kinds = duckdb.sql(f"describe select * from '{shard}'").fetchall()
    assert [row[1] for row in kinds[2:]] == ["FLOAT[]", 'STRUCT(indices UINTEGER[], "values" FLOAT[])']


@pytest.mark.peer
def test_polars_reads_the_same_values(shard):
    import polars

    frame = polars.read_parquet(shard)
    assert frame["id"].to_list() == IDS
    np.testing.assert_array_equal(np.array(frame["dense"].to_list(), np.float32), DENSE)
    assert frame["bm25"].to_list()[2] == {"indices": [1], "values": [1.5]}
    assert frame.schema["dense"] == polars.List(polars.Float32)
