from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import ir_datasets
import pytest
from ir_datasets.formats import GenericDoc, GenericQuery, TrecQrel

from refimpl.datasets import DatasetError, Document, open_dataset

# several judgements of one pair, by iteration: the highest first, last, in the middle, and none above 0
QRELS = """q1 0 d1 1
q1 1 d1 2
q1 0 d2 0
q3 0 d1 3
q3 1 d1 1
q3 0 d2 1
q3 1 d2 2
q3 2 d2 0
q4 0 d1 -2
q4 1 d1 -1
"""


@pytest.fixture
def registered(tmp_path, monkeypatch):
    """A data set of three files in ir_datasets' catalogue; downloads nothing."""
    (tmp_path / "docs.tsv").write_text("d1\tcats purr\nd2\tfish swim 東京\n", encoding="utf-8")
    (tmp_path / "queries.tsv").write_text("q1\tdo cats purr\nq2\tno qrels\nq3\tfish\nq4\tbirds\n", encoding="utf-8")
    (tmp_path / "qrels").write_text(QRELS, encoding="utf-8")
    source = ir_datasets.create_dataset(
        docs_tsv=str(tmp_path / "docs.tsv"),
        queries_tsv=str(tmp_path / "queries.tsv"),
        qrels_trec=str(tmp_path / "qrels"),
    )
    docs_only = ir_datasets.create_dataset(docs_tsv=str(tmp_path / "docs.tsv"))
    catalogue = {"toy": source, "toy-docs": docs_only}

    def load(name):
        return catalogue[name]

    monkeypatch.setattr(ir_datasets, "load", load)


@pytest.mark.usefixtures("registered")
def test_documents_queries_and_the_highest_of_several_judgements():
    dataset = open_dataset("ir:toy")
    assert list(dataset.documents()) == [Document("d1", "cats purr"), Document("d2", "fish swim 東京")]
    assert dataset.queries() == {"q1": "do cats purr", "q3": "fish", "q4": "birds"}
    assert dataset.qrels() == {"q1": {"d1": 2, "d2": 0}, "q3": {"d1": 3, "d2": 2}, "q4": {"d1": -1}}


@pytest.mark.usefixtures("registered")
def test_a_data_set_without_qrels_raises_with_a_remedy():
    with pytest.raises(DatasetError, match="no queries and no qrels: name a subset"):
        open_dataset("ir:toy-docs")


def test_an_unknown_id_raises_with_the_catalogue():
    with pytest.raises(DatasetError, match="expected an id of ir_datasets, got 'no/such/id'"):
        open_dataset("ir:no/such/id")


def source(docs=(), queries=(), qrels=()):
    """A data set with these records, which ir_datasets' own readers might have made."""
    kinds = {"docs": docs, "queries": queries, "qrels": qrels}
    methods = {f"{kind}_iter": partial(iter, records) for kind, records in kinds.items()}
    return SimpleNamespace(**methods, **{f"has_{kind}": lambda: True for kind in kinds})


class TitledDoc(NamedTuple):
    doc_id: str
    title: str | None
    text: str | None

    def default_text(self):
        return f"{self.title} {self.text}"


GOOD_DOC, GOOD_QUERY = TitledDoc("d1", "T", "one"), GenericQuery("q1", "cats?")
GOOD_QREL = TrecQrel("q1", "d1", 1, "0")
BAD = [
    ("docs", GenericDoc("d2", None), "the text must be a string, got None"),
    ("docs", GenericDoc("d2", 7), "the text must be a string, got int"),
    ("docs", GenericDoc("d2", "\ud800"), "the text must be Unicode text, got a lone surrogate"),
    ("docs", TitledDoc("d2", "T", None), "the text must be a string, got None"),
    ("docs", GenericDoc(None, "x"), "doc_id must be a string, got NoneType"),
    ("docs", GenericDoc("d 2", "x"), "doc_id must have no white space"),
    ("docs", GenericDoc("d1", "x"), "doc_id 'd1' occurs earlier"),
    ("queries", GenericQuery("q1", "dogs?"), "query_id 'q1' occurs earlier"),
    ("queries", GenericQuery("q2", None), "the text must be a string, got None"),
    ("queries", GenericQuery("q" * 513, "x"), "query_id must have at most 512 bytes"),
    ("qrels", TrecQrel("q1", None, 1, "0"), "doc_id must be a string, got NoneType"),
    ("qrels", TrecQrel("q1", "d 1", 1, "0"), "doc_id must have no white space"),
    ("qrels", TrecQrel("q1", "d1", 1.5, "0"), "relevance must be an integer, got 1.5"),
    ("qrels", TrecQrel("q1", "d1", None, "0"), "relevance must be an integer, got None"),
]


@pytest.mark.parametrize(("kind", "record", "reason"), BAD, ids=[f"{kind}-{reason[:30]}" for kind, _, reason in BAD])
def test_a_malformed_record_raises_with_its_number_or_is_listed(monkeypatch, kind, record, reason):
    records = {"docs": [GOOD_DOC], "queries": [GOOD_QUERY], "qrels": [GOOD_QREL]}
    records[kind].append(record)
    monkeypatch.setattr(ir_datasets, "load", lambda name: source(**records))
    with pytest.raises(DatasetError, match=rf"^ir:toy {kind}, line 2: {reason}.*--skip-bad"):
        read(open_dataset("ir:toy"))
    lenient = open_dataset("ir:toy", skip_bad=True)
    assert read(lenient) == ([Document("d1", "T one")], {"q1": "cats?"}, {"q1": {"d1": 1}})
    assert [(bad.file, bad.line) for bad in lenient.bad.lines] == [(f"ir:toy {kind}", 2)]


def read(dataset):
    return list(dataset.documents()), dataset.queries(), dataset.qrels()


def test_a_title_that_is_none_is_empty_and_not_the_word_none(monkeypatch):
    monkeypatch.setattr(ir_datasets, "load", lambda name: source([TitledDoc("d1", None, "one")]))
    assert list(open_dataset("ir:toy").documents()) == [Document("d1", "one")]
