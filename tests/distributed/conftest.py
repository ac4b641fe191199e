"""Two Dask workers on this machine, shared by the tests of a process."""

import pytest

from refimpl import distributed


@pytest.fixture(scope="session")
def client():
    with distributed.connect("local", workers=2) as client:
        yield client
