"""Encoding in shards: what is there is kept, also after a kill, and other settings are refused."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet as pq
from scipy.sparse import csr_array

from refimpl.common.json_reader import checksum
from refimpl.datasets import Document
from refimpl.shards import (
    Manifest,
    ShardError,
    encode_shards,
    read_shard,
    shard_paths,
    split,
    verify,
)

SETTINGS = {"model": "lengths", "dim": 2}
DOCUMENTS = [Document(f"d{number}", "x" * number) for number in range(10)]


class Lengths:
    """Dense: length and its square; sparse: one column per length. Counts the texts."""

    def __init__(self):
        self.texts = 0

    def dense(self, texts):
        self.texts += len(texts)
        return np.array([[len(text), len(text) ** 2] for text in texts], np.float32)

    def sparse(self, texts):
        return csr_array(np.eye(16, dtype=np.float32)[[len(text) for text in texts]])

    @property
    def encoders(self):
        return {"dense": self.dense, "sparse": self.sparse}


def encode(folder, function=None, documents=DOCUMENTS, settings=SETTINGS, **options):
    return encode_shards(documents, (function or Lengths()).encoders, folder, settings, rows=4, **options)


def test_documents_are_split_in_order_without_being_read_ahead():
    read = []

    def documents():
        for document in DOCUMENTS:
            read.append(document.id)
            yield document

    parts = split(documents(), 4)
    first = next(parts)
    assert (first.number, first.first_row, first.ids) == (0, 0, ["d0", "d1", "d2", "d3"])
    assert len(read) == 4
    assert [(part.number, part.first_row, len(part.texts)) for part in parts] == [(1, 4, 4), (2, 8, 2)]
    assert list(split([], 4)) == []
    with pytest.raises(ValueError, match="at least 1 document, got 0"):
        next(split(DOCUMENTS, 0))


def test_the_manifest_lists_every_shard_with_its_sha256(tmp_path):
    import hashlib

    manifest = encode(tmp_path)
    values = json.loads((tmp_path / "manifest.json").read_text())
    assert values["documents"] == 10
    assert values["settings"] == SETTINGS
    assert values["columns"] == {"dense": {"kind": "dense", "dim": 2}, "sparse": {"kind": "sparse", "dim": 16}}
    assert [(one["file"], one["rows"], one["first_id"], one["last_id"]) for one in values["shards"]] == [
        ("000000.parquet", 4, "d0", "d3"),
        ("000001.parquet", 4, "d4", "d7"),
        ("000002.parquet", 2, "d8", "d9"),
    ]
    for one in values["shards"]:
        content = (tmp_path / one["file"]).read_bytes()
        assert (one["bytes"], one["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert verify(tmp_path) == manifest
    tables = [pq.read_table(path) for path in shard_paths(tmp_path)]
    assert [row for table in tables for row in table.column("id").to_pylist()] == [f"d{n}" for n in range(10)]
    lengths = [row for table in tables for row in table.column("dense").to_pylist()]
    assert lengths == [[float(n), float(n * n)] for n in range(10)]


def test_a_second_time_nothing_is_encoded(tmp_path):
    first = encode(tmp_path)
    function = Lengths()
    assert encode(tmp_path, function) == first
    assert function.texts == 0


@pytest.mark.parametrize("damage", ["removed", "truncated", "changed", "of another text"])
def test_only_what_is_missing_or_damaged_is_encoded_again(tmp_path, damage):
    first = encode(tmp_path)
    file = tmp_path / "000001.parquet"
    documents = DOCUMENTS
    if damage == "removed":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:-5])
    elif damage == "changed":
        content = file.read_bytes()
        file.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    else:
        documents = [Document(one.id, one.text + "y") if one.id == "d5" else one for one in DOCUMENTS]
    function = Lengths()
    second = encode(tmp_path, function, documents)
    assert function.texts == 4
    assert (second == first) == (damage != "of another text")
    verify(tmp_path)


def test_shards_beyond_a_collection_that_became_shorter_are_removed(tmp_path):
    encode(tmp_path)
    encode(tmp_path, documents=DOCUMENTS[:4])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["000000.parquet", "manifest.json"]


def test_other_settings_are_refused_by_name(tmp_path):
    encode(tmp_path)
    with pytest.raises(ShardError, match=r"shards of other settings \(dim: 2, expected 3\): give another folder"):
        encode(tmp_path, settings={"model": "lengths", "dim": 3})
    with pytest.raises(ShardError, match="max_length: None, expected 8"):
        encode(tmp_path, settings=SETTINGS | {"max_length": 8})


def test_a_folder_that_is_not_complete_is_not_read(tmp_path):
    class Failing(Lengths):
        def dense(self, texts):
            if "x" * 5 in texts:
                raise RuntimeError("out of order")
            return super().dense(texts)

    with pytest.raises(RuntimeError, match="out of order"):
        encode(tmp_path, Failing())
    assert not Manifest.read(tmp_path).complete
    for read in (verify, lambda folder: list(shard_paths(folder))):
        with pytest.raises(ShardError, match="is not complete: run again, and what is there is kept"):
            read(tmp_path)
    function = Lengths()
    assert encode(tmp_path, function).rows == 10
    assert function.texts == 6


def test_verify_finds_a_file_that_changed(tmp_path):
    encode(tmp_path)
    other = tmp_path / "other"
    encode(other, documents=[Document(one.id, one.text + "y") for one in DOCUMENTS])
    (tmp_path / "000001.parquet").write_bytes((other / "000001.parquet").read_bytes())
    with pytest.raises(ShardError, match=r"000001\.parquet is missing or differs from the manifest"):
        verify(tmp_path)
    (tmp_path / "000001.parquet").unlink()
    with pytest.raises(ShardError, match=r"000001\.parquet is missing"):
        verify(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": "refimpl.shards/1"}', "changed", "wrong types"])
def test_a_damaged_manifest_is_refused(tmp_path, content):
    encode(tmp_path)
    file = tmp_path / "manifest.json"
    values = json.loads(file.read_text())
    if content == "changed":
        values["documents"] = 11
        content = json.dumps(values)
    elif content == "wrong types":
        values["shards"] = [{"file": "000000.parquet"}]
        content = json.dumps(values | {"checksum": checksum(values)})
    file.write_text(content)
    with pytest.raises(ShardError, match=r"manifest\.json is damaged .*: remove the folder, and run again"):
        encode(tmp_path)


def test_stored_texts_are_truncated_at_a_character_boundary_and_encoded_whole(tmp_path):
    function = Lengths()
    encode(tmp_path, function, [Document("a", "äö"), Document("b", "x")], text_bytes=3)
    shard = read_shard(tmp_path / "000000.parquet")
    assert shard.texts == ["ä", "x"]
    assert shard.vectors["dense"][:, 0].tolist() == [2.0, 1.0]


SCRIPT = """
import sys, time
from pathlib import Path
import numpy as np
from refimpl.datasets import Document
from refimpl.shards import encode_shards

folder, log, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

def dense(texts):
    time.sleep(seconds)
    with log.open("a") as stream:
        stream.write("".join(text + "\\n" for text in texts))
    return np.array([[float(text)] for text in texts], np.float32)

documents = (Document(f"d{n}", str(n)) for n in range(40))
encode_shards(documents, {"dense": dense}, folder, {"model": "numbers"}, rows=4)
"""


def test_a_process_that_is_killed_loses_at_most_one_shard(tmp_path):
    script, log, folder = tmp_path / "encode.py", tmp_path / "log", tmp_path / "shards"
    script.write_text(SCRIPT)
    root = Path(__file__).parents[2]
    command = [sys.executable, str(script), str(folder), str(log)]
    environment = {"PYTHONPATH": str(root)}
    killed = subprocess.Popen([*command, "0.1"], env=environment)
    deadline = time.monotonic() + 60
    while len(list(folder.glob("[0-9]*.parquet"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    kept = len(list(folder.glob("[0-9]*.parquet")))
    assert 3 <= kept < 10
    encoded = len(log.read_text().splitlines())
    subprocess.run([*command, "0"], env=environment, check=True)
    assert len(log.read_text().splitlines()) == encoded + 4 * (10 - kept)
    assert encoded <= 4 * (kept + 1)
    verify(folder)
    values = [row for path in shard_paths(folder) for row in pq.read_table(path).column("dense").to_pylist()]
    assert values == [[float(n)] for n in range(40)]
    assert not list(folder.glob(".*"))  # what the killed process was writing is gone
