"""Misbehaving servers on the loopback interface."""

import pytest
from remote_faults import no_keys, short_backoff, wire_server

__all__ = ["no_keys", "short_backoff", "wire_server"]


@pytest.fixture(autouse=True)
def _offline(short_backoff: None, no_keys: None) -> None:
    """No key of the environment, and backoff of milliseconds."""
