"""Two Dask workers on this machine, shared by the tests of a process."""

import pytest

from refimpl import distributed


@pytest.fixture(scope="session")
def local_cluster():
    with distributed.connect("local", workers=2) as client:
        yield client


@pytest.fixture
def client(local_cluster):
    """The client, when both workers are there: a test may have ended one."""
    local_cluster.wait_for_workers(2, timeout=300)
    return local_cluster
