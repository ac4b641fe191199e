"""refimpl.search.versions: fields that a Milvus server is too old for, reported before anything is created."""

import pytest
from pymilvus.exceptions import MilvusException

from refimpl.search import store as milvus
from refimpl.search.fields import DenseField, FullTextField, SparseField
from refimpl.search.store import MilvusError, MilvusStore, check_reachable
from refimpl.search.versions import MilvusVersionError, check_version

DENSE = DenseField("dense", 4)
OTHER = DenseField("other", 4, "COSINE")
SPARSE = SparseField("bm25")
NATIVE = FullTextField("native")
URI = "http://me:secret@host:19530"


@pytest.mark.parametrize(
    ("version", "fields", "message"),
    [
        ("v2.2.16", [DENSE], r"Milvus 2\.3 or newer .* upsert and the COSINE metric \(dense\)"),
        ("v2.3.5-lite", [SPARSE], r"Milvus 2\.4 or newer .*, got v2\.3\.5-lite, which lacks sparse vectors \(bm25\)"),
        ("2.3.22", [DENSE, OTHER], r"Milvus 2\.4 .*several vector fields and hybrid search \(dense, other\)"),
        ("v2.4.23", [NATIVE], r"Milvus 2\.5 or newer .*the BM25 function \(native\)"),
        ("v2.3.5", [DENSE, NATIVE], r"Milvus 2\.5 or newer .*sparse vectors \(native\); several .*; the BM25 function"),
    ],
)
def test_an_older_server_raises_with_the_missing_features(version, fields, message):
    with pytest.raises(MilvusVersionError, match=message) as caught:
        check_version(version, fields, URI)
    assert "secret" not in str(caught.value)
    assert str(caught.value).endswith("or omit --uri to use Milvus Lite")


@pytest.mark.parametrize(
    ("version", "fields"),
    [
        ("v2.3.0", [DENSE]),
        ("2.4.0-rc.1", [DENSE, SPARSE]),
        ("v2.5.0", [DENSE, SPARSE, NATIVE]),
        ("v2.10.1", [DENSE, NATIVE]),
        ("Zilliz Cloud Vector Database(Compatible with Milvus 2.5)", [NATIVE]),
        ("v3.0.0", [DENSE, SPARSE, NATIVE]),
        ("master-20260101-0a1b2c3d", [NATIVE]),
    ],
)
def test_a_server_with_every_feature_passes(version, fields):
    check_version(version, fields, URI)


class Server:
    """A client of a server of one version that cannot index sparse vectors; `created` lists its collections."""

    def __init__(self, version):
        self.version, self.created, self.closed = version, [], 0

    def __call__(self, uri, token=""):
        return self

    def get_server_version(self):
        return self.version

    def close(self):
        self.closed += 1

    def has_collection(self, name):
        return name in self.created

    def create_schema(self, **_):
        return self

    def add_field(self, *_, **__):
        pass

    def create_collection(self, name, schema):
        self.created.append(name)

    def list_indexes(self, name):
        raise MilvusException(message="create index on 104 field is not supported")

    def drop_collection(self, name):
        self.created.remove(name)


@pytest.mark.parametrize("connect", [lambda f: MilvusStore("c", f, uri=URI), lambda f: check_reachable(URI, None, f)])
def test_an_old_server_raises_before_a_collection_is_created(monkeypatch, connect):
    server = Server("v2.3.5")
    monkeypatch.setattr(milvus, "MilvusClient", server)
    with pytest.raises(MilvusVersionError, match=r"got v2\.3\.5, which lacks sparse vectors"):
        connect([DENSE, SPARSE])
    assert server.created == []
    assert server.closed == 1


def test_an_incomplete_collection_is_dropped(monkeypatch):
    server = Server("development")
    monkeypatch.setattr(milvus, "MilvusClient", server)
    with pytest.raises(MilvusError, match=r"preparing c in http://host:19530: create index on 104 field"):
        MilvusStore("c", [SPARSE], uri=URI)
    assert server.created == []


def test_an_existing_collection_is_kept_after_a_failure(monkeypatch):
    server = Server("development")
    server.created.append("c")
    monkeypatch.setattr(milvus, "MilvusClient", server)
    with pytest.raises(MilvusError, match="create index on 104 field"):
        MilvusStore("c", [SPARSE], uri=URI)
    assert server.created == ["c"]
