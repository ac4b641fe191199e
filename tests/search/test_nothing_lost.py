"""What can be refused is refused before documents are encoded; what fails later leaves the results of all others."""

import json

import numpy as np
import pytest
from scipy.sparse import csr_array

from refimpl.base import RerankResult
from refimpl.datasets import DatasetError
from refimpl.datasets.base import BadLines, Document
from refimpl.evaluate import read_run
from refimpl.search.fields import DenseField, SparseField
from refimpl.search.plan import Encoder, RunPlan, System
from refimpl.search.run import run
from refimpl.search.store import MilvusError, MilvusStore

IDS = ["d1", "d2", "d3"]


class Toy:
    """Three documents, two queries, in memory."""

    name = "toy"

    def __init__(self, ids=IDS, queries=("q1", "q2"), qrels=None):
        self.bad = BadLines()
        self._ids, self._queries = ids, queries
        self._qrels = qrels or {queries[0]: {ids[0]: 1, ids[1]: 0}, queries[1]: {ids[1]: 2}}

    def documents(self):
        return iter([Document(doc_id, f"text {number}") for number, doc_id in enumerate(self._ids)])

    def queries(self):
        return {query_id: f"text {number}" for number, query_id in enumerate(self._queries)}

    def qrels(self):
        return self._qrels


class Counted:
    """Unit vectors by the last digit; counts the documents."""

    dim = 4
    documents = 0

    def encode_documents(self, documents):
        self.documents += len(documents)
        return self.encode_queries(documents)

    def encode_queries(self, queries):
        return np.eye(4, dtype=np.float32)[[int(text[-1]) for text in queries]]


class Negative(Counted):
    def encode_documents(self, documents):
        self.documents += len(documents)
        return csr_array(np.eye(4, dtype=np.float32)[[int(text[-1]) for text in documents]])

    def encode_queries(self, queries):
        return csr_array(-np.eye(4, dtype=np.float32)[[int(text[-1]) for text in queries]])


def broken(query, documents, top_k=None):
    raise ConnectionError("the reranker has left")


def not_a_number(query, documents, top_k=None):
    return [RerankResult(text, float("nan"), number) for number, text in enumerate(documents)]


def by_index(query, documents, top_k=None):
    return [RerankResult(text, -float(number), number) for number, text in enumerate(documents)]


def plan(tmp_path, *systems, function=None, field=None, remedy=""):
    encoder = Encoder(field or DenseField("dense", 4), function or Counted(), {"model": "toy"}, remedy=remedy)
    return RunPlan([encoder], systems or [System("dense", (encoder.field.name,), "")], cache=tmp_path / "cache")


def run_toy(tmp_path, run_plan, dataset=None):
    return run(dataset or Toy(), run_plan, tmp_path / "a folder", str(tmp_path / "m.db"))


@pytest.mark.parametrize("blank", [" ", "\t", "\r", "\u00a0", "\u2028", "\x1f"])
@pytest.mark.parametrize("ids", ["documents", "queries"])
def test_white_space_in_an_id_is_refused_before_encoding(tmp_path, blank, ids):
    function = Counted()
    dataset = Toy(ids=["d1", f"d{blank}2", "d3"]) if ids == "documents" else Toy(queries=("q1", f"q{blank}2"))
    with pytest.raises(DatasetError, match=r"toy: an id in a TREC run must not .* white space, got"):
        run_toy(tmp_path, plan(tmp_path, function=function), dataset)
    assert function.documents == 0


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Toy(ids=["d1", "d2", "x" * 513]), "must be 1 to 512 bytes"),
        (Toy(ids=["d1", "d2", "d1"]), "must be unique, got 'd1' twice"),
        (Toy(ids=["d1", "d2", "\ud800"]), "must be 1 to 512 bytes of UTF-8"),
        (Toy(qrels={"q1": {"d1": 2**40}, "q2": {"d2": 1}}), "toy: query 'q1', document 'd1': the relevance must be"),
        (Toy(qrels={"q1": {"d1": -(10**30)}, "q2": {"d2": 1}}), "toy: query 'q1', document 'd1': the relevance must"),
    ],
)
def test_a_data_set_that_cannot_be_stored_or_evaluated_is_refused_before_encoding(tmp_path, dataset, message):
    function = Counted()
    with pytest.raises(DatasetError, match=message):
        run_toy(tmp_path, plan(tmp_path, function=function), dataset)
    assert function.documents == 0


@pytest.mark.parametrize("file", ["results.json", "runs/dense.trec"])
def test_a_file_of_the_run_that_cannot_be_written_is_refused_before_encoding(tmp_path, file):
    (tmp_path / "a folder" / file).mkdir(parents=True)
    function = Counted()
    with pytest.raises(IsADirectoryError, match="expected the path of a file, got the folder"):
        run_toy(tmp_path, plan(tmp_path, function=function))
    assert function.documents == 0


def test_negative_weights_of_queries_are_refused_before_documents_are_encoded(tmp_path):
    function = Negative()
    with pytest.raises(ValueError, match=r"query 'q1' has an invalid sparse vector \(.*\); 2 in all: use another$"):
        run_toy(tmp_path, plan(tmp_path, function=function, field=SparseField("sparse"), remedy="use another"))
    assert function.documents == 0


@pytest.mark.parametrize(
    ("reranker", "stage", "error"),
    [(broken, "rerank", "ConnectionError: the reranker has left"), (not_a_number, "evaluate", "must be finite")],
)
def test_a_reranker_that_fails_leaves_the_results_of_the_other_systems(tmp_path, reranker, stage, error):
    systems = [
        System("dense", ("dense",), ""),
        System("dense+rerank", ("dense",), "", rerank=reranker),
        System("dense+index", ("dense",), "", rerank=by_index),
    ]
    results = run_toy(tmp_path, plan(tmp_path, *systems))
    assert list(results["systems"]) == ["dense", "dense+index"]
    ((failure),) = results["failures"]
    assert (failure["stage"], failure["what"]) == (stage, "dense+rerank")
    assert error in failure["error"]
    folder = tmp_path / "a folder"
    assert json.loads((folder / "results.json").read_text()) == results
    assert read_run(folder / results["systems"]["dense"]["run"])["q1"]["d1"] == pytest.approx(1.0)
    assert all(validation["passed"] for validation in results["verdicts"])
    assert len(results["significance"]) == 2


def test_a_run_of_which_nothing_is_left_raises_the_first_error_and_writes_nothing(tmp_path):
    with pytest.raises(ConnectionError, match="the reranker has left"):
        run_toy(tmp_path, plan(tmp_path, System("r", ("dense",), "", rerank=broken)))
    assert not (tmp_path / "a folder" / "results.json").exists()


def test_a_validation_that_fails_leaves_the_results_and_the_other_validations(tmp_path, monkeypatch):
    set_metric = MilvusStore.set_metric

    def full(self, field, metric):
        if metric == "COSINE":
            raise MilvusError("no space left")
        set_metric(self, field, metric)

    monkeypatch.setattr(MilvusStore, "set_metric", full)
    results = run_toy(tmp_path, plan(tmp_path))
    assert [failure["stage"] for failure in results["failures"]] == ["validate"]
    assert [(one["what"], one["metric"]) for one in results["verdicts"]] == [("dense", "IP")]
    assert set(results["systems"]) == {"dense"}


def test_a_system_whose_name_has_white_space_is_written(tmp_path):
    results = run_toy(tmp_path, plan(tmp_path, System("dense:my model", ("dense",), "")))
    lines = (tmp_path / "a folder" / results["systems"]["dense:my model"]["run"]).read_text().splitlines()
    assert {line.split(" ")[-1] for line in lines} == {"dense:my_model"}
    assert {len(line.split()) for line in lines} == {6}


def test_ids_with_line_breaks_are_found_again(tmp_path):
    ids = ["a\rb", "a\nb", "a\r\nb", 'a"b', "a\\rb", "a\\", "\x00", "\u2028"]
    vectors = {"dense": np.eye(8, 4, dtype=np.float32)}
    with MilvusStore("ids", [DenseField("dense", 4)], uri=str(tmp_path / "m.db")) as store:
        assert store.ingest(ids, ids, vectors).written == 8
        assert store.ingest(ids, ids, vectors).kept == 8
        assert store.texts([*ids, "ab", "a b", "a\\nb"]) == dict(zip(ids, ids, strict=True))
