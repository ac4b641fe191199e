"""Bulk import: the requests of Milvus' documentation, and files that pymilvus' bulk writer and Milvus' rules accept."""

import json

import numpy as np
import pytest
from pyarrow import parquet as pq
from scipy.sparse import csr_array

from refimpl.datasets import Document
from refimpl.search.bulk_import import bulk_import
from refimpl.search.milvus_uri import MilvusError
from refimpl.shards import ShardError, encode_shards

DOCUMENTS = [Document(f"d{number}", f"text {number}") for number in range(10)]


def dense(texts):
    return np.array([[float(text[-1]), 1.0] for text in texts], np.float32)


def sparse(texts):
    rows = np.zeros((len(texts), 12), np.float32)
    rows[np.arange(len(texts)), [int(text[-1]) for text in texts]] = 0.5
    rows[[text.endswith("3") for text in texts]] = 0.0  # a document without terms
    return csr_array(rows)


@pytest.fixture
def folder(tmp_path):
    encode_shards(DOCUMENTS, {"dense": dense, "bm25": sparse}, tmp_path / "shards", {"model": "toy"}, rows=4)
    return tmp_path / "shards"


def answers(httpserver, *progress):
    """A server that creates job 7, and answers the questions for it in turn."""
    create, describe = "/v2/vectordb/jobs/import/create", "/v2/vectordb/jobs/import/describe"
    httpserver.expect_ordered_request(create, "POST").respond_with_json({"code": 0, "data": {"jobId": "7"}})
    for data in progress:
        httpserver.expect_ordered_request(describe, "POST", json={"jobId": "7"}).respond_with_json(
            {"code": 0, "data": {"jobId": "7", **data}}
        )


def test_the_files_of_the_manifest_are_imported_under_the_prefix(folder, httpserver):
    done = {"state": "Completed", "progress": 100, "importedRows": 10, "totalRows": 10}
    answers(httpserver, {"state": "Pending", "progress": 10}, {"state": "Importing", "progress": 60}, done)
    counted = []
    imported = bulk_import(
        folder, "c", httpserver.url_for(""), token="root:Milvus", prefix="a/b/", poll_s=0.01, advance=counted.append
    )
    assert imported == 10
    assert counted == [10]
    request = httpserver.log[0][0]
    assert json.loads(request.data) == {
        "collectionName": "c",
        "files": [["a/b/000000.parquet"], ["a/b/000001.parquet"], ["a/b/000002.parquet"]],
    }
    assert request.headers["Authorization"] == "Bearer root:Milvus"


@pytest.mark.parametrize(
    ("progress", "message"),
    [
        ({"state": "Failed", "reason": "field 'x' type mis-match"}, "import job 7 failed: field 'x' type mis-match"),
        ({"state": "Completed", "importedRows": 9}, "import job 7: expected 10 documents, got 9"),
    ],
)
def test_a_job_that_fails_is_one_sentence(folder, httpserver, progress, message):
    answers(httpserver, progress)
    with pytest.raises(MilvusError, match=message):
        bulk_import(folder, "c", httpserver.url_for(""), poll_s=0.01)


def test_a_refusal_has_the_reason_of_milvus(folder, httpserver):
    path = "/v2/vectordb/jobs/import/create"
    httpserver.expect_request(path).respond_with_json({"code": 100, "message": "collection not found"})
    with pytest.raises(MilvusError, match=f"Milvus refused {path}: collection not found"):
        bulk_import(folder, "c", httpserver.url_for(""))


def test_a_job_that_takes_too_long_is_a_timeout(folder, httpserver):
    answers(httpserver, {"state": "Importing", "progress": 60})
    with pytest.raises(TimeoutError, match="import job 7 is at 60%"):
        bulk_import(folder, "c", httpserver.url_for(""), timeout_s=0.01, poll_s=5.0)


def test_a_file_that_differs_from_the_manifest_is_not_imported(folder, httpserver):
    (folder / "000001.parquet").unlink()
    with pytest.raises(ShardError, match="is missing"):
        bulk_import(folder, "c", httpserver.url_for(""))
    assert httpserver.log == []


@pytest.mark.peer
def test_pymilvus_bulk_writer_accepts_every_row_and_writes_equal_ones(folder, tmp_path):
    """Its checks of types, lengths and empty vectors; it writes sparse vectors as JSON, and Milvus reads both forms."""
    from pymilvus import DataType, MilvusClient
    from pymilvus.bulk_writer import BulkFileType, LocalBulkWriter

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, max_length=512, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=65_535)
    schema.add_field("dense", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("bm25", DataType.SPARSE_FLOAT_VECTOR)
    ours = [row for file in sorted(folder.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
    with LocalBulkWriter(schema, str(tmp_path / "bulk"), file_type=BulkFileType.PARQUET) as writer:
        for row in ours:
            writer.append_row(dict(row))
        writer.commit()
        (written,) = writer.batch_files
    theirs = pq.read_table(written[0]).to_pylist()
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine["id"], mine["text"], mine["dense"]) == (other["id"], other["text"], other["dense"])
        assert json.loads(other["bm25"]) == mine["bm25"]
