"""Documents that are kept in memory, read again, or read from shards: each gives the same."""

import pytest

from refimpl.datasets import DatasetError, Document
from refimpl.search import documents as documents_module
from refimpl.search.documents import Documents, Keeper
from refimpl.shards import encode_shards

DOCUMENTS = [Document(f"d{number}", f"text {number}") for number in range(10)]


def keeper(documents=DOCUMENTS):
    passed = Keeper()
    assert list(passed.passing(documents)) == documents
    return passed


@pytest.fixture(params=["kept", "read again", "in shards"])
def documents(request, tmp_path, monkeypatch):
    if request.param == "in shards":
        encode_shards(DOCUMENTS, {}, tmp_path, {}, rows=4)
        return Documents.in_shards(tmp_path, 10)
    if request.param == "read again":
        monkeypatch.setattr(documents_module, "KEPT_BYTES", 5 * 265)
    found = keeper().documents(lambda: iter(DOCUMENTS), "toy")
    assert found.kept == (request.param == "kept")
    return found


def test_every_source_gives_the_same(documents):
    assert list(documents) == DOCUMENTS == list(documents)
    assert len(documents) == 10
    assert list(documents.texts()) == [one.text for one in DOCUMENTS]
    assert [text for part in documents.parts() for text in part] == [one.text for one in DOCUMENTS]
    assert documents.positions(["d7", "absent", "d0"]) == {"d0": 0, "d7": 7}
    assert documents.texts_of({"d9", "absent"}) == {"d9": "text 9"}


def test_a_collection_that_changes_while_it_is_read_is_refused(monkeypatch):
    monkeypatch.setattr(documents_module, "KEPT_BYTES", 0)
    documents = keeper().documents(lambda: iter(DOCUMENTS[:9]), "toy")
    with pytest.raises(DatasetError, match="toy has changed while it was read: expected 10 documents, got 9"):
        list(documents)


def test_parts_report_their_progress():
    counted = []
    for part in Documents.of(["a", "b"], ["x", "y"]).parts(counted.append):
        assert part == ["x", "y"]
    assert counted == [2]
