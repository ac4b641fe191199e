"""Workers die, lack the model or have other code, and folders and schedulers disappear: right results or one error."""

import shutil

import cluster_stubs
import numpy as np
import pytest
import seeded
from dask_processes import Processes

import refimpl
from refimpl import distributed, models, shards
from refimpl.common import leftovers
from refimpl.datasets import Document
from refimpl.distributed import ClusterError
from refimpl.distributed.encode import _check_arrived
from refimpl.distributed.environment import check_environment, environment, warn_of_processor

DOCUMENTS = [Document(f"d{number}", f"text {number}") for number in range(60)]
SETTINGS = {"model": "for tests"}


def encode(client, folder, method, documents=DOCUMENTS, **options):
    return distributed.encode_shards(client, documents, {"dense": method}, folder, SETTINGS, rows=5, **options)


def check_shards(folder, documents=DOCUMENTS):
    """Every document is there exactly once, in order, with its own vector, and there is nothing else."""
    manifest = shards.verify(folder)
    read = [shards.read_shard(path) for path in shards.shard_paths(folder)]
    assert [doc_id for shard in read for doc_id in shard.ids] == [document.id for document in documents]
    assert np.array_equal(
        np.concatenate([shard.vectors["dense"] for shard in read]),
        cluster_stubs.vectors([document.text for document in documents]),
    )
    assert {file.name for file in folder.iterdir()} == {"manifest.json", *(entry.file for entry in manifest.shards)}


def then(documents, number, action):
    """The documents; `action` is called before that number."""
    for place, document in enumerate(documents):
        if place == number:
            action()
        yield document


def test_what_a_killed_worker_was_encoding_is_encoded_by_another(client, tmp_path):
    calls, folder = tmp_path / "calls", tmp_path / "shards"
    calls.mkdir()
    deadly = cluster_stubs.Deadly(calls, 0.15, seed=1)
    encode(client, folder, deadly.encode_documents)
    assert len(list(calls.iterdir())) == deadly.deaths([document.text for document in DOCUMENTS[::5]]) == 2
    check_shards(folder)


def test_a_straggler_delays_the_end_and_changes_nothing(client, tmp_path):
    done = []
    slow = cluster_stubs.Slow(2.0, "text 3").encode_documents
    encode(client, tmp_path, slow, advance=lambda n: done.append((n, (tmp_path / "000000.parquet").exists())))
    check_shards(tmp_path)
    assert sum(not first for _, first in done) >= 3  # others were complete before the first shard


@pytest.fixture
def model(tmp_path):
    return seeded.model_folder(tmp_path / "model", "bert")


def test_a_worker_without_the_model_is_one_error(client, model, tmp_path):
    function = refimpl.MiniLMEmbeddingFunction(model, max_length=20)
    documents = then(DOCUMENTS, 0, lambda: model.rename(tmp_path / "elsewhere"))
    with pytest.raises(ClusterError, match=r"^worker tcp://127\S+: the model's folder \S+ is not on this machine"):
        encode(client, tmp_path / "shards", function.encode_documents, documents)


def test_a_worker_with_another_model_is_one_error(client, model, tmp_path):
    function = refimpl.MiniLMEmbeddingFunction(model, max_length=20)
    documents = then(DOCUMENTS, 0, lambda: (model / "config.json").write_text("{}"))
    with pytest.raises(ClusterError, match=r"^worker tcp://127\S+: \S+/config\.json differs from the file"):
        encode(client, tmp_path / "shards", function.encode_documents, documents)


def test_a_published_model_comes_from_the_worker_s_own_cache(client, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(models.path("splade-tiny"), model)
    function = refimpl.SpladeEmbeddingFunction(str(model))
    expected = function.encode_documents(["a b", "c"])

    def texts():
        model.rename(tmp_path / "elsewhere")
        yield ["a b", "c"]

    (found,) = distributed.in_order(client, function.encode_documents, texts())
    assert (found != expected).nnz == 0


def test_a_folder_that_is_not_shared_is_one_error(client, tmp_path):
    folder = tmp_path / "shards"
    documents = then(DOCUMENTS, 0, lambda: folder.rename(tmp_path / "elsewhere"))
    with pytest.raises(ClusterError, match=r"^worker tcp://127\S+ does not see the client's folder .*: give a folder"):
        encode(client, folder, cluster_stubs.vectors, documents)
    (tmp_path / "elsewhere").rename(folder)
    encode(client, folder, cluster_stubs.vectors)
    entry = shards.verify(folder).shards[0]
    with pytest.raises(ClusterError, match=r"a worker wrote \S+ which is not on this machine: give a folder"):
        _check_arrived(tmp_path / entry.file, entry)
    (folder / "000003.parquet").rename(tmp_path / "000003.parquet")
    with pytest.raises(ClusterError, match=r"^worker tcp://127\S+ does not see the shard \S+/000003\.parquet"):
        distributed.search_shards(client, folder, "dense", np.ones((1, 4), np.float32), 3)


def test_a_worker_that_joins_later_with_other_code_is_one_error(client, tmp_path, monkeypatch):
    """The client's version changes after `connect`, as a later worker's would."""
    other = {**environment(), "versions": environment()["versions"] | {"numpy": "1.0"}}
    monkeypatch.setattr("refimpl.distributed.tasks.environment", lambda: other)
    with pytest.raises(ClusterError, match=r"^worker tcp://127\S+ has numpy \S+, expected 1\.0, the client's: install"):
        encode(client, tmp_path, cluster_stubs.vectors)


@pytest.mark.parametrize("name", ["refimpl", "numpy", "scipy", "tokenizers", "safetensors", "pyarrow"])
def test_each_version_is_compared(name):
    mine = environment()
    check_environment(mine, mine, "worker a")
    other = {**mine, "versions": mine["versions"] | {name: "0"}}
    with pytest.raises(ClusterError, match=f"^worker a has {name} 0, expected "):
        check_environment(mine, other, "worker a")


def test_another_processor_is_a_warning():
    mine = environment()
    assert mine["processor"]
    warn_of_processor(mine, mine, "worker a")
    with pytest.warns(distributed.ClusterWarning, match="^worker a computes with BLAS for Z80, the client for "):
        warn_of_processor(mine, {**mine, "processor": "Z80"}, "worker a")


def test_no_scheduler_is_one_error():
    message = r"^expected a Dask scheduler at tcp://127\.0\.0\.1:1, got none .*: start one with `dask scheduler`"
    with pytest.raises(ClusterError, match=message), connect("tcp://127.0.0.1:1", timeout_s=1.0):
        raise AssertionError


@pytest.mark.parametrize("address", ["nonsense://a:1", "tcp://", "tcp://a", "tcp://a:b", "tcp://[", "host:8786", ""])
def test_what_is_no_address_is_one_error(address):
    with pytest.raises(ClusterError, match=r"^expected the address of a Dask .*'local', got '"), connect(address):
        raise AssertionError


def test_a_scheduler_without_workers_then_with_other_code_then_lost_then_back(tmp_path):
    folder = tmp_path / "shards"
    with Processes(tmp_path) as dask:
        address = dask.scheduler()
        with pytest.raises(ClusterError, match="has no worker after 1 s: start some"), connect(address, timeout_s=1.0):
            raise AssertionError
        other = dask.worker(address, dask.other_sources())
        with pytest.raises(ClusterError, match=r"has refimpl \S+ \(sources \w+\), expected"), connect(address):
            raise AssertionError
        dask.kill(other)
        dask.worker(address)
        slow = cluster_stubs.Slow(0.2).encode_documents
        with (
            pytest.raises(ClusterError, match=r"the connection to the Dask scheduler at \S+ was lost: start it again"),
            connect(address) as client,
        ):
            encode(client, folder, slow, then(DOCUMENTS, 40, lambda: dask.kill(dask.first)))
        kept = {file: file.stat().st_mtime_ns for file in folder.glob("*.parquet")}
        assert 0 < len(kept) < 12
        dask.worker(dask.scheduler(address))
        with connect(address) as client:
            encode(client, folder, cluster_stubs.vectors)
        check_shards(folder)
        assert {file: file.stat().st_mtime_ns for file in kept} == kept


def connect(address, timeout_s=60.0):
    return distributed.connect(address, timeout_s=timeout_s)


@pytest.mark.slow
@pytest.mark.huge
def test_work_that_ends_every_worker_is_one_error(tmp_path):
    with (
        pytest.raises(ClusterError, match=r"^\S+ ended 4 workers, tcp://\S+ last: see that worker's log"),
        distributed.connect("local", workers=1) as client,
    ):
        encode(client, tmp_path, cluster_stubs.always_ending, DOCUMENTS[:5])


@pytest.mark.slow
@pytest.mark.huge
def test_work_of_a_worker_that_stops_answering_is_done_by_another(tmp_path):
    calls, folder = tmp_path / "calls", tmp_path / "shards"
    calls.mkdir()
    with Processes(tmp_path, DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL="5s") as dask:
        address = dask.scheduler()
        dask.worker(address)
        dask.worker(address)
        with connect(address) as client:
            client.wait_for_workers(2, timeout=120)
            stopping = cluster_stubs.Deadly(calls, 0.1, seed=4, action=cluster_stubs.STOP)
            encode(client, folder, stopping.encode_documents)
            assert len(list(calls.iterdir())) == 1
    leftovers.sweep(folder)  # it may have been stopped while it wrote a shard, and held the lock until it was killed
    check_shards(folder)
