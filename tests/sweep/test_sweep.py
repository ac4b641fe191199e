"""A whole sweep on Milvus Lite: every figure is there, wrong scores and refusals are reported, nothing stays behind."""

import json

import numpy as np
import pytest

from refimpl import report
from refimpl.cli.main import main
from refimpl.report.sweep import write_front
from refimpl.search.fields import DenseField
from refimpl.search.indexed_store import IndexedStore
from refimpl.search.milvus_uri import Connection, MilvusError
from refimpl.sweep import Effort, Options, parse_grids, sweep
from refimpl.sweep.data import clustered_vectors, load_data

DATA = "clustered:1200x16"
EFFORT = Effort(k=10, single=5, batch=10, clients=(1, 2), filters=(0.05,))
GRIDS = ["flat", "hnsw", "ivf_sq8", "ivf_pq"]
OVERRIDES = ["hnsw:M=4;efConstruction=40;ef=10,400", "ivf_sq8:nlist=8;nprobe=8", "ivf_pq:nlist=8"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweep")


@pytest.fixture(scope="module")
def results(folder):
    return sweep(DATA, parse_grids(GRIDS, OVERRIDES), folder, Options(queries=30, effort=EFFORT))


def test_each_point_has_every_figure(results):
    assert [(point["index"], point["search"]) for point in results["points"]] == [
        ("FLAT", {}),
        ("HNSW", {"ef": 10}),
        ("HNSW", {"ef": 400}),
        ("IVF_SQ8", {"nprobe": 8}),
    ]
    for point in results["points"]:
        assert point["build_s"] > 0
        assert point["index_bytes"] > 0
        assert set(point["recall"]) == {"1", "10"}
        assert len(point["latency_ms"]["single"]) == 5
        assert len(point["latency_ms"]["batched"]) == 3
        assert min(point["latency_ms"]["single"]) > 0
        assert set(point["queries_per_second"]) == {"1", "2"}
        assert [one["share"] for one in point["filters"]] == [0.05]
        assert len(point["after_changes"]["latency_ms"]) == 5
        assert point["ndcg@10"] is None  # vectors by rule have no qrels


def test_flat_is_exact_also_with_filters_and_after_changes(results):
    flat = results["points"][0]
    for measured in (flat, *flat["filters"], flat["after_changes"]):
        assert measured["recall"] == {"1": 1.0, "10": 1.0}
        assert measured["correct"]


def test_recall_is_that_of_faiss_hnsw_and_rises_with_ef(results):
    low, high = (point["recall"]["10"] for point in results["points"][1:3])
    assert low < 0.98 < high


def test_scores_of_quantised_vectors_are_reported_as_wrong_and_kept_from_the_front(results):
    quantised = results["points"][3]
    assert not quantised["correct"]
    assert quantised["max_error"] > 1e-4
    assert quantised["recall"]["10"] > 0.9  # wrong, not bad
    assert 3 not in results["front"]
    assert results["front"]


def test_what_milvus_refuses_is_listed_beside_the_points(results):
    (refused,) = results["refused"]
    assert refused["index"] == "IVF_PQ"
    assert "reserved for a future phase" in refused["error"]


def test_the_file_has_what_was_returned_and_the_collection_is_dropped(results, folder):
    assert json.loads((folder / "results.json").read_text(encoding="utf-8")) == json.loads(json.dumps(results))
    with IndexedStore("empty", DenseField("dense", 16), uri=str(folder / "sweep.db")) as store:
        assert store._client.list_collections() == ["empty"]


def test_the_page_and_the_plot_show_wrong_points_and_the_advice(results, folder):
    report.write(folder / "results.json", folder / "report.md")
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "Wrong scores: IVF\\_SQ8" in text
    assert "Refused: IVF\\_PQ." in text
    assert "Refused with some parameters" not in text
    assert "For recall@10" in text
    svg = write_front(results, folder / "front.svg").read_text(encoding="utf-8")
    assert "hollow: wrong scores" in svg
    assert "Pareto front" in svg


def test_scores_that_deviate_make_every_point_wrong(tmp_path, monkeypatch):
    search = IndexedStore.search

    def deviating(self, *arguments, **options):
        found = search(self, *arguments, **options)
        return found._replace(scores=[[score + 1e-4 for score in scores] for scores in found.scores])

    monkeypatch.setattr(IndexedStore, "search", deviating)
    options = Options(queries=5, changes=False, effort=EFFORT)
    (point,) = (results := sweep(DATA, parse_grids(["flat"]), tmp_path, options))["points"]
    assert (point["correct"], point["recall"]["10"]) == (False, 1.0)
    assert point["max_error"] == pytest.approx(1e-4, rel=0.1)
    assert results["front"] == []
    assert results["advice"] == {
        "dense": "No dense point is correct, so none can be advised: see the score errors of the points."
    }


def test_an_interrupted_sweep_leaves_the_points_that_it_measured(tmp_path, monkeypatch):
    set_index = IndexedStore.set_index

    def interrupted(self, index):
        if index.type == "IVF_FLAT":
            raise KeyboardInterrupt
        return set_index(self, index)

    monkeypatch.setattr(IndexedStore, "set_index", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(DATA, parse_grids(["flat", "ivf_flat"]), tmp_path, Options(queries=5, effort=EFFORT))
    (point,) = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["points"]
    assert point["index"] == "FLAT"


def test_a_sweep_of_which_everything_is_refused_raises(tmp_path):
    with pytest.raises(MilvusError, match=r"expected an index that Milvus accepts, got none: .*reserved"):
        sweep(DATA, parse_grids(["ivf_pq"], ["ivf_pq:nlist=8"]), tmp_path, Options(queries=5, effort=EFFORT))


def test_an_address_that_milvus_does_not_accept_raises_before_anything_is_read(tmp_path):
    with pytest.raises(ValueError, match=r"uri must be http"):
        sweep("beir:/nowhere", parse_grids(["flat"]), tmp_path, connection=Connection("nonsense"))


def test_clustered_vectors_follow_from_their_name():
    documents, queries = clustered_vectors(500, 8, 20)
    again, _ = clustered_vectors(500, 8, 20)
    np.testing.assert_array_equal(documents, again)
    np.testing.assert_allclose(np.linalg.norm(np.vstack([documents, queries]), axis=1), 1, atol=1e-6)
    assert (documents @ documents.T).var() > 1.15 / 8  # of uniform directions, the variance of the cosine is 1 / dim


@pytest.mark.parametrize(
    ("name", "kinds", "message"),
    [
        ("clustered:", ["dense"], r"dataset must be clustered:DOCUMENTS\[xDIM\] or beir:PATH.*, got 'clustered:'"),
        ("clustered:0", ["dense"], "dataset must be clustered"),
        ("clustered:9", ["dense", "sparse"], "has dense vectors only: omit the sparse indexes"),
    ],
)
def test_an_invalid_rule_raises(name, kinds, message):
    with pytest.raises(ValueError, match=message):
        load_data(name, kinds, 5)


def test_the_command_writes_the_page_and_the_plot_and_prints_the_advice(tmp_path, monkeypatch, capsys):
    arguments = ["--index", "flat", "--out", str(tmp_path), "-k", "10", "--single", "3", "--clients", "1", "-q"]
    monkeypatch.setattr("sys.argv", ["refimpl", "sweep", "--dataset", "clustered:200x8", *arguments, "--filters", ""])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1].startswith("For recall@10 >= 0.95 take FLAT: recall@10 1.000, ")
    assert {file.name for file in tmp_path.iterdir()} >= {"results.json", "report.html", "front.svg"}
