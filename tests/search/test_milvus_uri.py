"""refimpl.search.milvus_uri: which addresses of Milvus are valid, and where they come from."""

from pathlib import Path

import pytest

from refimpl.search.milvus_uri import Connection, check_uri, redacted


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("127.0.0.1:19530", "got '127.0.0.1:19530'"),
        ("ftp://host:1", "got 'ftp://host:1'"),
        ("http://", "give the host"),
        ("http://:19530", "give the host"),
        ("https:///path", "give the host"),
        ("http://host:port", "a number from 1 to 65535"),
        ("tcp://host:99999", "a number from 1 to 65535"),
        ("http://host:0", "a number from 1 to 65535"),
        ("http://host/folder.db", "which is both: omit '/folder.db' or the scheme"),
        ("http://me:secret@host:x", "got 'http://host:x'"),
    ],
)
def test_an_invalid_address_raises_with_a_remedy(uri, message):
    with pytest.raises(ValueError, match=r"uri must be http\(s\)://host:port or a path that ends in \.db") as caught:
        check_uri(uri)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("uri", ["http://host", "https://host:443/db", "tcp://h:1", "unix:/tmp/s", "a/b.db", "/x y.db"])
def test_valid_addresses_pass(uri):
    check_uri(uri)


def test_user_and_password_are_removed_from_a_uri():
    assert redacted("http://me:secret@host:19530/db") == "http://host:19530/db"
    assert redacted("/tmp/a@b/lite.db") == "/tmp/a@b/lite.db"


def test_uri_and_token_default_to_the_environment_then_to_the_lite_file(monkeypatch):
    for name in ("MILVUS_URI", "MILVUS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert Connection().resolve(Path("lite.db")) == ("lite.db", None)
    monkeypatch.setenv("MILVUS_URI", "http://there:1")
    monkeypatch.setenv("MILVUS_TOKEN", "t")
    assert Connection().resolve(Path("lite.db")) == ("http://there:1", "t")
    assert Connection("http://here:1", "u").resolve(Path("lite.db")) == ("http://here:1", "u")


def test_the_token_is_not_in_the_repr():
    assert "very-secret" not in repr(Connection("http://here:1", "very-secret"))
