"""Ingestion in parts and in parallel batches: each document once, in bounded memory, and the first error is raised."""

import threading
import time

import numpy as np
import pytest

from refimpl.search.fields import DenseField
from refimpl.search.ingestion import Ingestion, Writer
from refimpl.search.records import Ingested
from refimpl.search.store import MilvusStore
from refimpl.shards import Shard

FIELDS = {"dense": DenseField("dense", 2)}


def shard(first, count):
    ids = [f"d{number}" for number in range(first, first + count)]
    return Shard(ids, ["x" * 70_000 if doc_id == "d3" else doc_id for doc_id in ids], {"dense": np.ones((count, 2))})


class Memory:
    """A collection in memory, slow enough for calls to overlap."""

    def __init__(self, present=()):
        self.rows = {doc_id: {} for doc_id in present}
        self.most, self._now, self._lock = 0, 0, threading.Lock()

    def present(self, ids):
        return {doc_id for doc_id in ids if doc_id in self.rows}

    def write(self, rows):
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.01)
        with self._lock:
            self._now -= 1
            for row in rows:
                assert row["id"] not in self.rows
                self.rows[row["id"]] = row

    def ingestion(self, workers, resumed=False):
        return Ingestion(Writer(self.present, self.write), FIELDS, resumed, workers, batch_size=3)


@pytest.mark.parametrize("workers", [1, 4])
def test_every_document_of_every_part_is_written_once(workers):
    memory, counted = Memory(), []
    result = memory.ingestion(workers).run([shard(0, 10), shard(10, 0), shard(10, 17)], counted.append)
    assert result == Ingested(27, 0, 1)
    assert sorted(memory.rows) == sorted(f"d{number}" for number in range(27))
    assert len(memory.rows["d3"]["text"]) == 65_535
    assert sum(counted) == 27
    assert (memory.most > 1) == (workers > 1)
    assert memory.most <= workers


@pytest.mark.parametrize("workers", [1, 4])
def test_what_is_present_is_kept(workers):
    memory = Memory(present=["d1", "d4", "d5"])
    assert memory.ingestion(workers, resumed=True).run([shard(0, 10)], lambda n: None) == Ingested(7, 3, 1)


def test_parts_are_read_as_batches_are_written():
    memory, read = Memory(), []

    def parts():
        for number in range(20):
            read.append(len(memory.rows))
            yield shard(number * 3, 3)

    memory.ingestion(2).run(parts(), lambda n: None)
    assert read[-1] >= 3 * (20 - 2 * 2 - 1)


@pytest.mark.parametrize("workers", [1, 4])
def test_the_error_of_a_batch_is_raised_and_ends_the_ingestion(workers):
    memory, calls = Memory(), []

    def write(rows):
        calls.append(rows)
        if any(row["id"] == "d4" for row in rows):
            raise OSError("no space left")
        memory.write(rows)

    with pytest.raises(OSError, match="no space left"):
        Ingestion(Writer(memory.present, write), FIELDS, False, workers, 3).run([shard(0, 300)], lambda n: None)
    assert len(calls) <= 2 + 3 * workers


def test_an_id_of_an_earlier_part_is_refused():
    with pytest.raises(ValueError, match="document ids must be unique, got 'd5' twice"):
        Memory().ingestion(1).run([shard(0, 10), shard(5, 2)], lambda n: None)


@pytest.mark.parametrize("workers", [1, 3])
def test_milvus_lite_has_the_documents_of_all_parts_and_resumes(tmp_path, workers):
    with MilvusStore("parts", list(FIELDS.values()), uri=str(tmp_path / "m.db")) as store:
        parts = [shard(0, 20), shard(20, 15)]
        assert store.ingest_parts(parts[:1], workers=workers, batch_size=4) == Ingested(20, 0, 1)
        assert store.ingest_parts(parts, workers=workers, batch_size=4) == Ingested(15, 20, 0)
        assert store.count() == 35
        assert store.texts(["d34", "d7"]) == {"d34": "d34", "d7": "d7"}
