"""What does not fit together in a data set is counted, and told on screen, in results.json and in the report."""

import json

import pytest

from refimpl.datasets import open_dataset
from refimpl.search.documents import Documents
from refimpl.search.irregularities import irregularities
from refimpl.search.plan import LoadedDataset, RunPlan, load


def beir(folder, corpus, queries, qrels):
    (folder / "qrels").mkdir(parents=True)
    for file, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{file}.jsonl").write_text(
            "".join(json.dumps({"_id": i, "text": t}) + "\n" for i, t in rows.items())
        )
    lines = [f"{query}\t{doc}\t{grade}" for query, doc, grade in qrels]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n")
    return open_dataset(f"beir:{folder}")


def test_absent_documents_and_queries_are_counted(tmp_path):
    qrels = [("q1", "d1", 1), ("q1", "gone", 1), ("q1", "lost", 0), ("d2", "d1", 1), ("d1", "d2", 1), ("q9", "d1", 1)]
    loaded = load(
        beir(tmp_path / "toy", {"d1": "a", "d2": "title y"}, {"q1": "x", "d2": "y", "d1": "z", "q5": "z"}, qrels)
    )
    assert loaded.counts == {
        "documents": 2,
        "queries": 3,
        "judgements": 5,
        "judgements_of_absent_documents": 2,
        "judged_queries_without_text": 1,
        "queries_that_are_documents": 1,
    }


@pytest.mark.parametrize(
    ("name", "option", "expected"),
    [
        ("beir:arguana", None, True),
        ("beir:Quora@dev", None, True),
        ("ir:beir/arguana", None, True),
        ("beir:quorate", None, False),
        ("beir:cranfield", None, False),
        ("beir:cranfield", True, True),
        ("beir:arguana", False, False),
    ],
)
def test_identical_ids_are_left_out_where_it_is_the_collections_rule(name, option, expected):
    loaded = LoadedDataset(name, "", Documents.of(["d"], ["text"]), {"d": "text"}, {"d": {"d": 1}})
    assert RunPlan([], [], ignore_identical_ids=option).ignores_identical_ids(loaded) is expected


def results(**dataset):
    whole = {"queries": 3, "ignore_identical_ids": False, "queries_that_are_documents": 0, **dataset}
    return {"dataset": whole, "store": {"truncated_texts": 0}, "systems": {"dense": {"queries_without_hits": 0}}}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (results(judgements_of_absent_documents=2), "2 judgements are of documents that the collection lacks"),
        (results(judged_queries_without_text=4), "4 queries have judgements and no text"),
        (results(queries_that_are_documents=3), "3 queries are documents of the collection"),
        (results(ignore_identical_ids=True), "Documents whose id is the query's are left out of the results"),
        (results() | {"store": {"truncated_texts": 5}}, "5 texts were truncated to 65,535 bytes"),
        (results() | {"systems": {"bm25": {"queries_without_hits": 1}}}, "bm25: 1 of 3 queries have no hits"),
    ],
)
def test_each_kind_has_its_sentence(changed, sentence):
    assert irregularities(results()) == []
    (told,) = irregularities(changed)
    assert told.startswith(sentence)
