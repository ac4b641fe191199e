"""A session in a process that forks: each process has connections and deadlines of its own."""

import multiprocessing
import os
from typing import Any

import pytest
from lying_servers import RawServer, echo
from remote_faults import wire_server

from refimpl.http import (
    Session,
    deadline,
)

__all__ = ["wire_server"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
class TestFork:
    def test_processes_share_no_connection(self) -> None:
        """11 of 50 calls in two children returned the other child's answer."""
        server = RawServer(echo)
        session = Session(f"http://127.0.0.1:{server.port}", timeout_s=20.0, max_retries=0)
        assert session.post("", "before") == "before"
        context = multiprocessing.get_context("fork")
        with context.Pool(3, initializer=_set_session, initargs=(session,)) as pool:
            wrong = sum(pool.map(_wrong_answers, range(3)))
        assert wrong == 0
        assert session.post("", "after") == "after"
        server.close()

    def test_a_child_has_no_deadline_of_its_parent(self, wire_server: Any) -> None:
        """A child that cut its parent's connection at the parent's deadline would lose the parent's answer."""
        with deadline.Cut(deadline.Deadline.after(60.0), 1000):
            before = deadline._watchdog
            child = os.fork()
            if child == 0:
                new = deadline._watchdog
                os._exit(0 if new is not before and not new._cuts and deadline.Cut.current() is None else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert deadline.Cut.current() is not None


_session: Session


def _set_session(session: Session) -> None:
    global _session
    _session = session


def _wrong_answers(worker: int) -> int:
    texts = [f"{worker}-{number}" for number in range(40)]
    return sum(_session.post("", text) != text for text in texts)
