import ir_datasets
import pytest

from refimpl.datasets import DatasetError, Document, open_dataset


@pytest.fixture
def registered(tmp_path, monkeypatch):
    """A collection of three files in ir_datasets' own catalogue: nothing is downloaded."""
    (tmp_path / "docs.tsv").write_text("d1\tcats purr\nd2\tfish swim 東京\n", encoding="utf-8")
    (tmp_path / "queries.tsv").write_text("q1\tdo cats purr\nq2\tnot judged\n", encoding="utf-8")
    (tmp_path / "qrels").write_text("q1 0 d1 1\nq1 1 d1 2\nq1 0 d2 0\n", encoding="utf-8")
    source = ir_datasets.create_dataset(
        docs_tsv=str(tmp_path / "docs.tsv"),
        queries_tsv=str(tmp_path / "queries.tsv"),
        qrels_trec=str(tmp_path / "qrels"),
    )
    docs_only = ir_datasets.create_dataset(docs_tsv=str(tmp_path / "docs.tsv"))
    known = {"toy": source, "toy-docs": docs_only}

    def load(name):
        return known[name]

    monkeypatch.setattr(ir_datasets, "load", load)


@pytest.mark.usefixtures("registered")
def test_documents_queries_and_judgements_come_as_from_a_beir_folder():
    dataset = open_dataset("ir:toy")
    assert list(dataset.documents()) == [Document("d1", "cats purr"), Document("d2", "fish swim 東京")]
    assert dataset.queries() == {"q1": "do cats purr"}
    assert dataset.qrels() == {"q1": {"d1": 2, "d2": 0}}


@pytest.mark.usefixtures("registered")
def test_a_collection_without_judgements_says_what_to_name_instead():
    with pytest.raises(DatasetError, match="no queries and no qrels: name a subset"):
        open_dataset("ir:toy-docs")


def test_an_unknown_id_is_an_error_that_names_the_catalogue():
    with pytest.raises(DatasetError, match="does not know 'no/such/id'"):
        open_dataset("ir:no/such/id")
