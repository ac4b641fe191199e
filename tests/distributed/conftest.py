"""Two Dask workers on this machine, shared by these tests and ended after them."""

import pytest

from refimpl import distributed


@pytest.fixture(scope="package")
def local_cluster():
    with distributed.connect("local", workers=2) as client:
        yield client


@pytest.fixture
def client(local_cluster):
    """The client, when both workers are there: a test may have ended one."""
    local_cluster.wait_for_workers(2, timeout=300)
    return local_cluster
